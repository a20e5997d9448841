"""The saved objects for Kibana: whole and importable, and their queries give the marts' numbers on a real server.

No Kibana can be had here: what imports them in these tests is a stand-in that speaks as Kibana's API documents it.
"""

import email.parser
import json
import threading
from collections import Counter
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from lumbung.core.errors import LumbungError, SettingError
from lumbung.core.settings import Settings
from lumbung.search.index import MAPPING, index_day
from lumbung.search.kibana import SAVED_OBJECTS, import_saved_objects
from support.search_tweets import DAY, batches, tweet

QUESTIONS = ["total", "by-instrument", "daily-by-instrument", "hourly-by-instrument", "most-active-authors"]
OBJECTS = [json.loads(line) for line in SAVED_OBJECTS.read_text().splitlines()]


def saved_object(kind):
    (item,) = [item for item in OBJECTS if item["type"] == kind]
    return item


def state(item):
    return json.loads(item["attributes"]["visState"])


CHARTS = {
    item["id"].removeprefix("lumbung-tweet-"): json.loads(state(item)["params"]["spec"])
    for item in OBJECTS
    if item["type"] == "visualization"
}


def walk(value):
    yield value
    for part in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from walk(part)


def test_ids_are_unique_and_references_resolve():
    keys = [(item["type"], item["id"]) for item in OBJECTS]
    assert len(set(keys)) == len(keys) == 7
    for item in OBJECTS:
        assert item.keys() >= {"id", "type", "attributes", "references", "typeMigrationVersion"}
        names = [reference["name"] for reference in item["references"]]
        assert len(set(names)) == len(names)
        assert {(reference["type"], reference["id"]) for reference in item["references"]} <= set(keys)


def test_texts_that_hold_json_parse():
    for item in OBJECTS:
        attributes = item["attributes"]
        source = attributes.get("kibanaSavedObjectMeta", {}).get("searchSourceJSON")
        texts = [text for name, text in attributes.items() if name.endswith(("JSON", "State"))] + [source]
        assert all(isinstance(json.loads(text), dict | list) for text in texts if text is not None)
        assert (item["type"] == "index-pattern") == (source is None)


def test_the_data_view_is_on_the_alias_and_its_time_field():
    attributes = saved_object("index-pattern")["attributes"]
    assert attributes["title"] == Settings().search.alias == "tweet"
    assert MAPPING["properties"][attributes["timeFieldName"]] == {"type": "date"}


def test_the_dashboard_shows_the_five_questions_and_each_once():
    dashboard = saved_object("dashboard")
    panels = json.loads(dashboard["attributes"]["panelsJSON"])
    references = {reference["name"]: reference["id"] for reference in dashboard["references"]}
    shown = [references.pop(f"{panel['panelIndex']}:{panel['panelRefName']}") for panel in panels]
    assert references == {}
    assert [name.removeprefix("lumbung-tweet-") for name in shown] == QUESTIONS == list(CHARTS)
    covered = Counter()
    for panel in panels:
        place = panel["gridData"]
        assert place["i"] == panel["panelIndex"]
        assert place["x"] + place["w"] <= 48
        columns, lines = (range(place[at], place[at] + place[size]) for at, size in ("xw", "yh"))
        covered.update((x, y) for x in columns for y in lines)
    assert set(covered.values()) == {1}  # no panel covers another


@pytest.mark.parametrize("name", QUESTIONS)
def test_a_chart_asks_the_alias_heeds_the_time_range_and_names_fields_that_exist(name):
    spec = CHARTS[name]
    url = spec["data"]["url"]
    assert url["index"] == "tweet"
    assert (url["%context%"], url["%timefield%"]) == (True, "created_at")
    assert url["body"].keys() == {"size", "aggs"}  # Kibana refuses a query beside %context%
    fields = {part["field"] for part in walk(url["body"]) if isinstance(part, dict) and "field" in part}
    assert "instruments" in fields
    assert fields <= MAPPING["properties"].keys()


# What the charts do with the buckets they get, for the transforms that they use.


def cells(spec, answer):
    buckets = answer
    for name in spec["data"]["format"]["property"].split("."):
        buckets = buckets[name]
    rows = [dict(row) for row in buckets]
    for step in spec.get("transform", []):
        if "calculate" in step:
            path = step["calculate"].removeprefix("datum.key.")
            rows = [row | {step["as"]: row["key"][path]} for row in rows]
        elif "impute" in step:
            assert step["keyvals"] == {"start": 0, "stop": 24, "step": 1}
            (group,) = step["groupby"]
            given = {(row[group], row["hour"]) for row in rows}
            every = {(name, hour) for name in {row[group] for row in rows} for hour in range(24)}
            rows += [{group: name, "hour": hour, "doc_count": step["value"]} for name, hour in every - given]
        elif "window" in step:
            assert (step["window"], step["sort"]) == (
                [{"op": "rank", "as": "rank"}],
                [{"field": "doc_count", "order": "descending"}],
            )
            rows = [row | {"rank": 1 + sum(other["doc_count"] > row["doc_count"] for other in rows)} for row in rows]
        else:
            assert step == {"filter": "datum.rank <= 10"}
            rows = [row for row in rows if row["rank"] <= 10]
    return rows


@pytest.fixture(scope="module")
def rows():
    """Tweets of three days; author n wrote some, so that the tenth place is shared, and some name nothing or two."""
    names = [["saham"], ["reksadana", "saham"], [], ["sukuk"]]
    wrote = [20, 18, 16, 14, 12, 11, 10, 9, 8, 3, 3, 3, 2, 1]
    authors = [f"synthetic_{author}" for author, tweets in enumerate(wrote) for _ in range(tweets)]
    made = []
    for number, author in enumerate(authors):
        day = DAY + timedelta(days=(0, 1, 1, 3)[number % 4])
        named = names[number // 2 % 3 if author != "synthetic_9" else 0]
        made.append(tweet(number, day, hour=number % 11, user_name=author, instruments=named or []))
    return [*made, *(tweet(1000 + number, user_name="quiet", instruments=[]) for number in range(50))]


def test_the_queries_give_the_numbers_of_the_marts(cluster, rows):
    for day in sorted({row["tweet_date"] for row in rows}):
        index_day(cluster, day, batches(row for row in rows if row["tweet_date"] == day))

    def ask(name):
        spec = CHARTS[name]
        answer = cluster.search(index=cluster.alias, **spec["data"]["url"]["body"])
        return cells(spec, answer)

    counted = [row for row in rows if row["instruments"]]
    pairs = [(row, name) for row in counted for name in row["instruments"]]
    assert [row["doc_count"] for row in ask("total")] == [len(counted)]
    assert {row["key"]: row["doc_count"] for row in ask("by-instrument")} == Counter(name for _, name in pairs)
    assert {(row["day"], row["instrument"]): row["doc_count"] for row in ask("daily-by-instrument")} == Counter(
        (f"{row['tweet_date']}", name) for row, name in pairs
    )
    hours = Counter((jakarta_hour(row), name) for row, name in pairs)
    hourly = {(row["hour"], row["instrument"]): row["doc_count"] for row in ask("hourly-by-instrument")}
    assert hourly == {(hour, name): hours[hour, name] for hour in range(24) for name in {name for _, name in pairs}}
    authors = Counter(row["user_name"] for row in counted)
    ranked = {
        name: rank
        for name, tweets in authors.items()
        if tweets > 1 and (rank := 1 + sum(other > tweets for other in authors.values())) <= 10
    }
    assert len(ranked) > 10
    assert min(authors.values()) == 1
    assert "quiet" not in authors
    assert {row["key"]: row["rank"] for row in ask("most-active-authors")} == ranked


def jakarta_hour(row):
    return (row["created_at"] + timedelta(hours=7)).hour


@pytest.fixture
def kibana():
    """Stand-in for Kibana: answers an import as its API documents, and keeps what it was asked."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            kind = f"Content-Type: {self.headers['Content-Type']}\n\n".encode()
            (part,) = email.parser.BytesParser().parsebytes(kind + body).get_payload()
            content = part.get_payload(decode=True)
            self.server.asked.append((self.path, dict(self.headers), part.get_filename(), content))
            status, answer = self.server.answer
            self.send_response(status)
            self.end_headers()
            self.wfile.write(json.dumps(answer).encode() if not isinstance(answer, bytes) else answer)

        def log_message(self, *_args):
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    server.asked, server.answer = [], (200, {"success": True, "successCount": 7, "warnings": []})
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    server.url = f"http://127.0.0.1:{server.server_port}"
    yield server
    server.shutdown()
    server.server_close()


def test_import(kibana):
    sign_in = {"search_username": "budi", "search_password": "s3cr3t"}
    assert import_saved_objects(Settings.of(kibana=f"{kibana.url}/", **sign_in)) == 7
    ((path, headers, name, content),) = kibana.asked
    assert path == "/api/saved_objects/_import?overwrite=true"
    assert headers["kbn-xsrf"] == "true"
    assert headers["Authorization"] == "Basic YnVkaTpzM2NyM3Q="
    assert name.endswith(".ndjson")  # Kibana refuses other names
    assert content == SAVED_OBJECTS.read_bytes()


def test_import_with_an_api_key(kibana):
    import_saved_objects(Settings.of(kibana=kibana.url, search_api_key="a2V5"))
    assert kibana.asked[0][1]["Authorization"] == "ApiKey a2V5"


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ((401, {"statusCode": 401}), r"Kibana refused \(401"),
        ((200, b"<html>"), r"Kibana does not answer"),
        (
            (
                200,
                {
                    "success": False,
                    "successCount": 6,
                    "errors": [{"type": "dashboard", "id": "x", "error": {"type": "missing_references"}}],
                },
            ),
            r"took 6 objects and refused 1 \(dashboard x: missing_references\)",
        ),
    ],
    ids=["rights", "no Kibana", "partly"],
)
def test_import_that_fails(kibana, answer, message):
    kibana.answer = answer
    with pytest.raises(LumbungError, match=message) as raised:
        import_saved_objects(Settings.of(kibana=kibana.url, search_username="budi", search_password="s3cr3t"))
    assert "s3cr3t" not in str(raised.value)


def test_import_without_a_kibana(kibana):
    with pytest.raises(SettingError, match="LUMBUNG_KIBANA"):
        import_saved_objects(Settings())
    kibana.shutdown()
    kibana.server_close()
    with pytest.raises(LumbungError, match="does not answer"):
        import_saved_objects(Settings.of(kibana=kibana.url))
