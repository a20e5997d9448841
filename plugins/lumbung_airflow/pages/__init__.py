"""Lumbung's pages in Airflow's UI: an app under `/lumbung` of the API server, see `docs/reference/pages.md`.

Only the API server imports `app`, which is light: what needs the warehouse, the lake or large libraries is made by
`answer`, in a process of its own.
"""
