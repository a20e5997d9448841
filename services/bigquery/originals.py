"""local-bigquery's own functions, bound before `server.patch` puts ours in their places.

Ours call them here, since under local-bigquery's names they would find themselves.
"""

from local_bigquery.catalog import tabledata, tables
from local_bigquery.engine import database
from local_bigquery.jobs import load, query, runner

open_cursor = database.cursor
lock_table = database.writing
list_objects = database.objects
fetch = database.fetch
execute = database.execute
write_table = tables.write
load_table = tables.load
delete_table = tables.delete
update_table = tables.update
insert_rows = tabledata.insert_all
hive_options = load._hive
read_source = load._reader
project = load._projection
run_statement = query._run
run_query = query.execute
run_statements = query._execute
translate = query.translate
run_job = runner._execute
