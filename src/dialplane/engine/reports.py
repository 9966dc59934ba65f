"""campaign -> report: a row an attempt, as a stream; and the file of rejected rows."""

from __future__ import annotations

import asyncio
import csv
import errno
import os
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable, Iterator, Sequence
from contextlib import aclosing, contextmanager, suppress
from io import StringIO
from pathlib import Path
from typing import IO, Any

from dialplane.core.attempt import ContactState
from dialplane.engine.campaigns import Campaigns
from dialplane.engine.intake import Intake
from dialplane.engine.views import CampaignRecord
from dialplane.errors import EnvironmentFault, Invalid
from dialplane.ports import Agents
from dialplane.store.postgres import Database, Row, rows, sql

COLUMNS = (
    "contact_id", "external_id", "to_number", "from_number", "timezone", "attempt", "attempt_id", "created_at",
    "placed_at", "ringing_at", "answered_at", "ended_at", "ring_seconds", "talk_seconds", "disposition", "sip_status",
    "cause", "contact_state", "agent_version", "transcript", "recording",
)  # fmt: skip
REJECT_COLUMNS = ("row", "field", "value", "reason", "fix")
PAGE_CONTACTS = 1000
FORMULA_SIGNS = "=+-@\t\r\n"
INSTANT = 'YYYY-MM-DD"T"HH24:MI:SS.MS"+00:00"'  # in PostgreSQL's words


class Reports:
    """Reports of one organization's campaigns."""

    def __init__(
        self, database: Database, campaigns: Campaigns, intake: Intake, agents: Agents, organization_id: int
    ) -> None:
        self._database = database
        self._campaigns = campaigns
        self._intake = intake
        self._agents = agents
        self._organization_id = organization_id

    async def write(self, campaign_id: int, path: Path) -> None:
        """Write the report as CSV, whole or not at all. Raises NotFound, EnvironmentFault."""
        async with aclosing(self.text(campaign_id)) as parts:
            first = await anext(parts)
            with _whole_file(path) as file:
                file.write(first)
                async for part in parts:
                    file.write(part)

    async def text(self, campaign_id: int) -> AsyncGenerator[str, None]:
        """The report as CSV, some thousand rows at a time, the headings with the first. Raises NotFound.

        A row an attempt, by contact; who was never dialled has one row without an attempt.
        """
        campaign = await self._campaigns.get(campaign_id)
        fields = await self.fields(campaign)
        variables = list(campaign.variable_names)
        headings = [*COLUMNS, *headed(variables, "contact", COLUMNS)]
        headings += headed(fields, "gathered", [*COLUMNS, *variables])
        over = campaign.left_over
        never = f"not dialled yet: the campaign is {campaign.state}"

        def lines(page: Sequence[Row]) -> str:
            return csv_text(_line(row, over, never) for row in page)

        pages = self._pages(campaign_id, variables, fields)
        async with aclosing(rendered(pages, lines)) as parts:
            yield csv_text([headings]) + await anext(parts, "")
            async for part in parts:
                yield part

    async def fields(self, campaign: CampaignRecord) -> list[str]:
        """What the versions of the agent that this campaign has called with gather, the latest one's first."""
        async with self._database.connection() as connection:
            of = {"organization_id": self._organization_id, "campaign_id": campaign.id}
            used = [row["agent_version"] for row in await rows(sql.agent_versions_used(connection, **of))]
        return await self.fields_of(campaign.agent_id, used or campaign.speaking)

    async def fields_of(self, agent_id: int, versions: Iterable[int]) -> list[str]:
        """What these versions of an agent gather, the latest one's first."""
        names: dict[str, None] = {}
        for version in sorted(versions, reverse=True):
            try:
                agent = await self._agents.get(self._organization_id, agent_id, version)
            except Invalid:
                continue  # a draft that stayed one: nobody was called with it
            names |= dict.fromkeys(agent.fields())
        return list(names)

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
                writer.writerows([r.row, *(defused(t) for t in (r.field, r.value, r.reason, r.fix))] for r in page)
                count += len(page)

    async def _pages(
        self, campaign_id: int, variables: Sequence[str], fields: Sequence[str]
    ) -> AsyncGenerator[list[Row], None]:
        """Each page in a statement of its own: no long snapshot, which would slow the dispatcher's hot rows."""
        after = 0
        while True:
            async with self._database.connection() as connection:
                page = await rows(
                    sql.contacts_report_page(
                        connection,
                        organization_id=self._organization_id,
                        campaign_id=campaign_id,
                        after=after,
                        instant=INSTANT,
                        variables=variables,
                        fields=fields,
                        limit=PAGE_CONTACTS,
                    )
                )
            if not page:
                return
            yield page
            after = page[-1]["contact_id"]


# --- parts of a report that streams --------------------------------------------------------------------------


async def rendered(
    pages: AsyncGenerator[list[Row], None], render: Callable[[Sequence[Row]], str]
) -> AsyncGenerator[str, None]:
    """Each page as text. The next page is fetched meanwhile, and the event loop is not held up by either."""
    async with aclosing(pages):
        upcoming = asyncio.ensure_future(_next(pages))
        try:
            while page := await upcoming:
                upcoming = asyncio.ensure_future(_next(pages))
                yield await asyncio.to_thread(render, page)
        finally:
            upcoming.cancel()
            await asyncio.gather(upcoming, return_exceptions=True)


async def _next(pages: AsyncIterator[list[Row]]) -> list[Row]:
    return await anext(pages, [])


def csv_text(lines: Iterable[Iterable[Any]]) -> str:
    text = StringIO(newline="")
    csv.writer(text).writerows(lines)
    return text.getvalue()


def headed(names: Iterable[str], prefix: str, taken: Iterable[str]) -> list[str | None]:
    """Names as headings; one that another column has already is told apart by a prefix."""
    used = set(taken)
    return [defused(f"{prefix}.{name}" if name in used else name) for name in names]


def defused(text: str | None) -> str | None:
    """A cell that a spreadsheet would run as a formula is opened as text. Source: OWASP, CSV injection."""
    return f"'{text}" if text and text[0] in FORMULA_SIGNS else text


def _line(row: Row, over: str | None, never: str) -> list[Any]:
    """over: why who still waits is skipped; None: they wait. never: what to say of them then."""
    # Taken apart at once: by name, thirty times a row, would be half of the work.
    (
        contact_id, external_id, to_number, from_number, timezone, number, uuid, created_at, placed_at, ringing_at,
        answered_at, ended_at, ring_seconds, talk_seconds, disposition, sip_status, cause, state, contact_state,
        skip_reason, agent_version, conversation, recording, variables, gathered,
    ) = row.values()  # fmt: skip
    if over is not None and contact_state == ContactState.WAITING:
        contact_state, skip_reason = ContactState.SKIPPED.value, over
    if uuid is None:
        cause = _never_dialled(contact_state, skip_reason, never)
    elif ended_at is None:
        cause = f"call in progress ({state})"
    return [
        contact_id, defused(external_id), to_number, from_number, timezone, number, uuid, created_at, placed_at,
        ringing_at, answered_at, ended_at, ring_seconds, talk_seconds, disposition, sip_status, defused(cause),
        contact_state, agent_version, defused(conversation), recording, *map(defused, variables),
        *map(defused, gathered),
    ]  # fmt: skip


def _never_dialled(contact_state: str, skip_reason: str | None, never: str) -> str:
    if skip_reason:
        return skip_reason
    return "removed" if contact_state == ContactState.REMOVED else never


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
