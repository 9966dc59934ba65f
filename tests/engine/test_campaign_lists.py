"""Lists of campaigns by state and age, and what a door keeps of them."""

from __future__ import annotations

from datetime import timedelta
from uuid import uuid4

import pytest
from bench import ALL_ANSWER, START, Bench, OpenBench, numbers

from dialplane.clocks import VirtualClock
from dialplane.core.campaign import CampaignState
from dialplane.engine.campaign_reader import Search
from dialplane.errors import InvalidTransition, NotFound

pytestmark = pytest.mark.asyncio


async def ids(bench: Bench, wanted: Search, *, limit: int = 10, skip: int = 0) -> tuple[list[int], int]:
    page = await bench.app.campaigns.search(wanted, limit=limit, skip=skip)
    return [campaign.id for campaign in page.campaigns], page.total


async def hourly(bench: Bench, count: int) -> list[int]:
    """Drafts, one made each hour."""
    made = []
    for _ in range(count):
        made.append(await bench.draft([], carrier=ALL_ANSWER, keep_open=True))
        bench.app.clock.advance(timedelta(hours=1))  # type: ignore[attr-defined]
    return made


async def test_a_page_has_the_newest_first_and_says_how_many_there_are(bench: Bench) -> None:
    one, two, three, four = await hourly(bench, 4)

    assert await ids(bench, Search(), limit=3) == ([four, three, two], 4)
    assert await ids(bench, Search(), limit=3, skip=3) == ([one], 4)
    assert await ids(bench, Search(), limit=3, skip=9) == ([], 4)
    assert await ids(bench, Search(ascending=True), limit=2) == ([one, two], 4)


async def test_states_and_instants_narrow_it(bench: Bench) -> None:
    one, two, three, four = await hourly(bench, 4)
    await bench.app.campaigns.start(one)
    await bench.app.campaigns.start(two)
    await bench.app.campaigns.cancel(two)

    assert await ids(bench, Search(states=[CampaignState.RUNNING, CampaignState.CANCELLED])) == ([two, one], 2)
    created = Search(created_from=START + timedelta(hours=1), created_to=START + timedelta(hours=3))
    assert await ids(bench, created) == ([three, two], 2)
    assert await ids(bench, Search(updated_from=START + timedelta(hours=4))) == ([two, one], 2)
    assert await ids(bench, Search(updated_to=START + timedelta(hours=4))) == ([four, three], 2)


async def test_by_duration_those_that_have_not_ended_come_last(bench: Bench) -> None:
    one, two, three = await hourly(bench, 3)
    for campaign in (one, two):
        await bench.app.campaigns.start(campaign)
    await bench.app.campaigns.cancel(one)
    bench.app.clock.advance(timedelta(minutes=5))  # type: ignore[attr-defined]
    await bench.app.campaigns.cancel(two)

    assert await ids(bench, Search(by_duration=True)) == ([two, one, three], 3)
    assert await ids(bench, Search(by_duration=True, ascending=True)) == ([one, two, three], 3)


async def test_an_archived_one_is_in_no_list_but_its_own(bench: Bench) -> None:
    one, two = await hourly(bench, 2)
    with pytest.raises(InvalidTransition, match=f"campaign {one} is draft: archive it once it has ended"):
        await bench.app.campaigns.archive(one)
    await bench.app.campaigns.cancel(one)

    await bench.app.campaigns.archive(one)

    assert await ids(bench, Search()) == ([two], 1)
    assert await ids(bench, Search(archived=True)) == ([one], 1)
    assert [row["id"] for row in await bench.app.campaigns.page()] == [two]
    assert (await bench.get(one)).archived_at == START + timedelta(hours=2)
    await bench.app.campaigns.archive(one, archived=False)
    assert await ids(bench, Search()) == ([two, one], 2)


async def test_another_organizations_are_not_there(bench: Bench, open_bench: OpenBench) -> None:
    (ours,) = await hourly(bench, 1)
    other = await open_bench(VirtualClock(START), organization="other")

    assert await ids(other, Search()) == ([], 0)
    with pytest.raises(NotFound):
        await other.app.campaigns.by_uuid((await bench.get(ours)).uuid)
    assert (await bench.app.campaigns.by_uuid((await bench.get(ours)).uuid)).id == ours


async def test_calls_and_contacts_are_found_by_their_uuid(bench: Bench, open_bench: OpenBench) -> None:
    campaign = await bench.completed(numbers(1), carrier=ALL_ANSWER)
    contact = await bench.contact(campaign, numbers(1)[0])
    (call,) = await bench.app.contact_book.attempts(contact["id"])
    other = await open_bench(VirtualClock(START), organization="other")

    attempt, said = await bench.app.attempts.by_uuid(call.uuid)
    assert (attempt.id, attempt.contact_id, bool(said)) == (call.id, contact["id"], True)
    assert (await bench.app.contact_book.by_uuid(contact["uuid"])).added_at == START
    for find, uuid in ((other.app.attempts.by_uuid, call.uuid), (other.app.contact_book.by_uuid, contact["uuid"])):
        with pytest.raises(NotFound, match=str(uuid)):
            await find(uuid)
    with pytest.raises(NotFound):
        await bench.app.attempts.by_uuid(uuid4())


async def test_every_change_of_state_or_settings_moves_updated_at(bench: Bench) -> None:
    campaign = await bench.draft(numbers(1), carrier=ALL_ANSWER, keep_open=True)
    campaigns = bench.app.campaigns
    changes = [
        lambda: campaigns.change(campaign, name="new"),
        lambda: campaigns.schedule(campaign, START + timedelta(days=1)),
        lambda: campaigns.change(campaign, starts_at=START + timedelta(days=2)),
        lambda: campaigns.start(campaign),
        lambda: campaigns.pause(campaign),
        lambda: campaigns.set_extras(campaign, {"vapi": {"a": 1}}),
        lambda: campaigns.resume(campaign),
        lambda: campaigns.close(campaign),
        lambda: bench.run(campaign),
    ]
    for change in changes:
        bench.app.clock.advance(timedelta(minutes=1))  # type: ignore[attr-defined]
        before = bench.now

        await change()

        assert before <= (await bench.get(campaign)).updated_at <= bench.now
    assert await bench.state(campaign) == "completed"


async def test_a_door_replaces_what_it_kept_and_nothing_of_another_door(bench: Bench) -> None:
    campaign = await bench.completed(numbers(1), carrier=ALL_ANSWER)

    await bench.app.campaigns.set_extras(campaign, {"vapi": {"a": 1}, "dialnexa": {"b": 2}})
    await bench.app.campaigns.set_extras(campaign, {"vapi": {"c": 3}})

    assert (await bench.get(campaign)).extras == {"vapi": {"c": 3}, "dialnexa": {"b": 2}}
