#!/usr/bin/env bash
# npm-groovy-lint with its rules for Jenkinsfiles passes a pipeline that Jenkins refuses at its first word.
#
# Expected: a linter that says it is for Jenkinsfiles, run with the rules recommended-jenkinsfile, reports sections that
# Jenkins' declarative syntax does not have. What happens: it parses Groovy, in which any word before braces is a call
# with a closure, and applies rules of style. A misspelt pipeline, agent and stages are no error, no warning and no
# remark. Only what is not Groovy at all is an error.
# Why it matters: a green check is taken for a pipeline that starts. Jenkins' own validator is a part of a running
# Jenkins; without one, sections have to be compared with a list.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm install --silent --ignore-scripts --no-audit --no-fund npm-groovy-lint@16.2.0
lint() { node_modules/.bin/npm-groovy-lint --noserver --nolintafter --config recommended-jenkinsfile --failon info --output txt "$1"; }
mkdir misspelt broken
printf "pipelin {\n    agnt any\n    stagez {\n        stage('Build') {\n            stepz {\n                sh 'make'\n            }\n        }\n    }\n}\n" >misspelt/Jenkinsfile
printf 'pipeline {\n    agent any\n' >broken/Jenkinsfile
misspelt=0 broken=0
lint misspelt/Jenkinsfile >misspelt.log 2>&1 || misspelt=$?
lint broken/Jenkinsfile >broken.log 2>&1 || broken=$?
echo "npm-groovy-lint 16.2.0, java $(java -version 2>&1 | sed -n '1s/.*"\(.*\)".*/\1/p'): misspelt sections: exit $misspelt; a missing brace: exit $broken"
grep -q NglParseError broken.log
[ "$misspelt" = 0 ] && [ "$broken" != 0 ]
