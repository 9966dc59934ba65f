"""The engine on a SIP trunk: what people ask for on the phone, and agents that cannot speak or hear."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from bench import Bench
from callees import Callee, callee, needs_programs
from calls import until
from services import service
from trunks import phones_of, press

from dialplane.clocks import RealClock
from dialplane.config import Settings
from dialplane.engine import catalog
from dialplane.store.postgres import Database
from dialplane.voice.wav import wav
from dialplane.wiring import assemble

pytestmark = [needs_programs, pytest.mark.asyncio]

PERSON, OTHER = "+12122000001", "+12122000002"
ASKS = {
    "greeting": "Hello.",
    "steps": [{"say": "Can you come?", "gather": "can_come", "expect": ["yes", "no"], "attempts": 3}],
    "opt_out": {"phrases": ["stop calling me"], "key": 9, "say": "Goodbye."},
}
PRESSES = {"steps": [{"say": "Press one.", "gather": "can_come", "expect": ["yes"], "keys": {1: "yes"}}]}


@pytest_asyncio.fixture
async def live(database: Database, tmp_path: Path) -> AsyncIterator[Bench]:
    """In real time."""
    organization_id = await catalog.ensure_organization(database, "default")
    app = assemble(Settings(home=tmp_path), database, RealClock(), organization_id, tmp_path / "carrier-logs")
    yield Bench(app, tmp_path)
    await app.carriers.close()


async def started(live: Bench, called: Callee, agent: Mapping[str, Any], *people: str, **trunk: Any) -> int:
    carrier = {"numbers": ["+14155550100"], "hearing": {"silence_seconds": 3}, **called.trunk, **trunk}
    return await live.started(people or [PERSON], carrier=carrier, agent=agent)


async def only_row(live: Bench, campaign: int) -> Mapping[str, str]:
    (row,) = await live.report(campaign)
    return row


async def answers(live: Bench, campaign: int) -> tuple[int, int]:
    """Calls that people answered, and of these the abandoned ones."""
    (day,) = (await live.progress(campaign)).answers
    return day.answered, day.abandoned


async def pressed(called: Callee, key: str) -> None:
    """As soon as the call is answered, while the agent speaks."""
    await until(lambda: called.received("ACK") != [])
    await asyncio.sleep(0.4)
    await asyncio.to_thread(press, called, key)


@pytest.mark.parametrize("how", ["says so", "presses the key"])
async def test_who_wants_no_more_calls_gets_none(live: Bench, how: str) -> None:
    """Of no campaign of the organization: in another one, where they wait, they are skipped."""
    with callee("speak", says="please stop calling me") if how == "says so" else callee("answer") as called:
        other = await started(live, called, ASKS, PERSON)
        await live.app.campaigns.pause(other)
        campaign = await started(live, called, ASKS)
        async with live.working():
            if how == "presses the key":
                await pressed(called, "9")
            await live.wait_until_ended(campaign)
            await live.app.campaigns.resume(other)
            await live.wait_until_ended(other)

    row = await only_row(live, campaign)
    assert (row["disposition"], row["can_come"]) == ("answered", "")
    assert row["transcript"].rstrip().endswith("Goodbye.")
    assert [entry["to_number"] for entry in await live.app.contacts.do_not_call_entries([PERSON])] == [PERSON]
    skipped = await only_row(live, other)
    assert (skipped["contact_state"], skipped["cause"]) == ("skipped", "do_not_call")
    assert sum(called.invites().values()) == 1


async def test_keys_alone_answer_a_question(live: Bench) -> None:
    with callee("answer") as called:
        campaign = await started(live, called, PRESSES)
        async with live.working():
            await pressed(called, "1")
            await live.wait_until_ended(campaign)

    row = await only_row(live, campaign)
    assert (row["disposition"], row["can_come"], row["contact_state"]) == ("answered", "yes", "reached")
    assert (live.folder / "files" / row["recording"]).stat().st_size > 10_000


async def test_an_agent_without_a_voice_hangs_up(live: Bench, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """flite is removed after the carrier was looked at."""
    with callee("answer") as called:
        campaign = await started(live, called, ASKS)
        monkeypatch.setenv("PATH", str(tmp_path))
        async with live.working():
            await live.wait_until_ended(campaign)
        called.wait_for("BYE")

    row = await only_row(live, campaign)
    assert (row["disposition"], row["cause"]) == ("agent_failed", "the program flite is not installed")
    assert await answers(live, campaign) == (1, 1), "they were hung up on before a word was said"


async def test_whoever_hangs_up_in_the_middle_of_the_greeting_was_spoken_to(live: Bench) -> None:
    greeting = "Hello, this is a greeting that goes on and on, since there is so much to tell before anybody is asked."
    with callee("hang_up", pause_ms=2500) as called:
        campaign = await started(live, called, {"greeting": greeting})
        async with live.working():
            await live.wait_until_ended(campaign)

    row = await only_row(live, campaign)
    assert (row["disposition"], row["transcript"]) == ("answered", "")
    assert float(row["talk_seconds"]) > 2
    assert await answers(live, campaign) == (1, 0)


async def test_a_voice_that_comes_late_makes_an_abandoned_call(live: Bench) -> None:
    """The first speech of a person, by a service that thinks about it for three seconds."""
    async with service("200 OK", wav(bytes(16_000)), pause_seconds=3) as (url, _):
        with callee("answer") as called:
            campaign = await started(live, called, {"greeting": "Hello."}, speech={"engine": "http", "url": url})
            async with live.working():
                await live.wait_until_ended(campaign)

    row = await only_row(live, campaign)
    assert row["disposition"] == "answered" and "Hello." in row["transcript"]
    assert await answers(live, campaign) == (1, 1)
    assert await live.state(campaign) == "completed", "one call says nothing"


@pytest.mark.parametrize("broken", ["speech", "hearing"])
async def test_a_service_that_is_down_is_the_agents_failure(live: Bench, broken: str) -> None:
    async with service("500 Internal Server Error", b"") as (url, asked):
        with callee("speak", says="yes please") as called:
            campaign = await started(live, called, ASKS, **{broken: {"engine": "http", "url": url}})
            async with live.working():
                await live.wait_until_ended(campaign)
            called.wait_for("BYE")

    row = await only_row(live, campaign)
    assert row["disposition"] == "agent_failed" and "500" in row["cause"] and asked
    assert sum(called.invites().values()) == 1
    assert ("Can you come?" in row["transcript"]) == (broken == "hearing")


async def test_what_was_gathered_before_the_agent_failed_is_kept(live: Bench) -> None:
    steps = [*PRESSES["steps"], {"say": "And when?", "gather": "when"}]
    async with service("500 Internal Server Error", b"") as (url, _):
        with callee("speak", says="on monday") as called:
            campaign = await started(live, called, {"steps": steps}, hearing={"engine": "http", "url": url})
            async with live.working():
                await pressed(called, "1")
                await live.wait_until_ended(campaign)

    row = await only_row(live, campaign)
    assert (row["disposition"], row["can_come"], row["when"]) == ("agent_failed", "yes", "")
    assert [line.split(": ", 1)[-1] for line in row["transcript"].splitlines()][-1].endswith("And when?")


async def test_an_unknown_end_is_not_dialled_again(live: Bench) -> None:
    """The SIP process is killed before the trunk has said anything: nobody can tell what became of the call."""
    with callee("silent") as called:
        campaign = await started(live, called, ASKS)
        async with live.working():
            await until(lambda: called.received("INVITE") != [])
            os.kill(phones_of()[0], signal.SIGKILL)
            await live.wait_until_ended(campaign)

    row = await only_row(live, campaign)
    assert (row["disposition"], row["contact_state"]) == ("unknown", "exhausted")
    assert sum(called.invites().values()) == 1
