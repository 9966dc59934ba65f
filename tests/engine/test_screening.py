"""Calls that are checked before they go out: whoever is not found eligible is not called."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from bench import ALL_ANSWER, FAST_CALLS, START, Bench, OpenBench, numbers
from checks import every_place_has_one_end, never_more_lines_than, no_attempt_is_placed_twice, starts_are_apart
from receiver import Receiver, Request, receiving

from dialplane.clocks import RealClock
from dialplane.core.screening import Check
from dialplane.core.window import CallingWindow
from dialplane.engine.calls import Calls
from dialplane.engine.dispatcher import Dispatcher
from dialplane.engine.events import Events, Position
from dialplane.engine.orders import Orders
from dialplane.errors import Invalid
from dialplane.ports import Candidate, CheckFailed, Clock
from dialplane.webhooks import HttpScreening

pytestmark = pytest.mark.asyncio

CHECK = {"url": "https://example.org/check", "timeout_seconds": 5}
ELIGIBLE, NOT_ELIGIBLE = b'{"eligible": true}', b'{"eligible": false}'


@dataclass
class Gatekeeper:
    """A check in virtual time. answers: by number; seconds: how long it takes to answer."""

    clock: Clock
    answers: dict[str, bool | Exception] = field(default_factory=dict)
    seconds: float = 0.0
    asked: list[tuple[datetime, str]] = field(default_factory=list)
    at_once: int = 0
    most_at_once: int = 0

    async def eligible(self, candidate: Candidate, check: Check) -> bool:
        to_number = candidate.order.to_number
        self.asked.append((self.clock.now(), to_number))
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        await self.clock.sleep_until(self.clock.now() + timedelta(seconds=self.seconds))
        self.at_once -= 1
        answer = self.answers.get(to_number, True)
        if isinstance(answer, Exception):
            raise answer
        return answer


def guarded(bench: Bench, **options: Any) -> Gatekeeper:
    gatekeeper = Gatekeeper(bench.app.clock, **options)
    bench.app = replace(bench.app, screening=gatekeeper)
    return gatekeeper


async def test_who_is_eligible_is_called_and_who_is_not_is_skipped(bench: Bench) -> None:
    gatekeeper = guarded(bench, answers=dict.fromkeys(numbers(10)[:3], False))
    campaign = await bench.started(numbers(10), carrier=ALL_ANSWER, screening=CHECK)

    await bench.run(campaign)

    assert await bench.placed(campaign) == numbers(10)[3:]
    assert Counter(to for _, to in gatekeeper.asked) == Counter(numbers(10)), "each once"
    progress = await bench.progress(campaign)
    assert (progress.reached, progress.skipped, progress.skips) == (7, 3, {"predial_failed": 3})
    assert await bench.state(campaign) == "completed"
    rows = [row for row in await bench.report(campaign) if row["contact_state"] == "skipped"]
    assert {(row["cause"], row["attempt"]) for row in rows} == {("predial_failed", "")}


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        (CheckFailed("it answered 500"), "the check failed: it answered 500 (1)"),
        (TimeoutError(), "the check gave no answer within 5 seconds (1)"),
    ],
)
async def test_a_check_that_fails_lets_no_call_out(bench: Bench, fault: Exception, message: str) -> None:
    guarded(bench, answers={numbers(1)[0]: fault})
    campaign = await bench.started(numbers(2), carrier=ALL_ANSWER, screening=CHECK)

    await bench.run(campaign)

    assert await bench.placed(campaign) == numbers(2)[1:]
    assert (await bench.progress(campaign)).skips == {"predial_failed": 1}
    entry = next(e for e in await bench.app.campaigns.log(campaign) if e.event == "contacts.skipped")
    assert (entry.message, entry.level) == (f"1 not called: {message}", "warning")


@pytest.mark.parametrize("heard", [True, False])
async def test_webhooks_of_the_campaign_hear_of_each_who_was_skipped(open_bench: OpenBench, heard: bool) -> None:
    live = await open_bench(RealClock())
    live.app = replace(live.app, screening=Gatekeeper(live.app.clock, answers={numbers(2)[0]: False}))
    campaign = await live.started(numbers(2), carrier=FAST_CALLS, screening=CHECK)
    if heard:
        async with live.app.database.connection() as connection:
            await connection.execute(
                "INSERT INTO webhook (organization_id, uuid, url, secret, kinds, transaction_id, event_id, created_at,"
                " updated_at, campaign_id) VALUES ($1, $2, 'https://example.org', '', '{}', 0, 0, $3, $3, $4)",
                live.app.organization_id, uuid4(), live.now, campaign,
            )  # fmt: skip

    async with live.working():
        await live.wait_until_ended(campaign)

    page = await Events(live.app.database, live.app.organization_id, campaign).after(Position(0, 0))
    skipped = [event.details["details"] for event in page.events if event.kind == "contact.skipped" and event.details]
    contact = await live.contact(campaign, numbers(2)[0])
    assert skipped == ([{"contact_id": contact["id"], "reason": "predial_failed"}] if heard else [])


async def test_the_log_tells_of_refusals_once_a_minute(bench: Bench) -> None:
    guarded(bench, answers=dict.fromkeys(numbers(300), False))
    campaign = await bench.started(numbers(300), carrier=ALL_ANSWER | {"cps": 2}, screening=CHECK)

    await bench.run(campaign)

    entries = [e for e in await bench.app.campaigns.log(campaign) if e.event == "contacts.skipped"]
    assert 2 <= len(entries) <= 4, "three hundred in two and a half minutes"
    assert (await bench.progress(campaign)).skips == {"predial_failed": 300}


async def test_several_checks_run_at_once_and_hold_their_lines(bench: Bench) -> None:
    gatekeeper = guarded(bench, seconds=3)
    campaign = await bench.started(numbers(20), carrier=ALL_ANSWER | {"cps": None}, screening=CHECK, max_lines=5)

    await bench.run(campaign)

    assert gatekeeper.most_at_once == 5
    log = await bench.log(campaign)
    never_more_lines_than(log, 5)
    every_place_has_one_end(log)
    (first, *_) = [line.at for line in log if line.event == "place"]
    assert first == START + timedelta(seconds=3)


async def test_starts_keep_their_distance_however_long_the_checks_take(bench: Bench) -> None:
    gatekeeper = guarded(bench, seconds=4)
    carrier = ALL_ANSWER | {"cps": 5, "ring_seconds": [0.1, 0.1], "talk_seconds": [0.1, 0.1]}
    campaign = await bench.started(numbers(60), carrier=carrier, screening=CHECK)
    bench.after(6, lambda: _faster(gatekeeper))

    await bench.run(campaign)

    log = await bench.log(campaign)
    assert sum(line.event == "place" for line in log) == 60
    starts_are_apart(log, 5)


async def _faster(gatekeeper: Gatekeeper) -> None:
    gatekeeper.seconds = 0.0


async def test_a_campaign_without_a_check_asks_nobody(bench: Bench) -> None:
    gatekeeper = guarded(bench, answers=dict.fromkeys(numbers(2), False))

    campaign = await bench.completed(numbers(2), carrier=ALL_ANSWER)

    assert gatekeeper.asked == []
    assert await bench.placed(campaign) == numbers(2)


@pytest.mark.parametrize("eligible", [True, False])
@pytest.mark.parametrize("command", ["pause", "cancel", "do_not_call", "remove"])
async def test_what_is_stopped_during_its_check_is_not_called_and_not_skipped_by_it(
    bench: Bench, command: str, eligible: bool
) -> None:
    guarded(bench, seconds=3, answers=dict.fromkeys(numbers(2), eligible))
    campaign = await bench.started(numbers(2), carrier=ALL_ANSWER, screening=CHECK)
    commands: dict[str, Callable[[], Awaitable[Any]]] = {
        "pause": lambda: bench.app.campaigns.pause(campaign),
        "cancel": lambda: bench.app.campaigns.cancel(campaign),
        "do_not_call": lambda: bench.app.contacts.do_not_call(numbers(2), source="hand"),
        "remove": lambda: bench.app.contacts.remove(campaign, numbers(2)),
    }
    bench.after(1, commands[command])

    await bench.run(campaign)

    assert await bench.log(campaign) == []
    progress = await bench.progress(campaign)
    assert progress.skips.get("predial_failed", 0) == 0
    assert (progress.waiting, progress.skipped, progress.removed) == {
        "pause": (2, 0, 0),
        "cancel": (0, 2, 0),
        "do_not_call": (0, 2, 0),
        "remove": (0, 0, 2),
    }[command]


async def test_after_a_pause_the_next_attempt_is_checked_anew(bench: Bench) -> None:
    gatekeeper = guarded(bench, seconds=3)
    campaign = await bench.started(numbers(1), carrier=ALL_ANSWER, screening=CHECK)
    bench.after(1, lambda: bench.app.campaigns.pause(campaign))
    bench.after(60, lambda: bench.app.campaigns.resume(campaign))

    await bench.run(until=START + timedelta(minutes=2))

    assert [at for at, _ in gatekeeper.asked] == [START, START + timedelta(seconds=60)]
    assert await bench.placed(campaign) == numbers(1)


async def test_a_check_that_ends_after_the_window_lets_no_call_out(bench: Bench) -> None:
    guarded(bench, seconds=4)
    hours = CallingWindow.parse("mon-fri 08:00-09:01", "UTC")
    campaign = await bench.started(
        numbers(40), carrier=ALL_ANSWER | {"cps": 1}, screening=CHECK, window=hours, max_lines=40
    )

    await bench.run(campaign)

    calls = [line.at for line in await bench.log(campaign) if line.event == "place"]
    assert len(calls) == 40
    closes = START + timedelta(minutes=1)
    assert all(at < closes or at >= START + timedelta(hours=23) for at in calls)


async def test_retries_are_checked_too(bench: Bench) -> None:
    gatekeeper = guarded(bench)
    campaign = await bench.started(["+15005550021"], carrier=ALL_ANSWER, screening=CHECK)

    await bench.run(campaign)

    assert [to for _, to in gatekeeper.asked] == ["+15005550021"] * 2, "busy, then answered"
    assert (await bench.progress(campaign)).reached == 1


async def test_a_worker_that_was_frozen_during_a_check_changes_nothing(open_bench: OpenBench) -> None:
    """What it says when it wakes up comes too late: its intent has expired, and another worker has called."""
    live = await open_bench(RealClock())
    campaign = await live.started(numbers(1), carrier=FAST_CALLS | {"outcomes": {"answered": 1}}, screening=CHECK)
    frozen = asyncio.Event()

    class Stuck:
        async def eligible(self, candidate: Candidate, check: Check) -> bool:
            await frozen.wait()
            return False

    wake = asyncio.Event()
    app = live.app
    calls = Calls(app.database, app.clock, uuid4(), app.carriers, app.agents, wake)
    stuck = Orders(app.database, app.clock, uuid4(), calls, Stuck(), wake)
    result = await Dispatcher(app.database, app.clock, uuid4()).turn(app.organization_id, [], 10)
    assert result is not None
    stuck.add(result.orders, result.ahead)
    async with app.database.connection() as connection:
        await connection.execute("UPDATE attempt SET send_before = $1", app.clock.now() - timedelta(seconds=1))
    other = replace(app, screening=Gatekeeper(app.clock))
    live.app = other

    async with live.working():
        await live.wait_until_ended(campaign)
        frozen.set()
        await live.wait_for(lambda: _is_idle(stuck))

    assert await live.contacts(campaign) == {numbers(1)[0]: "reached"}
    assert (await live.progress(campaign)).skipped == 0
    assert len(await live.placed(campaign)) == 1


async def _is_idle(orders: Orders) -> bool:
    return orders.in_flight == 0


# --- over HTTP -----------------------------------------------------------------------------------------------


def reply(body: bytes, status: int = 200) -> bytes:
    return f"HTTP/1.1 {status} Words\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


@asynccontextmanager
async def asking(
    answers: Callable[[Request], Awaitable[bytes]], live: Bench, **settings: Any
) -> AsyncIterator[tuple[Receiver, dict[str, Any]]]:
    """A server that is asked, and the settings of a campaign that asks it."""
    async with receiving(answers) as receiver:
        screening = HttpScreening(lambda text: text[::-1], lambda text: text[::-1], own_network=True)
        live.app = replace(live.app, screening=screening)
        try:
            yield receiver, screening.settings(receiver.url, **{"timeout_seconds": 2, **settings})
        finally:
            await screening.close()


async def by_last_digit(request: Request) -> bytes:
    message = request.message
    number = message["data"]["to_number"] if "data" in message else message["message"]["contact"]["number"]
    return reply(ELIGIBLE if int(number[-1]) % 2 else NOT_ELIGIBLE)


async def test_over_http_with_many_lines_and_two_workers(open_bench: OpenBench) -> None:
    live, other = await open_bench(RealClock()), await open_bench(RealClock())
    async with asking(by_last_digit, live) as (receiver, settings):
        other.app = replace(other.app, screening=live.app.screening)
        campaign = await live.started(
            numbers(100), carrier=FAST_CALLS | {"outcomes": {"answered": 1}}, screening=settings, max_lines=20
        )

        async with live.working(), other.working():
            await live.wait_until_ended(campaign)

        log = await live.log(campaign)
        no_attempt_is_placed_twice(log)
        never_more_lines_than(log, 20)
        assert sorted(await live.placed(campaign)) == [phone for phone in numbers(100) if int(phone[-1]) % 2]
        assert (await live.progress(campaign)).skips == {"predial_failed": 50}
        uuids = [message["data"]["uuid"] for message in receiver.messages]
        assert len(uuids) == len(set(uuids)) == 100, "one check each"


async def test_it_asks_in_the_words_of_vapi_with_its_secret_and_headers(open_bench: OpenBench) -> None:
    live = await open_bench(RealClock())
    options = {"format": "vapi", "secret": "s3cret", "headers": {"X-Tenant": "7"}}
    async with asking(by_last_digit, live, **options) as (receiver, settings):
        assert "s3cret" not in json.dumps(settings)
        campaign = await live.started(
            f"phone_number,name\n{numbers(2)[1]},Ana\n", carrier=FAST_CALLS, screening=settings
        )

        async with live.working():
            await receiver.got(1)
            await live.wait_until_ended(campaign)

        record = await live.get(campaign)
        contact = await live.contact(campaign, numbers(2)[1])
        (request,) = receiver.requests
        assert (request.headers["x-vapi-secret"], request.headers["x-tenant"]) == ("s3cret", "7")
        message = request.message["message"]
        assert message["type"] == "campaign.predial"
        assert message["campaignId"] == str(record.uuid)
        assert abs(message["timestamp"] / 1000 - live.now.timestamp()) < 30
        assert {key: value for key, value in message["contact"].items() if key not in ("orgId", "createdAt")} == {
            "id": str(contact["uuid"]),
            "campaignId": str(record.uuid),
            "number": numbers(2)[1],
            "name": "Ana",
        }


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (reply(b"oops", 500), "it answered 500"),
        (reply(b"", 302), "it answered 302"),
        (reply(b"<html>"), "its answer is no JSON"),
        (reply(b'{"eligible": "yes"}'), 'its answer has no "eligible": true or false'),
        (reply(b"[]"), 'its answer has no "eligible": true or false'),
        (b"", "RemoteProtocolError"),
    ],
    ids=["500", "redirect", "no JSON", "a text", "a list", "hangs up"],
)
async def test_an_answer_that_is_none_lets_no_call_out(open_bench: OpenBench, answer: bytes, why: str) -> None:
    live = await open_bench(RealClock())

    async def answers(_: Request) -> bytes:
        return answer

    async with asking(answers, live) as (_, settings):
        campaign = await live.started(numbers(1), carrier=FAST_CALLS, screening=settings)

        async with live.working():
            await live.wait_until_ended(campaign)

        assert await live.log(campaign) == []
        entry = next(e for e in await live.app.campaigns.log(campaign) if e.event == "contacts.skipped")
        assert why in entry.message


async def test_a_check_that_never_answers_is_over_after_its_time(open_bench: OpenBench) -> None:
    live = await open_bench(RealClock())

    async def never(_: Request) -> bytes:
        await asyncio.Event().wait()
        return b""

    async with asking(never, live, timeout_seconds=1) as (_, settings):
        campaign = await live.started(numbers(3), carrier=FAST_CALLS, screening=settings)

        async with live.working():
            await live.wait_until_ended(campaign)

        assert await live.log(campaign) == []
        (entry,) = [e for e in await live.app.campaigns.log(campaign) if e.event == "contacts.skipped"][-1:]
        assert "no answer within 1 seconds" in entry.message
        assert (await live.progress(campaign)).skips == {"predial_failed": 3}


async def test_a_worker_that_stops_drops_its_checks_and_their_contacts_go_back(open_bench: OpenBench) -> None:
    live = await open_bench(RealClock())
    asked = asyncio.Event()

    async def never(_: Request) -> bytes:
        asked.set()
        await asyncio.Event().wait()
        return b""

    async with asking(never, live, timeout_seconds=30) as (_, settings):
        campaign = await live.started(numbers(3), carrier=FAST_CALLS, screening=settings)
        async with live.working():
            await asyncio.wait_for(asked.wait(), 10)

    progress = await live.progress(campaign)
    assert (progress.skipped, progress.dialing) == (0, 3), "their intents expire"


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({"url": "ftp://example.org"}, "it must look like https://example.org/hooks"),
        ({"url": "http://169.254.169.254/"}, "its address is not allowed: it is link-local"),
        ({"url": "https://example.org/", "timeout_seconds": 31}, "timeout_seconds must be between 1 and 30, not 31"),
        ({"url": "https://example.org/", "format": "xml"}, "format must be standard or vapi, not 'xml'"),
        ({"url": "https://example.org/", "headers": {"Host": "x"}}, "the header 'Host' cannot be sent"),
        (
            {"url": "https://example.org/", "headers": {"X-A": "a\r\nB: c"}},
            "the header 'X-A' has a value that cannot be sent",
        ),
        ({"url": "https://example.org/", "secret": "whsec_!"}, "the secret must look like whsec_"),
    ],
)
async def test_settings_that_cannot_work_are_refused(settings: dict[str, Any], why: str) -> None:
    screening = HttpScreening(str, str)
    try:
        with pytest.raises(Invalid, match=why):
            screening.settings(**settings)
    finally:
        await screening.close()


async def test_a_campaign_refuses_settings_that_are_none(bench: Bench) -> None:
    with pytest.raises(Invalid, match="screening: the url is missing"):
        await bench.draft(numbers(1), screening={"timeout_seconds": 5})
    with pytest.raises(Invalid, match="screening: timeout is unknown"):
        await bench.draft(numbers(1), screening=CHECK | {"timeout": 5})
