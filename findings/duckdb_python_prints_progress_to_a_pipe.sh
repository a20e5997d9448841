#!/usr/bin/env bash
# DuckDB in `python -c` prints a progress bar to standard output when a query is slow, into a pipe or a file, too.
#
# Expected: a library writes nothing to standard output; a progress bar is for a terminal only, as with DuckDB's own
# shell, and the same statements print the same whether they are in a file or an argument.
# What happens: where `__main__` has no `__file__` (`python -c`, a program on standard input), DuckDB takes the process
# for a console and turns the bar on. It is printed once a query takes longer than `progress_bar_time`, two seconds, to
# standard output, whatever that is. The same program in a file prints none.
# Why it matters: `python -c "…" | jq`, a test or a scheduler that reads what a one-liner printed gets lines that it
# cannot parse, on a busy machine or on more data only. Tests of this project failed so, under load and never alone. What
# helps: `SET enable_progress_bar = false`, or a program in a file.
#
# Needs Python 3.13.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q duckdb==1.5.5
cat > "$folder/program.py" <<'PYTHON'
import duckdb
db = duckdb.connect()
db.execute("SET threads = 1")  # so that the query is slow on any machine
db.execute("SELECT count(*) FROM range(800_000_000) t(n) WHERE hash(n) % 7 = 3").fetchall()
print("done")
PYTHON
"$folder/venv/bin/python" -c 'import duckdb; print("duckdb", duckdb.__version__)'
"$folder/venv/bin/python" "$folder/program.py" > "$folder/by_file"
"$folder/venv/bin/python" -c "$(cat "$folder/program.py")" > "$folder/by_argument"
echo "a file prints:"
cat "$folder/by_file"
echo "the same as an argument prints:"
tr '\r' '\n' < "$folder/by_argument" | tail -n 2
[ "$(cat "$folder/by_file")" = done ] || { echo "changed: a file prints more"; exit 1; }
grep -q elapsed "$folder/by_argument" || { echo "changed: no progress bar"; exit 1; }
