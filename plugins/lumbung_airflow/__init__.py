"""Airflow's hands of Lumbung: what DAG files import. `include/lumbung` does the work."""
