"""People who answered and heard nobody: which calls these are, what a campaign shows of them, when it pauses."""

from __future__ import annotations

from typing import Any

import pytest
from bench import ALL_ANSWER, START, Bench, numbers

from dialplane.core.abandon import AbandonRule
from dialplane.core.breaker import CircuitBreaker
from dialplane.core.window import CallingWindow

pytestmark = pytest.mark.asyncio

# Whoever is called answers, and hears the agent in time, or half a second too late.
PROMPT: dict[str, Any] = {**ALL_ANSWER, "ring_seconds": 1, "talk_seconds": 5}
SLOW = {**PROMPT, "first_word_seconds": 2.5}
FAILING, UNWELL = "+15005550013", "+15005550003"
STRICT = AbandonRule(min_calls=10, pause=True)
NO_BREAKER = CircuitBreaker(enabled=False)


async def marks(bench: Bench, campaign: int) -> list[bool | None]:
    query = "SELECT abandoned FROM attempt WHERE campaign_id = $1 ORDER BY id"
    async with bench.app.database.connection() as connection:
        return [row["abandoned"] for row in await connection.fetch(query, campaign)]


async def days(bench: Bench, campaign: int) -> list[tuple[str, int, int]]:
    return [(str(day.day), day.answered, day.abandoned) for day in (await bench.progress(campaign)).answers]


@pytest.mark.parametrize(
    ("carrier", "abandoned"),
    [
        (PROMPT, False),
        ({**PROMPT, "first_word_seconds": 2.0}, False),
        (SLOW, True),
        ({**SLOW, "talk_seconds": 2.2}, True),  # they gave up before they heard it
        ({**SLOW, "talk_seconds": 1.5}, False),  # before anybody was late
        ({**PROMPT, "outcomes": {"agent_failed": 1}}, True),
        ({**PROMPT, "outcomes": {"agent_failed": 1}, "talk_seconds": 0.5}, True),  # we hung up
        ({**SLOW, "outcomes": {"voicemail": 1}}, None),
        ({"outcomes": {"no_answer": 1}}, None),
    ],
)
async def test_which_calls_are_abandoned(bench: Bench, carrier: dict[str, Any], abandoned: bool | None) -> None:
    campaign = await bench.completed(numbers(1), carrier=carrier)

    assert set(await marks(bench, campaign)) == {abandoned}
    answered = [] if abandoned is None else [(str(START.date()), 1, int(abandoned))]
    assert await days(bench, campaign) == answered


async def test_a_campaign_pauses_and_says_which_calls(bench: Bench) -> None:
    campaign = await bench.started(numbers(20), carrier=SLOW, max_lines=1, abandon=STRICT)

    await bench.run(campaign)

    reason = "10 of 10 answered calls (100.0 %) on 2025-03-03 were abandoned, more than 3 %"
    assert (await bench.state(campaign), (await bench.get(campaign)).state_reason) == ("paused", reason)
    assert len(await bench.placed(campaign)) == 10
    (entry,) = [e for e in await bench.app.campaigns.log(campaign) if e.event == "abandon.tripped"]
    assert (entry.level, entry.message) == ("error", f"paused: {reason}")
    assert entry.details is not None
    assert {call.split()[0] for call in entry.details["calls"]} == set(numbers(10))
    assert {name: entry.details[name] for name in ("day", "answered", "abandoned")} == {
        "day": "2025-03-03", "answered": 10, "abandoned": 10,
    }  # fmt: skip


async def test_resume_starts_clean_and_the_day_keeps_what_it_was(bench: Bench) -> None:
    campaign = await bench.started(numbers(30), carrier=SLOW, max_lines=1, abandon=STRICT)
    await bench.run(campaign)

    await bench.app.campaigns.resume(campaign)
    await bench.run(campaign)

    assert await bench.state(campaign) == "paused"
    assert len(await bench.placed(campaign)) == 20, "ten more calls, not one"
    assert await days(bench, campaign) == [("2025-03-03", 20, 20)]


async def test_exactly_the_rate_is_allowed_and_one_more_is_not(bench: Bench) -> None:
    rule = AbandonRule(max_rate=0.25, min_calls=8, pause=True)
    options: dict[str, Any] = {"carrier": PROMPT, "max_lines": 1, "abandon": rule, "breaker": NO_BREAKER}
    people = [f"+1500555010{i}" for i in range(9)]

    two = await bench.started([FAILING, FAILING.replace("5550", "5551"), *people], **options)
    await bench.run(two)
    last = await bench.started([*people[:7], FAILING, people[7]], **options | {"abandon": AbandonRule(max_rate=0.1, min_calls=8, pause=True)})  # fmt: skip  # noqa: E501
    await bench.run(last)

    assert await bench.state(two) == "completed"
    assert (await bench.state(last), len(await bench.placed(last))) == ("paused", 8)


async def test_calls_that_were_abandoned_early_count_once_there_are_enough(bench: Bench) -> None:
    """The last abandoned call is the second; that these are too many shows with a good one."""
    rule = AbandonRule(max_rate=0.1, min_calls=8, pause=True)
    people = [FAILING, *(f"+1500555010{i}" for i in range(9))]
    campaign = await bench.started(people, carrier=PROMPT, max_lines=1, abandon=rule, breaker=NO_BREAKER)

    await bench.run(campaign)

    assert (await bench.state(campaign), len(await bench.placed(campaign))) == ("paused", 8)


async def test_where_it_does_not_pause_the_log_warns_once_a_day(bench: Bench) -> None:
    """Unless told otherwise, that is so on a simulated carrier."""
    rule = AbandonRule(min_calls=10)
    campaign = await bench.started(numbers(45), carrier=SLOW, max_lines=1, cps=1 / 3600, abandon=rule)

    await bench.run(campaign)

    assert await bench.state(campaign) == "completed"
    warned = [entry for entry in await bench.app.campaigns.log(campaign) if entry.event == "abandon.exceeded"]
    assert [entry.level for entry in warned] == ["warning", "warning"]
    assert [entry.details and entry.details["day"] for entry in warned] == ["2025-03-04", "2025-03-03"]
    counted = await days(bench, campaign)
    assert [day for day, *_ in counted] == ["2025-03-05", "2025-03-04", "2025-03-03"]
    assert sum(answered for _, answered, _ in counted) == 45


async def test_the_rate_of_a_day_ends_with_it(bench: Bench) -> None:
    """Nine abandoned calls on each of three days are never ten on one."""
    window = CallingWindow.parse("daily 09:00-09:44", "UTC")
    campaign = await bench.started(numbers(27), carrier=SLOW, max_lines=1, cps=1 / 300, window=window, abandon=STRICT)

    await bench.run(campaign)

    assert await bench.state(campaign) == "completed"
    assert await days(bench, campaign) == [(f"2025-03-0{day}", 9, 9) for day in (5, 4, 3)]


async def test_the_day_is_that_of_the_campaigns_zone(bench: Bench) -> None:
    """9:00 in UTC is still the day before in Samoa."""
    window = CallingWindow.parse("daily 00:00-24:00", "Pacific/Pago_Pago")
    campaign = await bench.completed(numbers(1), carrier=PROMPT, window=window)

    assert await days(bench, campaign) == [("2025-03-02", 1, 0)]


async def test_a_rule_that_is_off_counts_nothing(bench: Bench) -> None:
    campaign = await bench.completed(
        numbers(12), carrier=SLOW, abandon=AbandonRule(enabled=False, min_calls=1, pause=True)
    )

    assert await days(bench, campaign) == []
    assert await marks(bench, campaign) == [True] * 12


async def test_voicemail_is_nobody_who_waits(bench: Bench) -> None:
    campaign = await bench.completed([UNWELL], carrier=SLOW, abandon=AbandonRule(min_calls=1, pause=True))

    assert await days(bench, campaign) == []


async def test_a_changed_rule_counts_from_the_next_turn_on(bench: Bench) -> None:
    campaign = await bench.started(numbers(20), carrier=SLOW, max_lines=1)
    policies = (await bench.get(campaign)).policies
    assert policies.abandon == AbandonRule()

    await bench.app.campaigns.adjust(campaign, lambda old: type(old)(max_lines=1, abandon=STRICT))
    await bench.run(campaign)

    assert (await bench.state(campaign), len(await bench.placed(campaign))) == ("paused", 10)
    (entry,) = [e for e in await bench.app.campaigns.log(campaign) if e.event == "settings.changed"]
    assert "abandon" in entry.message


async def test_a_share_of_the_calls_is_late_by_the_seed_alone(bench: Bench) -> None:
    carrier = {**PROMPT, "first_word_seconds": [0, 2.5], "seed": 7}

    first = await bench.completed(numbers(100), carrier=carrier)
    second = await bench.completed(numbers(100), carrier=carrier, max_lines=1)

    assert await marks(bench, first) == await marks(bench, second)
    assert 10 <= sum(mark is True for mark in await marks(bench, first)) <= 30
