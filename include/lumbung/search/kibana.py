"""Kibana: the data view and the dashboard of `infra/kibana/tweet.ndjson`, imported through its API."""

from __future__ import annotations

import requests

from lumbung.core.errors import LumbungError, SettingError
from lumbung.core.settings import ROOT, Settings

SAVED_OBJECTS = ROOT / "infra/kibana/tweet.ndjson"
PATH = "/api/saved_objects/_import"
TIMEOUT = 60
FAULTS_SHOWN = 3


def import_saved_objects(settings: Settings) -> int:
    """Import the data view and the dashboard; what was imported before is written over.

    Args:
        settings: Kibana's address; one signs in as at the search server.

    Returns:
        How many saved objects were imported.

    Raises:
        SettingError: no Kibana is set.
        LumbungError: Kibana does not answer, refuses, or took only a part.
    """
    if settings.kibana is None:
        raise SettingError("no Kibana", where="LUMBUNG_KIBANA", remedy="set it; see .env.example")
    headers, auth = {"kbn-xsrf": "true"}, None
    if settings.search.api_key:
        headers["Authorization"] = f"ApiKey {settings.search.api_key.get_secret_value()}"
    if settings.search.username and settings.search.password:
        auth = (settings.search.username, settings.search.password.get_secret_value())
    try:
        response = requests.post(
            settings.kibana.rstrip("/") + PATH,
            params={"overwrite": "true"},
            headers=headers,
            auth=auth,
            files={"file": (SAVED_OBJECTS.name, SAVED_OBJECTS.read_bytes(), "application/ndjson")},
            verify=str(settings.search.ca) if settings.search.ca else True,
            timeout=TIMEOUT,
        )
        answer = response.json() if response.ok else None
    except requests.RequestException as error:
        raise LumbungError(
            f"Kibana does not answer ({type(error).__name__})", where=settings.kibana, remedy="see that it runs"
        ) from error
    if answer is None:
        raise LumbungError(
            f"Kibana refused ({response.status_code} {response.reason})",
            where=settings.kibana,
            remedy="see LUMBUNG_KIBANA and the user's rights to saved objects",
        )
    if not answer.get("success"):
        faults = [
            f"{error.get('type')} {error.get('id')}: {error.get('error', {}).get('type')}"
            for error in answer.get("errors", [])
        ]
        raise LumbungError(
            f"Kibana took {answer.get('successCount', 0)} objects and refused {len(faults)}"
            f" ({'; '.join(faults[:FAULTS_SHOWN])})",
            where=settings.kibana,
            remedy="delete the old ones in Kibana, then import again",
        )
    return int(answer["successCount"])
