"""Airflow from outside: its REST API, backfills, one run in a process of its own."""
