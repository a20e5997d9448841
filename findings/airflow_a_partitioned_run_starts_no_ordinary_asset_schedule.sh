#!/usr/bin/env bash
# A run of Airflow that has a partition key does not start the DAGs that are scheduled by the assets it updates.
#
# Expected: a DAG with schedule=[asset] runs after every run that updates the asset; a partition key is more that is
# known of the event, for those who ask for it.
# What happens: in Airflow 3.3 an asset event with a partition key queues only DAGs whose schedule takes partitions
# (PartitionedAssetTimetable), and an event without one queues only the others. The event itself is recorded and shown
# either way. Without a key the log has a warning for those who wait for one; with a key it says nothing of the others.
# Why it matters: giving a DAG's runs a partition, by a timetable or by hand, silently ends the schedules of all DAGs that
# wait for its assets. They need PartitionedAssetTimetable from then on.
#
# Needs Python 3.10 to 3.13 with venv.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q apache-airflow-core==3.3.2 apache-airflow-task-sdk==1.3.2 apache-airflow-providers-standard==1.21.0
mkdir "$work/dags"
cat > "$work/dags/three.py" <<'END'
from airflow.sdk import DAG, Asset, PartitionedAssetTimetable, task

table = Asset("table")


@task(outlets=[table])
def make():
    pass


@task
def read():
    pass


with DAG("maker", schedule=None):
    make()
with DAG("ordinary", schedule=[table]):
    read()
with DAG("partitioned", schedule=PartitionedAssetTimetable(assets=Asset.ref(name="table"))):
    read()
END
export AIRFLOW_HOME="$work/home" AIRFLOW__CORE__LOAD_EXAMPLES=False AIRFLOW__CORE__DAGS_FOLDER="$work/dags"
export AIRFLOW__LOGGING__LOGGING_LEVEL=ERROR
"$work/venv/bin/airflow" db migrate > "$work/migrate.log" 2>&1 || { cat "$work/migrate.log"; exit 2; }
"$work/venv/bin/python" - "$work/dags" <<'END'
import sys

import airflow
from airflow.assets.manager import asset_manager
from airflow.dag_processing.bundles.manager import DagBundlesManager
from airflow.dag_processing.dagbag import DagBag, sync_bag_to_db
from airflow.models.asset import AssetDagRunQueue, AssetModel, AssetPartitionDagRun
from airflow.models.dag import DagModel
from airflow.serialization.definitions.assets import SerializedAsset
from airflow.utils.session import create_session
from sqlalchemy import delete, select

print(f"Python {sys.version.split()[0]}, Airflow {airflow.__version__}")
bag = DagBag(sys.argv[1])
assert not bag.import_errors, bag.import_errors
DagBundlesManager().sync_bundles_to_db()
sync_bag_to_db(bag, "dags-folder", None)
with create_session() as session:
    for dag in session.scalars(select(DagModel)):
        dag.is_paused = False

queued = {}
for key in (None, "2026-11-10"):
    with create_session() as session:
        session.execute(delete(AssetDagRunQueue))
        session.execute(delete(AssetPartitionDagRun))
    with create_session() as session:
        model = session.scalar(select(AssetModel).where(AssetModel.name == "table"))
        asset = SerializedAsset(name=model.name, uri=model.uri, group=model.group, extra={}, watchers=[])
        asset_manager.register_asset_change(task_instance=None, asset=asset, partition_key=key, session=session)
    with create_session() as session:
        waiting = [*session.scalars(select(AssetDagRunQueue)), *session.scalars(select(AssetPartitionDagRun))]
        queued[key] = sorted(row.target_dag_id for row in waiting)
for key, dags in queued.items():
    print(f"an event with partition key {key!s:<12}starts {', '.join(dags) or 'nothing'}")
sys.exit(queued != {None: ["ordinary"], "2026-11-10": ["partitioned"]})
END
