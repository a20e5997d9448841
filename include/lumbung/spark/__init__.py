"""Spark: clean tweets, features and models of batches, changes of contracts; on Sail, a server or Dataproc."""
