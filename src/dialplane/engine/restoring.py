"""a backup -> the same installation, in which nothing dials and no call is forgotten

What ran is paused, what was open is doubted, and calls that the carriers accepted after the backup are entered, all in
the transaction that brings the rows. Then a worker asks the carriers what became of these calls. Only a person lets a
campaign dial again.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Final
from uuid import UUID

from dialplane.core.attempt import AttemptState
from dialplane.engine.archive import Archive, Manifest
from dialplane.engine.backup import CARRIER_LOGS, FILES
from dialplane.engine.carriers import CarrierRecord, carrier_record
from dialplane.engine.catching_up import CatchingUp
from dialplane.engine.health import SILENT
from dialplane.engine.jobs import IMPORT, enqueue, install
from dialplane.engine.worker import Worker
from dialplane.errors import CarrierUnavailable, Conflict, EnvironmentFault, Invalid
from dialplane.ports import Carrier, Files, Remembers
from dialplane.store import dump
from dialplane.store.postgres import Connection, Database, migrate, migrations, rows, sql
from dialplane.store.turn import Turn, locked

NOBODY: Final = UUID(int=0)  # speaks for the open attempts of a backup; no worker has this id, so they are asked about
CLOCKS_DIFFER: Final = timedelta(minutes=10)  # at most, a carrier's from the database's
PAGE: Final = 1000
LOOK_SECONDS: Final = 0.2
PATIENCE_SECONDS: Final = 10.0  # in which nothing changes: what is left is asked about by the workers that come

OpenCarrier = Callable[[CarrierRecord], Carrier]


@dataclass(frozen=True, slots=True, kw_only=True)
class Halted:
    """A campaign that ran or waited for its hour, and what it is now."""

    id: int
    name: str
    state: str
    state_before: str


@dataclass(slots=True, kw_only=True)
class Restored:
    """rows: of all tables. doubted: attempts that were open. entered: calls that carriers accepted after the backup.

    forgetful: carriers that could not say which these are, and why.
    """

    manifest: Manifest
    organizations: list[int] = field(default_factory=list)
    rows: int = 0
    files: int = 0
    halted: list[Halted] = field(default_factory=list)
    doubted: int = 0
    entered: int = 0
    forgetful: dict[str, str] = field(default_factory=dict)


class Restoring:
    """Into an empty installation. open_carrier: makes the adapter of a carrier; raises Invalid."""

    def __init__(
        self, database: Database, archive: Archive, files: Files, carrier_logs: Path, open_carrier: OpenCarrier
    ) -> None:
        self._database = database
        self._archive = archive
        self._files = files
        self._carrier_logs = carrier_logs
        self._open_carrier = open_carrier

    async def restore(self) -> Restored:
        """All rows or none. Raises Conflict where the installation is not empty, or somebody is at work in it; Invalid
        for a backup that a newer Dialplane has made.
        """
        restored = Restored(manifest=self._archive.manifest)
        numbers = _known(restored.manifest)
        async with self._database.unhurried() as connection:
            await self._check_empty(connection)
            restored.files = await self._put_files()
            await self._put_logs()
            await dump.rebuild(connection, numbers)
            for table in restored.manifest.tables:
                chunks = self._archive.chunks(f"tables/{table.name}.copy")
                restored.rows += await dump.copy_in(connection, table, chunks)
            await migrate(connection)
            restored.organizations = await _organizations(connection)
            for organization_id in restored.organizations:
                await self._halt(await locked(connection, organization_id, None), restored)
        await self._database.forget_plans()
        await self._go_on(restored.organizations)
        return restored

    async def _check_empty(self, connection: Connection) -> None:
        await dump.lock(connection)
        workers = len(await rows(sql.live_workers(connection, silent=SILENT)))
        if workers:
            raise Conflict(f"{workers} worker{'s' if workers > 1 else ''} at work in this database: stop them first")
        if found := await dump.filled(connection):
            raise Conflict(
                f"the database is not empty, it has rows of: {', '.join(found)}. A backup is restored into an empty "
                "installation alone: set DIALPLANE_HOME to a new folder, or DIALPLANE_DATABASE_URL to a new database"
            )

    # --- files -------------------------------------------------------------------------------------------

    async def _put_files(self) -> int:
        """What is there already stays: no other file ever gets the same key."""
        keys = self._archive.names(FILES)
        for key in keys:
            name = f"{FILES}/{key}"
            if await self._files.size(key) != self._archive.size(name):
                await self._files.write(key, self._archive.chunks(name))
        return len(keys)

    async def _put_logs(self) -> None:
        """Of two memories of a carrier, the longer one knows more: lines are only ever added."""
        for name in self._archive.names(CARRIER_LOGS):
            path = self._carrier_logs / Path(name).name
            entry = f"{CARRIER_LOGS}/{name}"
            try:
                self._carrier_logs.mkdir(mode=0o700, parents=True, exist_ok=True)
                if not path.exists() or path.stat().st_size < self._archive.size(entry):
                    with path.open("wb") as file:
                        async for chunk in self._archive.chunks(entry):
                            file.write(chunk)
            except OSError as fault:
                raise EnvironmentFault(f"{path} cannot be written: {fault.strerror or fault}") from fault

    # --- rows --------------------------------------------------------------------------------------------

    async def _halt(self, turn: Turn, restored: Restored) -> None:
        of = {"organization_id": turn.organization_id}
        await sql.place_webhooks_anew(turn.connection, **of)
        await sql.number_events_anew(turn.connection, **of)
        await sql.forget_positions(turn.connection, **of)
        restored.doubted += len(await rows(sql.doubt_attempts(turn.connection, worker_id=NOBODY, **of)))
        for row in await rows(sql.dialling_carriers(turn.connection, **of)):
            await self._catch_up(turn, row["carrier_id"], restored)
        taken_at = f"{restored.manifest.made_at:%Y-%m-%d %H:%M:%S} UTC"
        reason = f"restored from a backup of {taken_at}"
        for row in await rows(sql.halt_campaigns(turn.connection, reason=reason, now=turn.now, **of)):
            hour = f", to start at {row['starts_at'].isoformat()}" if row["state_before"] == "scheduled" else ""
            message = f"{row['state']}: {reason}, in which it was {row['state_before']}{hour}"
            await turn.log(row["id"], f"campaign.{row['state']}", message, level="warning")
            restored.halted.append(Halted(**{name: row[name] for name in ("id", "name", "state", "state_before")}))
        await turn.schedule(turn.now, exclusively=False)

    async def _catch_up(self, turn: Turn, carrier_id: int, restored: Restored) -> None:
        record = carrier_record(
            await sql.carrier(turn.connection, organization_id=turn.organization_id, carrier_id=carrier_id)
        )
        try:
            carrier = self._open_carrier(record)
            try:
                if not isinstance(carrier, Remembers):
                    raise CarrierUnavailable(f"{record.provider} cannot list the calls that it has accepted")
                since = restored.manifest.made_at - CLOCKS_DIFFER
                restored.entered += await CatchingUp(turn, NOBODY).enter(carrier_id, carrier, since)
            finally:
                await carrier.close()
        except (Invalid, CarrierUnavailable) as fault:
            restored.forgetful[record.name] = str(fault)

    # --- afterwards --------------------------------------------------------------------------------------

    async def _go_on(self, organization_ids: Sequence[int]) -> None:
        """Statistics, without which the first minutes are slow; and jobs, which are not in a backup, for imports."""
        async with self._database.unhurried() as connection:
            await dump.analyze(connection)
            jobs = [
                {"organization_id": organization_id, "campaign_id": row["campaign_id"]}
                for organization_id in organization_ids
                for row in await rows(sql.importing_campaigns(connection, organization_id=organization_id))
            ]
        if jobs:
            await install(self._database)
            async with self._database.transaction() as connection:
                await enqueue(connection, IMPORT, jobs)


async def ask(database: Database, worker: Worker) -> Mapping[str, int]:
    """Let a worker find out what became of the doubted attempts: what is open afterwards, by state.

    Those left `unknown` are of carriers that could not tell, or not yet; workers that come later go on with them.
    """
    loop = asyncio.get_running_loop()
    asking = asyncio.create_task(worker.run())
    try:
        lines = await _open_calls(database)
        give_up_at = loop.time() + PATIENCE_SECONDS
        while lines.get(AttemptState.UNKNOWN) and loop.time() < give_up_at and not asking.done():
            await asyncio.wait({asking}, timeout=LOOK_SECONDS)
            before, lines = lines, await _open_calls(database)
            if lines != before:
                give_up_at = loop.time() + PATIENCE_SECONDS
    finally:
        asking.cancel()
        await asyncio.wait({asking})
    if not asking.cancelled():
        asking.result()  # it ends by itself for a fault alone
    return lines


async def _open_calls(database: Database) -> dict[str, int]:
    async with database.connection() as connection:
        return {row["state"]: row["lines"] for row in await rows(sql.all_lines(connection))}


def _known(manifest: Manifest) -> list[int]:
    """Numbers of the backup's migrations. Raises Invalid for one that this version does not have."""
    ours = {number: hashlib.sha256(text.encode()).hexdigest() for number, _, text in migrations()}
    for migration in manifest.migrations:
        if migration["number"] not in ours:
            raise Invalid(
                f"the backup was made by a newer Dialplane, {manifest.dialplane} (migration {migration['name']}): "
                "upgrade this one"
            )
        if ours[migration["number"]] != migration["sha256"]:
            raise Invalid(f"migration {migration['name']} is not the one that the backup's database was made by")
    return [migration["number"] for migration in manifest.migrations]


async def _organizations(connection: Connection) -> list[int]:
    found: list[int] = []
    while page := await rows(sql.organization_page(connection, after=found[-1] if found else 0, limit=PAGE)):
        found += [row["id"] for row in page]
    return found
