import pytest

from lumbung.googlesql.analyzer import Catalogue
from lumbung.googlesql.errors import GoogleSqlError


@pytest.fixture(scope="module")
def catalogue():
    with Catalogue({"t": [("a", "INT64"), ("b", "ARRAY<INT64>"), ("j", "JSON"), ("s", "STRING")]}) as catalogue:
        yield catalogue


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT a FROM t QUALIFY ROW_NUMBER() OVER (ORDER BY a) = 1",
        "FROM t |> WHERE a > 1 |> AGGREGATE COUNT(*) AS n GROUP BY s",
        "SELECT s, SUM(a) AS n FROM t GROUP BY ALL",
        "SELECT * FROM (SELECT s, a FROM t) PIVOT(SUM(a) FOR s IN ('x', 'y'))",
        "SELECT j.a.b[0] AS x, JSON_VALUE(j, '$.a') AS y, LAX_INT64(j.a) AS z FROM t",
        "WITH RECURSIVE n AS (SELECT 1 AS x UNION ALL SELECT x + 1 FROM n WHERE x < 3) SELECT x FROM n",
        "SELECT * EXCEPT (a) REPLACE (UPPER(s) AS s) FROM t",
        "SELECT b[0] AS v, ['coffee', 'tea', 'milk'][0] AS w, b[OFFSET(0)] AS x, b[SAFE_ORDINAL(9)] AS y FROM t",
        "SELECT APPROX_TOP_COUNT(s, 2) AS x, HLL_COUNT.INIT(a) AS y, ST_GEOGPOINT(1, 2) AS z FROM t",
        "SELECT SAFE.PARSE_DATE('%F', s) AS d, CAST(a AS BIGNUMERIC) AS n FROM t",
        "SELECT DATE_DIFF(DATE '2026-01-02', '2026-01-01', DAY) AS days",
        "SELECT s LIKE ANY ('x%', 'y%') AS x FROM t TABLESAMPLE SYSTEM (10 PERCENT)",
        "SELECT a FROM `t` ORDER BY a NULLS LAST LIMIT 5 OFFSET 1",
        "SELECT RANGE(DATE '2026-01-01', NULL) AS r, GENERATE_UUID() AS u, INTERVAL 1 DAY AS i",
        "SELECT DATE_BUCKET(DATE '2026-01-02', INTERVAL 7 DAY) AS d",
        "SELECT DATETIME(TIMESTAMP '2026-01-02 00:00:00+00', 'Asia/Jakarta') AS d",
        "SELECT IF(a > 1, 'x', NULL) AS x, COUNTIF(TRUE) OVER () AS n FROM t WINDOW w AS (ORDER BY a)",
    ],
)
def test_what_bigquery_has_is_taken(catalogue, sql):
    assert catalogue.analyse(sql).columns


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT SUM(a) FILTER (WHERE a > 1) AS x FROM t",
        "SELECT SUM(a WHERE a > 1) AS x FROM t",
        "SELECT b = b AS x FROM t",
        "SELECT s FROM t ORDER BY b",
        "SELECT GREATEST(b, b) AS x FROM t",
        "SELECT ARRAY_FILTER(b, e -> e > 1) AS x FROM t",
        "SELECT ARRAY_FIND(b, 1) AS x FROM t",
        "SELECT PI() AS x",
        "SELECT ZEROIFNULL(a) AS x FROM t",
        "SELECT CAST('x' AS FLOAT) AS x",
        "SELECT CAST(1 AS UINT64) AS x",
        "SELECT NEW_UUID() AS x",
        "SELECT j < j AS x FROM t",
        "SELECT 1 AS x FROM t, LATERAL (SELECT t.a)",
    ],
)
def test_what_bigquery_does_not_have_is_refused(catalogue, sql):
    with pytest.raises(GoogleSqlError):
        catalogue.analyse(sql)
