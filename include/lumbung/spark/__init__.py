"""Spark: clean tweets, features of batches and models trained on them; on Sail, a server or Dataproc."""
