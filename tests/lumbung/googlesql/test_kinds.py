import pytest

from lumbung.googlesql.kinds import KINDS, SYNONYMS, type_name, type_proto


@pytest.mark.parametrize(
    "name",
    [
        *KINDS,
        "ARRAY<STRING>",
        "RANGE<DATE>",
        "STRUCT<a INT64, b ARRAY<STRUCT<c STRING, DATE>>>",
        "ARRAY<STRUCT<STRING, x NUMERIC>>",
        "STRUCT<ARRAY<STRUCT<a INT64, b DATE>>>",
        "STRUCT<>",
    ],
)
def test_a_type_is_written_as_it_is_read(name):
    assert type_name(type_proto(name)) == name


@pytest.mark.parametrize(("synonym", "name"), SYNONYMS.items())
def test_other_names_of_a_type_are_read(synonym, name):
    assert type_name(type_proto(f"array< {synonym.lower()} >")) == f"ARRAY<{name}>"


@pytest.mark.parametrize("name", ["VARCHAR", "", "ARRAY", "LIST<INT64>", "STRUCT<a TEXT>"])
def test_what_bigquery_has_not_is_refused(name):
    with pytest.raises(ValueError, match="not a type of BigQuery"):
        type_proto(name)
