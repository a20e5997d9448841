"""Manifests: each place in a partition's chain is taken once."""

from lumbung.storage.lake import FolderLake
from support.stream import checksums, tweet


def test_a_manifest_that_was_sent_twice_is_the_landers_own(tweets):
    """What a bucket's client gets when its first request arrived and the answer did not."""

    class Twice(FolderLake):
        def create(self, path, content):
            return super().create(path, content) and False

    lines = tweets.ship("a", *(tweet(number) for number in range(30)))
    done = tweets.land(Twice(tweets.lake.uri, tweets.lake.folder))
    assert done.rows == 30
    assert tweets.checksums() == checksums(lines)
    assert tweets.unnamed() == set()
