{# What dbt does not bring itself; the package that most projects take for it, dbt_utils, asks the same. #}

{% test unique_together(model, columns) %}
select {{ columns | join(", ") }}
from {{ model }}
group by {{ columns | join(", ") }}
having count(*) > 1
{% endtest %}

{% test at_least_rows(model, least) %}
select count(*) as row_count
from {{ model }}
having count(*) < {{ least }}
{% endtest %}

{% test equal_rows(model, other) %}
select 1
where (select count(*) from {{ model }}) <> (select count(*) from {{ other }})
{% endtest %}

{% test holds(model, expression) %}
select 1
from {{ model }}
where ({{ expression }}) is not true
{% endtest %}
