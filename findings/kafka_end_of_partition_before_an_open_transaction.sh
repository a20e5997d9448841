#!/usr/bin/env bash
# A consumer of committed rows hears "end of partition" while rows with an earlier append time are still to come.
#
# Expected: with `enable.partition.eof` the client library reports the end of a partition when all that the broker has
# is read. A job that cuts a stream into windows of the broker's append time (`message.timestamp.type=LogAppendTime`)
# then closes a window when its time is over and every partition has reported its end.
# What happens: for `isolation.level=read_committed` the end is where the first open transaction begins. The event has
# that offset and says nothing of the transaction. Its rows, and rows that were committed behind it, come later with
# append times from before the event. Only the end for uncommitted readers tells: it is greater than the one for
# committed readers.
# Why it matters: rows fall out of a window that was closed by this event, or into the wrong one; how many depends on
# how long transactions are open, so that it is not seen in tests without transactions.
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
import time

from confluent_kafka import Consumer, KafkaError, Producer, TopicPartition, libversion, version
from confluent_kafka.admin import AdminClient, NewTopic

servers = {"bootstrap.servers": sys.argv[1]}
print("confluent-kafka", version(), "librdkafka", libversion()[0])
topic = NewTopic("rows", 1, 1, config={"message.timestamp.type": "LogAppendTime"})
admin = AdminClient(servers)
admin.create_topics([topic], request_timeout=60)["rows"].result(60)


def send(producer, value):
    producer.produce("rows", value=value)
    producer.flush(60)


open_one = Producer(servers | {"transactional.id": "open"})
open_one.init_transactions(60)
open_one.begin_transaction()
send(open_one, "in the open transaction")
send(Producer(servers), "sent after it, without a transaction")

consumer = Consumer(
    servers
    | {"group.id": "reader", "isolation.level": "read_committed", "enable.partition.eof": True}
    | {"auto.offset.reset": "earliest"}
)
consumer.assign([TopicPartition("rows", 0, 0)])


def next_event():
    message = consumer.poll(60)
    if message.error() is None:
        return "row", message.value().decode(), message.timestamp()[1]
    assert message.error().code() == KafkaError._PARTITION_EOF, message.error()
    return "end", message.offset(), None


kind, offset, _ = next_event()
print("first event:", kind, "at offset", offset)
ended = time.time() * 1000
committed = consumer.get_watermark_offsets(TopicPartition("rows", 0), 60)[1]
uncommitted = Consumer(servers | {"group.id": "other", "isolation.level": "read_uncommitted"})
all_of_it = uncommitted.get_watermark_offsets(TopicPartition("rows", 0), 60)[1]
print("end for committed readers:", committed, "- for uncommitted ones:", all_of_it)
time.sleep(2)
open_one.commit_transaction(60)
rows = []
while len(rows) < 2:
    event = next_event()
    if event[0] == "row":
        rows.append(event)
for _, value, appended in rows:
    print(f"row after the end: {value!r}, appended {(ended - appended) / 1000:.1f} s before it was reported")
as_seen = (
    (kind, offset) == ("end", 0)
    and committed < all_of_it
    and [value for _, value, _ in rows] == ["in the open transaction", "sent after it, without a transaction"]
    and all(appended < ended for _, _, appended in rows)
)
sys.exit(0 if as_seen else "changed: the end is reported otherwise")
PYTHON
