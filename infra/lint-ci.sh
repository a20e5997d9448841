#!/bin/sh
# Checks the pipelines' syntax: actionlint checks GitHub's workflow syntax; npm-groovy-lint checks Groovy only, not
# Jenkins' declarative syntax, whose validator is a part of Jenkins. tests/infra/test_pipelines.py looks at the rest.
set -eu
cd "$(dirname "$0")/.."
infra/tools.sh
# Without the programs that happen to be installed here, so that the result is the same everywhere.
.tools-go/actionlint -shellcheck= -pyflakes= .github/workflows/*.yaml
command -v java >/dev/null || [ -n "${JAVA_HOME:-}" ] || {
  echo "lumbung: no Java found, which npm-groovy-lint needs. Install Java 17, then run make again." >&2
  exit 1
}
.tools-npm/node_modules/.bin/npm-groovy-lint --noserver --nolintafter --config recommended-jenkinsfile \
  --failon warning --loglevel warning --output txt Jenkinsfile
