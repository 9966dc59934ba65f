"""Contacts and campaigns that are changed before anybody was called."""

from __future__ import annotations

from datetime import timedelta

import pytest
from bench import ALL_BUSY, START, Bench, numbers

from dialplane.core.window import CallingWindow
from dialplane.engine.corrections import Correction
from dialplane.errors import Conflict, Invalid, NotFound

pytestmark = pytest.mark.asyncio

NEW_YORK, BERLIN = "+12122000000", "+493023125000"
OFFICE = CallingWindow.from_json(
    {"timezone": "contact", "slots": [{"days": [0, 1, 2, 3, 4], "start": "09:00", "end": "17:00"}]}
)


async def contact_id(bench: Bench, campaign: int, number: str) -> int:
    page = await bench.app.contacts.page(campaign)
    return int(next(row["id"] for row in page if row["to_number"] == number))


async def called(bench: Bench, campaign: int) -> list[str]:
    return [row["to_number"] for row in await bench.report(campaign) if row["attempt"]]


async def test_a_changed_contact_is_called_once_and_as_changed(bench: Bench) -> None:
    campaign = await bench.draft("phone_number,name\n" + "\n".join(f"{n},x" for n in numbers(3)))
    changed = await contact_id(bench, campaign, numbers(3)[1])

    await bench.app.corrections.correct(changed, Correction(phone_number=BERLIN, variables={"name": "Bea"}))
    await bench.app.campaigns.start(campaign)
    await bench.run(campaign)

    report = await bench.report(campaign)
    assert sorted(row["to_number"] for row in report) == sorted([numbers(3)[0], BERLIN, numbers(3)[2]])
    assert {row["to_number"]: row["name"] for row in report}[BERLIN] == "Bea"


async def test_the_hours_of_the_new_number_count(bench: Bench) -> None:
    campaign = await bench.started([NEW_YORK], window=OFFICE)  # where it is four in the morning
    await bench.run(campaign, until=START + timedelta(minutes=5))
    assert await called(bench, campaign) == []

    await bench.app.corrections.correct(await contact_id(bench, campaign, NEW_YORK), Correction(phone_number=BERLIN))
    await bench.run(campaign)

    (row,) = await bench.report(campaign)
    assert row["to_number"] == BERLIN
    assert row["created_at"] < "2025-03-03T09:10"


async def test_who_was_called_stays(bench: Bench) -> None:
    campaign = await bench.started([NEW_YORK], carrier=ALL_BUSY, keep_open=True)
    contact = await contact_id(bench, campaign, NEW_YORK)
    await bench.run(campaign, until=START + timedelta(seconds=60))  # between two calls

    with pytest.raises(Conflict, match="was called before: only who was never called can change"):
        await bench.app.corrections.correct(contact, Correction(phone_number=BERLIN))


async def test_what_cannot_be_is_refused_and_changes_nothing(bench: Bench) -> None:
    campaign = await bench.draft([NEW_YORK, BERLIN])
    contact = await contact_id(bench, campaign, NEW_YORK)
    correct = bench.app.corrections.correct

    with pytest.raises(Conflict, match=r"the campaign has the number \+493023125000 already"):
        await correct(contact, Correction(phone_number=BERLIN))
    with pytest.raises(Invalid, match="the number is too short"):
        await correct(contact, Correction(phone_number="+1212"))
    with pytest.raises(Invalid, match=r"uses \{\{city\}\}"):
        await correct(contact, Correction(variables={}), required=frozenset({"city"}))
    with pytest.raises(NotFound, match="there is no contact 999999"):
        await correct(999_999, Correction(phone_number=BERLIN))
    await bench.app.campaigns.cancel(campaign)
    with pytest.raises(Conflict, match="is cancelled: its contacts stay"):
        await correct(contact, Correction(phone_number="+12122000001"))

    assert [row["to_number"] for row in await bench.app.contacts.page(campaign)] == [NEW_YORK, BERLIN]


async def test_a_number_stays_while_a_file_is_imported(bench: Bench) -> None:
    campaign = await bench.draft([NEW_YORK])
    await bench.app.intake.store(campaign, bench.file(["+12122000001"]), None)
    contact = await contact_id(bench, campaign, NEW_YORK)

    with pytest.raises(Conflict, match="a contacts file is being imported"):
        await bench.app.corrections.correct(contact, Correction(phone_number=BERLIN))
    await bench.app.corrections.correct(contact, Correction(variables={"name": "Ana"}))


async def test_an_agent_changes_until_the_first_call(bench: Bench) -> None:
    campaign = await bench.started([NEW_YORK])
    second = await bench.app.add_agent({"name": "second", "greeting": "Hi"})

    await bench.app.corrections.change_agent(campaign, second, frozenset())
    await bench.run(campaign)

    assert (await bench.get(campaign)).agent_id == second
    third = await bench.app.add_agent({"name": "third", "greeting": "Hi"})
    with pytest.raises(Conflict, match="has made calls, or has ended: its agent stays"):
        await bench.app.corrections.change_agent(campaign, third, frozenset())
    with pytest.raises(NotFound):
        await bench.app.corrections.change_agent(campaign + 1, third, frozenset())
