#!/usr/bin/env bash
# confluent-kafka's AdminClient is false while nothing waits in its queue; its Producer and its Consumer are true.
#
# Expected: a client object is true, as objects are. `self.client = self.client or AdminClient(config)` makes one at
# the first use and keeps it; the same line with a Producer does.
# What happens: an AdminClient has a length, what waits in its queue for the program, and so it is false nearly always.
# A Producer has a length too, but says of itself that it is true.
# Why it matters: the line makes a client for each use, with threads and connections to the brokers that live until the
# client is collected, and a guard such as `if self.client: self.client.poll(0)` never polls. Nothing fails, so nobody
# notices. Compare with None.
#
# Needs Python 3.13. A socket that says nothing stands for the broker: what a client is does not depend on answers.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check confluent-kafka==2.16.1
cat > "$folder/program.py" <<'PYTHON'
import socket

import confluent_kafka
from confluent_kafka import Consumer, Producer
from confluent_kafka.admin import AdminClient

print("confluent-kafka", confluent_kafka.version(), "librdkafka", confluent_kafka.libversion()[0])
broker = socket.create_server(("127.0.0.1", 0))
config = {"bootstrap.servers": "{}:{}".format(*broker.getsockname())}
seen = {}
for kind in (Producer, Consumer, AdminClient):
    client = kind(config | ({"group.id": "readers"} if kind is Consumer else {}))
    seen[kind.__name__] = bool(client)
    length = f"length {len(client)}, " if hasattr(client, "__len__") else ""
    print(f"{kind.__name__}: {length}true: {bool(client)}")
assert seen == {"Producer": True, "Consumer": True, "AdminClient": False}, "this finding is out of date"

client, made = None, set()
for _ in range(3):
    client = client or AdminClient(config)
    made.add(client)
print(f"three uses of `client or AdminClient(config)` made {len(made)} clients")
assert len(made) == 3, "this finding is out of date"
PYTHON
"$folder/venv/bin/python" "$folder/program.py"
