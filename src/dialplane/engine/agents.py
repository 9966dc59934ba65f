"""Agents by version: each changed definition is a new one, and what is under way keeps the one that it began with."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from dialplane.core.intake import template_value, template_values
from dialplane.engine.agent_secrets import AgentSecrets
from dialplane.engine.ranges import Ranges
from dialplane.engine.sounds import Sounds
from dialplane.engine.voice_services import Services, VoiceServices
from dialplane.errors import Conflict, Invalid, NotFound
from dialplane.ports import Clock
from dialplane.store.postgres import Database, Row, rows, sql
from dialplane.store.turn import Turn, open_command

PAGE = 1000
MOST_BYTES = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentVersion:
    """What an agent was at one version."""

    name: str
    kind: str
    definition: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What a definition comes to.

    variables: columns that contacts must have for it. fields: names of the data that it gathers. warnings: what of it
    has no effect here. draft: why no call can be made with it; "" where one can. sounds: where each is named, and its
    name.
    """

    kind: str
    definition: Mapping[str, Any]
    variables: frozenset[str]
    fields: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    draft: str = ""
    sounds: Sequence[tuple[str, str]] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentRecord:
    """An agent with its newest version, which is a draft where it is not the one in force.

    version: the one in force, 0 for none; version_id is its id.
    """

    id: int
    uuid: UUID
    name: str
    version: int
    version_id: int | None
    archived_at: datetime | None
    created_at: datetime
    updated_at: datetime | None
    newest_id: int
    newest_version: int
    kind: str
    definition: Mapping[str, Any]

    @property
    def is_draft(self) -> bool:
        return self.newest_version != self.version


Definition = Mapping[str, Any]


class Library:
    """The agents of one organization.

    read: (a definition, the voice services of the organization) -> what it comes to; raises Invalid.
    """

    def __init__(
        self,
        database: Database,
        clock: Clock,
        organization_id: int,
        read: Callable[[Definition, Services | None], Reading],
        sounds: Sounds,
        voice: VoiceServices,
    ) -> None:
        self._database = database
        self._clock = clock
        self._organization_id = organization_id
        self._of = {"organization_id": organization_id}
        self._sounds = sounds
        self._read = read
        self._voice = voice
        self.secrets = voice.secrets

    async def create(self, name: str, definition: Mapping[str, Any]) -> int:
        """The id of a new agent. Raises Invalid."""
        reading = await self.checked(definition)
        async with open_command(self._database, self._organization_id, self._clock.instant()) as turn:
            agent_id = await sql.create_agent(
                turn.connection, uuid=uuid4(), name=_named(name), kind=reading.kind, version=0, now=turn.now, **self._of
            )
            await _add_version(turn, agent_id, reading)
        return int(agent_id)

    async def update(
        self, agent_id: int, *, name: str | None = None, definition: Mapping[str, Any] | None = None
    ) -> None:
        """A definition that can speak is in force at once, another waits as a draft.

        Raises NotFound, Invalid, Conflict where a campaign's contacts lack a column of the new definition: their calls
        would be answered by nobody.
        """
        reading = None if definition is None else await self.checked(definition)
        async with open_command(self._database, self._organization_id, self._clock.instant()) as turn:
            found = await sql.agent(turn.connection, agent_id=agent_id, **self._of)
            if found is None:
                raise NotFound("Workflow not found")
            if name is not None and _named(name) != found["name"]:
                await sql.name_agent(turn.connection, agent_id=agent_id, name=_named(name), now=turn.now, **self._of)
            if reading is not None and not self.secrets.same(reading.definition, found["definition"]):
                if not reading.draft:
                    await self._check_columns(turn, agent_id, reading.variables)
                await _add_version(turn, agent_id, reading)

    async def publish(self, agent_id: int) -> AgentRecord:
        """A draft that can speak by now, since there are services for it, comes into force.

        Raises NotFound, Conflict where it cannot.
        """
        found = await self.get(agent_id)
        if not found.is_draft:
            return found
        reading = (await self.reader())(found.definition)
        if reading.draft:
            raise Conflict(f"version {found.newest_version} stays a draft: {reading.draft}")
        async with open_command(self._database, self._organization_id, self._clock.instant()) as turn:
            await self._check_columns(turn, agent_id, reading.variables)
            await sql.enforce_agent_version(
                turn.connection,
                agent_id=agent_id,
                version=found.newest_version,
                kind=reading.kind,
                now=turn.now,
                **self._of,
            )
        return await self.get(agent_id)

    async def archive(self, agent_id: int) -> None:
        """No campaign can be made with it; those there are go on. Raises NotFound."""
        await self._archive(agent_id, self._clock.now())

    async def unarchive(self, agent_id: int) -> None:
        """Raises NotFound."""
        await self._archive(agent_id, None)

    async def _archive(self, agent_id: int, at: datetime | None) -> None:
        async with self._database.connection() as connection:
            if await sql.archive_agent(connection, agent_id=agent_id, archived_at=at, **self._of) is None:
                raise NotFound("Workflow not found")

    async def get(self, agent_id: int) -> AgentRecord:
        """Raises NotFound."""
        async with self._database.connection() as connection:
            found = await sql.agent(connection, agent_id=agent_id, **self._of)
        if found is None:
            raise NotFound("Workflow not found")
        return AgentRecord(**dict(found))

    async def id_of(self, uuid: UUID) -> int:
        """Raises NotFound."""
        async with self._database.connection() as connection:
            found = await sql.agent_id_of_uuid(connection, uuid=uuid, **self._of)
        if found is None:
            raise NotFound("Workflow not found")
        return int(found)

    async def page(self, *, archived: bool | None = None, before: int | None = None, limit: int = PAGE) -> list[Row]:
        """Newest first: id, uuid, name, kind, version, archived_at, created_at."""
        async with self._database.connection() as connection:
            return await rows(sql.agents_page(connection, archived=archived, before=before, limit=limit, **self._of))

    async def newest(self, made: Ranges, *, limit: int = PAGE) -> list[AgentRecord]:
        """Those that are not archived, whole; newest first. Which version is in force by its id they do not say."""
        async with self._database.connection() as connection:
            found = await rows(sql.newest_agents(connection, limit=limit, **made.bounds(), **self._of))
        return [AgentRecord(**dict(row)) for row in found]

    async def versions(self, agent_id: int, *, before: int | None = None, limit: int = PAGE) -> list[Row]:
        """Newest first: id, version, kind, definition, created_at. Raises NotFound."""
        await self.get(agent_id)
        async with self._database.connection() as connection:
            return await rows(
                sql.agent_versions_page(connection, agent_id=agent_id, before=before, limit=limit, **self._of)
            )

    async def newest_campaigns(self, agent_id: int, *, limit: int) -> list[Row]:
        """Those that call with it or did, newest first: id, name, state, created_at."""
        async with self._database.connection() as connection:
            found = sql.newest_campaigns_with_agent(connection, agent_id=agent_id, limit=limit, **self._of)
            return await rows(found)

    async def count(self) -> tuple[int, int]:
        """How many there are, and how many of them are archived."""
        async with self._database.connection() as connection:
            found = await sql.count_agents(connection, **self._of)
        return found["total"], found["archived"]

    async def attempts(self, agent_ids: Sequence[int]) -> dict[int, int]:
        """How many each has made, open ones included."""
        async with self._database.connection() as connection:
            found = await rows(sql.agent_attempts(connection, agent_ids=agent_ids, **self._of))
        return dict.fromkeys(agent_ids, 0) | {row["agent_id"]: row["attempts"] for row in found}

    async def reader(self) -> Callable[[Definition], Reading]:
        """Reads definitions as they are kept; raises Invalid. With the voice services of now."""
        voice = await self._voice.get()
        return lambda definition: self._read(definition, voice)

    async def checked(self, definition: Definition) -> Reading:
        """What somebody gives: its secrets sealed, its sounds there. Raises Invalid."""
        if len(json.dumps(definition, ensure_ascii=False).encode()) > MOST_BYTES:
            raise Invalid(f"a workflow's definition may have {MOST_BYTES:,} bytes of JSON")
        reading = (await self.reader())(self.secrets.sealed(definition))
        await self._sounds.check(reading.sounds)
        return reading

    async def _check_columns(self, turn: Turn, agent_id: int, required: frozenset[str]) -> None:
        for campaign in await rows(sql.columns_of_agent(turn.connection, agent_id=agent_id, **self._of)):
            if missing := lacking(required, campaign["variable_names"]):
                raise Conflict(
                    f"campaign {campaign['id']}, '{campaign['name']}', is {campaign['state']} and its contacts have no "
                    f"{' or '.join(missing)}: end it first, or make another workflow"
                )


def lacking(required: Iterable[str], columns: Iterable[str]) -> list[str]:
    """Which of the required variables contacts with these columns have no value for."""
    values = template_values(dict.fromkeys(columns, ""), to_number="", external_id=None, zones=(), priority=0)
    return sorted(name for name in required if template_value(name, values) is None)


async def ensure_agent(database: Database, name: str, reading: Reading, secrets: AgentSecrets) -> int:
    """The id of the organization's agent of this name; a definition that differs from its last is a new version.

    Raises Invalid for a draft.
    """
    if reading.draft:
        raise Invalid(f"agent: {reading.draft}")
    kind, organization_id = reading.kind, secrets.organization_id
    async with open_command(database, organization_id, None) as turn:
        of = {"organization_id": organization_id}
        found = await sql.find_agent(turn.connection, name=name, kind=kind, **of)
        if found is not None and secrets.same(reading.definition, found["definition"]):
            return int(found["id"])
        agent_id = found["id"] if found is not None else await sql.create_agent(
            turn.connection, uuid=uuid4(), name=name, kind=kind, version=0, now=turn.now, **of
        )  # fmt: skip
        await _add_version(turn, agent_id, reading)
        return int(agent_id)


async def agent_version(database: Database, organization_id: int, agent_id: int, version: int) -> AgentVersion:
    """Raises NotFound, Invalid for version 0: of an agent that has only drafts."""
    if version == 0:
        raise Invalid(f"workflow {agent_id} is a draft that has nothing to say: give it a greeting first")
    async with database.connection() as connection:
        found = await sql.agent_version(connection, organization_id=organization_id, agent_id=agent_id, version=version)
    if found is None:
        raise NotFound(f"no version {version} of agent {agent_id}")
    return AgentVersion(name=found["name"], kind=found["kind"], definition=found["definition"])


async def _add_version(turn: Turn, agent_id: int, reading: Reading) -> None:
    of = {"organization_id": turn.organization_id, "agent_id": agent_id, "kind": reading.kind}
    version = await sql.create_agent_version(turn.connection, definition=dict(reading.definition), now=turn.now, **of)
    if not reading.draft:
        await sql.enforce_agent_version(turn.connection, version=version, now=turn.now, **of)


def _named(name: str) -> str:
    if not name.strip():
        raise Invalid("a workflow needs a name")
    return name.strip()
