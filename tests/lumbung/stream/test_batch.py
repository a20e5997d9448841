"""The Parquet files that batches are written to."""

from dataclasses import replace

import pyarrow.parquet as pq

from lumbung.core.settings import Settings
from lumbung.spark.clean import clean_day
from lumbung.spark.session import session
from lumbung.stream.kafka import Cluster
from support.stream import NOON, jakarta, tweet


def test_files_are_zstd_with_the_columns_of_raw(tweets):
    tweets.ship("a", tweet(1))
    tweets.land()
    (file,) = [file for manifest in tweets.landings() for file in manifest.files]
    with tweets.lake.local(file.path) as path:
        parquet = pq.ParquetFile(path)
        columns = [parquet.metadata.row_group(0).column(n) for n in range(parquet.metadata.num_columns)]
        assert {column.compression for column in columns} == {"ZSTD"}
        times = dict.fromkeys(["collected_at", "created_at"], "timestamp[us, tz=UTC]")
        texts = dict.fromkeys(["identity", "user_name", "lang", "text", "sha256", "raw"], "string")
        types = {"edit_id": "int64", "is_retweet": "bool", **times, **texts}
        assert {field.name: str(field.type) for field in parquet.schema_arrow} == types


def test_no_file_s_name_hides_it_from_spark(tweets, monkeypatch):
    """Spark passes over names that start with `_`, as every 64th topic id does."""
    real = Cluster.topic
    monkeypatch.setattr(Cluster, "topic", lambda self: replace(real(self), id=f"_{real(self).id[1:]}"))
    tweets.ship("a", tweet(1), tweet(2))
    tweets.land()
    files = [tweets.lake.address(file.path) for manifest in tweets.landings() for file in manifest.files]
    with session(Settings.of(spark="sail")) as spark:
        assert clean_day(spark, files, jakarta(NOON)).count() == 2
