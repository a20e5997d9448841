"""What queries read, the order of builds, and rendering."""

import pytest
import yaml

from lumbung.catalog import query as queries
from lumbung.catalog.contract import Catalog
from lumbung.core.errors import LumbungError

SNAPSHOT = "SELECT id FROM staging.source WHERE snapshot_date = @snapshot_date"


@pytest.fixture
def tables(tmp_path):
    """Write tables as `address: query` (None: no query) into a folder with one source, and give its catalog."""

    def write(queries, columns=("id",), system="s", **contract):
        source = {"kind": "csv", "path": "source.csv"}
        add("staging.source", None, ("id", "snapshot_date"), "s", partition="snapshot_date", source=source)
        for address, query in queries.items():
            add(address, query, columns, system, **contract)
        return Catalog(tmp_path)

    def add(address, query, columns, system, **contract):
        path = tmp_path / f"{address.replace('.', '/')}.yaml"
        path.parent.mkdir(exist_ok=True)
        typed = [
            {"name": name, "description": "-", "type": "DATE" if name.endswith("_date") else "STRING"}
            for name in columns
        ]
        content = {"description": "-", "grain": "-", "system": system, "key": ["id"], "columns": typed, **contract}
        path.write_text(yaml.safe_dump(content))
        if query is not None:
            path.with_suffix(".sql").write_text(query)

    write.add = add
    return write


def order(catalog):
    return [contract.address for contract in queries.build_order(catalog.contracts.values())]


def test_a_process_that_knows_the_order_sees_what_is_written_later(tables):
    catalog = tables({"dwh.a": "SELECT id FROM dwh.b", "dwh.b": "SELECT 'x' AS id"})
    assert order(catalog) == ["dwh.b", "dwh.a"]
    for table, query in {"a": "SELECT 'x' AS id", "b": "SELECT id FROM dwh.a"}.items():
        (catalog.root / "dwh" / f"{table}.sql").write_text(query)
    assert order(catalog) == ["dwh.a", "dwh.b"]
    (catalog.root / "dwh" / "c.sql").write_text("SELECT 'x' AS id")
    with pytest.raises(LumbungError, match="a query without a contract"):
        order(catalog)


@pytest.mark.parametrize(
    ("query", "reads"),
    [
        ("SELECT id FROM dwh.a", {"dwh.a"}),
        ("SELECT id FROM `dwh.a` JOIN `dwh`.`b` USING (id)", {"dwh.a", "dwh.b"}),
        ("WITH a AS (SELECT id FROM dwh.b) SELECT id FROM A -- FROM dwh.c", {"dwh.b"}),
        ("WITH a AS (SELECT id FROM dwh.a), b AS (SELECT id FROM a) SELECT id FROM b", {"dwh.a"}),
        ("SELECT id FROM dwh.a WHERE id IN (SELECT id FROM dwh.b) UNION ALL SELECT 'dwh.d' FROM dwh.c",
         {"dwh.a", "dwh.b", "dwh.c"}),
        ("SELECT id FROM UNNEST(['x']) AS id;", set()),
    ],
)  # fmt: skip
def test_upstreams_are_the_tables_a_query_reads(tables, query, reads):
    assert queries.upstreams(tables({"dwh.t": query})["dwh.t"]) == reads


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("SELECT id FROM other", "reads other, which is not written <dataset>.<table>"),
        ("SELECT id FROM local.dwh.a", "reads local.dwh.a, which"),
        ("SELECT id FROM `my-project.dwh.a`", "my-project"),
        ("SELECT id FROM EXTERNAL_QUERY('us.c', 'SELECT 1')", "EXTERNAL_QUERY"),
        ("SELECT id FROM dwh.a; SELECT 1", "not exactly one SELECT"),
        ("-- nothing", "not exactly one SELECT"),
        ("DELETE FROM dwh.a WHERE TRUE", "not exactly one SELECT"),
        ("INSERT INTO dwh.a SELECT id FROM dwh.b", "not exactly one SELECT"),
        ("MERGE dwh.a USING dwh.b ON FALSE WHEN MATCHED THEN DELETE", "not exactly one SELECT"),
        ("CREATE TABLE dwh.a AS SELECT 1 AS id", "not exactly one SELECT"),
        ("EXPORT DATA OPTIONS (uri = 'x') AS SELECT 1", "not exactly one SELECT"),
        ("BEGIN SELECT 1; END", "not exactly one SELECT"),
        ("SELECT id FROM\n\n (dwh.a", "Line 3"),
        ("SELECT 'a", "not GoogleSQL"),
    ],
)
def test_what_is_not_one_select_of_tables_is_refused_with_its_file(tables, query, message):
    with pytest.raises(LumbungError) as refusal:
        queries.upstreams(tables({"dwh.t": query})["dwh.t"])
    assert message in str(refusal.value)
    assert "dwh/t.sql: " in str(refusal.value)
    assert "\x1b" not in str(refusal.value)


def test_tables_are_built_after_all_they_look_at(tables):
    catalog = tables({"datamart.a": "SELECT id FROM dwh.z", "dwh.z": "SELECT id FROM dwh.m", "dwh.m": SNAPSHOT})
    assert order(catalog) == ["dwh.m", "dwh.z", "datamart.a"]


def test_a_check_counts_for_the_order(tables):
    catalog = tables({"dwh.b": SNAPSHOT}, checks=[{"equal_rows": "dwh.z"}])
    tables.add("dwh.z", SNAPSHOT, ("id",), "s")
    catalog = Catalog(catalog.root)
    assert order(catalog) == ["dwh.z", "dwh.b"]
    assert queries.dependencies(catalog["dwh.b"]) == {"staging.source", "dwh.z"}


DAILY = {"columns": ("id", "snapshot_date"), "partition": "snapshot_date"}
DAILY_QUERY = "SELECT id, snapshot_date FROM staging.source WHERE snapshot_date = @snapshot_date"


@pytest.mark.parametrize(
    ("queries", "contract", "message"),
    [
        ({"dwh.a": "SELECT id FROM dwh.b", "dwh.b": "SELECT id FROM dwh.a"}, {},
         "dwh/a.sql: tables need each other in a circle: dwh.a -> dwh.b -> dwh.a"),
        ({"dwh.a": "SELECT id FROM dwh.a"}, {}, "in a circle: dwh.a -> dwh.a"),
        ({"dwh.a": "SELECT id FROM dwh.nowhere"}, {}, "dwh/a.sql: reads dwh.nowhere, which has no contract"),
        ({"datamart.a": SNAPSHOT}, {}, "datamart/a.sql: a datamart query reads staging.source. Read only dwh."),
        ({"datamart.a": "SELECT id FROM datamart.b", "datamart.b": "SELECT id FROM dwh.c", "dwh.c": SNAPSHOT}, {},
         "a datamart query reads datamart.b"),
        ({"dwh.a": "SELECT id FROM datamart.b", "datamart.b": None}, {}, "a dwh query reads datamart.b"),
        ({"staging.a": "SELECT 'x' AS id"}, {}, "staging.a is loaded, not queried"),
        ({"ops.a": "SELECT 'x' AS id"}, {}, "ops.a is loaded, not queried"),
        ({"dwh.a": SNAPSHOT}, {"system": "other"}, "a query of other reads staging.source of s"),
        ({"dwh.a": "SELECT id FROM staging.source"}, {}, "dwh/a.sql: reads all days of staging.source"),
        ({"dwh.a": "SELECT a.id FROM staging.source AS a JOIN staging.source AS b USING (id)"
                   " WHERE a.snapshot_date = @snapshot_date"}, {}, "reads all days of staging.source"),
        ({"dwh.a": SNAPSHOT}, {"columns": ("id", "name")}, "selects id, but the contract has id, name"),
        ({"dwh.a": SNAPSHOT.replace("id", "*")}, {}, "selects *, but the contract has id"),
        ({"dwh.a": SNAPSHOT}, {"checks": [{"equal_rows": "staging.source"}]},
         "dwh/a.yaml: a check looks at staging.source, which no query makes"),
        ({"dwh.a": SNAPSHOT}, {"checks": [{"references": {"columns": ["id"], "table": "dwh.b", "key": ["id"]}}]},
         "dwh/a.yaml: a check looks at dwh.b, which no query makes"),
    ],
)  # fmt: skip
def test_what_breaks_the_order_is_refused(tables, queries, contract, message):
    with pytest.raises(LumbungError) as refusal:
        order(tables(queries, **contract))
    assert message in str(refusal.value)


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("SELECT id.id FROM dwh.a AS id GROUP BY id.id", "id.id after the FROM clause is not a column of the table id"),
        ("SELECT id.id FROM dwh.a AS ID GROUP BY ID.id", "another alias than ID"),
        ("SELECT UPPER(id.n) AS id FROM dwh.a AS id ORDER BY UPPER(id.n)", "another alias than id"),
        ("SELECT id.id FROM dwh.a AS id GROUP BY 1 HAVING MAX(id.n) > 1", "another alias than id"),
        ("SELECT id.id FROM dwh.a AS id QUALIFY ROW_NUMBER() OVER (ORDER BY id.n) = 1", "another alias than id"),
        ("WITH w AS (SELECT id.id FROM dwh.a AS id GROUP BY id.id) SELECT id FROM w", "another alias than id"),
        ("SELECT UPPER(id) AS id FROM dwh.a GROUP BY id", "GROUP BY id is the selected column on BigQuery"),
    ],
)
def test_a_name_that_bigquery_and_the_local_server_read_differently_is_refused(tables, query, message):
    # What BigQuery makes of each was seen with GoogleSQL's own analyzer; DuckDB takes all of them.
    with pytest.raises(LumbungError) as refusal:
        order(tables({"dwh.t": query, "dwh.a": SNAPSHOT}))
    assert "dwh/t.sql" in str(refusal.value)
    assert message in str(refusal.value)


@pytest.mark.parametrize(
    "query",
    [
        "SELECT id.id FROM dwh.a AS id WHERE id.n > 1 GROUP BY 1",
        "SELECT a.id FROM dwh.a AS a GROUP BY a.id ORDER BY a.id",
        "SELECT UPPER(a.id) AS id FROM dwh.a AS a GROUP BY UPPER(a.id)",
        "SELECT UPPER(name) AS id FROM dwh.a GROUP BY id",
    ],
)
def test_names_that_are_read_alike_everywhere_pass(tables, query):
    assert order(tables({"dwh.t": query, "dwh.a": SNAPSHOT})) == ["dwh.a", "dwh.t"]


def test_a_query_without_a_contract_is_refused(tables):
    catalog = tables({"dwh.a": SNAPSHOT})
    (catalog.root / "dwh/b.sql").write_text(SNAPSHOT)
    with pytest.raises(LumbungError, match=r"dwh/b\.sql: a query without a contract"):
        order(catalog)


@pytest.mark.parametrize("look", ["query", "check"])
def test_a_daily_table_may_not_look_at_the_newest_version(tables, look):
    catalog = tables({"dwh.whole": SNAPSHOT, "dwh.next": "SELECT id FROM dwh.whole"})
    query = DAILY_QUERY if look == "check" else "SELECT id, @snapshot_date AS snapshot_date FROM dwh.next"
    checks = [{"equal_rows": "dwh.next"}] if look == "check" else []
    tables.add("dwh.a_daily", query, DAILY["columns"], "s", partition="snapshot_date", checks=checks)
    with pytest.raises(LumbungError, match=r"a_daily\.sql: a daily table looks at dwh\.next, which is of the newest"):
        order(Catalog(catalog.root))


def test_a_whole_table_may_not_read_a_daily_one(tables):
    catalog = tables({"dwh.whole": "SELECT id FROM dwh.b_daily WHERE snapshot_date = @snapshot_date"})
    tables.add("dwh.b_daily", DAILY_QUERY, DAILY["columns"], "s", partition="snapshot_date")
    with pytest.raises(LumbungError, match=r"whole\.sql: a whole table reads dwh\.b_daily, of which a run builds only"):
        order(Catalog(catalog.root))


def test_a_daily_table_may_look_at_its_day_and_at_what_never_changes(tables):
    catalog = tables({"dwh.kind": "SELECT 'x' AS id"})
    tables.add("dwh.b_daily", DAILY_QUERY, DAILY["columns"], "s", partition="snapshot_date")
    query = (
        "SELECT b.id, b.snapshot_date FROM dwh.b_daily AS b JOIN dwh.kind USING (id)"
        " WHERE b.snapshot_date = @snapshot_date"
    )
    tables.add("datamart.a_daily", query, DAILY["columns"], "s", partition="snapshot_date")
    assert order(Catalog(catalog.root)) == ["dwh.b_daily", "dwh.kind", "datamart.a_daily"]


TWEETS = "SELECT id, tweet_date FROM staging.said WHERE tweet_date IN UNNEST(@tweet_dates)"


@pytest.fixture
def tweet_tables(tables):
    """A table that is loaded by tweet_date, and others over it: `address: (query, partition)`."""

    def write(queries):
        catalog = tables({})
        for address, (query, partition) in {"staging.said": (None, "tweet_date"), **queries}.items():
            columns = ("id", "tweet_date") if partition else ("id",)
            tables.add(address, query, columns, "s", partition=partition, incremental=bool(partition))
        return Catalog(catalog.root)

    return write


def test_a_mart_may_read_all_days_of_what_is_made_by_changed_days(tweet_tables):
    catalog = tweet_tables({
        "datamart.m": ("SELECT id FROM dwh.f", None),
        "dwh.f": (TWEETS, "tweet_date"),
        "dwh.g": (TWEETS.replace("staging.said", "dwh.f"), "tweet_date"),
    })  # fmt: skip
    assert order(catalog) == ["dwh.f", "datamart.m", "dwh.g"]
    incremental = {table.address: table.incremental for table in queries.tables(catalog, "s")}
    assert incremental == {"datamart.m": False, "dwh.f": True, "dwh.g": True}
    assert not any(table.is_daily for table in queries.tables(catalog, "s"))


@pytest.mark.parametrize(
    ("query", "partition", "message"),
    [
        ("SELECT id, tweet_date FROM staging.said", "tweet_date", "reads all days of staging.said"),
        ("SELECT id, tweet_date FROM staging.said WHERE tweet_date NOT IN UNNEST(@tweet_dates)", "tweet_date",
         "Add WHERE tweet_date IN UNNEST(@tweet_dates)"),
        ("SELECT id, tweet_date FROM staging.said WHERE tweet_date IN UNNEST(@others)", "tweet_date", "all days"),
        ("SELECT id, tweet_date FROM staging.said WHERE id IN UNNEST(@tweet_dates)", "tweet_date", "all days"),
        ("SELECT id, tweet_date FROM dwh.f", "tweet_date", "reads all days of dwh.f"),
        ("SELECT id FROM staging.said WHERE tweet_date IN UNNEST(@tweet_dates)", None,
         "reads staging.said, of which a run sees only the days that changed"),
        ("SELECT id, tweet_date FROM dwh.f JOIN dwh.whole USING (id) WHERE tweet_date IN UNNEST(@tweet_dates)",
         "tweet_date", "looks at dwh.whole, which is of the newest version"),
    ],
)  # fmt: skip
def test_what_would_mix_changed_days_with_others_is_refused(tweet_tables, query, partition, message):
    catalog = tweet_tables({
        "dwh.f": (TWEETS, "tweet_date"), "dwh.whole": ("SELECT id FROM dwh.f", None), "dwh.t": (query, partition)
    })  # fmt: skip
    with pytest.raises(LumbungError) as refusal:
        order(catalog)
    assert "dwh/t.sql" in str(refusal.value)
    assert message in str(refusal.value)


def test_render_changes_table_names_and_nothing_else(tables):
    contract = tables({"dwh.t": (
        "-- é: dwh.a stays here, and 'dwh.a'\n"
        "WITH a AS (\n  SELECT id   FROM `dwh.a` AS x\n)\n"
        "SELECT a.id, b.id AS bid, 'dwh.a' AS s, @snapshot_date AS day\n"
        "FROM a, dwh . b -- é\nJOIN `dwh`.`c` c ON TRUE"
    )})["dwh.t"]  # fmt: skip
    assert queries.render(contract, lambda address: f"p-1.build.{address.replace('.', '__')}") == (
        "-- é: dwh.a stays here, and 'dwh.a'\n"
        "WITH a AS (\n  SELECT id   FROM `p-1.build.dwh__a` AS x\n)\n"
        "SELECT a.id, b.id AS bid, 'dwh.a' AS s, @snapshot_date AS day\n"
        "FROM a, `p-1.build.dwh__b` AS `b` -- é\nJOIN `p-1.build.dwh__c` c ON TRUE"
    )
