"""Spark: from the raw tweets of a day to its clean ones, on Sail, on a Spark Connect server or on Dataproc."""
