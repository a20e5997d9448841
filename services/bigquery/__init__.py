"""The local BigQuery server. It has an environment of its own and imports nothing of Lumbung."""
