#!/usr/bin/env bash
# A producer that purges its queue before it aborts a transaction cannot commit the next one.
#
# Expected: a transactional producer whose work failed has messages in its queue that must not be sent. `purge()` empties
# the queue, and `abort_transaction()` ends the transaction; then the producer begins the next one.
# What happens: both calls succeed. The next transaction takes its messages without an error and fails when it is
# committed: "skipped sequence numbers" (OUT_OF_ORDER_SEQUENCE_NUMBER). The purged messages had their sequence numbers
# already. `abort_transaction()` empties the queue itself and knows of the numbers: without the purge all goes well.
# Why it matters: a service that survives one bad message fails at the next good batch, and its log points at the broker
# and not at the clean-up before.
#
# Needs Python 3, Java 17 or later and Maven.
set -euo pipefail
folder=$(mktemp -d)
cd "$folder"
trap 'kill "$(cat broker.pid 2>/dev/null)" 2>/dev/null || true; rm -rf "$folder"' EXIT
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
python3 -m venv venv
venv/bin/pip install -q --disable-pip-version-check confluent-kafka==2.16.1
read -r port controller < <(python3 -c '
import socket
sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(2)]
print(*(each.getsockname()[1] for each in sockets))')
cat >server.properties <<PROPERTIES
process.roles=broker,controller
node.id=1
controller.listener.names=CONTROLLER
listeners=PLAIN://127.0.0.1:$port,CONTROLLER://127.0.0.1:$controller
listener.security.protocol.map=PLAIN:PLAINTEXT,CONTROLLER:PLAINTEXT
inter.broker.listener.name=PLAIN
controller.quorum.voters=1@127.0.0.1:$controller
log.dirs=data
offsets.topic.replication.factor=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
PROPERTIES
java -cp 'jars/*' kafka.tools.StorageTool format -c server.properties -t finding-000000000000000A >format.txt 2>&1
java -Xmx256m -cp 'jars/*' kafka.Kafka server.properties >broker.txt 2>&1 &
echo $! >broker.pid
until (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; do kill -0 "$(cat broker.pid)"; sleep 0.2; done
java -version 2>&1 | head -n 1
echo "kafka_2.13 4.3.1"
venv/bin/python - "127.0.0.1:$port" <<'PYTHON'
import sys

from confluent_kafka import KafkaException, Producer, libversion, version
from confluent_kafka.admin import AdminClient, NewTopic

servers = {"bootstrap.servers": sys.argv[1]}
print("confluent-kafka", version(), "librdkafka", libversion()[0])
admin = AdminClient(servers)
admin.create_topics([NewTopic("rows", 1, 1)], request_timeout=60)["rows"].result(60)


def second_transaction(purges):
    """What the commit after an aborted transaction says."""
    producer = Producer(servers | {"transactional.id": f"purges-{purges}", "linger.ms": 50})
    producer.init_transactions(60)
    producer.begin_transaction()
    producer.produce("rows", value="committed")
    producer.commit_transaction(60)
    producer.begin_transaction()
    producer.produce("rows", value="not to be sent")
    if purges:
        producer.purge()
    producer.abort_transaction(60)
    producer.begin_transaction()
    producer.produce("rows", value="good")
    try:
        producer.commit_transaction(60)
    except KafkaException as error:
        fault = error.args[0]
        producer.abort_transaction(60)
        return f"{fault.name()}: {fault.str()}"
    return "committed"


without, purged = second_transaction(purges=False), second_transaction(purges=True)
print("without purge():", without)
print("with purge() before abort_transaction():", purged)
as_seen = without == "committed" and purged.startswith("OUT_OF_ORDER_SEQUENCE_NUMBER")
sys.exit(0 if as_seen else "changed: a purge before the abort does no harm")
PYTHON
