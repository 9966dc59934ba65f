"""Commands that stop calls, given in real time under load: once they have returned, nothing more is placed."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

import pytest
from bench import FAST_CALLS, Bench, numbers
from checks import every_place_has_one_end, no_attempt_is_placed_twice, nothing_is_placed_after

from dialplane.errors import Conflict

pytestmark = pytest.mark.asyncio

CONTACTS = numbers(3000)
UNDER_LOAD = 150  # calls placed before the command is given


async def under_load(live: Bench) -> int:
    return await live.started(CONTACTS, carrier=FAST_CALLS)


async def placed_so_many(live: Bench, campaign: int, count: int = UNDER_LOAD) -> list[str]:
    async def enough() -> bool:
        return len(await live.placed(campaign)) >= count

    await live.wait_for(enough)
    return await live.placed(campaign)


async def after(live: Bench, campaign: int, command: Callable[[], Awaitable[object]]) -> tuple[datetime, list[dict]]:
    """Give the command, let all calls end: the instant at which it returned, and what the log has since then."""
    path = await live.log_path(campaign)
    await command()
    returned_at, size = datetime.now(UTC), path.stat().st_size
    in_progress = await live.progress(campaign)
    assert not in_progress.calls.get("sending")

    async def quiet() -> bool:
        return not (await live.progress(campaign)).calls

    await live.wait_for(quiet)
    return returned_at, [json.loads(line) for line in path.read_bytes()[size:].splitlines()]


@pytest.mark.parametrize("verb", ["pause", "cancel"])
async def test_once_it_has_returned_nothing_is_placed(live: Bench, verb: str) -> None:
    campaign = await under_load(live)

    async with live.working():
        await placed_so_many(live, campaign)
        in_progress = (await live.progress(campaign)).calls
        returned_at, since = await after(live, campaign, lambda: getattr(live.app.campaigns, verb)(campaign))

    assert in_progress, "and all of them ended normally"
    assert {line["event"] for line in since} <= {"ring", "answer", "end"}
    log = await live.log(campaign)
    nothing_is_placed_after(log, returned_at)
    every_place_has_one_end(log)
    no_attempt_is_placed_twice(log)
    progress = await live.progress(campaign)
    assert progress.attempts == sum(line.event == "place" for line in log)
    assert progress.dialing == 0


async def test_what_pause_took_back_is_called_after_resume_and_nobody_is_lost(live: Bench) -> None:
    contacts = numbers(400)
    campaign = await live.started(contacts, carrier=FAST_CALLS | {"outcomes": {"answered": 1}})

    async with live.working():
        for count in (50, 150, 250):
            await placed_so_many(live, campaign, count)
            await live.app.campaigns.pause(campaign)
            await live.app.campaigns.resume(campaign)
        await live.wait_until_ended(campaign)

    assert sorted(await live.placed(campaign)) == sorted(contacts)
    assert (await live.progress(campaign)).reached == len(contacts)


async def test_a_number_that_waits_is_not_called_once_it_is_on_the_do_not_call_list(live: Bench) -> None:
    campaign = await under_load(live)

    async with live.working():
        called = set(await placed_so_many(live, campaign))
        waiting = [number for number in CONTACTS if number not in called]
        entered: list[int] = []

        async def enter() -> None:
            entered.append(await live.app.contacts.do_not_call(waiting, source="file"))

        returned_at, since = await after(live, campaign, enter)
        assert not [line for line in since if line["event"] == "place"]
        await live.app.campaigns.pause(campaign)

    assert entered == [len(waiting)]
    on_the_list = set(waiting)
    nothing_is_placed_after([line for line in await live.log(campaign) if line.to in on_the_list], returned_at)


async def test_who_was_removed_is_not_called_once_that_has_returned(live: Bench) -> None:
    campaign = await under_load(live)

    async with live.working():
        for _ in range(5):
            called = len(await placed_so_many(live, campaign))
            gone = CONTACTS[called + 50 : called + 250]
            try:
                await live.app.contacts.remove(campaign, gone)
                break
            except Conflict:  # the machine was slow: one of them has been called to the end meanwhile
                continue
        returned_at = datetime.now(UTC)
        await placed_so_many(live, campaign, called + 400)
        await live.app.campaigns.pause(campaign)

    removed = set(gone)
    log = await live.log(campaign)
    nothing_is_placed_after([line for line in log if line.to in removed], returned_at)
    states = await live.contacts(campaign)
    assert {states[number] for number in gone} == {"removed"}
    assert (await live.progress(campaign)).removed == len(gone)
    assert CONTACTS[called + 260] in {line.to for line in log}, "those after them were called"


async def test_a_campaign_that_is_paused_uses_no_line_of_another(live: Bench) -> None:
    paused = await under_load(live)
    answering = FAST_CALLS | {"outcomes": {"answered": 1}}
    other = await live.started(numbers(200, first=5_000_000), carrier=answering)

    async with live.working():
        await placed_so_many(live, paused)
        await live.app.campaigns.pause(paused)
        before = len(await live.placed(paused))
        await live.wait_until_ended(other)

    assert len(await live.placed(paused)) == before
    assert await live.state(other) == "completed"
