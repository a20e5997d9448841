#!/bin/sh
# Installs the tools that are not Python packages, each locked with checksums: Azurite and npm-groovy-lint by npm
# into .tools-npm (requirements/npm), actionlint by Go into .tools-go (requirements/go).
set -eu
cd "$(dirname "$0")/.."
say() { printf '%s\n' "$*"; }
fail() { say "lumbung: $*" >&2; exit 1; }
stamp() { cat "$@" infra/tools.sh | cksum; }
is_done() { [ "$(cat "$1/.installed" 2>/dev/null)" = "$2" ]; }

npm=$(stamp requirements/npm/package-lock.json)
if ! is_done .tools-npm "$npm"; then
  command -v npm >/dev/null || fail "no npm found. Install Node.js 20 or later with npm, then run make again."
  say "Installing Azurite and npm-groovy-lint into .tools-npm"
  rm -rf .tools-npm
  mkdir .tools-npm
  cp requirements/npm/package.json requirements/npm/package-lock.json .tools-npm
  # No scripts of packages are run; none of these needs one.
  (cd .tools-npm && npm ci --silent --ignore-scripts --no-audit --no-fund)
  printf '%s' "$npm" >.tools-npm/.installed
fi

go=$(stamp requirements/go/go.mod requirements/go/go.sum)
if ! is_done .tools-go "$go"; then
  command -v go >/dev/null || fail "no Go found. Install Go 1.25 or later, then run make again."
  say "Building actionlint into .tools-go"
  rm -rf .tools-go
  mkdir .tools-go
  folder=$PWD/.tools-go
  (cd requirements/go && GOFLAGS=-mod=readonly go build -o "$folder/" github.com/rhysd/actionlint/cmd/actionlint)
  printf '%s' "$go" >.tools-go/.installed
fi
