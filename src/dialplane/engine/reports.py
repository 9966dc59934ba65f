"""campaign -> report: a row an attempt, as a stream; and the file of rejected rows."""

from __future__ import annotations

import csv
import errno
import json
import os
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import IO, Any

from dialplane.core.attempt import ContactState
from dialplane.core.campaign import CampaignState
from dialplane.engine.campaigns import Campaigns
from dialplane.engine.intake import Intake
from dialplane.engine.views import CampaignRecord
from dialplane.errors import EnvironmentFault
from dialplane.store.postgres import Database, Row, rows, sql

COLUMNS = (
    "contact_id", "external_id", "to_number", "from_number", "timezone", "attempt", "attempt_id", "created_at",
    "placed_at", "ringing_at", "answered_at", "ended_at", "ring_seconds", "talk_seconds", "disposition", "sip_status",
    "cause", "contact_state", "agent_version", "transcript", "recording",
)  # fmt: skip
REJECT_COLUMNS = ("row", "field", "value", "reason", "fix")
PAGE_CONTACTS = 1000


class Reports:
    """Reports of one organization's campaigns."""

    def __init__(self, database: Database, campaigns: Campaigns, intake: Intake, organization_id: int) -> None:
        self._database = database
        self._campaigns = campaigns
        self._intake = intake
        self._organization_id = organization_id

    async def write(self, campaign_id: int, path: Path, gathered: Sequence[str]) -> int:
        """Write the report as CSV, whole or not at all; the answer is the number of rows.

        gathered: the fields that the agent gathers, the last columns. Raises NotFound, EnvironmentFault.
        """
        campaign = await self._campaigns.get(campaign_id)
        count = 0
        with _whole_file(path) as file:
            writer = csv.writer(file)
            variables = list(campaign.variable_names)
            writer.writerow([*COLUMNS, *_headings(variables, "contact"), *_headings(gathered, "gathered", variables)])
            async for page in self._pages(campaign_id):
                writer.writerows(_line(row, campaign, variables, gathered) for row in page)
                count += len(page)
        return count

    async def write_rejects(self, campaign_id: int, path: Path) -> int:
        """Write the rejected rows as CSV; how many."""
        count = 0
        after = (0, 0)
        with _whole_file(path) as file:
            writer = csv.writer(file)
            writer.writerow(REJECT_COLUMNS)
            while True:
                page, after = await self._intake.rejects_page(campaign_id, after)
                if not page:
                    return count
                writer.writerows([r.row, *(_defused(t) for t in (r.field, r.value, r.reason, r.fix))] for r in page)
                count += len(page)

    async def _pages(self, campaign_id: int) -> AsyncIterator[list[Row]]:
        """Each page in a statement of its own: no long snapshot, which would slow the dispatcher's hot rows."""
        after = 0
        while True:
            async with self._database.connection() as connection:
                page = await rows(
                    sql.report_page(
                        connection,
                        organization_id=self._organization_id,
                        campaign_id=campaign_id,
                        after=after,
                        limit=PAGE_CONTACTS,
                    )
                )
            if not page:
                return
            yield page
            after = page[-1]["contact_id"]


def _headings(names: Iterable[str], prefix: str, taken: Sequence[str] = ()) -> list[str]:
    """A name that another column has already is told apart by a prefix."""
    used = {*COLUMNS, *taken}
    return [_defused(f"{prefix}.{name}" if name in used else name) or "" for name in names]


def _line(row: Row, campaign: CampaignRecord, variables: Sequence[str], gathered: Sequence[str]) -> list[Any]:
    found = row["gathered"] or {}
    return [
        row["contact_id"],
        _defused(row["external_id"]),
        row["to_number"],
        row["from_number"],
        "|".join(row["zones"]),
        row["attempt"],
        row["attempt_uuid"],
        *(_instant(row[name]) for name in ("created_at", "placed_at", "ringing_at", "answered_at", "ended_at")),
        _seconds(row["ringing_at"], row["answered_at"] or row["ended_at"]),
        _seconds(row["answered_at"], row["ended_at"]),
        row["disposition"],
        row["sip_status"],
        _defused(_cause(row, campaign)),
        _contact_state(row, campaign),
        row["agent_version"],
        _defused(_conversation(row["transcript"])),
        row["recording"],
        *(_defused(row["variables"].get(name)) for name in variables),
        *(_defused(_text(found.get(name))) for name in gathered),
    ]


def _cause(row: Row, campaign: CampaignRecord) -> str | None:
    """The carrier's words; for a contact without an attempt, why there is none."""
    if row["attempt_id"] is not None:
        cause: str = row["cause"]
        return cause if row["attempt_state"] == "ended" else f"call in progress ({row['attempt_state']})"
    if row["skip_reason"]:
        return str(row["skip_reason"])
    state = _contact_state(row, campaign)
    if state == ContactState.SKIPPED:
        return "cancelled"
    if state == ContactState.REMOVED:
        return "removed"
    return f"not dialled yet: the campaign is {campaign.state}"


def _contact_state(row: Row, campaign: CampaignRecord) -> str:
    if campaign.state is CampaignState.CANCELLED and row["contact_state"] == ContactState.WAITING:
        return ContactState.SKIPPED.value
    return str(row["contact_state"])


def _conversation(transcript: Sequence[dict[str, Any]] | None) -> str | None:
    if transcript is None:
        return None
    return "\n".join(f"[{said['at_seconds']:.1f}] {said['speaker']}: {said['text']}" for said in transcript)


def _text(value: Any) -> str | None:
    return value if value is None or isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _instant(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat(timespec="milliseconds")


def _seconds(start: datetime | None, end: datetime | None) -> str | None:
    return None if start is None or end is None else f"{max(0.0, (end - start).total_seconds()):.3f}"


def _defused(text: str | None) -> str | None:
    """A cell that a spreadsheet would run as a formula is opened as text. Source: OWASP, CSV injection."""
    if text and text[0] in "=+-@\t\r\n":
        return f"'{text}"
    return text


@contextmanager
def _whole_file(path: Path) -> Iterator[IO[str]]:
    """A file that appears under its name only when it is complete; nobody reads half a report."""
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with partial.open("w", newline="", encoding="utf-8") as file:
            yield file
        partial.replace(path)
    except OSError as fault:
        full = fault.errno in (errno.ENOSPC, errno.EDQUOT)
        what = "the disk is full" if full else fault.strerror or str(fault)
        raise EnvironmentFault(f"{path} cannot be written: {what}. The calls are safe in the database") from fault
    finally:
        with suppress(OSError):
            partial.unlink()
