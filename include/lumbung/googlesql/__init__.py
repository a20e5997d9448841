"""GoogleSQL: Google's own analyzer and reference implementation, as BigQuery has them; no BigQuery, no server.

The package imports nothing of the project and what it needs only when the engine starts: the local BigQuery server,
whose environment is another one, uses it, too.
"""
