"""A real Azurite, Microsoft's own emulator of Azure Blob Storage; `make tools` installs it."""

from __future__ import annotations

import contextlib
import re
import shutil
import subprocess
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from lumbung.core.settings import ROOT, Settings
from lumbung.storage.lake import AzureLake
from lumbung.storage.lake.azure import connect

PROGRAM = ROOT / ".tools-npm/node_modules/azurite/dist/src/blob/main.js"
# The emulator's account and key, which its documentation gives: every Azurite has them.
ACCOUNT = "devstoreaccount1"
KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
START_SECONDS = 60


class MissingError(Exception):
    """Azurite cannot be had here; the message is what is missing."""


def connection_string(url: str) -> str:
    """How to connect to an Azurite at an address."""
    scheme = url.partition(":")[0]
    return f"DefaultEndpointsProtocol={scheme};AccountName={ACCOUNT};AccountKey={KEY};BlobEndpoint={url}/{ACCOUNT};"


def settings(url: str, container: str, **values: object) -> Settings:
    """Settings of a lake in a container of an Azurite at an address."""
    values = {"lake_uri": f"az://{container}/home", "azure_connection_string": connection_string(url), **values}
    return Settings.of(**values)


@dataclass(frozen=True)
class Server:
    """Where it is."""

    url: str

    def container(self) -> str:
        """Make a container of a name of its own."""
        name = f"c{uuid.uuid4().hex}"
        connect(settings(self.url, name)).create_container()
        return name


class ServedAzureLake(AzureLake):
    """A lake in Azurite by the client as it is for Azure; another process that is given it connects by itself."""

    def __init__(self, uri: str, url: str) -> None:
        self.url = url
        super().__init__(uri, connect(Settings.of(lake_uri=uri, azure_connection_string=connection_string(url))))

    def __reduce__(self) -> tuple[type[ServedAzureLake], tuple[str, str]]:
        return ServedAzureLake, (self.uri, self.url)


@contextlib.contextmanager
def running(home: Path) -> Iterator[Server]:
    """A running Azurite that keeps what it is given in memory."""
    node = shutil.which("node")
    if node is None or not PROGRAM.exists():
        raise MissingError("Azurite (make tools, which needs Node.js)")
    log = home / "azurite.log"
    options = ["--blobPort", "0", "--inMemoryPersistence", "--disableTelemetry", "--silent"]
    with log.open("wb") as output:
        process = subprocess.Popen([node, str(PROGRAM), *options], stdout=output, stderr=output, cwd=home)
    try:
        deadline = time.monotonic() + START_SECONDS
        while not (ready := re.search(r"successfully listens on (http://\S+)", log.read_text())):
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"Azurite did not start:\n{log.read_text()}")
            time.sleep(0.05)
        yield Server(ready[1])
    finally:
        process.kill()
        process.wait()
