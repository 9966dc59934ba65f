"""Why somebody is not called, in a campaign in that state; at the instant that the answer names, the call goes out."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from bench import ALL_ANSWER, ALL_BUSY, FAST_CALLS, START, Bench, numbers

from dialplane.core.abandon import AbandonRule
from dialplane.core.breaker import CircuitBreaker
from dialplane.core.reason import Reason
from dialplane.core.retry import RetryPolicy
from dialplane.core.screening import Check
from dialplane.core.window import CallingWindow
from dialplane.engine import catalog
from dialplane.engine.additions import LateContact
from dialplane.engine.explain import CampaignWhy, ContactWhy
from dialplane.errors import Invalid, NotFound
from dialplane.ports import Candidate

pytestmark = pytest.mark.asyncio

HOUR, MINUTE, SECOND = timedelta(hours=1), timedelta(minutes=1), timedelta(seconds=1)
OFF = CircuitBreaker(enabled=False)
MINUTE_CALLS: dict[str, Any] = {"outcomes": {"answered": 1}, "ring_seconds": 1, "talk_seconds": 59, "cps": None}
OFFICE_HOURS = CallingWindow.parse("mon-fri 09:00-17:00", "contact")
NEW_YORK_OPENS = datetime(2025, 3, 3, 14, 0, tzinfo=UTC)
SATELLITE = "+870773111632"  # of no country, so of no zone
SETTLED = timedelta(seconds=0.3)  # in virtual time, calls that end are settled a quarter of a second at a time
FIRST, SECOND_NUMBER, THIRD = numbers(3)


async def why(bench: Bench, campaign: int, number: str) -> ContactWhy:
    return await bench.app.explanations.number(campaign, number)


def asked(bench: Bench, at: datetime, campaign: int, number: str) -> list[ContactWhy]:
    """Where the answer will be that is given at an instant of the run to come."""
    answers: list[ContactWhy] = []

    async def ask() -> None:
        answers.append(await why(bench, campaign, number))

    bench.at(at, ask)
    return answers


async def called(bench: Bench, campaign: int, number: str) -> list[datetime]:
    return [line.at for line in await bench.log(campaign) if line.event == "place" and line.to == number]


async def ended(bench: Bench, campaign: int) -> list[datetime]:
    return [line.at for line in await bench.log(campaign) if line.event == "end"]


def told(answer: ContactWhy) -> tuple[str, str, datetime | None]:
    """What binds, what lets go of it, and when."""
    return answer.holds[0].reason.value, answer.holds[0].release.value, answer.next_at


async def never_called(bench: Bench, campaign: int, number: str) -> bool:
    await bench.run(campaign)
    return number not in await bench.placed(campaign)


# --- the campaign ---------------------------------------------------------------------------------


async def test_draft(bench: Bench) -> None:
    campaign = await bench.draft([FIRST], carrier=ALL_ANSWER)

    answer = await why(bench, campaign, FIRST)

    assert told(answer) == ("draft", "command", None)
    await bench.app.campaigns.start(campaign)
    await bench.run(campaign)
    assert await called(bench, campaign, FIRST) == [START]


async def test_scheduled(bench: Bench) -> None:
    campaign = await bench.draft([FIRST], carrier=ALL_ANSWER)
    await bench.app.campaigns.schedule(campaign, START + 2 * HOUR)

    answer = await why(bench, campaign, FIRST)

    assert told(answer) == ("scheduled", "time", START + 2 * HOUR)
    await bench.run(campaign)
    assert await called(bench, campaign, FIRST) == [answer.next_at]


async def test_scheduled_for_an_hour_outside_its_window(bench: Bench) -> None:
    campaign = await bench.draft([FIRST], carrier=ALL_ANSWER, window=OFFICE_HOURS)
    await bench.app.campaigns.schedule(campaign, START + HOUR)

    answer = await why(bench, campaign, FIRST)

    assert told(answer) == ("outside_window", "time", NEW_YORK_OPENS)
    assert [hold.reason for hold in answer.holds] == [Reason.OUTSIDE_WINDOW, Reason.SCHEDULED]
    await bench.run(campaign)
    assert await called(bench, campaign, FIRST) == [NEW_YORK_OPENS]


async def test_queue_held_by_another_campaign(bench: Bench) -> None:
    before = await bench.started([FIRST], carrier=ALL_ANSWER, queue="batch")
    campaign = await bench.started([SECOND_NUMBER], carrier=ALL_ANSWER, queue="batch")

    answer = await why(bench, campaign, SECOND_NUMBER)

    assert told(answer) == ("queue", "campaign", None)
    assert answer.holds[0].text == "another campaign of its queue goes first: batch"
    await bench.run(before, campaign)
    over = (await bench.get(before)).ended_at
    assert over is not None
    (at,) = await called(bench, campaign, SECOND_NUMBER)
    assert over <= at <= over + SETTLED


async def test_paused_by_hand(bench: Bench) -> None:
    campaign = await bench.started([FIRST], carrier=ALL_ANSWER)
    await bench.app.campaigns.pause(campaign, "lunch")

    answer = await why(bench, campaign, FIRST)

    assert told(answer) == ("paused", "command", None)
    assert answer.holds[0].text == "the campaign is paused: lunch"
    bench.after(60, lambda: bench.app.campaigns.resume(campaign))
    await bench.run(campaign)
    assert await called(bench, campaign, FIRST) == [START + MINUTE]


async def test_paused_by_its_breaker(bench: Bench) -> None:
    agent_fails = {"outcomes": {"agent_failed": 1}, "ring_seconds": 1}
    campaign = await bench.started(numbers(6), carrier=agent_fails, max_lines=1)
    await bench.run(campaign)

    answer = await why(bench, campaign, numbers(6)[5])

    assert told(answer) == ("breaker", "command", None)
    assert answer.holds[0].text.endswith("too many calls failed: 5 of the last 5 calls failed")
    resumed = bench.now
    await bench.app.campaigns.resume(campaign)
    await bench.run(campaign)
    assert await called(bench, campaign, numbers(6)[5]) == [resumed]


async def test_paused_by_its_rate_of_abandoned_calls(bench: Bench) -> None:
    slow = {**ALL_ANSWER, "ring_seconds": 1, "talk_seconds": 5, "first_word_seconds": 3}
    campaign = await bench.started(numbers(6), carrier=slow, max_lines=1, abandon=AbandonRule(min_calls=5, pause=True))
    await bench.run(campaign)

    answer = await why(bench, campaign, numbers(6)[5])

    assert told(answer) == ("abandoned", "command", None)
    assert "too many calls were abandoned: 5 of 5 answered calls" in answer.holds[0].text
    resumed = bench.now
    await bench.app.campaigns.resume(campaign)
    await bench.run(campaign)
    assert await called(bench, campaign, numbers(6)[5]) == [resumed]


async def test_paused_by_hand_after_a_breaker_that_was_overruled(bench: Bench) -> None:
    campaign = await bench.started(
        numbers(6), carrier={"outcomes": {"agent_failed": 1}, "ring_seconds": 1}, max_lines=1
    )
    await bench.run(campaign)
    await bench.app.campaigns.resume(campaign)
    await bench.app.campaigns.pause(campaign)

    assert told(await why(bench, campaign, numbers(6)[5]))[0] == "paused"


async def test_failed(bench: Bench) -> None:
    campaign = await bench.started([FIRST], carrier=ALL_ANSWER)
    await bench.app.campaigns.fail(campaign, "its agent is gone")

    answer = await why(bench, campaign, FIRST)

    assert told(answer) == ("failed", "command", None)
    assert answer.holds[0].text == "the campaign has failed: its agent is gone"
    await bench.app.campaigns.resume(campaign)
    await bench.run(campaign)
    assert await called(bench, campaign, FIRST) == [START]


async def test_cancelled(bench: Bench) -> None:
    campaign = await bench.started([FIRST], carrier=ALL_ANSWER)
    await bench.app.campaigns.cancel(campaign)

    answer = await why(bench, campaign, FIRST)

    assert told(answer) == ("cancelled", "never", None)
    assert answer.state.value == "skipped"


async def test_a_campaign_that_ends_before_the_hours_begin(bench: Bench) -> None:
    campaign = await bench.started([FIRST], carrier=ALL_ANSWER, window=OFFICE_HOURS, ends_at=START + HOUR)

    before = await why(bench, campaign, FIRST)

    assert told(before) == ("ends_before", "never", None)
    assert before.holds[1].reason is Reason.OUTSIDE_WINDOW
    assert await never_called(bench, campaign, FIRST)
    assert told(await why(bench, campaign, FIRST)) == ("expired", "never", None)


# --- the contact ----------------------------------------------------------------------------------


async def test_nothing_holds_it(bench: Bench) -> None:
    campaign = await bench.started([FIRST], carrier=ALL_ANSWER)

    answer = await why(bench, campaign, FIRST)

    assert told(answer) == ("next", "time", START)
    assert answer.ahead == 0
    await bench.run(campaign)
    assert await called(bench, campaign, FIRST) == [START]


async def test_in_a_call_and_then_reached(bench: Bench) -> None:
    campaign = await bench.started([FIRST], carrier=MINUTE_CALLS)
    during = asked(bench, START + 30 * SECOND, campaign, FIRST)

    await bench.run(campaign)

    assert told(during[0]) == ("in_call", "call", None)
    assert during[0].holds[0].text == "a call to it is in progress: answered"
    assert told(await why(bench, campaign, FIRST)) == ("reached", "never", None)


async def test_outside_the_window(bench: Bench) -> None:
    campaign = await bench.started([FIRST], carrier=ALL_ANSWER, window=OFFICE_HOURS)

    answer = await why(bench, campaign, FIRST)

    assert told(answer) == ("outside_window", "time", NEW_YORK_OPENS)
    assert answer.holds[0].text == (
        "it is outside the calling hours: America/New_York, mon-fri 09:00-17:00 in the zone of the contact"
    )
    await bench.run(campaign)
    assert await called(bench, campaign, FIRST) == [NEW_YORK_OPENS]


async def test_zone_unknown(bench: Bench) -> None:
    campaign = await bench.started([SATELLITE], carrier=ALL_ANSWER, window=OFFICE_HOURS)

    answer = await why(bench, campaign, SATELLITE)

    assert told(answer) == ("zone_unknown", "never", None)
    assert await never_called(bench, campaign, SATELLITE)
    assert told(await why(bench, campaign, SATELLITE)) == ("zone_unknown", "never", None)


async def test_hours_that_are_never_open(bench: Bench) -> None:
    anywhere = "+15005550006"  # +1 500 may be anywhere from Guam to Newfoundland
    narrow = CallingWindow.parse("mon-fri 10:00-11:00", "contact")
    campaign = await bench.started([anywhere], carrier=ALL_ANSWER, window=narrow)

    answer = await why(bench, campaign, anywhere)

    assert told(answer) == ("never_open", "never", None)
    assert await never_called(bench, campaign, anywhere)
    assert told(await why(bench, campaign, anywhere)) == ("never_open", "never", None)


async def test_on_the_do_not_call_list(bench: Bench) -> None:
    campaign = await bench.started([FIRST, SECOND_NUMBER], carrier=ALL_ANSWER)
    await bench.app.contacts.do_not_call([FIRST], source="hand")

    answer = await why(bench, campaign, FIRST)

    assert told(answer) == ("do_not_call", "never", None)
    assert await never_called(bench, campaign, FIRST)
    assert told(await why(bench, campaign, FIRST)) == ("do_not_call", "never", None)


async def test_it_waits_for_its_next_attempt(bench: Bench) -> None:
    busy_then_answered = "+15005550021"
    campaign = await bench.started([busy_then_answered], carrier=ALL_ANSWER)
    answer = asked(bench, START + MINUTE, campaign, busy_then_answered)

    await bench.run(campaign)

    (first_end, _) = await ended(bench, campaign)
    assert told(answer[0]) == ("retry_delay", "time", first_end + 120 * SECOND)
    assert answer[0].holds[0].text == "it waits for its next attempt: busy"
    assert (await called(bench, campaign, busy_then_answered))[1] == answer[0].next_at


async def test_its_next_attempt_falls_after_the_hours(bench: Bench) -> None:
    busy_then_answered = "+15005550021"
    until_half_past = CallingWindow.parse("mon,tue 09:00-09:30", "UTC")
    campaign = await bench.started(
        [busy_then_answered], carrier=ALL_ANSWER, window=until_half_past, retry=RetryPolicy(delay_seconds=3600)
    )
    during = asked(bench, START + MINUTE, campaign, busy_then_answered)
    after = asked(bench, START + 5 * HOUR, campaign, busy_then_answered)

    await bench.run(campaign)

    tomorrow = START + timedelta(days=1)
    assert told(during[0]) == ("retry_delay", "time", tomorrow)
    assert told(after[0]) == ("outside_window", "time", tomorrow)
    assert (await called(bench, campaign, busy_then_answered))[1] == tomorrow


async def test_it_is_to_be_called_later(bench: Bench) -> None:
    campaign = await bench.started([], carrier=ALL_ANSWER, keep_open=True)
    await bench.app.contacts.add(campaign, [LateContact(phone_number=FIRST, due_at=START + HOUR)])
    await bench.app.campaigns.close(campaign)

    answer = await why(bench, campaign, FIRST)

    assert told(answer) == ("not_before", "time", START + HOUR)
    await bench.run(campaign)
    assert await called(bench, campaign, FIRST) == [START + HOUR]


async def test_its_attempts_are_used_up(bench: Bench) -> None:
    campaign = await bench.completed([FIRST], carrier=ALL_BUSY, retry=RetryPolicy(max_retries=1))

    answer = await why(bench, campaign, FIRST)

    assert told(answer) == ("attempts_used_up", "never", None)
    assert answer.holds[0].text == "its attempts are used up: busy"
    assert len(await called(bench, campaign, FIRST)) == 2


async def test_its_last_call_is_final(bench: Bench) -> None:
    campaign = await bench.completed([FIRST], carrier={"outcomes": {"invalid_number": 1}})

    assert told(await why(bench, campaign, FIRST)) == ("not_retried", "never", None)
    assert len(await called(bench, campaign, FIRST)) == 1


async def test_the_check_before_its_call_said_no(bench: Bench) -> None:
    bench.app = replace(bench.app, screening=Nobody())
    screening = {"url": "https://example.invalid", "timeout_seconds": 5}
    campaign = await bench.started([FIRST], carrier=ALL_ANSWER, screening=screening)

    assert await never_called(bench, campaign, FIRST)

    assert told(await why(bench, campaign, FIRST)) == ("predial_failed", "never", None)


class Nobody:
    """Implements ports.Screening: nobody may be called."""

    async def eligible(self, candidate: Candidate, check: Check) -> bool:
        return False


async def test_removed(bench: Bench) -> None:
    campaign = await bench.started([FIRST, SECOND_NUMBER], carrier=ALL_ANSWER)
    await bench.app.contacts.remove(campaign, [FIRST])

    answer = await why(bench, campaign, FIRST)

    assert told(answer) == ("removed", "command", None)
    await bench.app.contacts.restore(campaign, [FIRST])
    await bench.run(campaign)
    assert await called(bench, campaign, FIRST) == [START]


async def test_the_import_is_unfinished(bench: Bench) -> None:
    class Killed(Exception):
        """The process ends here."""

    def die(row: int) -> None:
        raise Killed

    campaign = await bench.draft([], carrier=ALL_ANSWER)
    await bench.app.intake.store(campaign, bench.file([FIRST]), None)
    with pytest.raises(Killed):
        await bench.app.intake.run(campaign, frozenset(), on_progress=die)
    await bench.app.campaigns.start(campaign)

    answer = await why(bench, campaign, FIRST)
    together = await bench.app.explanations.campaign(campaign)

    assert told(answer) == ("import_unfinished", "import", None)
    assert [(group.hold.reason, group.contacts) for group in together.groups] == [(Reason.IMPORT_UNFINISHED, 1)]
    bench.after(60, lambda: bench.app.intake.run(campaign, frozenset()))
    await bench.run(campaign)
    assert await called(bench, campaign, FIRST) == [START + MINUTE]


async def test_its_number_rings_in_another_campaign(bench: Bench) -> None:
    calls = MINUTE_CALLS | {"talk_seconds": 39}
    first = await bench.started([FIRST], carrier=calls)
    second = await bench.started([FIRST], carrier=calls | {"name": "other"})
    answer = asked(bench, START + 30 * SECOND, second, FIRST)

    await bench.run(first, second)

    assert told(answer[0]) == ("number_ringing", "call", START + MINUTE)
    assert answer[0].holds[0].text == f"its number is in a call of another campaign: campaign {first}"
    assert await called(bench, second, FIRST) == [START + MINUTE]


async def test_the_number_that_it_is_called_from_is_gone(bench: Bench) -> None:
    campaign = await bench.started(
        [], carrier=ALL_ANSWER | {"numbers": ["+15005550100", "+15005550101"]}, keep_open=True
    )
    carrier_id = (await bench.get(campaign)).carrier_id
    number_id = (await bench.app.campaigns.numbers_of(carrier_id))[1]
    await bench.app.contacts.add(campaign, [LateContact(phone_number=FIRST, number_id=number_id)])
    await bench.app.campaigns.close(campaign)
    await bench.app.caller_numbers.change(carrier_id, number_id, {"active": False})

    answer = await why(bench, campaign, FIRST)

    assert told(answer) == ("number_unavailable", "never", None)
    assert await never_called(bench, campaign, FIRST)
    assert told(await why(bench, campaign, FIRST))[0] == "number_unavailable"


# --- lines ----------------------------------------------------------------------------------------


async def bound_by_lines(bench: Bench, campaign: int, number: str, reason: str) -> ContactWhy:
    """The first call lasts a minute; half a minute later the other one is held by lines, until that call ends."""
    answer = asked(bench, START + 30 * SECOND, campaign, number)
    await bench.run(*[row["id"] for row in await bench.app.campaigns.page()])
    assert told(answer[0]) == (reason, "call", None)
    assert answer[0].ahead == 0
    (at,) = await called(bench, campaign, number)
    assert START + MINUTE <= at <= START + MINUTE + SETTLED
    return answer[0]


async def test_the_lines_of_the_campaign(bench: Bench) -> None:
    campaign = await bench.started([FIRST, SECOND_NUMBER], carrier=MINUTE_CALLS, max_lines=1)

    answer = await bound_by_lines(bench, campaign, SECOND_NUMBER, "campaign_lines")

    assert answer.holds[0].text == "the campaign's lines are in use: 1"


async def test_the_lines_of_the_organization(bench: Bench) -> None:
    await catalog.set_limits(bench.app.database, bench.app.organization_id, max_lines=1, cps=None)
    await bench.started([FIRST], carrier=MINUTE_CALLS)
    campaign = await bench.started([SECOND_NUMBER], carrier=MINUTE_CALLS | {"name": "other"})

    answer = await bound_by_lines(bench, campaign, SECOND_NUMBER, "organization_lines")

    assert answer.holds[0].text == "the organization's lines are in use: 1"


async def test_the_lines_of_the_carrier(bench: Bench) -> None:
    carrier = MINUTE_CALLS | {"max_lines": 1}
    await bench.started([FIRST], carrier=carrier)
    campaign = await bench.started([SECOND_NUMBER], carrier=carrier)

    await bound_by_lines(bench, campaign, SECOND_NUMBER, "carrier_lines")


async def test_the_lines_of_the_numbers(bench: Bench) -> None:
    campaign = await bench.draft([FIRST, SECOND_NUMBER], carrier=MINUTE_CALLS)
    async with bench.app.database.connection() as connection:
        await connection.execute("UPDATE number SET max_lines = 1")
    await bench.app.campaigns.start(campaign)

    await bound_by_lines(bench, campaign, SECOND_NUMBER, "number_lines")


async def test_the_lines_of_its_own_number(bench: Bench) -> None:
    campaign = await bench.started([], carrier=MINUTE_CALLS | {"numbers": ["+15005550100"]}, keep_open=True)
    (number_id,) = await bench.app.campaigns.numbers_of((await bench.get(campaign)).carrier_id)
    async with bench.app.database.connection() as connection:
        await connection.execute("UPDATE number SET max_lines = 1")
    own = [LateContact(phone_number=number, number_id=number_id) for number in (FIRST, SECOND_NUMBER)]
    await bench.app.contacts.add(campaign, own)
    await bench.app.campaigns.close(campaign)
    answer = asked(bench, START + 30 * SECOND, campaign, SECOND_NUMBER)

    await bench.run(campaign)

    assert told(answer[0]) == ("number_lines", "call", None)
    assert START + MINUTE <= (await called(bench, campaign, SECOND_NUMBER))[0] <= START + MINUTE + SETTLED


async def test_the_slow_start(bench: Bench) -> None:
    slow = {"outcomes": {"answered": 1}, "ring_seconds": 1, "talk_seconds": 300, "cps": None, "slow_start": True}
    campaign = await bench.started(numbers(6), carrier=slow, max_lines=20)
    answer = asked(bench, START + 5 * SECOND, campaign, numbers(6)[5])

    await bench.run(campaign)

    assert told(answer[0]) == ("ramp", "time", START + 10 * SECOND), "five lines at first, ten after ten seconds"
    assert await called(bench, campaign, numbers(6)[5]) == [answer[0].next_at]


# --- pace -----------------------------------------------------------------------------------------


async def test_calls_per_second_with_those_who_go_before(bench: Bench) -> None:
    campaign = await bench.started(numbers(3), carrier=ALL_ANSWER, cps=0.1)
    answer = asked(bench, START + 5 * SECOND, campaign, THIRD)

    await bench.run(campaign)

    assert told(answer[0]) == ("cps", "time", START + 20 * SECOND)
    assert answer[0].ahead == 1
    assert answer[0].holds[0].text == "calls per second are at their limit: 0.1 of the campaign"
    assert await called(bench, campaign, THIRD) == [answer[0].next_at]


@pytest.mark.parametrize("whose", ["carrier", "organization"])
async def test_calls_per_second_of_others(bench: Bench, whose: str) -> None:
    cps = {"carrier": None, "organization": None} | {whose: 0.1}
    await catalog.set_limits(bench.app.database, bench.app.organization_id, max_lines=None, cps=cps["organization"])
    campaign = await bench.started([FIRST, SECOND_NUMBER], carrier=ALL_ANSWER | {"cps": cps["carrier"]})
    answer = asked(bench, START + 5 * SECOND, campaign, SECOND_NUMBER)

    await bench.run(campaign)

    assert told(answer[0]) == ("cps", "time", START + 10 * SECOND)
    assert answer[0].holds[0].text.endswith(f"0.1 of the {whose}")
    assert await called(bench, campaign, SECOND_NUMBER) == [answer[0].next_at]


async def test_who_goes_before_is_counted_over_priorities_and_zones(bench: Bench) -> None:
    (chicago,) = numbers(1, area="312")
    rows = [f"{FIRST},", f"{SECOND_NUMBER},", f"{THIRD},9", f"{chicago},"]
    campaign = await bench.started("\n".join(["phone_number,priority", *rows]), carrier=ALL_ANSWER, cps=0.1)

    answers = {number: await why(bench, campaign, number) for number in (THIRD, chicago, FIRST, SECOND_NUMBER)}

    assert [answer.ahead for answer in answers.values()] == [0, 1, 2, 3]
    await bench.run(campaign)
    assert await bench.placed(campaign) == list(answers)
    assert [(await called(bench, campaign, number))[0] for number in answers] == [a.next_at for a in answers.values()]


# --- the carrier, the worker ----------------------------------------------------------------------


async def test_the_carrier_is_suspended(bench: Bench) -> None:
    failing = {"outcomes": {"carrier_failed": 1}, "ring_seconds": 1, "cps": None}
    campaign = await bench.started(numbers(6), carrier=failing, max_lines=1, breaker=OFF)
    answer = asked(bench, START + 30 * SECOND, campaign, numbers(6)[5])

    await bench.run(campaign)

    rests_until = (await ended(bench, campaign))[4] + MINUTE
    reason, release, next_at = told(answer[0])
    assert (reason, release) == ("carrier_suspended", "time")
    assert next_at is not None
    assert rests_until <= next_at <= rests_until + SETTLED
    assert await called(bench, campaign, numbers(6)[5]) == [next_at]


async def test_the_carrier_is_switched_off(bench: Bench) -> None:
    campaign = await bench.started([FIRST], carrier=ALL_ANSWER)
    carrier_id = (await bench.get(campaign)).carrier_id
    await bench.app.telephony.deactivate(carrier_id)

    answer = await why(bench, campaign, FIRST)

    assert told(answer) == ("carrier_off", "command", None)
    bench.after(60, lambda: bench.app.telephony.reactivate(carrier_id))
    await bench.run(campaign)
    assert await called(bench, campaign, FIRST) == [START + MINUTE]


async def test_there_is_no_number_to_call_from(bench: Bench) -> None:
    campaign = await bench.started([FIRST], carrier=ALL_ANSWER)
    carrier_id = (await bench.get(campaign)).carrier_id
    (number_id,) = await bench.app.campaigns.numbers_of(carrier_id)
    await bench.app.caller_numbers.change(carrier_id, number_id, {"active": False})

    answer = await why(bench, campaign, FIRST)

    assert told(answer) == ("no_number", "command", None)
    bench.after(60, lambda: bench.app.caller_numbers.change(carrier_id, number_id, {"active": True}))
    await bench.run(campaign)
    assert await called(bench, campaign, FIRST) == [START + MINUTE]


async def test_no_worker_is_alive(live: Bench) -> None:
    campaign = await live.started([FIRST], carrier=FAST_CALLS | ALL_ANSWER)

    answer = await why(live, campaign, FIRST)

    assert told(answer) == ("no_worker", "worker", None)
    begun = live.now
    async with live.working():
        await live.wait_until_ended(campaign)
    (at,) = await called(live, campaign, FIRST)
    assert at >= begun


async def test_with_a_worker_nothing_holds_it_any_more(live: Bench) -> None:
    campaign = await live.draft(
        [FIRST], carrier=FAST_CALLS | ALL_ANSWER, window=CallingWindow.parse("mon 03:00-03:01", "UTC")
    )
    await live.app.campaigns.start(campaign)

    async with live.working():
        await live.wait_for(lambda: _alive(live))
        answer = await why(live, campaign, FIRST)

    assert [hold.reason for hold in answer.holds] == [Reason.OUTSIDE_WINDOW]


async def _alive(bench: Bench) -> bool:
    async with bench.app.database.connection() as connection:
        return bool(await connection.fetchval("SELECT count(*) FROM worker"))


# --- whom to ask about ----------------------------------------------------------------------------


async def test_a_number_that_is_none_of_its_contacts(bench: Bench) -> None:
    campaign = await bench.draft([FIRST])

    with pytest.raises(NotFound, match=f"campaign {campaign} has no contact"):
        await why(bench, campaign, THIRD)
    with pytest.raises(NotFound, match="there is no campaign 99"):
        await why(bench, 99, THIRD)
    with pytest.raises(Invalid):
        await why(bench, campaign, "hello")
    with pytest.raises(NotFound):
        await bench.app.explanations.contact(99)
    with pytest.raises(NotFound):
        await bench.app.explanations.campaign(99)


async def test_a_contact_of_another_campaign(bench: Bench) -> None:
    one, two = await bench.draft([FIRST]), await bench.draft([SECOND_NUMBER])
    contact = (await bench.contact(one, FIRST))["id"]

    assert (await bench.app.explanations.contact(contact, one)).to_number == FIRST
    assert (await bench.app.explanations.contact(contact)).campaign_id == one
    with pytest.raises(NotFound):
        await bench.app.explanations.contact(contact, two)


# --- all of a campaign ----------------------------------------------------------------------------


def shown(answer: CampaignWhy) -> list[tuple[str, int, datetime | None]]:
    return [(group.hold.reason.value, group.contacts, group.next_at) for group in answer.groups]


async def test_a_campaign_in_groups(bench: Bench) -> None:
    losangeles, newyork = numbers(5, area="213"), numbers(4)
    contacts = [*newyork, *losangeles, SATELLITE]
    campaign = await bench.started(contacts, carrier=MINUTE_CALLS, window=OFFICE_HOURS, max_lines=1)
    await bench.app.contacts.remove(campaign, [newyork[3]])
    answers: dict[str, CampaignWhy] = {}

    def ask(name: str) -> Callable[[], Awaitable[None]]:
        async def asked() -> None:
            answers[name] = await bench.app.explanations.campaign(campaign)

        return asked

    for name, at in (("before", START), ("open", NEW_YORK_OPENS + 90 * SECOND), ("evening", START + 16 * HOUR)):
        bench.at(at, ask(name))
    await bench.run(campaign)

    west = NEW_YORK_OPENS + 3 * HOUR
    assert shown(answers["before"]) == [
        ("outside_window", 3, NEW_YORK_OPENS),
        ("outside_window", 5, west),
        ("zone_unknown", 1, None),
        ("removed", 1, None),
    ]
    assert (answers["before"].hold.reason, answers["before"].next_at) == (Reason.OUTSIDE_WINDOW, NEW_YORK_OPENS)
    assert answers["before"].groups[1].zones == ["America/Los_Angeles"]
    assert shown(answers["open"]) == [
        ("outside_window", 5, west),
        ("campaign_lines", 1, None),
        ("in_call", 1, None),
        ("reached", 1, None),
        ("zone_unknown", 1, None),
        ("removed", 1, None),
    ]
    assert (answers["open"].hold.reason, answers["open"].lines) == (Reason.CAMPAIGN_LINES, 1)
    assert shown(answers["evening"]) == [("reached", 8, None), ("zone_unknown", 1, None), ("removed", 1, None)]
    assert answers["evening"].hold.reason is Reason.COMPLETED
    for answer in answers.values():
        assert sum(group.contacts for group in answer.groups) == 10
        assert all(group.exact for group in answer.groups)


async def test_a_paused_campaign_is_one_group_of_those_who_wait(bench: Bench) -> None:
    campaign = await bench.started([*numbers(3), *numbers(3, area="213")], carrier=ALL_ANSWER, window=OFFICE_HOURS)
    await bench.app.campaigns.pause(campaign, "lunch")

    answer = await bench.app.explanations.campaign(campaign)

    assert shown(answer) == [("paused", 6, None)]
    assert answer.hold.text == "the campaign is paused: lunch"
    assert sorted(answer.groups[0].zones) == ["America/Los_Angeles", "America/New_York"]


async def test_retries_that_have_come_and_retries_to_come_are_two_groups(bench: Bench) -> None:
    campaign = await bench.started(numbers(4), carrier=ALL_BUSY | {"ring_seconds": 1}, cps=0.1, max_lines=1)
    answers: list[CampaignWhy] = []

    async def ask() -> None:
        answers.append(await bench.app.explanations.campaign(campaign))

    bench.at(START + 126 * SECOND, ask)  # the first is called again 121 s after the beginning
    await bench.run(campaign)

    assert [(reason, contacts) for reason, contacts, _ in shown(answers[0])] == [("retry_delay", 4)]
    assert answers[0].next_at is not None
    assert answers[0].next_at in await called(bench, campaign, SECOND_NUMBER)


async def test_a_campaign_without_anybody_who_waits(bench: Bench) -> None:
    campaign = await bench.started([], carrier=ALL_ANSWER, keep_open=True)

    answer = await bench.app.explanations.campaign(campaign)

    assert (answer.hold.reason, answer.groups) == (Reason.NOBODY_WAITS, [])


async def test_those_whose_attempts_are_used_up_and_those_who_are_not_retried_are_one_group(bench: Bench) -> None:
    campaign = await bench.completed([FIRST], carrier={"outcomes": {"invalid_number": 1}})

    answer = await bench.app.explanations.campaign(campaign)

    assert [(group.hold.reason, group.contacts) for group in answer.groups] == [(Reason.EXHAUSTED, 1)]


async def test_counts_go_no_further_than_they_must(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    from dialplane.engine import grouping

    monkeypatch.setattr(grouping, "MOST_COUNTED", 8)
    campaign = await bench.started(
        [*numbers(6), *numbers(9, area="213")],
        carrier=ALL_ANSWER,
        window=CallingWindow.parse("mon 12:00-13:00", "contact"),
    )

    both = await bench.app.explanations.campaign(campaign)
    await bench.app.contacts.remove(campaign, numbers(9, area="213")[2:])
    one = await bench.app.explanations.campaign(campaign)

    assert [(group.contacts, group.exact) for group in both.groups] == [(4, False), (4, False)]
    assert [(g.contacts, g.exact) for g in one.groups[:2]] == [(6, True), (2, True)], "what is left is of the only one"


async def test_there_is_no_reason_without_a_test() -> None:
    """A new one names itself here, and the test that it wants."""
    text = Path(__file__).read_text(encoding="utf-8")
    named = set(re.findall(r'"(\w+)"', text)) | {name.lower() for name in re.findall(r"Reason\.([A-Z_]+)", text)}

    assert {reason.value for reason in Reason} - named == set()
