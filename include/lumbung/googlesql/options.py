"""BigQuery's dialect: which of GoogleSQL's features it has.

GoogleSQL is the language of several of Google's products, and its engine switches features on one by one. What
BigQuery's own reference does not have is switched off, so that a query that uses it is refused here, too.
"""

from __future__ import annotations

from typing import Any

# What `maximum_features` switches on, and BigQuery does not have.
WITHOUT = (
    *("AGGREGATE_FILTERING", "MULTILEVEL_AGGREGATION", "MATCH_MAKE_STRUCT_IN_GROUP_BY", "GROUP_BY_GRAPH_PATH"),
    *("ARRAY_EQUALITY", "ARRAY_ORDERING", "ARRAY_GREATEST_LEAST", "ARRAY_FIND_FUNCTIONS", "ARRAY_ZIP"),
    *("CAST_DIFFERENT_ARRAY_TYPES", "FIRST_AND_LAST_N", "INLINE_LAMBDA_ARGUMENT"),
    *("UNNEST_AND_FLATTEN_ARRAYS", "MULTIWAY_UNNEST", "LATERAL_JOIN", "STRUCT_POSITIONAL_ACCESSOR"),
    *("TIMESTAMP_NANOS", "TIMESTAMP_PICOS", "TIMESTAMP_PRECISION", "UUID_TYPE", "JSON_TYPE_COMPARISON"),
    *("PROTO_MAPS", "EXTRACT_FROM_PROTO", "FILTER_FIELDS", "REPLACE_FIELDS", "BRACED_PROTO_CONSTRUCTORS"),
    *("IMPLICIT_COERCION_STRING_LITERAL_TO_BYTES", "NULLIFZERO_ZEROIFNULL", "PI_FUNCTIONS"),
)
# What it leaves out as unfinished, and BigQuery has.
WITH = ("ADDITIONAL_DATE_TIME_FUNCTIONS",)


def of_bigquery(maximum: Any) -> Any:
    """The language options of BigQuery.

    Args:
        maximum: LanguageOptionsProto with all finished features switched on.
    """
    from zetasql.wasi._pb2.zetasql.public import options_pb2

    numbers = options_pb2.LanguageFeature
    features = set(maximum.enabled_language_features)
    features -= {numbers.Value(f"FEATURE_{name}") for name in WITHOUT}
    features |= {numbers.Value(f"FEATURE_{name}") for name in WITH}
    options = type(maximum)()
    options.CopyFrom(maximum)
    options.enabled_language_features[:] = sorted(features)
    options.product_mode = options_pb2.PRODUCT_EXTERNAL
    del options.supported_statement_kinds[:]  # all
    return options
