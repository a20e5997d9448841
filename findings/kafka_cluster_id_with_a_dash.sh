#!/usr/bin/env bash
# Kafka's storage tool takes a cluster id for an option when it starts with a dash.
#
# Expected: a cluster id is 16 random bytes in URL-safe base64 without padding, so `format --cluster-id ID` takes each
# such id. What happens: one id in 64 starts with "-", and the tool answers "expected one argument" and formats nothing.
# With `--cluster-id=ID` the same id is taken, and the broker's own id generator never makes such an id, so the tool and
# its documentation hide it.
# Why it matters: a script that makes its own ids (a test broker, a provisioning job) fails once in 64 runs, and looks
# like a flaky machine. A test run of this project failed that way.
#
# Needs Java 17 or later and Maven.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
cat >pom.xml <<'POM'
<project>
  <modelVersion>4.0.0</modelVersion>
  <groupId>finding</groupId><artifactId>finding</artifactId><version>1</version>
  <dependencies>
    <dependency><groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId><version>4.3.1</version></dependency>
  </dependencies>
</project>
POM
mvn -B -q dependency:copy-dependencies -DincludeScope=runtime -DoutputDirectory=jars
cat >server.properties <<'PROPERTIES'
process.roles=broker,controller
node.id=1
controller.listener.names=CONTROLLER
listeners=PLAIN://127.0.0.1:19092,CONTROLLER://127.0.0.1:19093
listener.security.protocol.map=PLAIN:PLAINTEXT,CONTROLLER:PLAINTEXT
inter.broker.listener.name=PLAIN
controller.quorum.voters=1@127.0.0.1:19093
log.dirs=data
PROPERTIES
java -version 2>&1 | head -n 1
echo "kafka_2.13 4.3.1"
id=$(python3 -c 'import base64; print(base64.urlsafe_b64encode(b"\xf8" + bytes(15)).decode().rstrip("="))')
format() { rm -rf data; java -cp 'jars/*' kafka.tools.StorageTool format -c server.properties "$@" >output.txt 2>&1; }
verdict=0
try() { # try "expected outcome" arguments
  local expected=$1 outcome=formatted; shift
  format "$@" || outcome=refused
  printf '%-45s %s\n' "format $*" "$outcome"
  grep -E 'error:' output.txt || true
  [ "$outcome" = "$expected" ] || { echo "changed: expected $expected"; verdict=1; }
}
try refused --cluster-id "$id"
try refused -t "$id"
try formatted "--cluster-id=$id"
exit $verdict
