import pytest


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        (
            "SELECT STRING_AGG(x || n, ' ' ORDER BY x) FROM (SELECT UPPER(x) AS x, CAST(COUNT(*) AS"
            " STRING) AS n FROM UNNEST(['a', 'A', 'b']) AS x GROUP BY x)",
            "A2 B1",
        ),
        (
            "SELECT STRING_AGG(x || n, ' ' ORDER BY x) FROM (SELECT IFNULL(UPPER(x), 'all') AS x,"
            " CAST(COUNT(*) AS STRING) AS n FROM UNNEST(['a', 'A', 'b']) AS x GROUP BY ROLLUP(x))",
            "A2 B1",
        ),
        (
            "SELECT STRING_AGG(x || m, ' ' ORDER BY x) FROM (SELECT * EXCEPT(y, z), CAST(y + z AS STRING) AS m,"
            " COUNT(*) AS n FROM (SELECT 'a' AS x, 1 AS y, 2 AS z UNION ALL SELECT 'a', 2, 1) GROUP BY x, m)",
            "a3",
        ),
        ("SELECT COUNT(*) FROM (SELECT t.x AS x FROM (SELECT 1 AS x UNION ALL SELECT 1) AS t GROUP BY x)", 1),
    ],
)
def test_group_by_alias(value, expression, expected):
    assert value(expression) == expected


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        (
            "SELECT n_x * 10 + s_y FROM (SELECT 'x' AS k, 1 AS v UNION ALL SELECT 'y', 5) PIVOT(SUM(v)"
            " AS s, COUNT(*) AS n FOR k IN ('x', 'y'))",
            15,
        ),
        ("SELECT _1 FROM (SELECT 1 AS k, 7 AS v) PIVOT(SUM(v) FOR k IN (1, 2))", 7),
        ("SELECT s_a FROM (SELECT 'x' AS k, 1 AS v) AS t PIVOT(SUM(v) AS s FOR k IN ('x' AS a)) AS p", 1),
    ],
)
def test_pivot_names(value, expression, expected):
    assert value(expression) == expected


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("SELECT x FROM UNNEST([1]) AS x LIMIT NULL", "Limit requires non-null count and offset"),
    ],
)
def test_limits(value, expression, expected):
    assert value(expression) == expected


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        (
            "SELECT TO_JSON_STRING(t) FROM (SELECT * FROM (SELECT 1 AS a, 2 AS k) JOIN (SELECT 2 AS k,"
            " 3 AS b) USING (k)) AS t",
            '{"k":2,"a":1,"b":3}',
        ),
    ],
)
def test_star_after_using(value, expression, expected):
    assert value(expression) == expected
