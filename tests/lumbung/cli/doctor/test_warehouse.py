"""What the doctor asks of a Google Cloud project, by the engine that cleans tweets."""

from types import SimpleNamespace

import pytest
from google.auth.credentials import AnonymousCredentials
from google.auth.transport.requests import AuthorizedSession

from lumbung.cli.doctor import stream, warehouse
from lumbung.core.settings import Settings

ACCOUNT = "spark@my-project.iam.gserviceaccount.com"


def settings(spark, **more):
    return Settings.of(spark=spark, project="my-project", lake_uri="gs://granary", **more)


@pytest.mark.parametrize(
    ("spark", "needed"),
    [
        ("sail", set()),
        ("dataproc", {"dataproc.clusters.create", "dataproc.jobs.create"}),
        ("dataproc-serverless", {"dataproc.batches.create", "dataproc.operations.get"}),
    ],
)
def test_the_permissions_of_the_engine_are_asked_for(monkeypatch, spark, needed):
    """The answer of Cloud Resource Manager is made up: it grants those of BigQuery only."""
    asked = []

    def post(_session, url, json, **_):
        asked.extend(json["permissions"])
        granted = {"permissions": list(warehouse.PERMISSIONS)}
        return SimpleNamespace(raise_for_status=lambda: None, json=lambda: granted)

    monkeypatch.setattr(AuthorizedSession, "post", post)
    finding = warehouse._permissions(SimpleNamespace(settings=settings(spark)), AnonymousCredentials())
    assert {*warehouse.PERMISSIONS, *needed} <= set(asked)
    assert finding.ok == (not needed)
    assert all(name in finding.found for name in needed)
    assert not (set(asked) - set(warehouse.PERMISSIONS)) or needed


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (settings("dataproc"), "as the project's default account, in the network default"),
        (settings("dataproc-serverless"), "as the account that starts the batch, in the network default"),
        (
            settings("dataproc-serverless", dataproc_service_account=ACCOUNT, dataproc_subnetwork="granary"),
            f"in asia-southeast2, as {ACCOUNT}, in the subnetwork granary",
        ),
        (settings("sail"), "sail cleans tweets, trains models and compares contracts"),
    ],
)
def test_where_and_as_whom_tweets_are_cleaned(given, words):
    assert stream._spark(given).endswith(words)
