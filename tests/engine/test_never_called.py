"""Who can never be called ends all the same, and the report says why."""

from __future__ import annotations

import pytest
from bench import ALL_ANSWER, START, Bench, numbers

from dialplane.core.window import CallingWindow

pytestmark = pytest.mark.asyncio

OFFICE_HOURS = CallingWindow.parse("mon-fri 09:00-17:00", "contact")
SATELLITE = "+870773111632"  # Inmarsat: of no country, so of no zone
# In Sydney and New York it is never the same hour of these two.
NARROW = CallingWindow.parse("mon-fri 10:00-11:00", "contact")
MANY_ZONES = "+15005550006"  # +1 500 may be anywhere from Guam to Newfoundland


async def test_who_has_no_known_zone_is_skipped_where_the_contacts_zone_counts(bench: Bench) -> None:
    campaign = await bench.completed([*numbers(2), SATELLITE], carrier=ALL_ANSWER, window=OFFICE_HOURS)

    assert await bench.placed(campaign) == numbers(2)
    row = (await bench.report(campaign))[2]
    assert (row["contact_state"], row["cause"], row["timezone"], row["attempt"]) == ("skipped", "zone_unknown", "", "")
    assert await bench.app.campaigns.skip_reasons(campaign) == {"zone_unknown": 1}
    assert (await bench.progress(campaign)).skipped == 1


async def test_a_zone_in_the_file_lets_it_be_called(bench: Bench) -> None:
    campaign = await bench.completed(
        f"phone_number,timezone\n{SATELLITE},Europe/Berlin\n", carrier=ALL_ANSWER, window=OFFICE_HOURS
    )

    (place, *_) = await bench.log(campaign)
    assert place.at == START, "10:00 in Berlin"


async def test_without_hours_or_with_a_zone_of_the_campaign_an_unknown_zone_does_not_matter(bench: Bench) -> None:
    any_hour = await bench.completed([SATELLITE], carrier=ALL_ANSWER)
    berlin = await bench.completed(
        [SATELLITE], carrier=ALL_ANSWER, window=CallingWindow.parse("mon-fri 09:00-17:00", "Europe/Berlin")
    )

    assert await bench.placed(any_hour) == await bench.placed(berlin) == [SATELLITE]


async def test_who_may_be_in_zones_that_are_never_open_together_is_skipped(bench: Bench) -> None:
    campaign = await bench.completed([*numbers(1), MANY_ZONES], carrier=ALL_ANSWER, window=NARROW)

    assert await bench.placed(campaign) == numbers(1)
    (row,) = [row for row in await bench.report(campaign) if row["to_number"] == MANY_ZONES]
    assert (row["contact_state"], row["cause"]) == ("skipped", "never_open")
    assert "America/New_York" in row["timezone"].split("|") or "America/Toronto" in row["timezone"].split("|")


@pytest.mark.parametrize("rows", [1, 2500])
async def test_a_campaign_whose_window_never_opens_for_anyone_completes(bench: Bench, rows: int) -> None:
    campaign = await bench.started([f"+150055{i:05d}" for i in range(55_100, 55_100 + rows)], window=NARROW)

    await bench.run(campaign)

    assert await bench.state(campaign) == "completed"
    assert bench.now == START, "there was nothing to wait for"
    assert (await bench.progress(campaign)).skipped == rows
    assert await bench.log(campaign) == []
    assert await bench.app.campaigns.skip_reasons(campaign) == {"never_open": rows}


async def test_priorities_and_retries_that_can_never_be_called_end_too(bench: Bench) -> None:
    from dataclasses import replace

    campaign = await bench.started(f"phone_number,priority\n{SATELLITE},9\n+15005550021,\n", keep_open=True)
    record = await bench.get(campaign)
    bench.after(60, lambda: bench.app.campaigns.change(campaign, replace(record.policies, window=NARROW)))
    bench.after(90, lambda: bench.app.campaigns.close(campaign))

    await bench.run(campaign)

    assert await bench.state(campaign) == "completed"
    assert await bench.app.campaigns.skip_reasons(campaign) == {"never_open": 1}
    (row,) = [row for row in await bench.report(campaign) if row["to_number"] == "+15005550021"]
    assert (row["disposition"], row["contact_state"]) == ("busy", "skipped")


async def test_who_was_skipped_for_a_zone_is_called_once_restored_under_other_hours(bench: Bench) -> None:
    from dataclasses import replace

    campaign = await bench.started([SATELLITE], carrier=ALL_ANSWER, window=OFFICE_HOURS, keep_open=True)
    record = await bench.get(campaign)
    any_hour = replace(record.policies, window=CallingWindow())

    async def mend() -> None:
        await bench.app.campaigns.change(campaign, any_hour)
        await bench.app.contacts.restore(campaign, [SATELLITE])
        await bench.app.campaigns.close(campaign)

    bench.after(60, mend)
    await bench.run(campaign)

    assert await bench.placed(campaign) == [SATELLITE]
    assert (await bench.progress(campaign)).skipped == 0
