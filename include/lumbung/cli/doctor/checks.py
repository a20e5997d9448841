"""Runs the checks one after the other, and hides secrets in what they found."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from dataclasses import replace
from urllib.parse import parse_qsl, unquote, urlsplit

from lumbung.core.errors import LumbungError, first_line
from lumbung.core.settings import Settings
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
    ("notification", "notifications", "check"),
)


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
    dsn = settings.source_dsn.get_secret_value() if settings.source_dsn else ""
    webhook = settings.notify.webhook.get_secret_value() if settings.notify.webhook else ""
    airflow_url = settings.airflow_url.get_secret_value() if settings.airflow_url else ""
    passwords = [
        urlsplit(dsn).password or "",
        urlsplit(airflow_url).password or "",
        *(value for name, value in parse_qsl(urlsplit(dsn).query) if name == "password"),
    ]
    found, remedy = finding.found, "" if finding.ok else finding.remedy
    for secret in (dsn, webhook, *passwords, *map(unquote, passwords)):
        if secret:
            found, remedy = found.replace(secret, "***"), remedy.replace(secret, "***")
    return replace(finding, found=found, remedy=remedy)
