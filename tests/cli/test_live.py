"""The live view as text, and what is masked in logs."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from io import StringIO
from uuid import uuid4

from rich.console import Console

from dialplane.cli.live import Hours, Snapshot, hours, plain_line, render
from dialplane.cli.output import duration, masked
from dialplane.core.campaign import CampaignState, Policies
from dialplane.core.window import CallingWindow
from dialplane.engine.views import CampaignRecord, LogEntry, Progress

NOW = datetime(2026, 12, 7, 15, 0, tzinfo=UTC)  # a Monday


def campaign(**changes: object) -> CampaignRecord:
    given: dict[str, object] = {
        "id": 7, "uuid": uuid4(), "name": "reminders", "state": CampaignState.RUNNING, "state_reason": "",
        "keep_open": False, "agent_id": 1, "agent_name": "a", "agent_version": 1, "carrier_id": 1, "carrier_name": "c",
        "parent_id": None, "source": "", "number_ids": (), "hidden": False, "policies": Policies(),
        "variable_names": (), "total": 200, "importing": None, "suspended_until": None, "created_at": NOW,
        "updated_at": NOW, "starts_at": None, "started_at": NOW, "ended_at": None,
    }  # fmt: skip
    return CampaignRecord(**(given | changes))  # type: ignore[arg-type]


def snapshot(**changes: object) -> Snapshot:
    progress = Progress(
        total=200, reached=90, exhausted=30, dialing=38, waiting=42, attempts=140,
        dispositions={"answered": 90, "busy": 50}, calls={"ringing": 20, "answered": 18},
    )  # fmt: skip
    log = [LogEntry(id=1, at=NOW, level="info", event="campaign.running", message="started", details=None)]
    given: dict[str, object] = {
        "campaign": campaign(), "progress": progress, "log": log, "hours": Hours(text="any hour"), "now": NOW,
        "rate": 8.0, "virtual": True, "cap": 50,
    }  # fmt: skip
    return Snapshot(**(given | changes))  # type: ignore[arg-type]


def text_of(shown: Snapshot, height: int = 24) -> str:
    console = Console(width=80, record=True, force_terminal=False, no_color=True, file=StringIO())
    console.print(render(shown, height))
    return console.export_text()


def test_the_view_fits_eighty_columns_and_says_it_all() -> None:
    text = text_of(snapshot())

    assert max(map(len, text.splitlines())) <= 80
    for words in (
        "reminders", "campaign 7", "running", "120/200  60%", "8.0/s", "0:00:10 left", "38 of 50",
        "ringing 20 · answered 18", "reached 90 · exhausted 30 · dialing 38 · waiting 42", "any hour", "64.3%",
        "15:00:00 started", "virtual Mon 2026-12-07 15:00:00 UTC",
    ):  # fmt: skip
        assert words in text, f"{words} is not in\n{text}"


def test_many_dispositions_fit_a_small_terminal() -> None:
    names = ("answered", "voicemail", "busy", "no_answer", "declined", "unreachable", "invalid_number", "blocked",
             "unwanted", "carrier_failed", "agent_failed", "unknown")  # fmt: skip
    progress = Progress(total=100, reached=78, dispositions={name: 12 - n for n, name in enumerate(names)})

    text = text_of(snapshot(progress=progress), 24)

    assert len(text.splitlines()) <= 24
    assert "6 others" in text


def test_a_lost_database_is_told_and_the_numbers_stay() -> None:
    lost = snapshot(lost=True, note="pausing")

    assert "database lost, trying again" in text_of(lost)
    assert "120/200" in text_of(lost)
    assert "pausing" in text_of(lost)
    assert plain_line(lost).endswith("database lost, trying again")


def test_the_view_says_why_nothing_is_dialled() -> None:
    idle = {"progress": Progress(total=200, waiting=200), "next_due": NOW + timedelta(minutes=12)}

    assert "next retry due 15:12:00 (in 0:12:00)" in text_of(snapshot(**idle))
    scheduled = campaign(state=CampaignState.SCHEDULED, starts_at=NOW + timedelta(days=2))
    assert "starts Wed 15:00 (in 2 days 0:00:00)" in text_of(snapshot(campaign=scheduled))
    resting = campaign(suspended_until=NOW + timedelta(seconds=60))
    assert "the carrier's breaker tripped" in text_of(snapshot(campaign=resting))


def test_hours_count_the_zone_groups_that_are_open() -> None:
    window = CallingWindow.parse("mon-fri 09:00-17:00", "contact")
    groups = [("America/New_York",), ("America/Los_Angeles",), ("Europe/Berlin",)]

    found = hours(window, groups, NOW)

    assert (found.zones, found.zones_open) == (3, 2)
    assert found.opens_at == datetime(2026, 12, 7, 17, 0, tzinfo=UTC)
    assert "2 of 3 zone groups open, next opens 17:00:00 (in 2:00:00)" in text_of(snapshot(hours=found))
    own = hours(CallingWindow.parse("sat 09:00-17:00", "UTC"), [], NOW)
    assert "closed, opens Sat 09:00" in text_of(snapshot(hours=own))


def test_numbers_are_masked_and_durations_are_words() -> None:
    assert masked("no answer from +14155550100, at 2026-12-07T15:00:00+00:00") == (
        "no answer from +1415•••0100, at 2026-12-07T15:00:00+00:00"
    )
    assert duration(83) == "0:01:23"
    assert duration(3 * 86400 + 60) == "3 days 0:01:00"
