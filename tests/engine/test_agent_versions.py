"""A campaign splits its contacts over versions of its agent: each keeps its own, and the results tell them apart."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from bench import ALL_ANSWER, ALL_BUSY, Bench, numbers

from dialplane.core.retry import RetryPolicy
from dialplane.core.splitting import AgentSplit
from dialplane.engine.results import Share
from dialplane.errors import Conflict, Invalid

pytestmark = pytest.mark.asyncio

ASK = {"say": "Can you come?", "expect": ["yes", "no"], "no_match": "Sorry?"}
FIRST: dict[str, Any] = {"name": "Asker", "greeting": "Hello.", "steps": [ASK | {"gather": "comes"}], "goodbye": "Bye."}
SECOND: dict[str, Any] = FIRST | {"greeting": "Good day.", "steps": [ASK | {"gather": "will_come"}]}
THIRD: dict[str, Any] = FIRST | {"greeting": "Hi {{name}}."}
SPLIT = AgentSplit(weights={1: 70, 2: 30})


async def agent(bench: Bench, *definitions: dict[str, Any]) -> int:
    """An agent with these versions; the last one is in force."""
    for definition in definitions:
        agent_id = await bench.app.add_agent(definition)
    return agent_id


async def drafted(bench: Bench, people: list[str], carrier: dict[str, Any], split: AgentSplit, **policies: Any) -> int:
    """A campaign with the versions FIRST and SECOND, of which SECOND is in force."""
    await agent(bench, FIRST, SECOND)
    return await bench.draft(people, agent=SECOND, carrier=carrier, split=split, **policies)


async def versions(bench: Bench, campaign: int) -> dict[int, list[int]]:
    """contact -> the versions of its calls, in their order."""
    found: dict[int, list[int]] = {}
    for row in await bench.report(campaign):
        found.setdefault(int(row["contact_id"]), []).append(int(row["agent_version"]))
    return found


async def test_a_contact_has_one_version_on_all_its_calls_and_shares_are_those_of_the_weights(bench: Bench) -> None:
    people, retry = numbers(200), RetryPolicy(max_retries=2, delay_seconds=60)
    campaign = await drafted(bench, people, ALL_BUSY | {"cps": None}, SPLIT, retry=retry)
    uuid = (await bench.get(campaign)).uuid

    await bench.app.campaigns.start(campaign)
    await bench.run(campaign)

    found = await versions(bench, campaign)
    assert found == {contact: [SPLIT.version_for(contact, seed=uuid, in_force=2)] * 3 for contact in found}, (
        "by the campaign's seed, and on each retry"
    )
    counted = Counter(calls[0] for calls in found.values())
    assert counted.total() == 200 and 0.15 < counted[2] / 200 < 0.45


async def test_new_weights_move_contacts_between_two_calls_in_one_direction_alone(bench: Bench) -> None:
    retry = RetryPolicy(max_retries=1, delay_seconds=600)
    campaign = await drafted(bench, numbers(100), ALL_BUSY | {"cps": None}, SPLIT, retry=retry)
    more = AgentSplit(weights={1: 30, 2: 70})
    bench.after(300, lambda: bench.app.campaigns.adjust(campaign, lambda old: type(old)(retry=old.retry, split=more)))

    await bench.app.campaigns.start(campaign)
    await bench.run(campaign)

    moves = Counter(tuple(calls) for calls in (await versions(bench, campaign)).values())
    assert moves[2, 1] == 0 and 25 < moves[1, 2] < 55 and moves.total() == 100


async def test_each_version_speaks_its_own_words_and_the_report_has_what_both_have_gathered(bench: Bench) -> None:
    campaign = await drafted(bench, numbers(40), ALL_ANSWER | {"cps": None}, SPLIT)
    await bench.app.campaigns.start(campaign)
    await bench.run(campaign)

    rows = await bench.report(campaign)

    first, second = ([row for row in rows if row["agent_version"] == version] for version in "12")
    assert all("Hello." in row["transcript"] and not row["will_come"] for row in first)
    assert all("Good day." in row["transcript"] and not row["comes"] for row in second)
    results = await bench.app.results.campaign(campaign)
    assert [each.version for each in results.versions] == [1, 2]
    for each, calls, field in zip(results.versions, (first, second), ("comes", "will_come"), strict=True):
        assert each.share == Share(calls=len(calls), placed=len(calls), answered=len(calls))
        assert (each.contacts, each.reached) == (len(calls), len(calls))
        talked = [float(row["talk_seconds"]) for row in calls]
        assert each.talk_seconds == pytest.approx(sum(talked) / len(calls), abs=0.01)
        ((name, answers, total),) = ((f.name, f.answers, f.total) for f in each.fields)
        said = Counter(row[field] for row in calls if row[field])
        assert (name, total, dict(answers)) == (field, said.total(), dict(said))


async def test_who_is_called_in_vain_counts_for_the_version_of_the_last_call(bench: Bench) -> None:
    campaign = await drafted(bench, numbers(30), ALL_BUSY | {"cps": None}, SPLIT, retry=RetryPolicy(max_retries=1))
    await bench.app.campaigns.start(campaign)
    await bench.run(campaign)

    first, second = (await bench.app.results.campaign(campaign)).versions

    assert (first.share.calls, first.contacts + second.contacts) == (2 * first.contacts, 30)
    assert (first.reached, first.talk_seconds, first.fields) == (0, None, [])


async def test_a_split_stays_with_its_versions_whatever_is_published(bench: Bench) -> None:
    pinned = AgentSplit(weights={1: 1})
    campaign = await drafted(bench, numbers(5), ALL_ANSWER, pinned)
    record = await bench.get(campaign)
    await bench.app.campaigns.start(campaign)
    await bench.app.library.update(record.agent_id, definition=THIRD)  # its column is needed by no version that speaks

    await bench.run(campaign)

    assert set(map(tuple, (await versions(bench, campaign)).values())) == {(1,)}
    copy = await bench.get(await bench.app.campaigns.duplicate(campaign))
    assert copy.policies.split == pinned


async def test_versions_that_cannot_speak_for_the_contacts_are_refused(bench: Bench) -> None:
    agent_id = await agent(bench, FIRST, SECOND, THIRD)
    campaign = await bench.draft("phone_number,name\n+12125550142,Ana\n", agent=THIRD, split=SPLIT)
    bare = await bench.draft(numbers(1), agent=SECOND, split=SPLIT)  # SECOND is published again, as version 4
    adjust = bench.app.campaigns.adjust

    async def split(campaign_id: int, **weights: int) -> None:
        new = AgentSplit(weights={int(version.removeprefix("v")): weight for version, weight in weights.items()})
        await adjust(campaign_id, lambda old: type(old)(split=new))

    with pytest.raises(Invalid, match="agent_versions: 'Asker' has no version 5; choose among 1 to 4"):
        await split(campaign, v1=1, v5=1)
    with pytest.raises(Invalid, match="agent_versions: the contacts of this campaign have no column name"):
        await split(bare, v1=1, v3=1)
    await split(campaign, v1=1, v3=1)
    assert (await bench.get(campaign)).policies.split == AgentSplit(weights={1: 1, 3: 1})
    await bench.app.library.update(agent_id, definition=THIRD)  # version 5; both campaigns have splits
    with pytest.raises(Invalid, match="agent: the contacts of this campaign have no column name"):
        await split(bare)
    with pytest.raises(Invalid, match="agent_versions: 'Asker' has no version 9"):
        await bench.draft(numbers(1), agent=THIRD, split=AgentSplit(weights={9: 1}))


async def test_a_version_that_stayed_a_draft_is_refused(bench: Bench) -> None:
    graph = {"nodes": [{"id": "1", "type": "startCall", "data": {"greeting": "Hello."}}], "edges": []}
    agent_id = await bench.app.library.create("graph", graph)
    silent = {"nodes": [{"id": "1", "type": "startCall", "data": {"name": "start"}}], "edges": []}
    await bench.app.library.update(agent_id, definition=silent)

    with pytest.raises(Invalid, match="agent_versions: version 2 of 'graph' is a draft .*: leave it out"):
        await bench.app.speakers.columns(agent_id, AgentSplit(weights={1: 1, 2: 1}))


async def test_another_agent_speaks_without_the_split_of_the_one_before(bench: Bench) -> None:
    campaign = await drafted(bench, numbers(1), ALL_ANSWER, SPLIT)
    other = await bench.app.add_agent({"name": "Other", "greeting": "Hi.", "goodbye": "Bye."})

    with pytest.raises(Invalid, match="agent_versions: 'Other' has no version 2; choose among 1"):
        await bench.app.campaigns.change(campaign, agent_id=other)
    await bench.app.corrections.change_agent(campaign, other, frozenset())

    assert (await bench.get(campaign)).policies.split == AgentSplit()


async def test_of_two_who_change_agent_and_versions_at_once_one_is_told_so(bench: Bench) -> None:
    campaign = await drafted(bench, numbers(1), ALL_ANSWER, AgentSplit())
    splits = iter([SPLIT, AgentSplit(weights={2: 1})])  # what it is once the row is locked is not what was looked at

    with pytest.raises(Conflict, match="was changed at the same time: look at it, and try again"):
        await bench.app.campaigns.adjust(campaign, lambda old: type(old)(split=next(splits)))
