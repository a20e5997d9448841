"""What is a bucket's own: the console's folders, and what is billed."""

import time

import pytest

from support.bucket_server import PAGE, ServedLake


@pytest.fixture
def lake(bucket_lake):
    return bucket_lake


def test_a_prefix_is_optional(bucket_of_lake):
    lake = ServedLake("gs://granary", bucket_of_lake.url)
    lake.write("a/b", b"1")
    assert (lake.names("a"), lake.read("a/b"), lake.address("a/b")) == (["b"], b"1", "gs://granary/a/b")
    assert [file.path for file in lake.files("a")] == ["a/b"]


def test_the_placeholder_of_a_folder_is_not_a_name(lake):
    lake.write("version/shop/", b"")  # what the console's "create folder" makes
    lake.write("version/shop/dt=2026-11-10/x", b"")
    assert lake.names("version/shop") == ["dt=2026-11-10"]


def test_a_file_that_is_not_there_costs_one_request(lake, bucket_of_lake):
    lake.write("a", b"1")
    bucket_of_lake.requests.clear()
    for number in range(3):
        assert lake.read(f"b{number}") is None
    time.sleep(0.2)  # for requests of other threads
    assert len(bucket_of_lake.requests) == 3


def test_a_long_list_comes_whole_and_in_pages_from_its_start(lake, bucket_of_lake):
    names = [f"{number:020}.json" for number in range(2 * PAGE + 5)]
    one = ServedLake(lake.uri, lake.url)
    one.write("chain/x/y", b"1")
    (stored,) = bucket_of_lake.objects.values()
    bucket_of_lake.objects.update({f"home/chain/{name}": stored for name in names})
    for start, pages in ((0, 3), (PAGE, 2), (len(names) - 5, 1)):
        bucket_of_lake.requests.clear()
        assert lake.names("chain", names[start]) == [*names[start:], "x"]
        assert len([path for _, path in bucket_of_lake.requests if "/o?" in path]) == pages
