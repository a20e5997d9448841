"""Runs the checks one after the other, and hides secrets in what they found."""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterator
from dataclasses import replace
from urllib.parse import unquote

from lumbung.core.errors import LumbungError, first_line
from lumbung.core.settings import Settings, environment
from lumbung.serving.schema import Finding

# The module and function of each check: imported one by one, so that a broken installation is a finding, too.
CHECKS = (
    ("Python", "machine", "python"),
    ("environment", "machine", "airflow_environment"),
    ("memory", "machine", "memory"),
    ("disk space", "machine", "disk"),
    ("home folder", "machine", "home"),
    ("lake", "lake", "check"),
    ("Airflow", "airflow", "check"),
    ("source files", "sources", "files"),
    ("source database", "sources", "database"),
    ("warehouse", "warehouse", "check"),
    ("tweets", "stream", "check"),
    ("models", "models", "check"),
    ("schema registry", "contracts", "check"),
    ("notification", "notifications", "check"),
)
# A password in an address, whether it can be understood or not: user:password@, a parameter, a key of JSON.
_PASSWORD = re.compile(
    r"""//[^:/]*:(.*)@|password\s*=\s*(?:'((?:[^'\\]|\\.)*)'|([^&\s']+))|"password"\s*:\s*"((?:[^"\\]|\\.)*)\""""
)
SHORTEST_SECRET = 6


def checks(settings: Settings) -> Iterator[Finding]:
    """Look at everything that the settings need, one after the other; a check that breaks is a finding, too."""
    for name, module, function in CHECKS:
        try:
            check = getattr(importlib.import_module(f"lumbung.cli.doctor.{module}"), function)
            for finding in check(settings):
                yield _without_secrets(finding, settings)
        except LumbungError as error:
            where = f"{error.where}: " if error.where else ""
            yield _without_secrets(Finding(name, False, f"{where}{error.what}", error.remedy), settings)
        except Exception as error:  # noqa: BLE001 - the other checks are still of use
            found = f"the check broke ({type(error).__name__}: {first_line(error)})"
            yield _without_secrets(Finding(name, False, found, "see whether the message says why"), settings)


def _without_secrets(finding: Finding, settings: Settings) -> Finding:
    """The finding with secrets replaced, as messages of libraries may hold them; a remedy only where it is not ok."""
    given = (settings.source_dsn, settings.notify.webhook, settings.airflow_url)
    connections = [value for name, value in environment().items() if name.startswith("AIRFLOW_CONN_")]
    addresses = [*(secret.get_secret_value() for secret in given if secret), *connections]
    passwords = {found for address in addresses for match in _PASSWORD.finditer(address) for found in match.groups("")}
    texts = [finding.found, "" if finding.ok else finding.remedy]
    for address in addresses:
        texts = [text.replace(address, "***") for text in texts]
    for password in filter(None, {*passwords, *map(unquote, passwords)}):
        texts = [_masked(text, password) for text in texts]
    return replace(finding, found=texts[0], remedy=texts[1])


def _masked(text: str, password: str) -> str:
    """The text without a password; a short one is replaced only where an address has it, as any word may hold it."""
    if len(password) >= SHORTEST_SECRET:
        return text.replace(password, "***")
    return re.sub(rf"(?<=:){re.escape(password)}(?=@)|(?<=password=){re.escape(password)}(?!\w)", "***", text)
