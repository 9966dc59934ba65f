"""The `filters` of run lists, a list of criteria in JSON -> which attempts are meant."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from fastapi import HTTPException

from dialplane.api.contracts.dograh.dispositions import meant
from dialplane.api.instants import first_instant, last_instant
from dialplane.engine.attempt_views import AttemptFilter
from dialplane.errors import Invalid

MALFORMED = "Invalid filter format"
MOST_BRACKETS = 100  # a dozen criteria have some thirty
HIGHEST_ID = 2**63 - 1

Criterion = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFilter:
    """attempts: which of them; campaign_id, agent_id: of these alone. applied: the criteria that were understood."""

    attempts: AttemptFilter = field(default_factory=AttemptFilter)
    campaign_id: int | None = None
    agent_id: int | None = None
    applied: tuple[Criterion, ...] = ()


def run_filter(text: str | None) -> RunFilter:
    """For the runs of a campaign or of a workflow.

    '[{"attribute": "dispositionCode", "type": "multiSelect", "value": {"codes": ["busy"]}}]'
    Raises Invalid, and HTTPException: 403 for an attribute that these lists do not have.
    """
    found = RunFilter()
    for criterion in _criteria(text):
        attribute = criterion["attribute"]
        if attribute not in _RUNS:
            raise HTTPException(403, f"Invalid attribute '{attribute}'")
        found = _with(found, criterion, _RUNS[attribute])
    return found


def usage_filter(text: str | None) -> RunFilter:
    """For the organization's usage; there an unknown attribute is passed over. Raises Invalid."""
    found = RunFilter()
    for criterion in _criteria(text):
        if (apply := _USAGE.get(criterion["attribute"])) is not None:
            found = _with(found, criterion, apply)
    return found


def _criteria(text: str | None) -> list[Criterion]:
    if not text:
        return []
    if text.count("[") + text.count("{") > MOST_BRACKETS:
        raise Invalid(MALFORMED)
    try:
        found = json.loads(text)
        json.dumps(found, ensure_ascii=False, allow_nan=False).encode()  # they are shown again in the answer
    except ValueError:
        raise Invalid(MALFORMED) from None
    if not isinstance(found, list):
        raise Invalid(MALFORMED)
    for criterion in found:
        if not isinstance(criterion, dict) or not isinstance(criterion.get("attribute"), str):
            raise Invalid(MALFORMED)
    return found


def _with(
    found: RunFilter, criterion: Criterion, apply: Callable[[RunFilter, Mapping[str, Any]], RunFilter]
) -> RunFilter:
    value = criterion.get("value")
    if not isinstance(value, dict):
        raise Invalid(MALFORMED)
    try:
        changed = apply(found, value)
    except ValueError as fault:
        raise Invalid(f"{MALFORMED}: {criterion['attribute']}: {fault}") from None
    return replace(changed, applied=(*found.applied, criterion))


# --- one function a criterion; each raises ValueError --------------------------------------------------------


def _date_range(found: RunFilter, value: Mapping[str, Any]) -> RunFilter:
    """{"from": "2026-04-01", "to": "2026-04-30"}"""
    return _attempts(found, created_from=first_instant(value.get("from")), created_to=last_instant(value.get("to")))


def _disposition_code(found: RunFilter, value: Mapping[str, Any]) -> RunFilter:
    """{"codes": ["busy", "no-answer"]}"""
    codes = value.get("codes")
    if not isinstance(codes, list) or not all(isinstance(code, str) for code in codes):
        raise ValueError('`codes` must be a list such as ["busy", "no_answer"]')
    dispositions = meant(codes)
    if found.attempts.dispositions is not None:
        dispositions &= found.attempts.dispositions
    return _attempts(found, dispositions=dispositions)


def _duration(found: RunFilter, value: Mapping[str, Any]) -> RunFilter:
    """{"min": 60, "max": 300}"""
    return _attempts(found, least_seconds=_number(value, "min"), most_seconds=_number(value, "max"))


def _status(found: RunFilter, value: Mapping[str, Any]) -> RunFilter:
    """{"status": "completed"}"""
    status = value.get("status")
    if status not in ("completed", "in_progress"):
        raise ValueError("`status` must be completed or in_progress")
    return _attempts(found, ended=status == "completed")


def _token_usage(found: RunFilter, value: Mapping[str, Any]) -> RunFilter:
    """{"min": 0, "max": 100}: nobody here counts tokens, so each run has used none."""
    least, most = _number(value, "min"), _number(value, "max")
    none_pass = (least is not None and least > 0) or (most is not None and most < 0)
    return _nothing(found) if none_pass else found


def _run_id(found: RunFilter, value: Mapping[str, Any]) -> RunFilter:
    return _attempts(found, attempt_id=_id(value))


def _workflow_id(found: RunFilter, value: Mapping[str, Any]) -> RunFilter:
    return replace(found, agent_id=_id(value))


def _campaign_id(found: RunFilter, value: Mapping[str, Any]) -> RunFilter:
    return replace(found, campaign_id=_id(value))


def _caller_number(found: RunFilter, value: Mapping[str, Any]) -> RunFilter:
    return _attempts(found, from_number=_text(value))


def _called_number(found: RunFilter, value: Mapping[str, Any]) -> RunFilter:
    return _attempts(found, to_number=_text(value))


def _call_direction(found: RunFilter, value: Mapping[str, Any]) -> RunFilter:
    return _nothing(found) if value.get("status") == "inbound" else found


def _call_channel(found: RunFilter, value: Mapping[str, Any]) -> RunFilter:
    return _nothing(found) if value.get("status") in ("web", "chat") else found


_RUNS = {
    "dateRange": _date_range,
    "dispositionCode": _disposition_code,
    "duration": _duration,
    "status": _status,
    "tokenUsage": _token_usage,
}
_USAGE = {
    "runId": _run_id,
    "workflowId": _workflow_id,
    "campaignId": _campaign_id,
    "callerNumber": _caller_number,
    "calledNumber": _called_number,
    "dispositionCode": _disposition_code,
    "duration": _duration,
    "callDirection": _call_direction,
    "callChannel": _call_channel,
}


def _attempts(found: RunFilter, **changes: Any) -> RunFilter:
    return replace(found, attempts=replace(found.attempts, **changes))


def _nothing(found: RunFilter) -> RunFilter:
    return _attempts(found, dispositions=frozenset())


def _number(value: Mapping[str, Any], name: str) -> float | None:
    number = value.get(name)
    if number is None:
        return None
    if isinstance(number, bool) or not isinstance(number, int | float) or not -1e15 < number < 1e15:
        raise ValueError(f"`{name}` must be a number, not {json.dumps(number)}")
    return float(number)


def _id(value: Mapping[str, Any]) -> int:
    number = value.get("value")
    if isinstance(number, str) and number.isascii() and number.isdigit() and len(number) <= 19:
        number = int(number)
    if isinstance(number, bool) or not isinstance(number, int) or not 1 <= number <= HIGHEST_ID:
        raise ValueError("`value` must be an id")
    return number


def _text(value: Mapping[str, Any]) -> str:
    text = value.get("value")
    if not isinstance(text, str) or not text.isprintable():
        raise ValueError("`value` must be text")
    return text.strip()
