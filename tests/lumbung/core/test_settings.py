"""Where the lake may be, what BigQuery and Spark make of it, and who logs in to Airflow."""

import re

import pytest

from lumbung.core.errors import SettingError
from lumbung.core.settings import Settings, load

KEY = "DefaultEndpointsProtocol=https;AccountName=desa;AccountKey=c2VjcmV0;EndpointSuffix=core.windows.net"
SIGNATURE = "BlobEndpoint=https://desa.blob.core.windows.net;SharedAccessSignature=sv=2025&sig=c2VjcmV0"
AZ, ABFSS = "az://granary/lake", "abfss://granary@desa.dfs.core.windows.net/lake"
OF_ACCOUNT, OF_CONNECTION = "LUMBUNG_AZURE_ACCOUNT", "LUMBUNG_AZURE_CONNECTION_STRING"


@pytest.mark.parametrize(
    "given",
    [
        {"LUMBUNG_LAKE_URI": AZ, OF_ACCOUNT: "desa"},
        {"LUMBUNG_LAKE_URI": AZ, OF_CONNECTION: KEY},
        {"LUMBUNG_LAKE_URI": "az://granary", OF_CONNECTION: SIGNATURE},
        {"LUMBUNG_LAKE_URI": ABFSS},
        {"LUMBUNG_LAKE_URI": ABFSS, OF_ACCOUNT: "desa"},
        {"LUMBUNG_LAKE_URI": ABFSS, OF_CONNECTION: KEY},
        {"LUMBUNG_LAKE_URI": ABFSS, OF_CONNECTION: SIGNATURE},
        {"LUMBUNG_LAKE_URI": ABFSS, "LUMBUNG_SPARK": "sc://spark:15002"},
        {"LUMBUNG_LAKE_URI": AZ, OF_ACCOUNT: "desa", "LUMBUNG_PROJECT": "my-project"},
    ],
)
def test_a_lake_may_be_on_azure(given):
    settings = load(given)
    assert settings.lake_uri == given["LUMBUNG_LAKE_URI"]
    assert (settings.lake_folder, settings.is_lake_on_azure, settings.bigquery_reads_lake) == (None, True, False)
    assert "c2VjcmV0" not in repr(settings)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"LUMBUNG_LAKE_URI": AZ}, f"az:// needs {OF_CONNECTION} or {OF_ACCOUNT}"),
        ({"LUMBUNG_LAKE_URI": AZ, OF_ACCOUNT: "desa", OF_CONNECTION: KEY}, "set one"),
        ({"LUMBUNG_LAKE_URI": ABFSS, OF_ACCOUNT: "kota"}, f"LUMBUNG_LAKE_URI and {OF_ACCOUNT} name two accounts"),
        (
            {"LUMBUNG_LAKE_URI": ABFSS.replace("desa", "kota"), OF_CONNECTION: KEY},
            f"LUMBUNG_LAKE_URI and {OF_CONNECTION} name two accounts, kota and desa",
        ),
        ({"LUMBUNG_LAKE_URI": AZ, OF_CONNECTION: "https://desa"}, f"{OF_CONNECTION}: must look like AccountName="),
        ({"LUMBUNG_LAKE_URI": AZ, OF_ACCOUNT: "My-Account"}, OF_ACCOUNT),
        ({"LUMBUNG_LAKE_URI": "az://No_Container/a", OF_ACCOUNT: "desa"}, "LUMBUNG_LAKE_URI must be"),
        ({"LUMBUNG_LAKE_URI": "az://granary/a?b", OF_ACCOUNT: "desa"}, "LUMBUNG_LAKE_URI must be"),
        ({"LUMBUNG_LAKE_URI": "abfss://granary/lake"}, "abfss://container@account.dfs.core.windows.net/folder"),
        ({"LUMBUNG_LAKE_URI": "abfss://granary@desa.blob.core.windows.net/a"}, "LUMBUNG_LAKE_URI must be"),
        ({"LUMBUNG_LAKE_URI": "wasbs://granary@desa.blob.core.windows.net/a"}, "LUMBUNG_LAKE_URI must be"),
        ({"LUMBUNG_LAKE_URI": AZ, OF_ACCOUNT: "desa", "LUMBUNG_SPARK": "sc://spark:15002"}, "does not know az://"),
        ({"LUMBUNG_LAKE_URI": ABFSS, "LUMBUNG_SPARK": "dataproc", "LUMBUNG_PROJECT": "my-project"}, "of gs://"),
    ],
)
def test_what_does_not_name_one_container_is_refused(given, message):
    with pytest.raises(SettingError, match=re.escape(message)) as error:
        load(given)
    assert "c2VjcmV0" not in str(error.value)


def test_bigquery_reads_only_its_own_clouds_lake(tmp_path):
    assert Settings.of(lake_uri="gs://granary").bigquery_reads_lake
    assert not Settings.of(lake_uri=tmp_path.as_uri()).bigquery_reads_lake
    assert not Settings.of(home=tmp_path).bigquery_reads_lake


def test_who_logs_in_to_airflow():
    assert load({}).airflow_roles == {"admin": "admin"}
    users = load({"LUMBUNG_AIRFLOW_USERS": "rani:viewer, budi.s@desa:admin"}).airflow_roles
    assert users == {"admin": "admin", "rani": "viewer", "budi.s@desa": "admin"}


@pytest.mark.parametrize(
    ("users", "message"),
    [
        ("rani", "'rani' is not name:role"),
        ("rani:viewer,", "'' is not name:role"),
        (":viewer", "':viewer' is not name:role"),
        ("rani:boss", "roles are admin and viewer"),
        ("rani:viewer:team", "'rani:viewer:team' is not name:role"),
        ("ra ni:viewer", "'ra ni:viewer' is not name:role"),
        ("rani:viewer,rani:admin", "rani is there already: name each user once"),
        ("rani:viewer,RANI:admin", "RANI is there already: name each user once"),
        ("admin:viewer", "admin is there already without being named"),
        ("Admin:viewer", "Admin is there already without being named"),
    ],
)
def test_users_that_are_malformed_are_refused(users, message):
    with pytest.raises(SettingError, match=f"LUMBUNG_AIRFLOW_USERS: .*{re.escape(message)}"):
        load({"LUMBUNG_AIRFLOW_USERS": users})
