"""Synthetic messages of contract events, as the schema wants them."""

import json
import uuid
from typing import Any

BEGAN = "2018-03-24T06:26:05.000Z"
ADDRESS = {"addressLine1": "Jalan Melati 1", "addressCity": "Bandung", "addressStartDate": "2019-02-26"}


def inserted(value: Any) -> dict[str, Any]:
    return {"operation": "INSERT", "newValue": value}


def updated(value: Any, before: Any) -> dict[str, Any]:
    return {"operation": "UPDATE", "newValue": value, "oldValue": before}


def deleted(value: Any) -> dict[str, Any]:
    return {"operation": "DELETE", "oldValue": value}


def kept(value: str) -> dict[str, Any]:
    """The identifier of what changed."""
    return {"operation": "UPDATE", "newValue": value}


def event(payload: dict[str, Any], *, minor: int = 0) -> dict[str, Any]:
    """An event of a payload.

    Args:
        payload: begins with `contractIdentifier`.
        minor: the minor version of the schema.
    """
    identifier = payload["contractIdentifier"]
    contract = identifier.get("newValue") or identifier["oldValue"]
    return {
        "eventHeader": {
            "eventIdentifier": str(uuid.uuid5(uuid.NAMESPACE_URL, json.dumps(payload))),
            "eventType": "SBDL-Contract",
            "majorSchemaVersion": 1,
            "minorSchemaVersion": minor,
            "eventDateTime": "2026-11-24T17:00:00.000Z",
        },
        "keys": [{"keyField": "contractIdentifier", "keyValue": contract}],
        "payload": payload,
    }


def inserted_party(party: str) -> dict[str, Any]:
    return {
        "partyIdentifier": inserted(party),
        "partyRelationshipType": inserted("F-N"),
        "partyRelationStartDateTime": inserted("2019-07-29T06:21:32.000Z"),
        "partyAddress": inserted(ADDRESS),
    }


def inserted_contract(contract: str = "6982391060", *, minor: int = 0, parties: int = 2) -> dict[str, Any]:
    """The payload of a contract that is new, with all it may have.

    Args:
        contract: its id.
        minor: the minor version of the schema.
        parties: how many.
    """
    return {
        "contractIdentifier": inserted(contract),
        "sourceSystemIdentifier": inserted("COR"),
        "contactStartDateTime": inserted(BEGAN),
        **({"contractStartDateTime": inserted(BEGAN)} if minor else {}),
        "contractTitle": inserted(
            [
                {"contractTitleLineType": "lgl_ttl_ln_1", "contractTitleLine": "Sri Wahyuni"},
                {"contractTitleLineType": "lgl_ttl_ln_2", "contractTitleLine": "Sri Wahyuni"},
            ]
        ),
        "taxIdentifier": inserted({"taxIdType": "NPWP", "taxId": "09.254.294.3-407.000"}),
        "contractBranchCode": inserted("ACXMGBA5"),
        "contractCountry": inserted("Indonesia"),
        "partyRelations": [inserted_party(f"982{number}") for number in range(parties)],
    }


def updated_contract(contract: str = "6982391060") -> dict[str, Any]:
    """The payload of a contract that changed in every way."""
    return {
        "contractIdentifier": kept(contract),
        "sourceSystemIdentifier": deleted("COR"),
        "contactStartDateTime": updated(BEGAN, "2018-03-24T06:26:05.123Z"),
        "contractTitle": updated(
            [{"contractTitleLineType": "lgl_ttl_ln_2", "contractTitleLine": "Budi"}],
            [{"contractTitleLineType": "lgl_ttl_ln_1", "contractTitleLine": "Sri"}],
        ),
        "taxIdentifier": inserted({"taxId": "1"}),
        "partyRelations": [
            {"partyIdentifier": deleted("1")},
            {
                "partyIdentifier": kept("2"),
                "partyRelationshipType": updated("F-S", "F-N"),
                "partyAddress": deleted(ADDRESS),
            },
            inserted_party("3"),
        ],
    }


def deleted_contract(contract: str = "6982391060") -> dict[str, Any]:
    return {"contractIdentifier": deleted(contract)}
