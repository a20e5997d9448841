"""Tweets on their way to the lake: collected into spool files, shipped to Kafka, landed."""
