#!/bin/sh
# Locks requirements/*.in with hashes. dev comes first: the pipeline's environment is a part of it.
set -eu
cd "$(dirname "$0")/../requirements"
lock() { # name, more options
  name=$1
  shift
  ../.tools/bin/uv pip compile --quiet --python-version 3.13 --universal --generate-hashes --no-emit-index-url \
    --custom-compile-command 'make lock' "$@" -o "$name.txt" "$name.in"
}
lock uv
lock bigquery
lock dev
lock spark
lock bench
lock audit
lock airflow --constraint dev.txt
lock azure --constraint dev.txt
