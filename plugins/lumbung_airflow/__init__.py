"""Airflow's side of Lumbung: what DAG files import. `include/lumbung` does the work."""
