"""Contacts that are called from a number of their own."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest
from bench import ALL_ANSWER, START, Bench, numbers
from checks import every_place_has_one_end, never_more_lines_per_sender_than

from dialplane.core.disposition import Disposition
from dialplane.engine.contacts import LateContact
from dialplane.errors import Invalid

pytestmark = pytest.mark.asyncio

SENDERS = ["+15005550101", "+15005550102", "+15005550103"]
CARRIER: dict[str, Any] = ALL_ANSWER | {"cps": None, "numbers": SENDERS}
TEN_SECONDS = {"ring_seconds": [2, 2], "talk_seconds": [8, 8]}


async def number_ids(bench: Bench, carrier_id: int) -> list[int]:
    return await bench.app.campaigns.numbers_of(carrier_id)


async def opened(bench: Bench, **options: Any) -> tuple[int, list[int]]:
    """A draft that stays open, and the ids of its carrier's numbers."""
    campaign = await bench.draft([], **({"carrier": CARRIER, "keep_open": True} | options))
    return campaign, await number_ids(bench, (await bench.get(campaign)).carrier_id)


async def add(bench: Bench, campaign: int, phones: Sequence[str], number_id: int | None) -> None:
    await bench.app.contacts.add(campaign, [LateContact(phone_number=p, number_id=number_id) for p in phones])


async def finish(bench: Bench, campaign: int) -> None:
    await bench.app.campaigns.start(campaign)
    await bench.app.campaigns.close(campaign)
    await bench.run(campaign)


async def senders(bench: Bench, campaign: int) -> dict[str, str]:
    """called -> caller."""
    return {line.to: line.sender for line in await bench.log(campaign) if line.event == "place"}


async def test_each_is_called_from_its_own_number_and_the_others_in_turn(bench: Bench) -> None:
    campaign, ids = await opened(bench)
    own, rest = numbers(20), numbers(30, first=3_000_000)
    await add(bench, campaign, own, ids[1])
    await add(bench, campaign, rest, None)

    await finish(bench, campaign)

    called = await senders(bench, campaign)
    assert {called[phone] for phone in own} == {SENDERS[1]}
    assert Counter(called[phone] for phone in rest) == dict.fromkeys(SENDERS, 10)
    assert await bench.state(campaign) == "completed"


async def test_retries_and_restored_contacts_keep_it(bench: Bench) -> None:
    campaign, ids = await opened(bench)
    await add(bench, campaign, ["+15005550022", *numbers(1)], ids[2])
    await bench.app.contacts.remove(campaign, numbers(1))
    await bench.app.contacts.restore(campaign, numbers(1))

    await finish(bench, campaign)

    lines = [line for line in await bench.log(campaign) if line.event == "place"]
    assert Counter(line.to for line in lines) == {"+15005550022": 3, numbers(1)[0]: 1}
    assert {line.sender for line in lines} == {SENDERS[2]}


async def test_a_number_outside_the_campaigns_own_choice_is_used_by_its_contacts_alone(bench: Bench) -> None:
    campaign, ids = await opened(bench)
    await bench.app.campaigns.change(campaign, number_ids=[ids[0]])
    await add(bench, campaign, numbers(5), ids[2])
    await add(bench, campaign, numbers(5, first=3_000_000), None)

    await finish(bench, campaign)

    called = await senders(bench, campaign)
    assert {called[phone] for phone in numbers(5)} == {SENDERS[2]}
    assert {called[phone] for phone in numbers(5, first=3_000_000)} == {SENDERS[0]}


async def test_a_number_that_is_full_holds_up_no_other(bench: Bench) -> None:
    campaign, ids = await opened(bench, carrier=CARRIER | TEN_SECONDS, max_lines=20)
    carrier_id = (await bench.get(campaign)).carrier_id
    await bench.app.caller_numbers.change(carrier_id, ids[0], {"max_lines": 1})
    await add(bench, campaign, numbers(10), ids[0])
    await add(bench, campaign, numbers(10, first=3_000_000), ids[1])
    await add(bench, campaign, numbers(5, first=4_000_000), None)

    await finish(bench, campaign)

    log = await bench.log(campaign)
    every_place_has_one_end(log)
    first = [line for line in log if line.sender == SENDERS[0]]
    never_more_lines_per_sender_than(first, 1)
    begun = {line.to: line.at for line in log if line.event == "place"}
    assert all(begun[phone] == START for phone in numbers(10, first=3_000_000)), "they wait for nobody"
    assert bench.now < START + timedelta(seconds=112), "one line, ten calls of ten seconds, without a pause in between"


async def test_two_campaigns_and_both_kinds_of_contacts_share_the_lines_of_a_number(bench: Bench) -> None:
    one, ids = await opened(bench, carrier=CARRIER | TEN_SECONDS)
    two, same = await opened(bench, carrier=CARRIER | TEN_SECONDS)
    assert ids == same
    carrier_id = (await bench.get(one)).carrier_id
    for number_id in ids:
        await bench.app.caller_numbers.change(carrier_id, number_id, {"max_lines": 2})
    await add(bench, one, numbers(12), ids[0])
    await add(bench, one, numbers(12, first=3_000_000), None)
    await add(bench, two, numbers(12, first=4_000_000), ids[0])
    await add(bench, two, numbers(12, first=5_000_000), None)

    for campaign in (one, two):
        await bench.app.campaigns.start(campaign)
        await bench.app.campaigns.close(campaign)
    await bench.run(one, two)

    log = sorted([*await bench.log(one), *await bench.log(two)], key=lambda line: line.at)
    assert sum(line.event == "place" for line in log) == 48
    never_more_lines_per_sender_than(log, 2)
    with pytest.raises(AssertionError):
        never_more_lines_per_sender_than(log, 1)


async def test_a_contact_whose_number_was_switched_off_is_skipped_and_the_log_says_so(bench: Bench) -> None:
    campaign, ids = await opened(bench)
    await add(bench, campaign, numbers(3), ids[0])
    await add(bench, campaign, numbers(3, first=3_000_000), None)
    await bench.app.caller_numbers.change((await bench.get(campaign)).carrier_id, ids[0], {"active": False})

    await finish(bench, campaign)

    progress = await bench.progress(campaign)
    assert (progress.reached, progress.skipped, progress.skips) == (3, 3, {"number_unavailable": 3})
    assert await bench.state(campaign) == "completed"
    entry = next(e for e in await bench.app.campaigns.log(campaign) if e.event == "contacts.skipped")
    assert entry.message == "3 cannot be called: their number is switched off, or not of this carrier"
    assert entry.level == "warning"
    assert SENDERS[0] not in (await senders(bench, campaign)).values()


async def test_switched_off_between_two_attempts_there_is_no_second_one(bench: Bench) -> None:
    campaign, ids = await opened(bench)
    carrier_id = (await bench.get(campaign)).carrier_id
    await add(bench, campaign, ["+15005550022"], ids[0])
    bench.after(60, lambda: bench.app.caller_numbers.change(carrier_id, ids[0], {"active": False}))

    await finish(bench, campaign)

    assert len(await bench.placed(campaign)) == 1
    (row,) = await bench.report(campaign)
    assert (row["contact_state"], row["disposition"]) == ("skipped", "no_answer")


async def test_a_deleted_number_and_one_of_another_carrier_are_as_good_as_none(bench: Bench) -> None:
    campaign, ids = await opened(bench)
    other = await bench.app.add_carrier({"name": "other", "numbers": ["+15005550109"], **ALL_ANSWER})
    (foreign,) = await number_ids(bench, other)
    await add(bench, campaign, numbers(1), ids[0])
    await bench.app.caller_numbers.delete((await bench.get(campaign)).carrier_id, ids[0])

    with pytest.raises(Invalid, match=f"number_id '{foreign}': this number is not among the active ones"):
        await add(bench, campaign, numbers(1, first=3_000_000), foreign)
    with pytest.raises(Invalid, match=f"number_id '{ids[0]}': this number is not among the active ones"):
        await add(bench, campaign, numbers(1, first=3_000_000), ids[0])
    await bench.app.campaigns.change(campaign, carrier_id=other)
    await add(bench, campaign, numbers(1, first=4_000_000), foreign)
    await finish(bench, campaign)

    assert (await bench.progress(campaign)).skips == {"number_unavailable": 1}
    assert await senders(bench, campaign) == {numbers(1, first=4_000_000)[0]: "+15005550109"}


async def test_while_the_carrier_is_switched_off_they_wait_like_everybody(bench: Bench) -> None:
    campaign, ids = await opened(bench)
    await add(bench, campaign, numbers(2), ids[0])
    await bench.app.campaigns.start(campaign)
    await bench.app.campaigns.close(campaign)
    async with bench.app.database.connection() as connection:
        await connection.execute("UPDATE carrier SET inactive_since = $1", START)

    await bench.run(until=START + timedelta(minutes=1))

    assert (await bench.progress(campaign)).waiting == 2
    assert await bench.state(campaign) == "running"


async def test_a_copy_of_the_campaign_calls_from_the_same_numbers(bench: Bench) -> None:
    campaign, ids = await opened(bench, carrier=CARRIER | {"outcomes": {"busy": 1}})
    await add(bench, campaign, numbers(4), ids[1])
    await finish(bench, campaign)

    redial = await bench.app.campaigns.redial(campaign, [Disposition.BUSY])
    await bench.app.campaigns.start(redial)
    await bench.run(redial)

    assert await senders(bench, redial) == dict.fromkeys(numbers(4), SENDERS[1])


async def test_a_contact_may_be_due_later(bench: Bench) -> None:
    campaign, ids = await opened(bench)
    later = LateContact(phone_number=numbers(2)[0], number_id=ids[0], due_at=START + timedelta(minutes=5))
    await bench.app.contacts.add(campaign, [later, LateContact(phone_number=numbers(2)[1])])

    await finish(bench, campaign)

    begun = {line.to: line.at for line in await bench.log(campaign) if line.event == "place"}
    assert begun == {numbers(2)[1]: START, numbers(2)[0]: START + timedelta(minutes=5)}
