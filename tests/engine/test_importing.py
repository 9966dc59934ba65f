"""A contacts file becomes contacts once, whatever happens on the way."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from bench import ALL_ANSWER, START, Bench, numbers
from checks import every_contact_ends_once

from dialplane.engine import batches, intake
from dialplane.errors import Conflict, Invalid, NotFound

pytestmark = pytest.mark.asyncio

NOTHING_REQUIRED: frozenset[str] = frozenset()


class Killed(Exception):
    """The process ends here."""


@pytest.fixture(autouse=True)
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batches, "BATCH_ROWS", 10)


async def stored(bench: Bench, contacts: str | list[str]) -> int:
    """A draft with a file that nobody has begun to import."""
    campaign = await bench.draft([])
    await bench.app.intake.store(campaign, bench.file(contacts), None)
    return campaign


async def rejects(bench: Bench, campaign: int) -> list[tuple[int, str]]:
    page, _ = await bench.app.intake.rejects_page(campaign, (0, 0))
    return [(reject.row, reject.reason) for reject in page]


# --- killed and gone on with ----------------------------------------------------------------------

MIXED = "\n".join(
    ["phone_number,name,priority"]
    + [f"{number},Name {i},{i % 3 or ''}" for i, number in enumerate(numbers(30))]
    + [f"{numbers(1)[0]},again,", "nonsense,,", ",,", "+12120,short,"]
    + [f"{number},Late,99" for number in numbers(3, first=3_000_000)]
    + [f"{number},Last," for number in numbers(12, first=4_000_000)]
)


@pytest.mark.parametrize("batches", [1, 2, 4])
async def test_an_import_that_was_killed_goes_on_to_the_same_end_as_one_in_one_go(bench: Bench, batches: int) -> None:
    done: list[int] = []

    def die(row: int) -> None:
        done.append(row)
        if len(done) == batches:
            raise Killed

    whole = await stored(bench, MIXED)
    in_one_go = await bench.app.intake.run(whole, NOTHING_REQUIRED)
    broken = await stored(bench, MIXED)
    with pytest.raises(Killed):
        await bench.app.intake.run(broken, NOTHING_REQUIRED, on_progress=die)

    again = await bench.app.intake.run(broken, NOTHING_REQUIRED)

    assert again == in_one_go
    assert again is not None
    assert (again.contacts, again.rejects) == (42, 6)
    assert await rejects(bench, broken) == await rejects(bench, whole)
    assert await contact_rows(bench, broken) == await contact_rows(bench, whole)
    assert (await bench.get(broken)).total == 42
    await bench.app.campaigns.start(broken)
    await bench.run(broken)
    every_contact_ends_once(await bench.report(broken), [*numbers(30), *numbers(12, first=4_000_000)])
    assert await bench.app.intake.run(broken, NOTHING_REQUIRED) is None, "nothing is left to import"


async def contact_rows(bench: Bench, campaign: int) -> list[tuple]:
    async with bench.app.database.connection() as connection:
        found = await connection.fetch(
            "SELECT row_number, sequence, to_number, priority, variables, state,"
            " (SELECT rank FROM due WHERE due.contact_id = contact.id) AS rank"
            " FROM contact WHERE campaign_id = $1 ORDER BY row_number",
            campaign,
        )
    return [tuple(row.values()) for row in found]


async def test_a_campaign_that_started_before_its_file_was_read_calls_nobody_until_then_and_does_not_complete(
    bench: Bench,
) -> None:
    def die(row: int) -> None:
        raise Killed

    campaign = await stored(bench, numbers(30))
    with pytest.raises(Killed):
        await bench.app.intake.run(campaign, NOTHING_REQUIRED, on_progress=die)
    await bench.app.campaigns.start(campaign)
    record = await bench.get(campaign)
    assert (record.importing, record.total) == ("contacts-0.csv", 10), "what has been read is counted"
    bench.after(600, lambda: bench.app.intake.run(campaign, NOTHING_REQUIRED))

    await bench.run(campaign)

    assert await bench.state(campaign) == "completed"
    every_contact_ends_once(await bench.report(campaign), numbers(30))
    assert all((line.at - START).total_seconds() >= 600 for line in await bench.log(campaign))


async def test_a_file_that_breaks_off_leaves_what_was_read_before_and_resume_calls_that(bench: Bench) -> None:
    campaign = await stored(bench, "\n".join(["phone_number,name", *[f"{n},x" for n in numbers(25)], '"open']))
    await bench.app.campaigns.start(campaign)
    with pytest.raises(Invalid, match="row 27") as fault:
        await bench.app.intake.run(campaign, NOTHING_REQUIRED)
    await bench.app.intake.give_up(campaign, str(fault.value))

    progress = await bench.progress(campaign)
    assert await bench.state(campaign) == "failed"
    assert (progress.total, progress.waiting) == (20, 20), "two whole batches of ten"
    assert (await bench.get(campaign)).variable_names == ["name"]

    await bench.app.campaigns.resume(campaign)
    await bench.run(campaign)

    every_contact_ends_once(await bench.report(campaign), numbers(20))


async def test_the_copy_is_read_not_the_file_that_was_given(bench: Bench) -> None:
    campaign = await stored(bench, numbers(15))
    (bench.folder / "contacts-0.csv").unlink()

    await bench.app.intake.run(campaign, NOTHING_REQUIRED)

    assert len(await bench.contacts(campaign)) == 15


# --- rows -----------------------------------------------------------------------------------------


async def test_the_first_row_of_a_number_wins_across_batches_and_the_others_say_which_row_that_is(bench: Bench) -> None:
    first, *others = numbers(25)
    rows = [f"{first},first", *[f"{number}," for number in others], "+1 (212) 200-0000,second", f"{first},third"]
    campaign = await bench.completed("\n".join(["phone_number,name", *rows]), carrier=ALL_ANSWER)

    assert await rejects(bench, campaign) == [(27, "the same number as row 2"), (28, "the same number as row 2")]
    (row,) = [row for row in await bench.report(campaign) if row["to_number"] == first]
    assert row["name"] == "first"
    assert (await bench.get(campaign)).total == 25
    assert await bench.app.campaigns.rejected_rows(campaign) == 2


async def test_two_rows_of_one_number_in_one_batch_are_one_contact(bench: Bench) -> None:
    campaign = await bench.draft("phone_number,name\n+12122000000,first\n+12122000000,second\n")

    assert await rejects(bench, campaign) == [(3, "the same number as row 2")]
    assert (await bench.contact(campaign, "+12122000000"))["variables"] == {"name": "first"}


async def test_rows_with_a_priority_are_called_first_and_once(bench: Bench) -> None:
    rows = [f"{number},{i if i < 3 else ''}" for i, number in enumerate(numbers(12))]
    campaign = await bench.completed("\n".join(["phone_number,priority", *rows]), carrier=ALL_ANSWER, max_lines=1)

    fresh = [numbers(12)[0], *numbers(12)[3:]]
    assert await bench.placed(campaign) == [numbers(12)[2], numbers(12)[1], *fresh]


async def test_a_file_whose_last_rows_are_all_bad_still_ends(bench: Bench) -> None:
    campaign = await bench.completed([*numbers(3), *["nonsense"] * 25], carrier=ALL_ANSWER)

    assert await bench.placed(campaign) == numbers(3)
    assert await bench.app.campaigns.rejected_rows(campaign) == 25


# --- strict ---------------------------------------------------------------------------------------


async def test_strict_stops_at_the_first_bad_row_and_names_it(bench: Bench) -> None:
    campaign = await stored(bench, [*numbers(14), "nonsense", *numbers(5, first=3_000_000)])

    with pytest.raises(Invalid, match=r"contacts-0\.csv, row 16, phone_number: .*nothing was imported"):
        await bench.app.intake.run(campaign, NOTHING_REQUIRED, strict=True)
    await bench.app.campaigns.discard(campaign)

    with pytest.raises(NotFound):
        await bench.get(campaign)


async def test_strict_takes_a_file_without_a_fault(bench: Bench) -> None:
    campaign = await stored(bench, numbers(14))

    imported = await bench.app.intake.run(campaign, NOTHING_REQUIRED, strict=True)

    assert imported is not None
    assert (imported.contacts, imported.rejects) == (14, 0)


# --- two at once ----------------------------------------------------------------------------------


async def test_a_second_file_is_refused_while_one_is_being_imported(bench: Bench) -> None:
    campaign = await stored(bench, numbers(3))

    with pytest.raises(Conflict, match="another file"):
        await bench.app.intake.store(campaign, bench.file(numbers(3)), None)

    await bench.app.intake.run(campaign, NOTHING_REQUIRED)
    await bench.app.intake.store(campaign, bench.file(numbers(5)), None)
    assert (await bench.app.intake.run(campaign, NOTHING_REQUIRED)).contacts == 2  # type: ignore[union-attr]


async def test_two_processes_that_go_on_with_one_import_make_no_contact_twice(bench: Bench) -> None:
    campaign = await stored(bench, numbers(95))

    both = await asyncio.gather(
        *[bench.app.intake.run(campaign, NOTHING_REQUIRED) for _ in range(2)], return_exceptions=True
    )

    done = [each for each in both if isinstance(each, intake.Imported)]
    assert all(isinstance(each, intake.Imported | Conflict) for each in both), both
    assert [imported.contacts for imported in done] == [95]
    assert (await bench.get(campaign)).total == 95
    assert await rejects(bench, campaign) == []


async def test_a_file_for_a_campaign_that_is_not_there_is_refused(bench: Bench) -> None:
    with pytest.raises(NotFound):
        await bench.app.intake.store(4711, bench.file(numbers(1)), None)


# --- while the campaign runs ----------------------------------------------------------------------


async def test_a_file_added_to_a_running_campaign_is_called(bench: Bench) -> None:
    carrier = ALL_ANSWER | {"ring_seconds": 1, "talk_seconds": 9}
    campaign = await bench.started(numbers(6), carrier=carrier, max_lines=2)
    more = "phone_number,city\n" + "".join(f"{n},Bonn\n" for n in [*numbers(25, first=3_000_000), *numbers(2)])
    bench.after(12, lambda: bench.imports(campaign, more))

    await bench.run(campaign)

    every_contact_ends_once(await bench.report(campaign), [*numbers(6), *numbers(25, first=3_000_000)])
    assert (await bench.get(campaign)).variable_names == ["city"]
    assert (await bench.progress(campaign)).reached == 31
    assert await rejects(bench, campaign) == [
        (27, "the campaign has this number already"),
        (28, "the campaign has this number already"),
    ]


async def test_a_campaign_does_not_complete_while_a_file_is_being_imported(bench: Bench) -> None:
    campaign = await bench.started(numbers(2), carrier=ALL_ANSWER)
    await bench.app.intake.store(campaign, bench.file(numbers(3, first=3_000_000)), None)
    bench.after(600, lambda: bench.app.intake.run(campaign, NOTHING_REQUIRED))

    await bench.run(campaign)

    starts = [(line.at - START).total_seconds() for line in await bench.log(campaign) if line.event == "place"]
    assert len(starts) == 5
    assert all(seconds >= 600 for seconds in starts[2:])


async def test_nothing_is_called_before_its_file_is_sealed(bench: Bench) -> None:
    campaign = await bench.started(numbers(2), carrier=ALL_ANSWER)
    more = numbers(25, first=3_000_000)
    await bench.app.intake.store(campaign, bench.file(more), None)

    def die(row: int) -> None:
        raise Killed

    with pytest.raises(Killed):
        await bench.app.intake.run(campaign, NOTHING_REQUIRED, on_progress=die)
    bench.after(600, lambda: bench.app.intake.run(campaign, NOTHING_REQUIRED))

    await bench.run(campaign)

    early = [line.to for line in await bench.log(campaign) if (line.at - START).total_seconds() < 600]
    assert set(early) == set(numbers(2))
    every_contact_ends_once(await bench.report(campaign), [*numbers(2), *more])


# --- files that cannot be used --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "is empty"),
        ("phone_number,name\n", "no contacts"),
        ("name,city\nAna,Bonn\n", "no phone column"),
        ("phone_number\n+12122000000\n", r"\{\{name\}\}"),
    ],
)
async def test_a_file_that_cannot_be_used_is_refused_before_anything_is_made(
    bench: Bench, text: str, told: str
) -> None:
    with pytest.raises(Invalid, match=told):
        bench.app.intake.check(bench.file(text), frozenset({"name"}))


async def test_a_path_that_is_no_file_is_refused(bench: Bench, tmp_path: Path) -> None:
    with pytest.raises(Invalid, match="there is no file"):
        bench.app.intake.check(tmp_path / "missing.csv", NOTHING_REQUIRED)
    with pytest.raises(Invalid, match="is a folder"):
        bench.app.intake.check(tmp_path, NOTHING_REQUIRED)


async def test_a_row_that_lacks_a_variable_of_the_agent_is_rejected(bench: Bench) -> None:
    agent = {"name": "caller", "greeting": "Hello {{name}}."}
    campaign = await bench.draft("phone_number,name\n+12122000000,Ana\n+12122000001,\n", agent=agent)

    assert await bench.contacts(campaign) == {"+12122000000": "waiting"}
    ((row, reason),) = await rejects(bench, campaign)
    assert (row, "{{name}}" in reason) == (3, True)
