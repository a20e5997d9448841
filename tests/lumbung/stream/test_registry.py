"""A schema registry: what fits, what does not, ids before messages, and errors that say what to do."""

import base64
import http.server
import json
import ssl
import subprocess
import threading
import uuid

import pytest
from confluent_kafka.schema_registry import SchemaRegistryClient

from lumbung.core.errors import LumbungError, SettingError
from lumbung.core.settings import Settings, load
from lumbung.local.processes import free_port
from lumbung.stream import registry as module
from lumbung.stream.registry import Check, Registry, RegistryUnavailableError, frame, unframed
from support.http_proxy import Drop, Proxy
from support.registry_server import PATH

USER, PASSWORD = "key", "s3cret:of-tests"


def schema(required=("a",), **properties):
    columns = {"a": {"type": "string"}, **properties}
    return json.dumps(
        {
            "$schema": "http://json-schema.org/draft-07/schema#",
            "type": "object",
            "properties": columns,
            "required": list(required),
            "additionalProperties": False,
        }
    )


FIRST, WIDER = schema(), schema(b={"type": "string"})
NARROWER = schema(required=("a", "c"), c={"type": "string"})


@pytest.fixture
def subject():
    return f"{uuid.uuid4().hex}-value"


def registry_at(url, subject, **settings):
    return Registry(Settings.of(schema_registry=url, **settings), subject, command="lumbung x schema")


@pytest.fixture
def registry(registry_url, subject):
    return registry_at(registry_url, subject)


def test_a_schema_is_published_once_and_a_later_one_if_it_fits(registry, registry_url, subject):
    assert registry.check(FIRST) == Check(subject, "new", "NONE")
    first = registry.publish(FIRST)
    assert (first.state, first.level, first.version) == ("new", "BACKWARD", 1)
    assert registry.publish(FIRST) == Check(subject, "same", "BACKWARD", 1, 1, first.schema_id)
    assert registry.check(WIDER) == Check(subject, "compatible", "BACKWARD", 1)
    second = registry.publish(WIDER)
    assert (second.state, second.latest, second.version) == ("compatible", 2, 2)
    # One that is there already is no question of what fits.
    assert registry.check(FIRST) == Check(subject, "same", "BACKWARD", 2, 1, first.schema_id)
    assert [registry.schema_id(text) for text in (FIRST, WIDER)] == [first.schema_id, second.schema_id]
    stored = SchemaRegistryClient({"url": registry_url}).get_schema(second.schema_id)
    assert (stored.schema_type, json.loads(stored.schema_str)) == ("JSON", json.loads(WIDER))


def test_the_same_schema_with_other_spaces_is_the_same(registry):
    registry.publish(FIRST)
    assert registry.check(json.dumps(json.loads(FIRST), indent=4)).state == "same"


def test_a_schema_that_does_not_fit_is_refused_and_not_kept(registry, subject):
    registry.publish(FIRST)
    assert registry.check(NARROWER) == Check(subject, "incompatible", "BACKWARD", 1)
    for call in (registry.publish, registry.schema_id):
        with pytest.raises(
            LumbungError, match=rf"{subject}: the schema does not fit .*lumbung x schema check"
        ) as error:
            call(NARROWER)
        assert not error.value.transient
    assert registry.check(FIRST).latest == 1


def test_one_that_is_published_meanwhile_is_refused_by_the_registry_itself(
    registry, registry_url, subject, monkeypatch
):
    registry.publish(FIRST)
    monkeypatch.setattr(registry, "_check", lambda _text: Check(subject, "compatible", "BACKWARD", 1))
    with pytest.raises(LumbungError, match=r"does not fit what the registry has: .*[Ii]ncompatible"):
        registry.publish(NARROWER)


@pytest.mark.parametrize("level", ["FULL", "BACKWARD_TRANSITIVE", "NONE"])
def test_what_a_subject_checks_stays_as_its_owner_set_it(registry, registry_url, subject, level):
    client = SchemaRegistryClient({"url": registry_url})
    registry.publish(FIRST)
    client.set_compatibility(subject, level)
    check = registry.publish(WIDER) if level != "FULL" else registry.check(WIDER)
    assert check.level == level
    assert client.get_compatibility(subject) == level


def test_all_versions_count_where_the_owner_says_so(registry, registry_url, subject):
    client = SchemaRegistryClient({"url": registry_url})
    registry.publish(FIRST)
    client.set_compatibility(subject, "NONE")
    registry.publish(NARROWER)
    optional = schema(c={"type": "string"}, required=("a", "c"), d={"type": "string"})
    client.set_compatibility(subject, "BACKWARD")
    assert registry.check(optional).state == "compatible"
    client.set_compatibility(subject, "BACKWARD_TRANSITIVE")
    assert registry.check(optional).state == "incompatible"


def test_an_id_stands_before_a_message():
    assert frame(258) == b"\0\0\0\1\2"
    assert unframed(frame(258) + b'{"a":1}') == unframed(b'{"a":1}') == b'{"a":1}'


def test_without_a_registry_the_error_names_the_setting():
    with pytest.raises(LumbungError, match="LUMBUNG_SCHEMA_REGISTRY: no schema registry is set"):
        Registry(Settings.of(), "x", command="c")


def asks_for(user, password):
    wanted = f"Basic {base64.b64encode(f'{user}:{password}'.encode()).decode()}"

    def spoil(request):
        if request.headers.get("authorization") != wanted:
            return 401, b'{"error_code": 401, "message": "Unauthorized"}'
        return None

    return spoil


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """A certificate of an authority of one's own, with its key."""
    folder = tmp_path_factory.mktemp("certificate")
    key, file = folder / "key.pem", folder / "ca.pem"
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    command += ["-days", "2", "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"]
    subprocess.run([*command, "-keyout", key, "-out", file], check=True, capture_output=True)
    return file, key


def test_with_a_key_over_tls_as_on_confluent_cloud(registry_url, subject, certificate, monkeypatch):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    with Proxy(registry_url, context=context, spoil=asks_for(USER, PASSWORD)) as proxy:
        environ = {"LUMBUNG_SCHEMA_REGISTRY": f"{proxy.url}{PATH}"}
        environ |= {"LUMBUNG_SCHEMA_REGISTRY_USERNAME": USER, "LUMBUNG_SCHEMA_REGISTRY_PASSWORD": PASSWORD}
        with pytest.raises(LumbungError, match=r"no safe connection .*certificate.*SSL_CERT_FILE") as error:
            Registry(load(environ), subject, command="c").check(FIRST)
        assert not error.value.transient
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate[0]))
        assert Registry(load(environ), subject, command="c").publish(FIRST).version == 1
        environ["LUMBUNG_SCHEMA_REGISTRY_PASSWORD"] = "wr0ng-of-tests"
        with pytest.raises(LumbungError, match=r"does not let this user in.*LUMBUNG_SCHEMA_REGISTRY_USERNAME") as error:
            Registry(load(environ), subject, command="c").check(FIRST)
        assert not error.value.transient
        assert "of-tests" not in str(error.value)


@pytest.fixture
def quick(monkeypatch):
    monkeypatch.setattr(module, "TRIES", 1)
    monkeypatch.setattr(module, "ANSWER_SECONDS", 1)


def drop(_request):
    raise Drop


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize(
    ("spoil", "message", "passing"),
    [
        (lambda _: (503, b"{}"), "cannot answer now .HTTP 503", True),
        (lambda _: (429, b'{"error_code": 429, "message": "slow down"}'), "HTTP 429: slow down", True),
        (drop, "does not answer", True),
        (
            lambda _: (403, b'{"error_code": 40301, "message": "no"}'),
            "does not allow this user to use .*c publish",
            False,
        ),
        (lambda _: (404, b"<html>"), "no schema registry with Confluent's API.*/apis/ccompat/v7", False),
        (lambda _: (200, b"<html>"), "no schema registry with Confluent's API", False),
        (lambda _: (200, b"[]"), "no schema registry with Confluent's API", False),
        (lambda _: (422, b'{"error_code": 42201, "message": "Invalid schema"}'), "refuses .HTTP 422: Invalid", False),
    ],
)
def test_why_a_registry_is_of_no_use(registry_url, subject, spoil, message, passing):
    with Proxy(registry_url, spoil=spoil) as proxy:
        registry = Registry(Settings.of(schema_registry=f"{proxy.url}{PATH}"), subject, command="c")
        with pytest.raises(LumbungError, match=message) as error:
            registry.check(FIRST)
    assert error.value.transient is passing
    assert proxy.url in str(error.value)


@pytest.mark.usefixtures("quick")
def test_a_registry_that_is_away_or_does_not_speak(subject):
    with pytest.raises(RegistryUnavailableError, match="does not answer"):
        registry_at(f"http://127.0.0.1:{free_port()}", subject).check(FIRST)

    class Silent(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            threading.Event().wait(3)

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Silent) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        with pytest.raises(RegistryUnavailableError, match=r"does not answer .*timed out"):
            registry_at(f"http://127.0.0.1:{server.server_port}", subject).check(FIRST)
        server.shutdown()


def test_a_registry_at_the_wrong_path(registry_url, subject):
    with pytest.raises(LumbungError, match=r"no schema registry with Confluent's API .*HTTP 404"):
        registry_at(registry_url.removesuffix(PATH), subject).check(FIRST)


@pytest.mark.parametrize(
    "environ",
    [
        {"LUMBUNG_SCHEMA_REGISTRY_USERNAME": "u"},
        {"LUMBUNG_SCHEMA_REGISTRY": "http://u:p@127.0.0.1"},
        {"LUMBUNG_SCHEMA_REGISTRY": "127.0.0.1:8081"},
    ],
)
def test_settings_that_cannot_be(environ):
    with pytest.raises(SettingError, match="LUMBUNG_SCHEMA_REGISTRY"):
        load(environ)
