"""What a campaign is set to, beside its contacts: as values for the store, and as words for its log."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, TypedDict

from dialplane.core.campaign import Policies
from dialplane.errors import Invalid


class MoreSettings(TypedDict, total=False):
    """What can be changed beside name and policies. What is left out stays; None takes it away.

    agent_id, carrier_id: until the first call. starts_at: of a scheduled campaign. ends_at: no call begins from then
    on. screening: as in `core/screening.py`. extras: by door; those of other doors stay.
    """

    agent_id: int
    carrier_id: int
    number_ids: Sequence[int]
    starts_at: datetime
    ends_at: datetime | None
    screening: Mapping[str, Any] | None
    extras: Mapping[str, Any]


MORE = tuple(MoreSettings.__annotations__)
# Intents have been made by these already: they are taken back when one of them changes.
IN_INTENTS = frozenset(
    {
        "agent_id", "carrier_id", "number_ids", "ends_at", "screening", "recording", "agent_versions",
        "machine_detection",
    }
)  # fmt: skip


def settings_of(policies: Policies) -> dict[str, Any]:
    """The columns of a campaign's policies."""
    return {
        "max_lines": policies.max_lines,
        "cps": policies.cps,
        "calling_window": policies.window.to_json(),
        "retry": policies.retry.to_json(),
        "breaker": policies.breaker.to_json(),
        "abandon": policies.abandon.to_json(),
        "recording": policies.recording.to_json(),
        "agent_versions": policies.split.to_json(),
        "machine_detection": policies.machines.to_json(),
    }


def check_hours(starts_at: datetime | None, ends_at: datetime | None) -> None:
    """Raises Invalid for an instant without a zone, and for an end that is no later than the start."""
    for what, at in (("start", starts_at), ("end", ends_at)):
        if at is not None and at.tzinfo is None:
            raise Invalid(f"the {what} {at.isoformat()} has no time zone: write 2026-12-01T09:00:00+01:00")
    if starts_at is not None and ends_at is not None and ends_at <= starts_at:
        raise Invalid(f"the end {ends_at.isoformat()} must be later than the start {starts_at.isoformat()}")


def merged(old: Mapping[str, Any] | None, new: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """Extras with those of some doors replaced.

    >>> merged({"vapi": {"a": 1}, "dialnexa": {"b": 2}}, {"vapi": {"c": 3}})
    {'vapi': {'c': 3}, 'dialnexa': {'b': 2}}
    """
    return {**(old or {}), **new} if new else None if old is None else dict(old)


def shown(name: str, value: Any) -> Any:
    """A setting as a campaign's log has it: no secrets, no types that JSON does not know."""
    if name == "screening" and value is not None:
        return value["url"]
    return value.isoformat() if isinstance(value, datetime) else value
