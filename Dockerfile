# Three images: `airflow` (the pipeline, the default), `bigquery` (the local BigQuery server) and `spark` (a Spark Connect
# server on the JVM), each from its own hash-locked requirements. No syntax that only BuildKit knows: the legacy builder builds it, too.
FROM python:3.13.15-slim-trixie AS builder
# Where an office has a package index of its own. These stay in the builder; the final images have none of it.
ARG PIP_INDEX_URL
ARG UV_DEFAULT_INDEX
ENV UV_NO_CACHE=1
WORKDIR /opt/lumbung
COPY requirements/uv.txt requirements/
RUN pip install --no-cache-dir --disable-pip-version-check --root-user-action=ignore --require-hashes -r requirements/uv.txt \
    && uv venv --quiet --python /usr/local/bin/python .venv


FROM builder AS bigquery-environment
COPY requirements/bigquery.txt requirements/
RUN uv pip install --quiet --compile-bytecode --require-hashes -r requirements/bigquery.txt
# GoogleSQL's engine is compiled here, not at each start; only root can write it, as it is native code.
COPY include/lumbung/__init__.py include/lumbung/
COPY include/lumbung/googlesql include/lumbung/googlesql
RUN XDG_CACHE_HOME=/opt/lumbung/cache PYTHONPATH=include .venv/bin/python -P -m lumbung.googlesql \
    && mkdir -p cache && chmod -R a+rX cache


FROM python:3.13.15-slim-trixie AS bigquery
# The packages `bigquery` and `lumbung` are all that PYTHONPATH adds: nothing of ours hides one of the server's dependencies.
ENV PATH=/opt/lumbung/.venv/bin:$PATH PYTHONPATH=/opt/lumbung/services:/opt/lumbung/include PYTHONUNBUFFERED=1 \
    XDG_CACHE_HOME=/opt/lumbung/cache
WORKDIR /opt/lumbung
COPY --from=bigquery-environment /opt/lumbung/.venv .venv
COPY --from=bigquery-environment /opt/lumbung/include include
COPY --from=bigquery-environment /opt/lumbung/cache cache
COPY services/bigquery services/bigquery
# A named volume takes the owner of the folder that it covers.
RUN install -d -o 50000 -g 0 -m 2775 /var/lib/bigquery
USER 50000:0
VOLUME /var/lib/bigquery
EXPOSE 9050
HEALTHCHECK --interval=10s --timeout=10s --start-period=30s --retries=5 CMD \
    ["python", "-c", "from urllib.request import urlopen; urlopen('http://127.0.0.1:9050/bigquery/v2/projects/local/datasets', timeout=9)"]
CMD ["python", "-P", "-m", "bigquery.server", "--host", "0.0.0.0", "--port", "9050", "--data-dir", "/var/lib/bigquery"]


FROM builder AS spark-environment
COPY requirements/spark.txt requirements/
# Byte code: a worker, who may not write it, imports pandas and scikit-learn in each process of its own.
RUN uv pip install --quiet --require-hashes -r requirements/spark.txt \
    && cd .venv/lib/python3.13/site-packages \
    && find pandas pyarrow scipy sklearn numpy -type d -name tests -prune -exec rm -r {} + \
    && /opt/lumbung/.venv/bin/python -m compileall -q -j 0 .


FROM python:3.13.15-slim-trixie AS spark
RUN apt-get update -qq \
    && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends openjdk-21-jre-headless procps libnss-wrapper \
    && rm -rf /var/lib/apt/lists/*
ENV PATH=/opt/lumbung/.venv/bin:$PATH SPARK_HOME=/opt/lumbung/.venv/lib/python3.13/site-packages/pyspark \
    PYSPARK_PYTHON=/opt/lumbung/.venv/bin/python PYSPARK_DRIVER_PYTHON=/opt/lumbung/.venv/bin/python
COPY --from=spark-environment /opt/lumbung/.venv /opt/lumbung/.venv
USER 50000:0
WORKDIR /tmp
EXPOSE 15002
HEALTHCHECK --interval=5s --timeout=5s --start-period=60s --retries=12 CMD \
    ["python", "-c", "import socket; socket.create_connection(('127.0.0.1', 15002), 4).close()"]
# Hadoop wants a name for its user, and any id may be it.
ENV LD_PRELOAD=libnss_wrapper.so NSS_WRAPPER_PASSWD=/tmp/passwd NSS_WRAPPER_GROUP=/etc/group
CMD ["sh", "-euc", "printf 'spark:x:%s:0::/tmp:/bin/sh\\n' $(id -u) >/tmp/passwd; \
     exec spark-submit --master 'local[2]' --driver-memory 1g --conf spark.ui.enabled=false \
     --conf spark.sql.shuffle.partitions=2 --conf spark.connect.grpc.binding.address=0.0.0.0 \
     --class org.apache.spark.sql.connect.service.SparkConnectServer spark-internal"]


FROM builder AS airflow-environment
# Names of requirements/*.txt that are installed too, such as azure.
ARG EXTRAS
COPY requirements/airflow.txt requirements/azure.txt requirements/
# Byte code makes Airflow start twice as fast. Google's and other large libraries that the pipeline never imports go without
# it, and without their tests and the descriptions of hundreds of APIs: 500 MB less.
RUN for name in airflow $EXTRAS; do uv pip install --quiet --require-hashes -r requirements/$name.txt || exit 1; done \
    && cd .venv/lib/python3.13/site-packages \
    && find pandas pyarrow scipy sklearn numpy -type d -name tests -prune -exec rm -r {} + \
    && find googleapiclient/discovery_cache/documents -type f ! -name 'bigquery*' ! -name 'dataproc*' ! -name 'storage*' -delete \
    && /opt/lumbung/.venv/bin/python -m compileall -q -j 0 \
       -x '^(\./)?(google/(ads|analytics)|google/cloud/(aiplatform|compute|dataplex)|vertexai|agentplatform|openai|litellm|ray)' .


FROM python:3.13.15-slim-trixie AS airflow
# AIRFLOW_CONFIG: all settings come from the environment; Airflow would else write a file with the secrets in it.
ENV PATH=/opt/lumbung/.venv/bin:$PATH PYTHONPATH=/opt/lumbung/include PYTHONUNBUFFERED=1 \
    HOME=/home/airflow USER=airflow \
    LUMBUNG_HOME=/var/lib/lumbung AIRFLOW_HOME=/var/lib/lumbung/airflow AIRFLOW_CONFIG=/dev/null \
    AIRFLOW__CORE__DAGS_FOLDER=/opt/lumbung/dags AIRFLOW__CORE__PLUGINS_FOLDER=/opt/lumbung/plugins
WORKDIR /opt/lumbung
COPY --from=airflow-environment /opt/lumbung/.venv .venv
# Any user of group 0 may write where something is written, whatever AIRFLOW_UID is. A named volume takes over the owner and mode.
RUN useradd --uid 50000 --gid 0 --no-log-init --create-home airflow && chmod 2775 /home/airflow \
    && install -d -o 50000 -g 0 -m 2775 /var/lib/lumbung /var/lib/lumbung/airflow /spool \
    && printf '#!/bin/sh\nexec python -m lumbung "$@"\n' >/usr/local/bin/lumbung && chmod 755 /usr/local/bin/lumbung
COPY requirements/airflow.txt requirements/
COPY dags dags
COPY plugins plugins
COPY data-source data-source
COPY include include
COPY tools tools
RUN python -m compileall -q dags plugins include tools
USER 50000:0
VOLUME /var/lib/lumbung /spool
EXPOSE 8080
HEALTHCHECK --interval=15s --timeout=10s --start-period=90s --retries=5 CMD \
    ["python", "-c", "from urllib.request import urlopen; urlopen('http://127.0.0.1:8080/api/v2/monitor/health', timeout=9)"]
CMD ["airflow", "api-server"]
