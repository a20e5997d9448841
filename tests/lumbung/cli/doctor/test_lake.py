"""What is said of a lake on Azure."""

import sys

import pytest

from lumbung.cli.doctor.lake import check
from lumbung.core.settings import Settings
from lumbung.storage.lake import open_lake
from support import azurite_server
from support.http_proxy import Proxy


def finding(settings):
    (found,) = check(settings)
    return found


def test_a_container_is_written_listed_and_read(azurite):
    container = azurite.container()
    settings = azurite_server.settings(azurite.url, container)
    found = finding(settings)
    assert (found.ok, found.found) == (True, f"az://{container}/home is written, listed and read")
    assert open_lake(settings).files("") == []


def test_a_container_that_is_missing_or_refuses_names_the_role(azurite):
    found = finding(azurite_server.settings(azurite.url, "nowhere"))
    assert not found.ok
    assert "az://nowhere/home: The specified container does not exist" in found.found
    assert "Storage Blob Data Contributor" in found.remedy
    assert "LUMBUNG_AZURE_CONNECTION_STRING" in found.remedy
    with Proxy(azurite.url, spoil=lambda request: (403, b"")) as proxy:
        assert not finding(azurite_server.settings(proxy.url, "granary")).ok


@pytest.mark.parametrize("package", ["azure.storage.blob", "azure.identity"])
def test_missing_packages_are_reported(monkeypatch, package):
    monkeypatch.setitem(sys.modules, package, None)
    found = finding(Settings.of(lake_uri="az://granary/home", azure_account="desa"))
    assert not found.ok
    assert package in found.found
    assert "make install-azure" in found.remedy
