"""Who is called next, and who again: order, delays, one budget, windows."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from bench import ALL_ANSWER, ALL_BUSY, START, Bench, OpenBench, numbers
from checks import never_more_attempts_than, never_more_refusals_than, retries_wait

from dialplane.clocks import VirtualClock
from dialplane.core.disposition import Disposition
from dialplane.core.retry import RetryPolicy
from dialplane.core.window import CallingWindow

pytestmark = pytest.mark.asyncio

BUSY_ONCE, ANSWERED = "+15005550021", "+15005550006"
BERLIN = ZoneInfo("Europe/Berlin")


async def test_priorities_go_first_then_due_retries_then_fresh_contacts_in_the_order_of_their_rows(
    bench: Bench,
) -> None:
    fresh = [f"+150055501{i:02d}" for i in range(6)]
    rows = [f"{BUSY_ONCE},", *[f"{number}," for number in fresh], "+15005550201,1", "+15005550209,9"]
    campaign = await bench.completed(
        "\n".join(["phone_number,priority", *rows]),
        carrier=ALL_ANSWER | {"ring_seconds": 1, "talk_seconds": 9},
        retry=RetryPolicy(delay_seconds=15),
        max_lines=1,
    )

    assert await bench.placed(campaign) == [
        "+15005550209", "+15005550201", BUSY_ONCE, *fresh[:2], BUSY_ONCE, *fresh[2:],
    ]  # fmt: skip


async def test_a_due_retry_goes_before_fresh_contacts(bench: Bench) -> None:
    campaign = await bench.completed(
        [BUSY_ONCE, *[f"+150055501{i:02d}" for i in range(8)]],
        carrier=ALL_ANSWER | {"ring_seconds": 1, "talk_seconds": 9},
        retry=RetryPolicy(delay_seconds=15),
        max_lines=1,
    )

    placed = await bench.placed(campaign)
    assert placed[0] == BUSY_ONCE
    assert placed.index(BUSY_ONCE, 1) == 3, "busy until 1 s, due at 16 s, when the second call is still on the line"


async def test_a_retry_waits_for_its_delay_from_the_end_of_the_call(bench: Bench) -> None:
    campaign = await bench.completed(numbers(20), carrier=ALL_BUSY, retry=RetryPolicy(delay_seconds=300), max_lines=4)

    log = await bench.log(campaign)
    retries_wait(log, timedelta(seconds=300))
    never_more_attempts_than(log, 3)
    assert len(await bench.placed(campaign)) == 60


async def test_a_delay_of_its_own_and_backoff_are_kept(bench: Bench) -> None:
    policy = RetryPolicy(max_retries=2, delay_seconds=60, delays={Disposition.BUSY: 100}, backoff=3)
    campaign = await bench.completed(numbers(1), carrier=ALL_BUSY, retry=policy)

    log = await bench.log(campaign)
    starts, ends = [[line.at for line in log if line.event == event] for event in ("place", "end")]
    waits = [(starts[i + 1] - ends[i]).total_seconds() for i in range(2)]
    assert 100 <= waits[0] < 101
    assert 300 <= waits[1] < 301


async def test_one_budget_holds_over_all_dispositions(bench: Bench) -> None:
    policy = RetryPolicy(
        max_retries=2,
        delay_seconds=10,
        retry_on=frozenset({Disposition.BUSY, Disposition.NO_ANSWER, Disposition.UNREACHABLE, Disposition.VOICEMAIL}),
    )
    outcomes = {"busy": 0.25, "no_answer": 0.25, "unreachable": 0.25, "voicemail": 0.25}
    campaign = await bench.completed(numbers(40), carrier={"outcomes": outcomes}, retry=policy)

    log = await bench.log(campaign)
    never_more_attempts_than(log, 3)
    assert len(await bench.placed(campaign)) == 120
    mixed = {line.to: {end.result for end in log if end.event == "end" and end.to == line.to} for line in log}
    assert any(len(results) == 3 for results in mixed.values())


async def test_without_retries_everybody_is_called_once(bench: Bench) -> None:
    campaign = await bench.completed(numbers(10), carrier=ALL_BUSY, retry=RetryPolicy(max_retries=0))

    assert await bench.placed(campaign) == numbers(10)
    assert (await bench.progress(campaign)).exhausted == 10


# --- refusals -------------------------------------------------------------------------------------


async def test_refused_attempts_are_free(bench: Bench) -> None:
    carrier = {"outcomes": {"busy": 1}, "refusals": {"capacity": 0.3, "rate_limited": 0.2}}
    campaign = await bench.completed(numbers(30), carrier=carrier)

    log = await bench.log(campaign)
    assert sum(line.event == "refuse" for line in log) > 30
    assert len(await bench.placed(campaign)) == 90, "three accepted attempts each, whatever was refused before"
    retries_wait(log, timedelta(seconds=120))


async def test_who_is_refused_twenty_one_times_ends_as_carrier_failed(bench: Bench) -> None:
    campaign = await bench.completed(numbers(1), carrier=ALL_ANSWER | {"refusals": {"capacity": 1}})

    log = await bench.log(campaign)
    assert [line.event for line in log] == ["refuse"] * 21
    never_more_refusals_than(log)
    waits = [(b.at - a.at).total_seconds() for a, b in pairwise(log)]
    assert [round(seconds) for seconds in waits] == [1, 2, 4, 8, 16, 32] + [60] * 14
    contact = await bench.contact(campaign, numbers(1)[0])
    assert (contact["state"], contact["disposition"], contact["attempts"], contact["spent"]) == (
        "exhausted", "carrier_failed", 21, 0,
    )  # fmt: skip


# --- windows --------------------------------------------------------------------------------------


async def test_a_retry_that_falls_outside_the_window_waits_for_it(bench: Bench) -> None:
    campaign = await bench.completed(
        numbers(1), carrier=ALL_BUSY | {"ring_seconds": 1}, window=CallingWindow.parse("daily 09:00-09:01", "UTC")
    )

    starts = [line.at for line in await bench.log(campaign) if line.event == "place"]
    assert starts == [START, START + timedelta(days=1), START + timedelta(days=2)]


async def test_a_window_is_closed_at_its_last_second(bench: Bench) -> None:
    campaign = await bench.completed(
        numbers(100),
        carrier=ALL_ANSWER | {"ring_seconds": 0, "talk_seconds": 0},
        window=CallingWindow.parse("daily 09:00-09:01", "UTC"),
        cps=1,
    )

    starts = [line.at for line in await bench.log(campaign) if line.event == "place"]
    assert starts[:60] == [START + timedelta(seconds=i) for i in range(60)]
    assert starts[60] == START + timedelta(days=1)


async def test_who_could_only_start_at_the_closing_is_called_on_the_next_day(bench: Bench) -> None:
    """The pace gives them the very second at which the window closes."""
    window = CallingWindow.parse("daily 09:00-09:45", "UTC")
    campaign = await bench.completed(numbers(12), carrier=ALL_ANSWER, window=window, cps=1 / 300, max_lines=1)

    days = [line.at.day for line in await bench.log(campaign) if line.event == "place"]
    assert [days.count(START.day), days.count(START.day + 1)] == [9, 3]


@pytest.mark.parametrize(
    ("night", "retried"),
    [
        # Clocks go from 02:00 to 03:00: of the slot 01:30 to 03:30, an hour is left.
        (datetime(2025, 3, 30), "03:00:00"),
        # They go back from 03:00 to 02:00: the hour from 02:00 comes twice, and the slot is three hours long.
        (datetime(2025, 10, 26), "02:00:00"),
    ],
)
async def test_a_retry_in_the_night_in_which_clocks_change_comes_after_its_delay(
    open_bench: OpenBench, night: datetime, retried: str
) -> None:
    opens = night.replace(hour=1, minute=30, tzinfo=BERLIN).astimezone(UTC)
    bench = await open_bench(VirtualClock(opens - timedelta(hours=3)))
    campaign = await bench.completed(
        ["+493023125000"],
        carrier=ALL_BUSY | {"ring_seconds": 0},
        window=CallingWindow.parse("daily 01:30-03:30", "contact"),
        retry=RetryPolicy(delay_seconds=1800),
    )

    starts = [line.at for line in await bench.log(campaign) if line.event == "place"]
    walls = [at.astimezone(BERLIN).strftime("%H:%M:%S") for at in starts]
    assert starts[1] - starts[0] == timedelta(minutes=30)
    assert walls[:2] == ["01:30:00", retried]


@pytest.mark.parametrize(("night", "minutes"), [(datetime(2025, 3, 30), 60), (datetime(2025, 10, 26), 180)])
async def test_the_night_in_which_clocks_change_is_an_hour_shorter_or_longer(
    open_bench: OpenBench, night: datetime, minutes: int
) -> None:
    opens = night.replace(hour=1, minute=30, tzinfo=BERLIN).astimezone(UTC)
    bench = await open_bench(VirtualClock(opens - timedelta(hours=3)))
    campaign = await bench.completed(
        [f"+4930231{i:05d}" for i in range(200)],
        carrier=ALL_ANSWER | {"ring_seconds": 0, "talk_seconds": 0},
        window=CallingWindow.parse("daily 01:30-03:30", "contact"),
        cps=1 / 60,
    )

    starts = [line.at for line in await bench.log(campaign) if line.event == "place"]
    assert starts[0] == opens
    of_that_night = [at for at in starts if at < opens + timedelta(hours=12)]
    assert len(of_that_night) == minutes


async def test_groups_that_close_sooner_are_called_first(bench: Bench) -> None:
    east, west = numbers(5), numbers(5, area="213")
    campaign = await bench.draft(
        [*west, *east], carrier=ALL_ANSWER, window=CallingWindow.parse("daily 09:00-17:00", "contact"), max_lines=1
    )
    bench.at(START.replace(hour=20), lambda: bench.app.campaigns.start(campaign))

    await bench.run(campaign)

    assert await bench.placed(campaign) == [*east, *west]
