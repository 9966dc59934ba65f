"""When dialling stops by itself: the campaign's breaker, and the rest that a carrier gets."""

from __future__ import annotations

from datetime import timedelta

import pytest
from bench import START, Bench, numbers

from dialplane.core.breaker import CircuitBreaker

pytestmark = pytest.mark.asyncio

OFF = CircuitBreaker(enabled=False)
ALL_FAIL = {"outcomes": {"carrier_failed": 1}, "ring_seconds": 1}
FAILING = ["+15005550013", "+15005550007"]
ANSWERED = [f"+1500555010{i}" for i in range(5)]
AGENT_FAILS = {"outcomes": {"agent_failed": 1}, "ring_seconds": 1}


async def test_a_campaign_pauses_once_half_of_five_calls_are_faults(bench: Bench) -> None:
    campaign = await bench.started(numbers(20), carrier=AGENT_FAILS, max_lines=1)

    await bench.run(campaign)

    assert await bench.state(campaign) == "paused"
    assert len(await bench.placed(campaign)) == 5
    assert (await bench.get(campaign)).state_reason == "5 of the last 5 calls failed"


async def test_four_faults_say_nothing(bench: Bench) -> None:
    campaign = await bench.started(numbers(4), carrier=AGENT_FAILS, max_lines=1)

    await bench.run(campaign)

    assert await bench.state(campaign) == "completed"


async def test_exactly_half_trips_and_less_does_not(bench: Bench) -> None:
    options = {"carrier": {"outcomes": {"answered": 1}}, "max_lines": 1, "breaker": CircuitBreaker(min_calls=4)}

    half = await bench.started([*ANSWERED[:2], *FAILING, *ANSWERED[2:]], **options)
    await bench.run(half)
    less = await bench.started([*ANSWERED[:3], *FAILING, *ANSWERED[3:]], **options)
    await bench.run(less)

    assert (await bench.state(half), len(await bench.placed(half))) == ("paused", 4)
    assert await bench.state(less) == "completed"


async def test_faults_before_the_fewest_calls_that_count_are_not_forgotten(bench: Bench) -> None:
    campaign = await bench.started(
        [*FAILING, *ANSWERED],
        carrier={"outcomes": {"answered": 1}},
        max_lines=1,
        breaker=CircuitBreaker(min_calls=4),
    )

    await bench.run(campaign)

    assert (await bench.state(campaign), len(await bench.placed(campaign))) == ("paused", 4)


@pytest.mark.parametrize("outcome", ["busy", "no_answer", "voicemail", "declined", "unreachable", "invalid_number"])
async def test_what_is_nobodys_fault_never_trips(bench: Bench, outcome: str) -> None:
    campaign = await bench.started(numbers(12), carrier={"outcomes": {outcome: 1}}, max_lines=3)

    await bench.run(campaign)

    assert await bench.state(campaign) == "completed"


async def test_the_log_names_the_calls(bench: Bench) -> None:
    campaign = await bench.started(numbers(20), carrier=AGENT_FAILS, max_lines=1)

    await bench.run(campaign)

    (entry,) = [e for e in await bench.app.campaigns.log(campaign) if e.event == "breaker.tripped"]
    assert (entry.level, entry.message) == ("error", "paused: 5 of the last 5 calls failed")
    assert entry.details is not None
    named = {call.split()[0] for call in entry.details["calls"]}
    assert named == set(numbers(5))
    assert all("agent_failed" in call for call in entry.details["calls"])


async def test_resume_starts_clean(bench: Bench) -> None:
    campaign = await bench.started(numbers(20), carrier=AGENT_FAILS, max_lines=1)
    await bench.run(campaign)

    await bench.app.campaigns.resume(campaign)
    await bench.run(campaign)

    assert await bench.state(campaign) == "paused"
    assert len(await bench.placed(campaign)) == 10, "five more calls, not one"


async def test_faults_before_the_window_are_forgotten(bench: Bench) -> None:
    # Four faults, three minutes of silence, four faults: never five within 120 s.
    campaign = await bench.started(numbers(8), carrier=AGENT_FAILS, max_lines=1, cps=1 / 40)

    await bench.run(campaign)

    assert await bench.state(campaign) == "completed"


async def test_a_breaker_that_is_off_never_trips(bench: Bench) -> None:
    campaign = await bench.started(numbers(12), carrier=AGENT_FAILS, max_lines=1, breaker=OFF)

    await bench.run(campaign)

    assert await bench.state(campaign) == "completed"


async def test_intents_are_taken_back_when_the_breaker_trips(bench: Bench) -> None:
    campaign = await bench.started(numbers(50), carrier=AGENT_FAILS, max_lines=10, cps=20)

    await bench.run(campaign)
    placed = len(await bench.placed(campaign))
    await bench.run(campaign, until=bench.now + timedelta(minutes=10))

    assert await bench.state(campaign) == "paused"
    assert len(await bench.placed(campaign)) == placed
    progress = await bench.progress(campaign)
    assert (progress.dialing, progress.waiting) == (0, 50 - placed)


# --- the carrier ----------------------------------------------------------------------------------


async def test_a_failing_carrier_rests_and_its_campaign_stays_running_and_dials_again(bench: Bench) -> None:
    campaign = await bench.started(numbers(12), carrier=ALL_FAIL, max_lines=1, breaker=OFF)
    seen: list[str] = []

    async def look() -> None:
        seen.append(await bench.state(campaign))
        record = await bench.get(campaign)
        assert record.suspended_until is not None
        assert record.suspended_until > bench.now

    bench.after(30, look)
    await bench.run(campaign)

    starts = [line.at for line in await bench.log(campaign) if line.event == "place"]
    assert seen == ["running"]
    assert await bench.state(campaign) == "completed"
    assert starts[4] - START < timedelta(seconds=30)
    assert starts[5] - starts[4] >= timedelta(seconds=60)
    assert starts[10] - starts[9] >= timedelta(seconds=60), "five faults after its rest, and it rests again"
    (entry, *_) = [e for e in await bench.app.campaigns.log(campaign) if e.event == "carrier.suspended"]
    assert "5 of the last 5 calls" in entry.message
    assert entry.details is not None
    assert len(entry.details["calls"]) == 5


async def test_a_resting_carrier_holds_all_its_campaigns_and_no_other_carriers(bench: Bench) -> None:
    failing = await bench.started(numbers(5), carrier=ALL_FAIL, max_lines=1, breaker=OFF)
    same = await bench.draft(numbers(1, first=3_000_000), carrier=ALL_FAIL, breaker=OFF)
    other = await bench.draft(numbers(1, first=4_000_000), carrier={"name": "other"}, breaker=OFF)
    bench.after(15, lambda: bench.app.campaigns.start(same))
    bench.after(15, lambda: bench.app.campaigns.start(other))

    await bench.run(failing, same, other)

    (rests_from,) = [line.at for line in await bench.log(failing) if line.event == "end"][-1:]
    (held,) = [line.at for line in await bench.log(same) if line.event == "place"]
    (free,) = [line.at for line in await bench.log(other) if line.event == "place"]
    assert held >= rests_from + timedelta(seconds=60)
    assert free < START + timedelta(seconds=16)


async def test_resume_ends_the_rest_of_the_carrier(bench: Bench) -> None:
    campaign = await bench.started(numbers(6), carrier=ALL_FAIL, max_lines=1, breaker=OFF)
    bench.after(20, lambda: bench.app.campaigns.pause(campaign))
    bench.after(25, lambda: bench.app.campaigns.resume(campaign))

    await bench.run(campaign)

    starts = [(line.at - START).total_seconds() for line in await bench.log(campaign) if line.event == "place"]
    assert 25 <= starts[5] < 26
