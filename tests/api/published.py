"""Answers against the schemas that the owners of each contract have published."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema_rs

FOLDER = Path(__file__).parent / "contracts"
DOGRAH, VAPI = "dograh-campaign.json", "vapi-campaign.json"


def conforms(answer: Any, schema: str, *, of: str = DOGRAH) -> Any:
    """The answer itself, which is what the schema of this name describes: `conforms(body, "CampaignResponse")`."""
    _validator(schema, of).validate(answer)
    return answer


@cache
def _validator(schema: str, of: str) -> Any:
    document = json.loads((FOLDER / of).read_text(encoding="utf-8"))
    assert schema in document["components"]["schemas"], schema
    return jsonschema_rs.Draft202012Validator(
        {"$ref": f"#/components/schemas/{schema}", "components": document["components"]}, validate_formats=True
    )
