"""`dialplane forecast`: what a campaign would come to, by the engine itself on the virtual clock; nothing is kept."""

from __future__ import annotations

import asyncio
import sys
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dialplane.cli import options, output
from dialplane.cli.errors import Stopped
from dialplane.cli.orders import NewCampaign, new_campaign
from dialplane.cli.session import perform, say_waiting, settings
from dialplane.core.reason import MEANINGS, Reason

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dialplane.engine.forecast import Forecast, Slot
    from dialplane.wiring import App

NAMES = ("provider", "name", "numbers")  # of a carrier, and no settings of it
REJECTS = Path("forecast.rejects.csv")
MOST_ROWS = 32
BAR_WIDTH = 40
LEAST_SHOWN = 0.05  # lines; less is 0.0
SHOWN_DAYS = 14


def forecast(
    file: options.ContactsFile = None,
    name: options.Name = None,
    agent: options.AgentFile = None,
    carrier: options.CarrierFile = None,
    max_concurrency: options.MaxConcurrency = None,
    cps: options.Cps = None,
    default_region: options.DefaultRegion = None,
    timezone: options.Timezone = None,
    window: options.Window = None,
    start_at: options.StartAt = None,
    max_retries: options.MaxRetries = None,
    retry_delay: options.RetryDelay = None,
    strict: options.Strict = False,
    seed: options.Seed = None,
    as_json: options.Json = False,
) -> None:
    """Tell when a campaign would be over, how busy the lines, what would bind when; no one is called.

    The contacts answer as the simulated carrier has it: --carrier says how many answer, and for how long they talk.
    """
    policies = options.PolicyOptions(
        max_concurrency=max_concurrency,
        cps=cps,
        timezone=timezone,
        window=window,
        max_retries=max_retries,
        retry_delay=retry_delay,
    )
    order = new_campaign(
        file=file,
        name=name,
        agent=agent,
        carrier=carrier,
        policies=policies,
        default_region=default_region,
        start_at=start_at,
        strict=strict,
        seed=seed,
    )
    perform(_forecast(order, as_json))


async def _forecast(order: NewCampaign, as_json: bool) -> None:
    from dialplane.cli.making import begin, make  # noqa: PLC0415  (the engine; bad options end before it is needed)
    from dialplane.cli.signals import interrupts  # noqa: PLC0415
    from dialplane.virtual import open_virtual_app  # noqa: PLC0415

    plain = as_json or not sys.stdout.isatty()
    start = order.starts_at or datetime.now(UTC)
    with interrupts():
        try:
            async with open_virtual_app(settings(), start, keep=False, on_wait=say_waiting) as (app, reserved):
                campaign_id = await make(app, order, rejects=REJECTS, plain=plain, id=reserved)
                await begin(app, campaign_id)
                found = await _run(app, campaign_id, plain=plain)
                told = await _assumptions(app, order)
        except asyncio.CancelledError:
            raise Stopped("stopped; a forecast calls no one, and nothing of it was kept") from None
    if as_json:
        output.print_json(forecast_json(found, told))
    else:
        _print(found, told)


async def _run(app: App, campaign_id: int, *, plain: bool) -> Forecast:
    from dialplane.cli.live import Watch  # noqa: PLC0415
    from dialplane.clocks import StandsStill  # noqa: PLC0415

    watching = asyncio.create_task(Watch(app, campaign_id, plain=plain).run())
    forecaster = app.forecaster(campaign_id)
    forecaster.watch()
    stalled = ""
    try:
        await app.worker(campaign_id=campaign_id, finished=forecaster.finished).run()
    except StandsStill as fault:
        stalled = str(fault)
    finally:
        watching.cancel()
        with suppress(asyncio.CancelledError):
            await watching
        output.log_to(output.say)
    return await forecaster.result(stalled)


async def _assumptions(app: App, order: NewCampaign) -> list[str]:
    """What the answer rests on."""
    from dialplane.engine import catalog  # noqa: PLC0415
    from dialplane.providers import SIMULATED, carrier_limits  # noqa: PLC0415

    profile = {name: value for name, value in order.carrier.items() if name not in NAMES}
    carrier = carrier_limits(str(order.carrier.get("provider", SIMULATED)), profile)
    all_limits = (await catalog.limits(app.database, app.organization_id), order.policies, carrier)
    lines = min(each.max_lines for each in all_limits if each.max_lines is not None)
    paces = [each.cps for each in all_limits if each.cps is not None]
    given = ", ".join(f"{name} {value}" for name, value in profile.items())
    return [
        f"people answer as the simulated carrier has it: {given or 'its usual profile'}",
        f"lines: {lines} at most" + (f", calls per second: {min(paces):g}" if paces else ""),
        f"hours: {order.policies.window.describe()}",
        f"retries: {order.policies.retry.max_retries} at most",
        "a worker runs all the time, and no other campaign is dialled meanwhile",
    ]


# --- for people ------------------------------------------------------------------------------------------------


def _print(found: Forecast, assumptions: Sequence[str]) -> None:
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
    for assumption in assumptions:
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


def forecast_json(found: Forecast, assumptions: Sequence[str]) -> dict[str, Any]:
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
        "assumptions": list(assumptions),
    }
