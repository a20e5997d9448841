"""What is Azure's own: how one signs in, marks of folders, large files, and what its errors become."""

import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from lumbung.core.errors import LumbungError
from lumbung.core.settings import Settings
from lumbung.storage.lake import azure, open_lake
from support import azurite_server
from support.azurite_server import ACCOUNT, ServedAzureLake
from support.http_proxy import Proxy

MB = 1024 * 1024


@pytest.fixture
def lake(azure_lake):
    return azure_lake


@pytest.fixture
def small_requests(monkeypatch):
    """Files of more than a megabyte are sent and read in parts."""
    monkeypatch.setattr(azure, "SINGLE_BYTES", MB)
    monkeypatch.setattr(azure, "BLOCK_BYTES", MB)


def test_both_kinds_of_address_name_one_container(azurite):
    container = azurite.container()
    connection = azurite_server.connection_string(azurite.url)
    one = open_lake(Settings.of(lake_uri=f"az://{container}/a", azure_connection_string=connection))
    other = open_lake(
        Settings.of(
            lake_uri=f"abfss://{container}@{ACCOUNT}.dfs.core.windows.net/a", azure_connection_string=connection
        )
    )
    bare = open_lake(Settings.of(lake_uri=f"az://{container}", azure_connection_string=connection))
    one.write("b/c", b"1")
    assert other.read("b/c") == bare.read("a/b/c") == b"1"
    assert other.address("b/c") == f"abfss://{container}@{ACCOUNT}.dfs.core.windows.net/a/b/c"
    assert (bare.prefix, bare.names("a")) == ("", ["b"])


@pytest.mark.parametrize(
    ("settings", "url"),
    [
        ({"lake_uri": "az://granary/home", "azure_account": "desa"}, "https://desa.blob.core.windows.net/granary"),
        ({"lake_uri": "abfss://granary@desa.dfs.core.windows.net"}, "https://desa.blob.core.windows.net/granary"),
        ({"lake_uri": "abfss://granary@desa.dfs.core.chinacloudapi.cn/a"}, "https://desa.blob.core.chinacloudapi.cn/granary"),
    ],
)  # fmt: skip
def test_without_a_connection_string_the_machine_signs_in(settings, url):
    container = azure.connect(Settings.of(**settings))
    assert container.url == url
    assert type(container.credential).__name__ == "DefaultAzureCredential"


@pytest.mark.parametrize("package", ["azure.storage.blob", "azure.identity"])
def test_missing_packages_are_named_with_what_installs_them(monkeypatch, package):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(LumbungError, match=rf"LUMBUNG_LAKE_URI: .*{package}.*make install-azure.*EXTRAS=azure"):
        open_lake(Settings.of(lake_uri="az://granary", azure_account="desa"))


def test_a_container_that_is_not_there_is_no_empty_lake(azurite):
    lake = ServedAzureLake("az://nowhere/home", azurite.url)
    uses = (
        lambda: lake.read("a"),
        lambda: lake.names("a"),
        lambda: lake.files("a"),
        lambda: lake.write("a", b""),
        lambda: lake.create("a", b""),
        lambda: lake.delete("a"),
        lambda: lake.lease("a").__enter__(),
    )
    for use in uses:
        with pytest.raises(
            azure.AzureError, match=r"az://nowhere/home/.*container does not exist.*lumbung doctor"
        ) as error:
            use()
        assert not error.value.transient


@pytest.mark.parametrize(("status", "is_transient"), [(503, True), (500, True), (403, False), (400, False)])
def test_what_may_pass_is_tried_again(lake, status, is_transient, monkeypatch):
    with Proxy(lake.url, spoil=lambda request: (status, b"")) as proxy:
        distant = ServedAzureLake(lake.uri, proxy.url)
        monkeypatch.setattr("time.sleep", lambda seconds: None)  # between the client's attempts
        with pytest.raises(azure.AzureError) as error:
            distant.read("a")
    assert error.value.transient is is_transient
    assert len(proxy.requests) == (5 if is_transient else 1)


def test_nobody_answers(lake, monkeypatch):
    with Proxy(lake.url) as proxy:
        pass
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    with pytest.raises(azure.AzureUnavailableError, match="refused"):
        ServedAzureLake(lake.uri, proxy.url).read("a")


def test_a_local_copy_of_nothing_is_an_error(lake):
    with pytest.raises(LumbungError, match=r"home/a: there is no such file"), lake.local("a"):
        pass


def test_the_marks_of_folders_are_no_files(lake):
    """What an account with a hierarchical namespace shows, and what tools leave behind."""
    for folder in ("a", "a/b", "a/b/c", "a/d"):
        lake._blob(folder).upload_blob(b"", metadata={azure.FOLDER_MARK: "true"})
    lake.write("a/d/file", b"1")
    assert [file.path for file in lake.files("")] == ["a/d/file"]
    assert (lake.names(""), lake.names("a")) == (["a"], ["b", "d"])
    lake.delete_empty("a")
    assert lake.names("a") == ["d"]
    assert [blob.name for blob in lake.container.list_blobs()] == ["home/a", "home/a/d", "home/a/d/file"]


def test_a_large_file_comes_whole_in_parts(lake, small_requests, tmp_path):
    content = bytes(range(256)) * (MB // 64) + b"end"
    lake = ServedAzureLake(lake.uri, lake.url)
    (tmp_path / "file").write_bytes(content)
    lake.put(tmp_path / "file", "a/file")
    assert not (tmp_path / "file").exists()
    assert lake.read("a/file") == content
    with lake.local("a/file") as copy:
        assert copy.read_bytes() == content
    assert lake.files("a")[0].bytes == len(content)


def test_uploads_of_one_large_file_at_once_leave_one_of_them_whole(lake, small_requests, tmp_path, monkeypatch):
    """The blocks of each are in the container before any is committed: then the first commit discards the other's."""
    staged, commits = threading.Barrier(2), []

    class Commits(threading.local):
        count = 0

    mine = Commits()
    blob_type = type(lake._blob("a"))
    commit = blob_type.commit_block_list

    def wait_and_commit(blob, blocks, **options):
        mine.count += 1
        commits.append(mine.count)
        if mine.count == 1:
            staged.wait(30)
        return commit(blob, blocks, **options)

    monkeypatch.setattr(blob_type, "commit_block_list", wait_and_commit)
    contents = [letter * (3 * MB) for letter in (b"a", b"b")]

    def put(number):
        file = tmp_path / f"{number}"
        file.write_bytes(contents[number])
        ServedAzureLake(lake.uri, lake.url).put(file, "a/file")

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(put, range(2)))
    assert lake.read("a/file") in contents
    assert sorted(commits) == [1, 1, 2], "one of them had to send its blocks again"


def test_a_file_that_is_replaced_while_it_is_read_in_parts_is_read_again(lake, monkeypatch):
    monkeypatch.setattr(azure, "BLOCK_BYTES", MB)
    contents = [letter * (40 * MB) for letter in (b"a", b"b")]  # the first request takes 32 MB
    lake.write("file", contents[0])
    replaced = []

    def replace(request):
        ranges = request.headers.get("x-ms-range", "bytes=0-")
        if request.method == "GET" and not ranges.startswith("bytes=0-") and not replaced:
            replaced.append(ranges)
            lake.write("file", contents[1])

    with Proxy(lake.url, spoil=replace) as proxy:
        assert ServedAzureLake(lake.uri, proxy.url).read("file") == contents[1]
    assert replaced


def test_what_is_done_costs_one_request(lake):
    with Proxy(lake.url) as proxy:
        distant = ServedAzureLake(lake.uri, proxy.url)
        for act in (
            lambda: distant.read("nothing"),
            lambda: distant.write("a", b"1"),
            lambda: distant.create("b", b"1"),
            lambda: distant.read("a"),
            lambda: distant.names(""),
            lambda: distant.files(""),
            lambda: distant.delete("a"),
        ):
            before = len(proxy.requests)
            act()
            assert len(proxy.requests) == before + 1
