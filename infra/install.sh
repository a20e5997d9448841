#!/bin/sh
# Makes the environments: .venv (Airflow, Lumbung; with "dev" the tests' tools too, with "azure" what a lake on Azure needs, which
# then stays), .venv-bigquery (the local server) and, with "dev" where Java is, .venv-spark (a JVM Spark for tests); with "bench" or
# "audit" .venv-bench (what Lumbung is measured against) or .venv-audit (looks up known faults of what is locked).
# Needs Python 3 with pip; uv comes from pip into .tools, and everything from the hash-locked requirements/*.txt.
set -eu
cd "$(dirname "$0")/.."
say() { printf '%s\n' "$*"; }
fail() { say "lumbung: $*" >&2; exit 1; }

# What was installed last is kept as a checksum of the locks; nothing to do when it is the same. The scripts of an
# environment hold its path: those of a checkout that was moved do not start, those of a copy start the original's code.
stamp() { cat "$@" pyproject.toml infra/install.sh | cksum; }
is_usable() {
  [ -x "$1/bin/python" ] && "$1/bin/python" -c '' 2>/dev/null &&
    grep -qF -e "$PWD/$1'" -e "$(pwd -P)/$1'" "$1/bin/activate" 2>/dev/null
}
is_done() { is_usable "$1" && [ "$(cat "$1/.installed" 2>/dev/null)" = "$2" ]; }

wanted=${1:-} lock=airflow
[ "$wanted" = dev ] && lock=dev
main=$(stamp requirements/airflow.txt requirements/dev.txt)
bigquery=$(stamp requirements/bigquery.txt)
spark=$(stamp requirements/spark.txt)
azure=$(stamp requirements/azure.txt)
case $wanted in
  bench | audit) tool=$wanted tools=$(stamp "requirements/$wanted.txt") ;;
  *) tool='' tools='' ;;
esac
# Once asked for, it is kept up to date, also in an environment that is made again.
wants_azure=no
if [ "$wanted" = azure ] || [ -e .venv/.installed-azure ]; then wants_azure=yes; fi
has_azure() { [ $wants_azure = no ] || [ "$(cat .venv/.installed-azure 2>/dev/null)" = "$azure" ]; }
wants_spark() { [ "$lock" = dev ] && { command -v java >/dev/null || [ -n "${JAVA_HOME:-}" ]; }; }
# The dev environment holds all of the other one.
if is_done .venv "dev $main" || { [ "$lock" = airflow ] && is_done .venv "airflow $main"; }; then
  is_done .venv-bigquery "$bigquery" && has_azure && { ! wants_spark || is_done .venv-spark "$spark"; } &&
    { [ -z "$tool" ] || is_done ".venv-$tool" "$tools"; } && exit 0
fi

if [ ! -x .tools/bin/uv ] || [ "$(cat .tools/.installed 2>/dev/null)" != "$(stamp requirements/uv.txt)" ]; then
  python=$(command -v python3 || command -v python) || fail "no Python 3 found. Install Python 3 with pip, then run make again."
  "$python" -m pip --version >/dev/null 2>&1 || fail "$python has no pip. Install it (Debian, Ubuntu: apt install python3-pip), then run make again."
  say "Installing uv"
  rm -rf .tools
  "$python" -m pip install --quiet --disable-pip-version-check --no-warn-script-location --root-user-action=ignore \
    --target .tools --require-hashes -r requirements/uv.txt
  stamp requirements/uv.txt >.tools/.installed
fi
uv=$PWD/.tools/bin/uv
export UV_COMPILE_BYTECODE=1 # Airflow starts twice as fast with byte code
unset VIRTUAL_ENV CONDA_PREFIX UV_PYTHON 2>/dev/null || true

# A 3.13 on PATH that runs, or one in the folder of a version manager whether or not it is on PATH.
find_python() {
  shims=$(printf '%s' "$PATH" | tr ':' '\n' | sed -n 's,/shims/*$,,p')
  for python in "$(command -v python3.13 || true)" "$(command -v python3 || true)" \
    "${PYENV_ROOT:-$HOME/.pyenv}"/versions/3.13*/bin/python3.13 \
    $(for root in $shims; do printf '%s ' "$root"/versions/3.13*/bin/python3.13 "$root"/installs/python/3.13*/bin/python3.13; done) \
    "${ASDF_DATA_DIR:-$HOME/.asdf}"/installs/python/3.13*/bin/python3.13 \
    "${MISE_DATA_DIR:-$HOME/.local/share/mise}"/installs/python/3.13*/bin/python3.13 \
    /opt/homebrew/opt/python@3.13/bin/python3.13 /usr/local/opt/python@3.13/bin/python3.13; do
    if [ -x "$python" ] && "$python" -c 'import sys, venv; sys.exit(sys.version_info[:2] != (3, 13))' 2>/dev/null; then
      printf '%s' "$python"
      return
    fi
  done
  "$uv" python find --quiet 3.13 2>/dev/null || true
}
python=$(find_python)
if [ -z "$python" ]; then
  say "No Python 3.13 here; downloading one"
  "$uv" python install --quiet 3.13 || fail "Python 3.13 is not here and cannot be downloaded. Install it (python.org, pyenv install 3.13, apt install python3.13 python3.13-venv), then run make again."
  python=$("$uv" python find 3.13)
fi

make_environment() { # folder, stamp, lock
  is_done "$1" "$2" && return
  say "Installing $1 from requirements/$3.txt (takes a minute or two)"
  rm -f "$1"/.installed*
  is_usable "$1" || "$uv" venv --quiet --clear --python "$python" "$1"
  "$uv" pip install --quiet --python "$1/bin/python" --require-hashes -r "requirements/$3.txt"
  [ "$1" = .venv ] && "$uv" pip install --quiet --python .venv/bin/python --no-deps --offline -e .
  printf '%s' "$2" >"$1/.installed"
}
is_done .venv "dev $main" || make_environment .venv "$lock $main" "$lock"
if ! has_azure; then
  say "Installing requirements/azure.txt into .venv"
  "$uv" pip install --quiet --python .venv/bin/python --require-hashes -r requirements/azure.txt
  printf '%s' "$azure" >.venv/.installed-azure
fi
make_environment .venv-bigquery "$bigquery" bigquery
# On a machine that the engine does not support, it says so.
say "Compiling GoogleSQL's engine into the user's cache (half a minute, if it is not there)"
PYTHONPATH=include .venv-bigquery/bin/python -P -m lumbung.googlesql
if wants_spark; then make_environment .venv-spark "$spark" spark; fi
if [ -n "$tool" ]; then make_environment ".venv-$tool" "$tools" "$tool"; fi
