"""A redial: a new campaign over contacts of an old one, chosen by their last disposition."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from uuid import uuid4

import pytest
from bench import Bench, numbers

from dialplane.core.disposition import Disposition
from dialplane.core.retry import RetryPolicy
from dialplane.core.window import CallingWindow
from dialplane.engine import drafts
from dialplane.errors import Conflict, Invalid, InvalidTransition, NotFound

pytestmark = pytest.mark.asyncio

BUSY, NO_ANSWER, VOICEMAIL, ANSWERED = (f"+150055500{n}" for n in ("01", "02", "03", "06"))
BUSY_ONCE = "+15005550021"
ONCE = RetryPolicy(max_retries=0)
PEOPLE = ((ANSWERED, ""), ("+12122000001", 9), ("+12122000002", ""), ("+12122000003", ""))


async def parent_of(bench: Bench, **options: object) -> int:
    return await bench.completed([BUSY, NO_ANSWER, VOICEMAIL, ANSWERED], retry=ONCE, **options)  # type: ignore[arg-type]


async def redialled(bench: Bench, campaign: int, *dispositions: Disposition) -> int:
    child = await bench.app.campaigns.redial(campaign, dispositions)
    await bench.app.campaigns.start(child)
    await bench.run(child)
    return child


async def test_it_calls_those_whose_last_disposition_is_named_and_nobody_else(bench: Bench) -> None:
    parent = await parent_of(bench)

    child = await redialled(bench, parent, Disposition.BUSY, Disposition.VOICEMAIL)

    assert await bench.placed(child) == [BUSY, VOICEMAIL]
    assert (await bench.get(child)).total == 2


async def test_the_last_attempt_counts_not_an_earlier_one(bench: Bench) -> None:
    parent = await bench.completed([BUSY_ONCE, BUSY])

    child = await redialled(bench, parent, Disposition.BUSY)

    assert set(await bench.placed(child)) == {BUSY}


async def test_it_is_a_draft_that_inherits_settings_agent_carrier_and_variables(bench: Bench) -> None:
    agent = {"name": "caller", "greeting": "Hello {{name}}."}
    carrier = {"name": "second", "seed": 7, "numbers": ["+15005550123"]}
    window = CallingWindow.parse("daily 00:00-24:00", "Europe/Berlin")
    csv = f"phone_number,name,external_id,priority\n{BUSY},Ana,x-1,4\n"
    parent = await bench.completed(
        csv, agent=agent, carrier=carrier, retry=ONCE, window=window, max_lines=3, cps=2, name="spring"
    )

    child = await bench.app.campaigns.redial(parent, [Disposition.BUSY])

    old, new = await bench.get(parent), await bench.get(child)
    assert (new.state, new.name, new.parent_id) == ("draft", "spring (Redial)", parent)
    assert new.policies == old.policies
    assert (new.agent_id, new.carrier_id, new.variable_names) == (old.agent_id, old.carrier_id, old.variable_names)
    assert new.uuid != old.uuid
    await bench.app.campaigns.start(child)
    await bench.run(child)
    (row,) = await bench.report(child)
    assert (row["name"], row["external_id"], row["from_number"], row["attempt"]) == ("Ana", "x-1", "+15005550123", "1")
    assert (await bench.contact(child, BUSY))["priority"] == 4
    assert row["contact_id"] != (await bench.report(parent))[0]["contact_id"]


async def test_one_campaign_can_be_redialled_several_times_and_so_can_its_redial(bench: Bench) -> None:
    parent = await parent_of(bench)

    children = [await redialled(bench, parent, Disposition.BUSY) for _ in range(2)]
    grandchild = await redialled(bench, children[0], Disposition.BUSY)

    assert [await bench.placed(campaign) for campaign in (*children, grandchild)] == [[BUSY]] * 3
    assert (await bench.progress(parent)).attempts == 4, "the parent stays as it was"


async def test_its_retries_may_differ_from_the_parents(bench: Bench) -> None:
    parent = await parent_of(bench)
    twice = RetryPolicy(max_retries=2)

    child = await bench.app.campaigns.redial(parent, [Disposition.BUSY], retry=twice)

    assert (await bench.get(child)).policies.retry == twice
    assert (await bench.get(parent)).policies.retry == ONCE


async def test_the_newest_redial_is_told_of_the_parent(bench: Bench) -> None:
    parent = await parent_of(bench)
    assert (await bench.get(parent)).redialed_id is None

    first = await bench.app.campaigns.redial(parent, [Disposition.BUSY])
    second = await bench.app.campaigns.redial(parent, [Disposition.BUSY])

    assert (await bench.get(parent)).redialed_id == second > first
    assert (await bench.get(second)).parent_id == parent


async def test_the_same_redial_asked_for_twice_is_one(bench: Bench) -> None:
    parent = await parent_of(bench)
    uuid = uuid4()

    made = [await bench.app.campaigns.redial(parent, [Disposition.BUSY], uuid=uuid) for _ in range(2)]

    assert made[0] == made[1]
    assert (await bench.get(made[0])).total == 1


async def test_two_who_ask_for_the_same_redial_at_once_get_one(bench: Bench) -> None:
    parent = await parent_of(bench)
    uuid = uuid4()

    made = await asyncio.gather(*[bench.app.campaigns.redial(parent, [Disposition.BUSY], uuid=uuid) for _ in range(4)])

    assert len(set(made)) == 1
    assert len(await bench.app.campaigns.page()) == 2


async def test_a_duplicate_has_all_contacts_but_the_removed_ones_and_calls_them_all(bench: Bench) -> None:
    original = await bench.started("phone_number,name,priority\n" + "".join(f"{n},x,{p}\n" for n, p in PEOPLE))
    await bench.app.contacts.remove(original, ["+12122000003"])
    await bench.run(original)

    copy = await bench.app.campaigns.duplicate(original)

    record = await bench.get(copy)
    assert (record.name, record.state, record.parent_id) == ("test (Copy)", "draft", None)
    assert (record.total, record.variable_names) == (3, ["name"])
    await bench.app.campaigns.start(copy)
    await bench.run(copy)
    assert await bench.placed(copy) == ["+12122000001", ANSWERED, "+12122000002"]


async def test_a_copy_that_takes_several_pages_calls_everybody_in_the_old_order(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(drafts, "COPIED_AT_ONCE", 10)
    busy = {"outcomes": {"busy": 1}}
    parent = await bench.completed(numbers(25), carrier=busy, retry=ONCE, max_lines=1)

    child = await redialled(bench, parent, Disposition.BUSY)

    assert await bench.placed(child) == numbers(25)


async def test_a_priority_is_kept_and_comes_first(bench: Bench) -> None:
    rows = [f"{number},{priority}" for number, priority in zip(numbers(4), ("", "", 9, 2), strict=True)]
    busy = {"outcomes": {"busy": 1}}
    parent = await bench.completed("\n".join(["phone_number,priority", *rows]), carrier=busy, retry=ONCE, max_lines=1)

    child = await redialled(bench, parent, Disposition.BUSY)

    first, second, urgent, soon = numbers(4)
    assert await bench.placed(child) == [urgent, soon, first, second]


async def test_who_was_skipped_or_removed_is_not_redialled(bench: Bench) -> None:
    busy = {"outcomes": {"busy": 1}}
    parent = await bench.started(numbers(4), carrier=busy, retry=RetryPolicy(max_retries=1))
    bench.after(60, lambda: bench.app.contacts.do_not_call(numbers(1), source="hand"))
    bench.after(60, lambda: bench.app.contacts.remove(parent, numbers(2)[1:]))
    await bench.run(parent)

    child = await redialled(bench, parent, Disposition.BUSY)

    assert set(await bench.placed(child)) == set(numbers(4)[2:])


async def test_who_waits_for_a_retry_in_a_paused_campaign_is_not_redialled_beside_it(bench: Bench) -> None:
    parent = await bench.started([BUSY_ONCE, BUSY], retry=RetryPolicy(max_retries=1))
    bench.after(60, lambda: bench.app.campaigns.pause(parent))
    await bench.run(parent)

    with pytest.raises(Conflict, match="no contact"):
        await bench.app.campaigns.redial(parent, [Disposition.BUSY])


async def test_what_cannot_be_redialled_says_why(bench: Bench) -> None:
    draft = await bench.draft([BUSY])
    done = await parent_of(bench)
    redial = bench.app.campaigns.redial

    with pytest.raises(InvalidTransition, match=f"campaign {draft} is draft: redial it once it has ended or is paused"):
        await redial(draft, [Disposition.BUSY])
    with pytest.raises(Conflict, match=f"no contact of campaign {done} ended as unwanted, blocked"):
        await redial(done, [Disposition.UNWANTED, Disposition.BLOCKED])
    with pytest.raises(Invalid, match="at least one disposition"):
        await redial(done, [])
    with pytest.raises(NotFound):
        await redial(4711, [Disposition.BUSY])
    await bench.app.campaigns.start(draft)
    with pytest.raises(InvalidTransition, match="is running"):
        await redial(draft, [Disposition.BUSY])
    assert len(await bench.app.campaigns.page()) == 2, "a refusal leaves no campaign behind"


async def test_after_cancel_those_who_were_called_can_be_redialled(bench: Bench) -> None:
    busy = {"outcomes": {"busy": 1}, "ring_seconds": 1}
    parent = await bench.started(numbers(6), carrier=busy, max_lines=2)
    bench.after(0.5, lambda: bench.app.campaigns.cancel(parent))
    await bench.run(parent)
    await bench.run(parent, until=bench.now + timedelta(minutes=1))

    child = await redialled(bench, parent, Disposition.BUSY)

    assert set(await bench.placed(child)) == set(numbers(2))
