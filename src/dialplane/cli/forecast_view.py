"""A forecast as people read it, and as JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dialplane.cli import output
from dialplane.core.reason import MEANINGS, Reason

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dialplane.engine.forecast import Forecast, Slot
    from dialplane.wiring import App

MOST_ROWS = 32
BAR_WIDTH = 40
LEAST_SHOWN = 0.05  # lines; less is 0.0
SHOWN_DAYS = 14


async def assumptions(app: App, campaign_id: int) -> list[str]:
    """What the answer rests on, for an application on the virtual clock."""
    from dialplane.engine import catalog  # noqa: PLC0415
    from dialplane.engine.carriers import load_carrier  # noqa: PLC0415
    from dialplane.providers import carrier_limits  # noqa: PLC0415

    campaign = await app.campaigns.get(campaign_id)
    carrier = await load_carrier(app.database, app.organization_id, campaign.carrier_id)
    limits = carrier_limits(carrier.provider, carrier.plain)
    all_limits = (await catalog.limits(app.database, app.organization_id), campaign.policies, limits)
    lines = min(each.max_lines for each in all_limits if each.max_lines is not None)
    paces = [each.cps for each in all_limits if each.cps is not None]
    given = ", ".join(f"{name} {value}" for name, value in carrier.plain.items())
    return [
        f"people answer as the simulated carrier has it: {given or 'its usual profile'}",
        f"lines: {lines} at most" + (f", calls per second: {min(paces):g}" if paces else ""),
        f"hours: {campaign.policies.window.describe()}",
        f"retries: {campaign.policies.retry.max_retries} at most",
        "a worker runs all the time, and no other campaign is dialled meanwhile",
    ]


def show(found: Forecast, told: Sequence[str]) -> None:
    progress = found.progress
    print(f"{output.count(progress.total, 'contact')}, {output.count(progress.attempts, 'attempt')}")
    if found.finished_at is None:
        why = f": {found.reason}" if found.reason else ""
        print(f"from {output.moment(found.started_at)}; it does not come to its end, it is {found.state} then{why}")
    else:
        lasts = output.duration((found.finished_at - found.started_at).total_seconds())
        print(f"from {output.moment(found.started_at)} to {output.moment(found.finished_at)}, {lasts}")
    contacts = {state: number for state, number in progress.contacts().items() if number and state != "total"}
    print(", ".join(f"{state} {number:,}" for state, number in contacts.items()))
    if progress.skips:
        never = (f"{_words(Reason(reason))}: {number:,}" for reason, number in progress.skips.items())
        print("never called: " + "; ".join(never))
    print()
    _print_slots(found)
    print()
    _print_numbers(found)
    print("\nThis rests on:")
    for assumption in told:
        print(f"- {assumption}")


def _words(reason: Reason) -> str:
    return MEANINGS[reason].words


def _print_slots(found: Forecast) -> None:
    """Neighbours together, so that it fits a screen; of a time without calls the begin alone."""
    together = -(-len(found.slots) // MOST_ROWS)
    scale = BAR_WIDTH / max(1, found.most_lines)
    rows: list[tuple[str, ...]] = []
    idle_for = ""
    for place in range(0, len(found.slots), together):
        slots = found.slots[place : place + together]
        lines, attempts = sum(slot.lines for slot in slots) / len(slots), sum(slot.attempts for slot in slots)
        held_by, idle = _held_by(slots), not attempts and lines < LEAST_SHOWN
        if not idle or held_by != idle_for:
            bar = "█" * round(lines * scale)
            rows.append((output.moment(slots[0].at), bar, f"{lines:.1f}", f"{attempts:,}", held_by))
        idle_for = held_by if idle else ""
    output.table(("from", "", "lines", "calls", "what binds"), rows, right=("lines", "calls"))


def _held_by(slots: Sequence[Slot]) -> str:
    """What bound most often."""
    reasons = [slot.held_by for slot in slots]
    return _words(max(dict.fromkeys(reasons), key=reasons.count))


def _print_numbers(found: Forecast) -> None:
    days: dict[Any, list[tuple[int, int]]] = {}
    for each in found.numbers:
        days.setdefault(each.day, []).append((each.contacts, each.attempts))
    rows = [
        (day, len(used), f"{max(contacts for contacts, _ in used):,}", f"{sum(attempts for _, attempts in used):,}")
        for day, used in list(days.items())[:SHOWN_DAYS]
    ]
    columns = (f"day ({found.timezone})", "numbers", "most contacts of one", "calls")
    output.table(columns, rows, right=columns[1:])
    if len(days) > SHOWN_DAYS:
        print(f"and {output.count(len(days) - SHOWN_DAYS, 'day')} more: see --json")


# --- JSON --------------------------------------------------------------------------------------------------------


def forecast_json(found: Forecast, told: Sequence[str]) -> dict[str, Any]:
    return {
        "started_at": found.started_at,
        "finished_at": found.finished_at,
        "state": found.state.value,
        "reason": found.reason,
        **output.counts(found.progress),
        "never_called": dict(found.progress.skips),
        "most_lines": found.most_lines,
        "slot_seconds": found.width.total_seconds(),
        "slots": [
            {"at": slot.at, "lines": round(slot.lines, 3), "attempts": slot.attempts, "held_by": slot.held_by.value}
            for slot in found.slots
        ],
        "timezone": found.timezone,
        "numbers": [
            {"day": each.day, "from_number": each.from_number, "contacts": each.contacts, "attempts": each.attempts}
            for each in found.numbers
        ],
        "assumptions": list(told),
    }
