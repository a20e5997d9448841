"""Lumbung: sources, lake, warehouse and command line, free of Airflow imports."""

import os

# Without credentials google-auth asks for Google's metadata server, three tries of 3 s each where nothing answers. One
# is enough: on Google Cloud it answers at once, and google-auth knows such a machine by its product name as well.
os.environ.setdefault("GCE_METADATA_DETECT_RETRIES", "1")
