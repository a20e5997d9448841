#!/usr/bin/env bash
# On YARN in cluster mode a job's arguments lose `}}` and `{{NAME}}`; in client mode they do not.
#
# Expected: what stands behind the application in `spark-submit app.py '{"a": {"b": 1}}'` is the job's sys.argv, whatever
# the deploy mode, as Spark quotes each argument for the shell of the container.
# What happens: YARN puts variables of the container into its command by `{{NAME}}`, and each node replaces `{{` by `$`
# and `}}` by nothing before the shell sees the quotes. JSON of two levels ends in `}}`: it arrives cut off, without a
# warning by Spark or YARN, and the job fails where it reads it, or reads something else.
# Why it matters: the same command works with --master local, in client mode, on Kubernetes and on Dataproc, where
# drivers do not run as such a container. A plan goes as a file (--files), or its JSON is written with `} }`.
#
# Needs Python 3.13, Java 17 or later, Maven, 2 GB of memory and of disk, and two minutes.
set -euo pipefail
folder=$(mktemp -d)
cluster=
trap '[ -z "$cluster" ] || { kill -9 "$cluster"; wait "$cluster" || true; } 2>/dev/null; rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install -q pyspark==4.1.4
cat >pom.xml <<'XML'
<project>
  <modelVersion>4.0.0</modelVersion>
  <groupId>finding</groupId>
  <artifactId>yarn</artifactId>
  <version>1</version>
  <packaging>pom</packaging>
  <dependencies>
    <dependency>
      <groupId>org.apache.hadoop</groupId>
      <artifactId>hadoop-minicluster</artifactId>
      <version>3.4.2</version>
    </dependency>
    <dependency>
      <groupId>junit</groupId>
      <artifactId>junit</artifactId>
      <version>4.13.2</version>
    </dependency>
  </dependencies>
</project>
XML
mvn -B -q dependency:copy-dependencies -DincludeScope=runtime -DoutputDirectory="$folder/jars"
port() { venv/bin/python -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }
rm=$(port) scheduler=$(port) tracker=$(port) admin=$(port) web=$(port)
java -Xmx512m --add-opens=java.base/java.lang=ALL-UNNAMED -cp "$folder/jars/*" \
  org.apache.hadoop.mapreduce.MiniHadoopClusterManager -format -writeDetails "$folder/details.json" -rmport "$rm" \
  -D yarn.minicluster.fixed.ports=true \
  -D yarn.resourcemanager.scheduler.address=127.0.0.1:"$scheduler" \
  -D yarn.resourcemanager.resource-tracker.address=127.0.0.1:"$tracker" \
  -D yarn.resourcemanager.admin.address=127.0.0.1:"$admin" -D yarn.resourcemanager.webapp.address=127.0.0.1:"$web" \
  -D yarn.nodemanager.address=127.0.0.1:0 -D yarn.nodemanager.localizer.address=127.0.0.1:0 \
  -D yarn.nodemanager.webapp.address=127.0.0.1:0 -D mapreduce.jobhistory.address=127.0.0.1:0 \
  -D mapreduce.jobhistory.admin.address=127.0.0.1:0 -D mapreduce.jobhistory.webapp.address=127.0.0.1:0 \
  -D yarn.nodemanager.vmem-check-enabled=false \
  -D yarn.nodemanager.disk-health-checker.max-disk-utilization-per-disk-percentage=99 >cluster.log 2>&1 &
cluster=$!
for _ in $(seq 600); do
  [ ! -s details.json ] || break
  kill -0 "$cluster" || { tail -n 30 cluster.log; exit 1; }
  sleep 0.2
done
mkdir conf
hdfs=$(venv/bin/python -c 'import json; print(json.load(open("details.json"))["namenode_port"])')
cat >conf/core-site.xml <<XML
<configuration><property><name>fs.defaultFS</name><value>hdfs://localhost:$hdfs</value></property></configuration>
XML
cat >conf/yarn-site.xml <<XML
<configuration>
<property><name>yarn.resourcemanager.address</name><value>127.0.0.1:$rm</value></property>
<property><name>yarn.resourcemanager.scheduler.address</name><value>127.0.0.1:$scheduler</value></property>
</configuration>
XML
cat >job.py <<'PYTHON'
import json
import sys
from pathlib import Path

from pyspark.sql import SparkSession

SparkSession.builder.getOrCreate().stop()
Path(sys.argv[1]).write_text(json.dumps(sys.argv[2:]))
PYTHON
spark=$(echo "$folder"/venv/lib/python3*/site-packages/pyspark)
export HADOOP_CONF_DIR=$folder/conf PYSPARK_PYTHON=$folder/venv/bin/python
for mode in client cluster; do
  "$spark/bin/spark-submit" --master yarn --deploy-mode "$mode" --driver-memory 512m --executor-memory 512m \
    --num-executors 1 --conf spark.ui.enabled=false --conf "spark.yarn.jars=local:$spark/jars/*" \
    --conf "spark.yarn.appMasterEnv.PYSPARK_PYTHON=$PYSPARK_PYTHON" \
    job.py "$folder/$mode.json" '{"a": {"b": 1}}' '{"a": {"b": 1} }' '{{HOME}}' >"$mode.log" 2>&1 ||
    { tail -n 30 "$mode.log"; exit 1; }
done
venv/bin/python - <<'PYTHON'
import json
import sys
from pathlib import Path

given = ['{"a": {"b": 1}}', '{"a": {"b": 1} }', "{{HOME}}"]
seen = {mode: json.loads(Path(f"{mode}.json").read_text()) for mode in ("client", "cluster")}
print("pyspark 4.1.4, Hadoop 3.4.2")
print(f"given    {given}")
for mode, arguments in seen.items():
    print(f"{mode:8} {arguments}")
cut = ['{"a": {"b": 1', '{"a": {"b": 1} }']
sys.exit(seen["client"] != given or seen["cluster"][:2] != cut or seen["cluster"][2] == given[2])
PYTHON
