"""What a user would pick instead: dlt, dbt-duckdb and cosmos, run by Airflow."""
