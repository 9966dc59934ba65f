"""Contacts that come, go and come back while a campaign runs; and the do-not-call list."""

from __future__ import annotations

from datetime import timedelta

import pytest
from bench import ALL_ANSWER, START, Bench, numbers

from dialplane.engine.contacts import LateContact
from dialplane.errors import Conflict, Invalid, NotFound

pytestmark = pytest.mark.asyncio

TEN_SECONDS = ALL_ANSWER | {"ring_seconds": 1, "talk_seconds": 9}
LATE, URGENT = "+12129990001", "+12129990002"


# --- add ------------------------------------------------------------------------------------------


async def test_contacts_added_late_are_called_before_fresh_ones_and_those_with_a_priority_first(bench: Bench) -> None:
    campaign = await bench.started(numbers(6), carrier=TEN_SECONDS, max_lines=1)
    late = [LateContact(phone_number=LATE), LateContact(phone_number=URGENT, priority=9)]
    bench.after(15, lambda: bench.app.contacts.add(campaign, late))

    await bench.run(campaign)

    assert await bench.placed(campaign) == [*numbers(2), URGENT, LATE, *numbers(6)[2:]]
    progress = await bench.progress(campaign)
    assert (progress.total, progress.reached) == (8, 8)


async def test_a_number_that_the_campaign_has_is_left_as_it_is(bench: Bench) -> None:
    campaign = await bench.started(numbers(3), carrier=ALL_ANSWER)

    added = await bench.app.contacts.add(
        campaign, [LateContact(phone_number="+1 212 200-0000"), LateContact(phone_number=LATE)]
    )
    await bench.run(campaign)

    assert added == [LATE]
    assert sorted(await bench.placed(campaign)) == sorted([*numbers(3), LATE])


async def test_variables_of_late_contacts_become_columns_of_the_report(bench: Bench) -> None:
    campaign = await bench.started("phone_number,name\n+12122000000,Ana\n", carrier=ALL_ANSWER)
    await bench.app.contacts.add(
        campaign, [LateContact(phone_number=LATE, external_id="x-7", variables={"name": "Ben", "city": "Bonn"})]
    )

    await bench.run(campaign)

    ana, ben = await bench.report(campaign)
    assert (ana["name"], ana["city"], ana["external_id"]) == ("Ana", "", "")
    assert (ben["name"], ben["city"], ben["external_id"]) == ("Ben", "Bonn", "x-7")


@pytest.mark.parametrize(
    ("contact", "told"),
    [
        (LateContact(phone_number="nonsense"), "nonsense"),
        (LateContact(phone_number=LATE, timezone="Mars/Base"), "Mars/Base"),
        (LateContact(phone_number=LATE, priority=10), "priority 10"),
        (LateContact(phone_number=LATE, variables={"name": " "}), "{{name}}"),
    ],
)
async def test_one_bad_contact_refuses_all_and_says_what_to_mend(bench: Bench, contact: LateContact, told: str) -> None:
    campaign = await bench.draft(numbers(1))

    with pytest.raises(Invalid) as refused:
        await bench.app.contacts.add(
            campaign,
            [LateContact(phone_number=URGENT, variables={"name": "Ben"}), contact],
            required=frozenset({"name"}),
        )

    assert told in str(refused.value)
    assert await bench.contacts(campaign) == {numbers(1)[0]: "waiting"}


async def test_a_campaign_that_has_ended_takes_no_contacts(bench: Bench) -> None:
    campaign = await bench.completed(["+15005550006"])

    with pytest.raises(Conflict, match="completed"):
        await bench.app.contacts.add(campaign, [LateContact(phone_number=LATE)])
    with pytest.raises(NotFound):
        await bench.app.contacts.add(4711, [LateContact(phone_number=LATE)])


async def test_contacts_of_a_draft_are_called_after_its_start(bench: Bench) -> None:
    campaign = await bench.draft(numbers(2), carrier=ALL_ANSWER)
    await bench.app.contacts.add(campaign, [LateContact(phone_number=LATE)])
    await bench.app.campaigns.start(campaign)

    await bench.run(campaign)

    assert sorted(await bench.placed(campaign)) == sorted([*numbers(2), LATE])


async def test_a_late_contact_waits_for_its_own_hours(bench: Bench) -> None:
    from dialplane.core.window import CallingWindow

    campaign = await bench.started(
        numbers(1), carrier=ALL_ANSWER, window=CallingWindow.parse("daily 09:00-17:00", "contact"), keep_open=True
    )
    late = LateContact(phone_number=LATE, timezone="Pacific/Honolulu")
    await bench.app.contacts.add(campaign, [late])
    await bench.app.campaigns.close(campaign)

    await bench.run(campaign)

    first, second = [line for line in await bench.log(campaign) if line.event == "place"]
    assert (first.to, first.at.hour) == (numbers(1)[0], 14)
    assert (second.to, second.at.hour) == (LATE, 19)


# --- remove and restore ---------------------------------------------------------------------------


async def test_who_is_removed_is_not_called_and_the_report_says_so(bench: Bench) -> None:
    campaign = await bench.started(numbers(5), carrier=TEN_SECONDS, max_lines=1)
    gone = numbers(5)[2:4]
    bench.after(5, lambda: bench.app.contacts.remove(campaign, gone))

    await bench.run(campaign)

    assert await bench.placed(campaign) == [*numbers(2), numbers(5)[4]]
    rows = {row["to_number"]: row for row in await bench.report(campaign)}
    assert {(rows[n]["contact_state"], rows[n]["cause"], rows[n]["attempt"]) for n in gone} == {
        ("removed", "removed", "")
    }
    progress = await bench.progress(campaign)
    assert (progress.reached, progress.removed, progress.waiting) == (3, 2, 0)


async def test_a_call_in_progress_of_a_removed_contact_ends_by_itself_and_is_not_retried(bench: Bench) -> None:
    campaign = await bench.started(numbers(1), carrier={"outcomes": {"busy": 1}, "ring_seconds": 2})
    bench.after(1, lambda: bench.app.contacts.remove(campaign, numbers(1)))

    await bench.run(campaign)

    (row,) = await bench.report(campaign)
    assert (row["disposition"], row["contact_state"]) == ("busy", "removed")
    assert (await bench.progress(campaign)).contacts() | {"total": 1} == {
        "total": 1, "reached": 0, "exhausted": 0, "skipped": 0, "removed": 1, "dialing": 0, "waiting": 0,
    }  # fmt: skip


async def test_a_retry_that_waits_goes_with_its_contact(bench: Bench) -> None:
    campaign = await bench.started(["+15005550021"])
    bench.after(60, lambda: bench.app.contacts.remove(campaign, ["+15005550021"]))

    await bench.run(campaign)

    assert len(await bench.placed(campaign)) == 1
    assert bench.now - START < timedelta(seconds=120), "nothing was left to wait for"


async def test_who_is_restored_is_called_after_all(bench: Bench) -> None:
    campaign = await bench.draft(numbers(3), carrier=TEN_SECONDS, max_lines=1)
    await bench.app.contacts.remove(campaign, numbers(2))
    await bench.app.campaigns.start(campaign)
    bench.after(5, lambda: bench.app.contacts.restore(campaign, numbers(1)))

    await bench.run(campaign)

    assert await bench.placed(campaign) == [numbers(3)[2], numbers(3)[0]]
    progress = await bench.progress(campaign)
    assert (progress.reached, progress.removed, progress.total) == (2, 1, 3)


async def test_who_is_restored_during_the_call_goes_on_with_it(bench: Bench) -> None:
    campaign = await bench.started(["+15005550021"], carrier={"ring_seconds": 2})
    bench.after(0.5, lambda: bench.app.contacts.remove(campaign, ["+15005550021"]))
    bench.after(1, lambda: bench.app.contacts.restore(campaign, ["+15005550021"]))

    await bench.run(campaign)

    assert [row["disposition"] for row in await bench.report(campaign)] == ["busy", "answered"]
    progress = await bench.progress(campaign)
    assert (progress.reached, progress.removed) == (1, 0)


async def test_only_who_waits_or_is_called_can_be_removed_and_only_who_was_can_be_restored(bench: Bench) -> None:
    campaign = await bench.started([*numbers(2)], carrier=TEN_SECONDS, max_lines=1)
    refused: list[str] = []

    async def too_late() -> None:
        with pytest.raises(Conflict) as conflict:
            await bench.app.contacts.remove(campaign, numbers(2))
        refused.append(str(conflict.value))
        with pytest.raises(Conflict) as conflict:
            await bench.app.contacts.restore(campaign, numbers(1))
        refused.append(str(conflict.value))

    bench.after(15, too_late)
    await bench.run(campaign)

    assert f"{numbers(1)[0]} is reached" in refused[0]
    assert f"{numbers(1)[0]} is reached" in refused[1]
    assert (await bench.progress(campaign)).reached == 2, "a refusal removes nobody"
    with pytest.raises(NotFound, match="has no contact"):
        await bench.app.contacts.remove(campaign, [LATE])


# --- do not call ----------------------------------------------------------------------------------


async def test_numbers_on_the_list_are_never_called_whenever_they_were_entered(bench: Bench) -> None:
    before, after, middle, *rest = numbers(8)
    await bench.app.contacts.do_not_call([before], source="hand")
    campaign = await bench.draft(numbers(8), carrier=TEN_SECONDS, max_lines=1)
    await bench.app.contacts.do_not_call([after], source="hand", note="asked by mail")
    await bench.app.campaigns.start(campaign)
    bench.after(0.5, lambda: bench.app.contacts.do_not_call([rest[2]], source="hand"))

    await bench.run(campaign)

    assert await bench.placed(campaign) == [middle, *rest[:2], *rest[3:]]
    rows = {row["to_number"]: row for row in await bench.report(campaign)}
    for number in (before, after, rest[2]):
        assert (rows[number]["contact_state"], rows[number]["cause"]) == ("skipped", "do_not_call")
    assert await bench.app.campaigns.skip_reasons(campaign) == {"do_not_call": 3}
    assert (await bench.progress(campaign)).skipped == 3


async def test_a_due_retry_of_a_number_on_the_list_is_skipped(bench: Bench) -> None:
    campaign = await bench.started(["+15005550021"])
    bench.after(60, lambda: bench.app.contacts.do_not_call(["+15005550021"], source="hand"))

    await bench.run(campaign)

    (row,) = await bench.report(campaign)
    assert (row["disposition"], row["contact_state"]) == ("busy", "skipped")
    assert await bench.app.campaigns.skip_reasons(campaign) == {"do_not_call": 1}


async def test_who_comes_off_the_list_is_called_once_restored(bench: Bench) -> None:
    number, other = numbers(2)
    await bench.app.contacts.do_not_call([number], source="hand")
    campaign = await bench.started([number, other], carrier=TEN_SECONDS, keep_open=True)
    await bench.run(campaign, until=START + timedelta(minutes=1))

    assert await bench.app.contacts.call_again([number, "+12120000000"]) == [number]
    await bench.run(campaign, until=START + timedelta(minutes=2))
    assert await bench.placed(campaign) == [other]

    await bench.app.contacts.restore(campaign, [number])
    await bench.app.campaigns.close(campaign)
    await bench.run(campaign)
    assert await bench.placed(campaign) == [other, number]
    progress = await bench.progress(campaign)
    assert (progress.reached, progress.skipped) == (2, 0)


async def test_entering_a_number_twice_counts_once(bench: Bench) -> None:
    contacts = bench.app.contacts

    assert await contacts.do_not_call(numbers(3), source="file") == 3
    assert await contacts.do_not_call(numbers(4), source="hand") == 1

    page = await contacts.do_not_call_page(limit=3)
    assert [(entry["to_number"], entry["source"]) for entry in page] == [(n, "file") for n in numbers(3)]
    (last,) = await contacts.do_not_call_page(after=page[-1]["to_number"])
    assert (last["to_number"], last["source"]) == (numbers(4)[3], "hand")


async def test_the_list_of_one_organization_is_not_anothers(bench: Bench, open_bench) -> None:
    other = await open_bench(bench.app.clock, organization="other")
    await other.app.contacts.do_not_call(numbers(1), source="hand")

    campaign = await bench.completed(numbers(1), carrier=ALL_ANSWER)

    assert await bench.placed(campaign) == numbers(1)
    assert await bench.app.contacts.do_not_call_page() == []
    with pytest.raises(NotFound):
        await other.app.campaigns.get(campaign)
