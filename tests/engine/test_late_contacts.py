"""Contacts that come, go and come back while a campaign runs; and the do-not-call list."""

from __future__ import annotations

import asyncio
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


# --- call now -------------------------------------------------------------------------------------


async def test_who_is_called_now_comes_before_priorities_and_fresh_ones(bench: Bench) -> None:
    campaign = await bench.started(numbers(5), carrier=TEN_SECONDS, max_lines=1)
    wanted = (await bench.contact(campaign, numbers(5)[3]))["id"]

    async def hurry() -> None:
        await bench.app.contacts.add(campaign, [LateContact(phone_number=URGENT, priority=9)])
        await bench.app.contacts.call_now(campaign, wanted)

    bench.after(5, hurry)
    await bench.run(campaign)

    assert await bench.placed(campaign) == [numbers(5)[0], numbers(5)[3], URGENT, *numbers(5)[1:3], numbers(5)[4]]
    progress = await bench.progress(campaign)
    assert (progress.total, progress.reached, progress.attempts) == (6, 6, 6)


async def test_who_was_reached_is_called_again_and_counted_once(bench: Bench) -> None:
    campaign = await bench.started(numbers(1), carrier=TEN_SECONDS, keep_open=True)
    await bench.run(campaign, until=START + timedelta(minutes=1))
    contact = await bench.contact(campaign, numbers(1)[0])

    await bench.app.contacts.call_now(campaign, contact["id"], variables={"offer": "second"})
    progress = await bench.progress(campaign)
    assert (progress.reached, progress.waiting) == (0, 1)
    await bench.run(campaign, until=START + timedelta(minutes=2))

    first, second = await bench.report(campaign)
    assert (first["attempt"], second["attempt"], second["offer"]) == ("1", "2", "second")
    contact = await bench.contact(campaign, numbers(1)[0])
    assert (contact["state"], contact["attempts"], contact["spent"]) == ("reached", 2, 1)
    assert (await bench.progress(campaign)).reached == 1


async def test_who_was_given_up_has_the_whole_budget_again_and_who_waits_keeps_the_rest(bench: Bench) -> None:
    campaign = await bench.started(["+15005550001"], keep_open=True)
    await bench.run(campaign, until=START + timedelta(minutes=1))
    contact = (await bench.contact(campaign, "+15005550001"))["id"]
    await bench.app.contacts.call_now(campaign, contact)
    await bench.run(campaign, until=START + timedelta(minutes=30))
    assert len(await bench.placed(campaign)) == 3, "it waited for a retry, which came earlier"

    await bench.app.contacts.call_now(campaign, contact)
    await bench.run(campaign, until=START + timedelta(minutes=60))

    assert len(await bench.placed(campaign)) == 6
    progress = await bench.progress(campaign)
    assert (progress.exhausted, progress.attempts, progress.dispositions) == (1, 6, {"busy": 6})


async def test_a_removed_or_skipped_contact_comes_back_when_it_is_called_now(bench: Bench) -> None:
    gone, barred = numbers(2)
    await bench.app.contacts.do_not_call([barred], source="hand")
    campaign = await bench.draft(numbers(2), carrier=TEN_SECONDS, keep_open=True)
    await bench.app.contacts.remove(campaign, [gone])
    await bench.app.campaigns.start(campaign)
    await bench.run(campaign, until=START + timedelta(minutes=1))
    ids = [(await bench.contact(campaign, number))["id"] for number in (gone, barred)]

    await bench.app.contacts.call_now(campaign, ids[0])
    with pytest.raises(Conflict, match="do-not-call list"):
        await bench.app.contacts.call_now(campaign, ids[1])
    await bench.app.contacts.call_again([barred])
    await bench.app.contacts.call_now(campaign, ids[1])
    await bench.run(campaign, until=START + timedelta(minutes=2))

    assert await bench.placed(campaign) == [gone, barred]
    progress = await bench.progress(campaign)
    assert (progress.reached, progress.removed, progress.skipped, progress.total) == (2, 0, 0, 2)


async def test_nobody_is_called_twice_at_once_and_nobody_after_the_end(bench: Bench) -> None:
    campaign = await bench.started(numbers(1), carrier=TEN_SECONDS)
    contact = (await bench.contact(campaign, numbers(1)[0]))["id"]
    refused: list[str] = []

    async def again() -> None:
        with pytest.raises(Conflict) as conflict:
            await bench.app.contacts.call_now(campaign, contact)
        refused.append(str(conflict.value))

    async def removed_then_again() -> None:
        await bench.app.contacts.remove(campaign, numbers(1))
        await again()

    bench.after(5, again)
    bench.after(6, removed_then_again)
    await bench.run(campaign)

    assert refused == [f"{numbers(1)[0]} is being called: wait for the end of the call"] * 2
    with pytest.raises(Conflict, match="completed"):
        await bench.app.contacts.call_now(campaign, contact)
    with pytest.raises(NotFound, match="has no contact 4711"):
        await bench.app.contacts.call_now(await bench.draft(numbers(1)), 4711)
    with pytest.raises(NotFound, match="has no contact"):
        await bench.app.contacts.call_now(await bench.draft(numbers(1)), contact)


# --- external ids ---------------------------------------------------------------------------------


async def test_of_two_requests_at_once_with_one_external_id_one_adds_it(live: Bench) -> None:
    campaign = await live.draft(numbers(1))
    people = [LateContact(phone_number=number, external_id="x-7") for number in numbers(9)[1:]]

    found = await asyncio.gather(*[live.app.contacts.add_each(campaign, [person]) for person in people])

    assert sorted(type(addition).__name__ for (addition,) in found) == ["Added", *["Rejected"] * 7]
    assert len(await live.contacts(campaign)) == 2


async def test_a_file_may_hold_an_external_id_twice_and_both_numbers_are_known_by_it(bench: Bench) -> None:
    first, second = numbers(2)
    campaign = await bench.draft(f"phone_number,external_id\n{first},x\n{second},x\n")
    people = [LateContact(phone_number=number, external_id="x") for number in numbers(3)]

    found = await bench.app.contacts.add_each(campaign, people)
    removed = await bench.app.contacts.remove(campaign, external_ids=["x"])

    assert [type(addition).__name__ for addition in found] == ["Exists", "Exists", "Rejected"]
    assert removed == [first, second]


async def test_an_import_and_an_addition_of_the_same_numbers_do_not_lock_each_other_out(live: Bench) -> None:
    first, second = numbers(2)
    campaign = await live.draft([])
    await live.app.intake.store(campaign, live.file([first, second]), None)
    of = (live.app.organization_id, campaign)

    async def somebody_waits() -> bool:
        async with live.app.database.connection() as connection:
            return bool(await connection.fetchval("SELECT count(*) FROM pg_locks WHERE NOT granted"))

    async with live.app.database.transaction() as batch:
        await batch.execute(
            "SELECT FROM contact_file WHERE organization_id = $1 AND campaign_id = $2 FOR NO KEY UPDATE", *of
        )
        insert = (
            "INSERT INTO contact (organization_id, campaign_id, uuid, to_number, zone_group_id, variables)"
            " VALUES ($1, $2, gen_random_uuid(), $3, 1, '{}')"
        )
        await batch.execute(insert, *of, first)
        people = [LateContact(phone_number=number) for number in (second, first)]
        adding = asyncio.create_task(live.app.contacts.add_each(campaign, people))
        await live.wait_for(somebody_waits)
        await batch.execute(insert, *of, second)
    added = await adding

    assert [type(addition).__name__ for addition in added] == ["Exists", "Exists"]
