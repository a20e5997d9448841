"""A search server that is down, slow, read-only or rejects: waited for, then a clear error."""

import base64
import ipaddress
import json
import socket
import ssl
import time
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from lumbung.core.errors import LumbungError, SettingError
from lumbung.core.settings import Settings, load
from lumbung.search.cluster import WAITS, UnavailableError, connect
from lumbung.search.index import count_by_day, index_day, months
from lumbung.search.search import search
from support.elasticsearch_server import PASSWORD
from support.http_proxy import Drop, Proxy
from support.search_tweets import DAY, FIRST, batches, tweet

ROWS = [tweet(1), tweet(2), tweet(3)]


@pytest.fixture
def through(proxy, search_settings):
    """The cluster by way of the proxy, and the waits it made."""

    def make(waits=(1, 2, 4), **options):
        slept = []
        fields = options.pop("settings", {})
        settings = search_settings(**{"search": proxy.url, **fields})
        return connect(settings, waits=waits, sleep=slept.append, **options), slept

    return make


def reject(_request):
    return 429, json.dumps({"error": {"type": "es_rejected_execution_exception", "reason": "queue is full"}}).encode()


def test_a_missing_setting_is_reported():
    with pytest.raises(SettingError, match="LUMBUNG_SEARCH: no search server"):
        connect(Settings())


def test_the_waits_are_bounded():
    assert 30 < sum(WAITS) < 120


def test_down(search_settings):
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{closed.getsockname()[1]}"
    slept = []
    cluster = connect(search_settings(search=address), waits=(1, 2), sleep=slept.append)
    with pytest.raises(UnavailableError, match=rf"{address}: .* in 3 tries \(.*refused") as raised:
        index_day(cluster, DAY, batches(ROWS))
    assert PASSWORD not in str(raised.value)
    assert slept == [1, 2]


@pytest.mark.parametrize("answer", [(502, b"<html>Bad gateway</html>"), (200, b"{"), (503, b"{}")], ids=str)
def test_a_server_that_comes_back(through, proxy, answer):
    cluster, slept = through()

    def spoil(request):
        if len(proxy.requests) % 3:
            if len(proxy.requests) % 3 == 1:
                raise Drop
            return answer if request.method != "HEAD" else (503, b"")
        return None

    proxy.spoil = spoil
    assert index_day(cluster, DAY, batches(ROWS)).rows == 3
    assert set(slept) == {1, 2}
    proxy.spoil = lambda request: None
    assert count_by_day(cluster) == {DAY: 3}


def test_slow(through, proxy):
    cluster, slept = through(timeout=0.3, waits=(1, 2))
    proxy.spoil = lambda request: time.sleep(0.8)
    with pytest.raises(UnavailableError, match=r"in 3 tries \(.*timed out"):
        index_day(cluster, DAY, batches(ROWS))
    assert slept == [1, 2]


def test_an_answer_that_comes_too_late_does_no_harm(through, proxy):
    cluster, slept = through(timeout=1.0)

    def late(request):
        """The server does it, and the client does not hear of it."""
        if request.path == "/_bulk" and sum(sent.path == "/_bulk" for sent in proxy.requests) == 1:
            proxy.forward(cluster_netloc, request)
            raise Drop

    cluster_netloc = proxy.target.removeprefix("http://")
    proxy.spoil = late
    assert index_day(cluster, DAY, batches(ROWS)).rows == 3
    assert slept == [1]
    assert count_by_day(cluster) == {DAY: 3}


def test_rejecting(through, proxy):
    cluster, slept = through()
    proxy.spoil = lambda request: reject(request) if request.path == "/_bulk" else None
    with pytest.raises(UnavailableError, match=r"in 4 tries \(429: queue is full\)"):
        index_day(cluster, DAY, batches(ROWS))
    assert slept == [1, 2, 4]
    assert not any(month.live for month in months(cluster))
    proxy.spoil = lambda request: None
    assert index_day(cluster, DAY, batches(ROWS)).live


def test_only_the_rejected_documents_are_sent_again(through, proxy):
    cluster, slept = through()
    sent = []

    def first_only(request):
        """A server with room for one document at a time."""
        if request.path != "/_bulk":
            return None
        lines = request.body.splitlines(keepends=True)
        sent.append([json.loads(line)["index"]["_id"] for line in lines[::2]])
        request.body = b"".join(lines[:2])
        status, _, content = proxy.forward(proxy.target.removeprefix("http://"), request)
        answer = json.loads(content)
        error = {"type": "es_rejected_execution_exception", "reason": "queue is full"}
        answer["items"] += [{"index": {"_id": key, "status": 429, "error": error}} for key in sent[-1][1:]]
        return status, json.dumps(answer).encode()

    proxy.spoil = first_only
    assert index_day(cluster, DAY, batches(ROWS)).rows == 3
    every = [str(FIRST + number) for number in (1, 2, 3)]
    assert sent == [every, every[1:], every[2:]]
    assert slept == [1, 2]


@pytest.mark.parametrize("block", ["read_only_allow_delete", "read_only", "write"])
def test_read_only(cluster, search_settings, block):
    index_day(cluster, DAY, batches(ROWS[:1]))
    index = months(cluster)[0].index

    def put(value):
        cluster.client.indices.put_settings(index=index, settings={f"index.blocks.{block}": value})

    slept = []
    stuck = connect(search_settings(), waits=(1, 2), sleep=slept.append)
    put(True)
    with pytest.raises(UnavailableError, match="blocked by"):
        index_day(stuck, DAY, batches(ROWS))
    assert slept == [1, 2]
    assert count_by_day(cluster) == {DAY: 1}  # readers still read
    unblocked = connect(search_settings(), waits=(1, 2), sleep=lambda seconds: put(None))
    assert index_day(unblocked, DAY, batches(ROWS)).rows == 3
    assert count_by_day(cluster) == {DAY: 3}


def test_a_wrong_password_is_not_tried_again(search_settings):
    slept = []
    cluster = connect(search_settings(search_password="wr0ng"), waits=(1,), sleep=slept.append)
    with pytest.raises(LumbungError, match=r"401: .*LUMBUNG_SEARCH_USERNAME") as raised:
        index_day(cluster, DAY, batches(ROWS))
    assert not isinstance(raised.value, UnavailableError)
    assert slept == []
    assert "wr0ng" not in str(raised.value)


def test_an_api_key_is_sent_as_elastic_wants_it(through, proxy, elasticsearch):
    # The bare server cannot make keys; what is sent is looked at, and a password stands in for it.
    key = base64.b64encode(b"id:secret").decode()
    fields = {"search_username": None, "search_password": None, "search_api_key": key}
    cluster, _ = through(settings=fields)
    sign_in = base64.b64encode(f"{elasticsearch.username}:{elasticsearch.password}".encode()).decode()
    sent = set()

    def swap(request):
        sent.add(request.headers["authorization"])
        request.headers["authorization"] = f"Basic {sign_in}"

    proxy.spoil = swap
    assert index_day(cluster, DAY, batches(ROWS)).rows == 3
    assert sent == {f"ApiKey {key}"}


def test_a_search_that_lost_a_shard_is_an_error(through, proxy):
    cluster, _ = through()
    index_day(cluster, DAY, batches(ROWS))
    count_by_day(cluster)
    search(cluster, "saham")
    searches = [request.path for request in proxy.requests if "/_search" in request.path]
    assert len(searches) == 5
    assert all("allow_partial_search_results=false" in path for path in searches)


def test_a_server_that_is_not_elasticsearch(through, proxy, monkeypatch):
    cluster, slept = through()
    proxy.spoil = lambda request: (200, b"{}")
    proxy.product = "Something else"
    with pytest.raises(LumbungError, match="this is not Elasticsearch"):
        search(cluster, "saham")
    assert slept == []


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """A certificate for 127.0.0.1 that is its own authority: the files of certificate and key."""
    key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name([])
    now = datetime.now(UTC)
    built = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=True)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    folder = tmp_path_factory.mktemp("certificate")
    (folder / "ca.crt").write_bytes(built.public_bytes(serialization.Encoding.PEM))
    private = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (folder / "key.pem").write_bytes(key.private_bytes(*private))
    return folder / "ca.crt", folder / "key.pem"


def test_tls_is_verified(certificate, elasticsearch, search_settings):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    with Proxy(elasticsearch.url, context) as proxy:
        slept = []
        untrusting = connect(search_settings(search=proxy.url), waits=(1,), sleep=slept.append)
        with pytest.raises(LumbungError, match=r"no safe connection .*certificate.*LUMBUNG_SEARCH_CA"):
            index_day(untrusting, DAY, batches(ROWS))
        assert slept == []
        assert proxy.requests == []
        trusting = connect(search_settings(search=proxy.url, search_ca=certificate[0]), waits=())
        assert index_day(trusting, DAY, batches(ROWS)).rows == 3
        assert proxy.requests


@pytest.mark.parametrize(
    ("environ", "message"),
    [
        ({"SEARCH": "search.example.com:9200"}, r"LUMBUNG_SEARCH: must look like"),
        ({"SEARCH": "https://budi:s3cr3t@search.example.com"}, r"LUMBUNG_SEARCH: must hold no user and password"),
        ({"KIBANA": "ftp://kibana.example.com"}, r"LUMBUNG_KIBANA: must look like"),
        ({"SEARCH_USERNAME": "budi"}, r"go together"),
        ({"SEARCH_USERNAME": "budi", "SEARCH_PASSWORD": "s3cr3t", "SEARCH_API_KEY": "a2V5"}, r"not both"),
        ({"SEARCH_CA": "/nonexistent/ca.crt"}, r"LUMBUNG_SEARCH_CA: there is no file"),
        ({"SEARCH_ALIAS": "Tweet*"}, r"LUMBUNG_SEARCH_ALIAS"),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_settings_that_cannot_be(environ, message):
    with pytest.raises(SettingError, match=message) as raised:
        load({f"LUMBUNG_{name}": value for name, value in environ.items()})
    assert "s3cr3t" not in str(raised.value)


def test_a_server_may_be_named_without_a_port_and_below_a_path():
    def address(url):
        return connect(Settings.of(search=url)).address

    assert address("https://search.example.com") == "https://search.example.com:443"
    assert address("http://search.example.com:9200/es") == "http://search.example.com:9200/es"
