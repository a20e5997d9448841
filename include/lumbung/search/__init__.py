"""Tweets in Elasticsearch, for full-text search and Kibana."""
