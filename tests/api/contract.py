"""Answers against the schemas that Dograh has published."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema_rs

DOCUMENT = json.loads((Path(__file__).parent / "contracts" / "dograh-campaign.json").read_text(encoding="utf-8"))


def conforms(answer: Any, schema: str) -> Any:
    """The answer itself, which is what the schema of this name describes: `conforms(body, "CampaignResponse")`."""
    _validator(schema).validate(answer)
    return answer


@cache
def _validator(schema: str) -> Any:
    assert schema in DOCUMENT["components"]["schemas"], schema
    return jsonschema_rs.Draft202012Validator(
        {"$ref": f"#/components/schemas/{schema}", "components": DOCUMENT["components"]}, validate_formats=True
    )
