"""The report: one row an attempt, in columns that stay as they are."""

from __future__ import annotations

import csv
from datetime import datetime
from pathlib import Path

import pytest
from bench import ALL_ANSWER, Bench, numbers
from checks import report_agrees

from dialplane.engine.contacts import LateContact
from dialplane.errors import EnvironmentFault, NotFound

pytestmark = pytest.mark.asyncio

FIXED = [
    "contact_id", "external_id", "to_number", "from_number", "timezone", "attempt", "attempt_id", "created_at",
    "placed_at", "ringing_at", "answered_at", "ended_at", "ring_seconds", "talk_seconds", "disposition", "sip_status",
    "cause", "contact_state", "agent_version", "transcript", "recording",
]  # fmt: skip
BUSY_ONCE, ANSWERED = "+15005550021", "+15005550006"
AGENT = {
    "name": "caller",
    "greeting": "Hello {{name}}.",
    "steps": [
        {"say": "Is this a good time?", "gather": "good_time", "expect": ["yes", "no"]},
        {"say": "How many seats?", "gather": "seats", "expect": ["one", "two"]},
    ],
}
TALKS = ALL_ANSWER | {"talk_seconds": 5, "answers": {"expected": 1}}


async def header(bench: Bench, campaign: int) -> list[str]:
    with (await bench.report_path(campaign)).open(newline="", encoding="utf-8") as file:
        return next(csv.reader(file))


async def test_columns_are_the_fixed_ones_then_the_variables_then_what_was_gathered(bench: Bench) -> None:
    campaign = await bench.completed(f"phone_number,name,City\n{ANSWERED},Ana,Bonn\n", agent=AGENT)

    assert await header(bench, campaign) == [*FIXED, "name", "City", "good_time", "seats"]


async def test_each_attempt_is_a_row_with_its_instants_and_seconds(bench: Bench) -> None:
    carrier = {"ring_seconds": 2, "talk_seconds": 3}
    campaign = await bench.completed(f"phone_number,external_id\n{BUSY_ONCE},x-1\n", carrier=carrier)

    busy, answered = await bench.report(campaign)
    assert (busy["attempt"], answered["attempt"]) == ("1", "2")
    assert busy["contact_id"] == answered["contact_id"]
    assert busy["attempt_id"] != answered["attempt_id"]
    assert (busy["disposition"], busy["sip_status"], busy["cause"]) == ("busy", "486", "user busy")
    assert (busy["ring_seconds"], busy["talk_seconds"], busy["answered_at"]) == ("", "", "")
    assert (answered["disposition"], answered["sip_status"]) == ("answered", "200")
    assert (answered["ring_seconds"], answered["talk_seconds"]) == ("2.000", "3.000")
    assert (answered["external_id"], answered["agent_version"], answered["recording"]) == ("x-1", "1", "")
    instants = [
        datetime.fromisoformat(answered[name])
        for name in ("created_at", "placed_at", "ringing_at", "answered_at", "ended_at")
    ]
    assert instants == sorted(instants)
    assert answered["placed_at"].endswith("+00:00")
    report_agrees([busy, answered], await bench.log(campaign))


async def test_a_conversation_is_told_and_its_data_stand_in_columns_of_their_own(bench: Bench) -> None:
    csv_text = f"phone_number,name\n{numbers(1)[0]},Ana\n"
    campaign = await bench.completed(csv_text, agent=AGENT, carrier=TALKS)

    (row,) = await bench.report(campaign)
    assert row["good_time"] in ("yes", "no")
    assert row["seats"] in ("one", "two")
    lines = row["transcript"].splitlines()
    assert lines[0] == "[0.0] agent: Hello Ana."
    assert any(line.endswith(f"contact: {row['good_time']}") or "contact:" in line for line in lines)


async def test_who_was_never_dialled_has_one_row_with_the_reason(bench: Bench) -> None:
    removed, blocked, waiting, called = numbers(4)
    await bench.app.contacts.do_not_call([blocked], source="hand")
    campaign = await bench.started([removed, blocked, waiting, called], max_lines=1, carrier=ALL_ANSWER)
    await bench.app.contacts.remove(campaign, [removed])
    await bench.app.contacts.remove(campaign, [waiting])
    await bench.run(campaign)
    draft = await bench.draft(numbers(1))

    rows = {row["to_number"]: row for row in await bench.report(campaign)}
    assert [(rows[n]["contact_state"], rows[n]["cause"]) for n in (removed, blocked)] == [
        ("removed", "removed"),
        ("skipped", "do_not_call"),
    ]
    empty = [name for name in FIXED if not rows[removed][name]]
    assert empty == [n for n in FIXED if n not in ("contact_id", "to_number", "timezone", "cause", "contact_state")]
    (row,) = await bench.report(draft)
    assert (row["contact_state"], row["cause"]) == ("waiting", "not dialled yet: the campaign is draft")


async def test_a_report_in_the_middle_shows_calls_in_progress(bench: Bench) -> None:
    carrier = ALL_ANSWER | {"ring_seconds": 1, "talk_seconds": 9}
    campaign = await bench.started(numbers(3), carrier=carrier, max_lines=1)
    found: list[list[dict[str, str]]] = []

    async def look() -> None:
        found.append(await bench.report(campaign))

    bench.after(15, look)
    await bench.run(campaign)

    ended, open_call, waiting = found[0]
    assert (ended["disposition"], ended["contact_state"]) == ("answered", "reached")
    assert (open_call["disposition"], open_call["contact_state"]) == ("", "dialing")
    assert open_call["cause"].startswith("call in progress")
    assert waiting["cause"] == "not dialled yet: the campaign is running"


async def test_zones_are_named_and_several_are_told_apart(bench: Bench) -> None:
    campaign = await bench.completed(f"phone_number,timezone\n{numbers(1)[0]},\n{numbers(2)[1]},Europe/Berlin\n")

    assert {row["timezone"] for row in await bench.report(campaign)} == {"America/New_York", "Europe/Berlin"}


# --- spreadsheets ---------------------------------------------------------------------------------


@pytest.mark.parametrize("cell", ["=1+1", "+1+1", "-2+3", "@SUM(A1)", "=HYPERLINK(1)"])
async def test_cells_that_a_spreadsheet_would_run_are_defused(bench: Bench, cell: str) -> None:
    text = f'phone_number,external_id,note\n{ANSWERED},"{cell}","{cell}"\n'
    campaign = await bench.completed(text)

    (row,) = await bench.report(campaign)
    assert (row["external_id"], row["note"]) == (f"'{cell}", f"'{cell}")
    assert (row["to_number"], row["from_number"]) == (ANSWERED, "+15005550100"), "numbers stay plain"


async def test_a_heading_that_a_spreadsheet_would_run_is_defused(bench: Bench) -> None:
    campaign = await bench.completed(f"phone_number,=cmd\n{ANSWERED},x\n")

    assert (await header(bench, campaign))[-2] == "'=cmd"


async def test_cells_of_several_lines_quotes_and_signs_come_back_as_they_were(bench: Bench) -> None:
    cell = 'a "b", c;\nd\te ü 漢 🙂'
    path = bench.folder / "odd.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([["phone_number", "note"], [ANSWERED, cell]])
    campaign = await bench.completed(path.read_text(encoding="utf-8"))

    (row,) = await bench.report(campaign)
    assert row["note"] == cell


async def test_variables_with_the_name_of_a_column_are_told_apart(bench: Bench) -> None:
    agent = {"name": "caller", "steps": [{"say": "Well?", "gather": "city"}, {"say": "Why?", "gather": "cause"}]}
    campaign = await bench.completed(
        f"phone_number,disposition,Cause,city\n{ANSWERED},theirs,too,Bonn\n", agent=agent, carrier=TALKS
    )

    names = await header(bench, campaign)
    assert names[len(FIXED) :] == ["contact.disposition", "Cause", "city", "gathered.city", "gathered.cause"]
    assert len(names) == len(set(names))
    (row,) = await bench.report(campaign)
    assert (row["disposition"], row["contact.disposition"], row["city"]) == ("answered", "theirs", "Bonn")


# --- the file -------------------------------------------------------------------------------------


async def test_a_report_longer_than_a_page_has_every_contact_once(bench: Bench) -> None:
    campaign = await bench.draft(numbers(2_500))
    await bench.app.contacts.add(campaign, [LateContact(phone_number="+12129999999")])

    report = await bench.report(campaign)

    assert [row["to_number"] for row in report] == [*numbers(2_500), "+12129999999"]


async def test_a_report_that_cannot_be_written_leaves_the_old_one_as_it_was(bench: Bench, tmp_path: Path) -> None:
    campaign = await bench.draft(numbers(1))
    folder = tmp_path / "file"
    folder.write_text("no folder")
    old = tmp_path / "report.csv"
    old.write_text("as it was")

    with pytest.raises(EnvironmentFault, match="cannot be written"):
        await bench.app.reports.write(campaign, folder / "report.csv")
    with pytest.raises(NotFound):
        await bench.app.reports.write(4711, old)
    assert [path.name for path in tmp_path.glob("*report.csv*")] == ["report.csv"]
    assert old.read_text() == "as it was"


async def test_the_file_of_rejects_says_what_to_mend(bench: Bench, tmp_path: Path) -> None:
    campaign = await bench.draft('phone_number,name\n+12122000000,Ana\n"=1+1",Ben\n,,\n,Cem\n')

    count = await bench.app.reports.write_rejects(campaign, tmp_path / "rejects.csv")

    with (tmp_path / "rejects.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert count == len(rows) == 2
    assert list(rows[0]) == ["row", "field", "value", "reason", "fix"]
    assert (rows[0]["row"], rows[0]["field"], rows[0]["value"]) == ("3", "phone_number", "'=1+1")
    assert (rows[1]["row"], rows[1]["reason"]) == ("5", "the phone number is empty")
    assert all(row["fix"] for row in rows)
