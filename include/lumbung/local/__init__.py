"""What is started on a laptop: the embedded servers, and Airflow."""
