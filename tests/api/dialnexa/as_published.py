"""Answers against DialNexa's published schemas of batch calls and calls, which stand at their routes."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

import jsonschema_rs
from published import FOLDER


def as_published(answer: Any, route: str, status: int = 200) -> Any:
    """The answer itself, as the schema of this route has it: `as_published(body, "post /v1/batch-calls", 201)`."""
    _validator(route, status).validate(answer)
    return answer


@cache
def _validator(route: str, status: int) -> Any:
    document = json.loads((FOLDER / "dialnexa-batch-calls.json").read_text(encoding="utf-8"))
    method, path = route.split(" ")
    schema = document["paths"][path][method]["responses"][str(status)]["content"]["application/json"]["schema"]
    whole = _in_json_schema({"allOf": [schema], "components": document["components"]})
    return jsonschema_rs.Draft202012Validator(whole, validate_formats=True)


def _in_json_schema(schema: Any) -> Any:
    """OpenAPI 3.0 says `nullable` where JSON Schema has another type."""
    if isinstance(schema, list):
        return [_in_json_schema(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    plain = {name: _in_json_schema(value) for name, value in schema.items() if name not in ("example", "nullable")}
    if schema.get("nullable") is True:
        plain["type"] = [plain["type"], "null"]
    return plain
