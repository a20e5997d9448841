{# Schemas are named as they are, without the target's name before them. #}
{% macro generate_schema_name(custom_schema_name, node) -%}
    {{ custom_schema_name }}
{%- endmacro %}
