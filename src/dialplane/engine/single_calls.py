"""One call outside a campaign: through the same limits, as a contact of a hidden campaign that stays open."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID, uuid5

from dialplane.core.abandon import AbandonRule
from dialplane.core.attempt import ContactState
from dialplane.core.breaker import CircuitBreaker
from dialplane.core.campaign import CampaignState, Policies
from dialplane.core.retry import RetryPolicy
from dialplane.engine.agents import AgentRecord, Library
from dialplane.engine.caller_numbers import CallerNumbers
from dialplane.engine.campaigns import Campaigns
from dialplane.engine.contacts import Contacts, LateContact, e164
from dialplane.engine.health import SILENT
from dialplane.engine.telephony import Telephony
from dialplane.errors import Conflict, EnvironmentFault, Invalid, InvalidTransition, LinesBusy, NotFound
from dialplane.ports import Agents, Clock, Prepares
from dialplane.store.postgres import Database, Row, rows, sql

WAIT: Final = timedelta(seconds=5)  # for the attempt; then the contact is taken back
PREPARING: Final = timedelta(seconds=15)  # more for an agent of which a worker may have to load much first
POLL_SECONDS = 0.05
MOST_PLANNED = 100  # to one number, by one agent from one number
NAMESPACE = UUID("6f1c3a52-7d0e-4b6a-9a53-2f9f3f0f6d11")  # of the ids of hidden campaigns

# One call was asked for: nothing is dialled again, and no breaker or rate of its own stops the calls of others.
ONCE = Policies(
    retry=RetryPolicy(max_retries=0), breaker=CircuitBreaker(enabled=False), abandon=AbandonRule(enabled=False)
)


@dataclass(frozen=True, slots=True, kw_only=True)
class CallRequest:
    """to_number: any spelling with +. carrier_id, number_id: None is the usual one. variables: for the agent's text."""

    agent_id: int
    to_number: str
    carrier_id: int | None = None
    number_id: int | None = None
    variables: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class PlacedCall:
    """The attempt that a request came to; it is on its way to the carrier."""

    campaign_id: int
    contact_id: int
    attempt_id: int
    attempt_uuid: UUID
    to_number: str


@dataclass(frozen=True, slots=True)
class PlannedCall:
    """The contact that will be called; the uuid is its own."""

    campaign_id: int
    contact_id: int
    uuid: UUID


class SingleCalls:
    """Single calls of one organization."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        organization_id: int,
        campaigns: Campaigns,
        contacts: Contacts,
        telephony: Telephony,
        caller_numbers: CallerNumbers,
        library: Library,
        agents: Agents,
    ) -> None:
        self._database = database
        self._clock = clock
        self._organization_id = organization_id
        self._of = {"organization_id": organization_id}
        self._campaigns = campaigns
        self._contacts = contacts
        self._telephony = telephony
        self._caller_numbers = caller_numbers
        self._library = library
        self._agents = agents

    async def call(self, request: CallRequest, *, wait: timedelta = WAIT) -> PlacedCall:
        """At most one call. Raises NotFound, Invalid, Conflict, LinesBusy, EnvironmentFault: nobody could place it."""
        agent = await self._callable_agent(request.agent_id)
        carrier_id = await self._telephony.choose(request.carrier_id)
        number_ids = await self._number_ids(carrier_id, request.number_id)
        to_number = e164(request.to_number)
        await self._check(carrier_id, to_number)
        campaign_id = await self._campaign(agent, carrier_id, number_ids)
        contact_id, made = await self._contact(campaign_id, agent, to_number, request.variables)
        if isinstance(await self._agents.get(self._organization_id, agent.id, agent.version), Prepares):
            wait += PREPARING
        placed = await self._attempt(contact_id, made, wait)
        if placed is None:
            placed = await self._take_back(campaign_id, contact_id, made, to_number)
        if placed is None:
            await self._check(carrier_id, to_number)
            raise EnvironmentFault(
                f"the call to {to_number} did not begin within {wait.total_seconds():g} s, and will not: "
                "other calls are due before it; try again"
            )
        return PlacedCall(
            campaign_id=campaign_id,
            contact_id=contact_id,
            attempt_id=placed["id"],
            attempt_uuid=placed["uuid"],
            to_number=to_number,
        )

    async def plan(self, request: CallRequest, due_at: datetime, *, ends_at: datetime | None = None) -> PlannedCall:
        """A call that is made from `due_at` on, and not any more from `ends_at` on, when there is a line for it.

        Raises NotFound, Invalid, Conflict.
        """
        agent = await self._callable_agent(request.agent_id)
        carrier_id = await self._telephony.choose(request.carrier_id)
        number_ids = await self._number_ids(carrier_id, request.number_id)
        required = (await self._agents.get(self._organization_id, agent.id, agent.version)).variables()
        contact = LateContact(
            phone_number=e164(request.to_number),
            variables=request.variables,
            due_at=due_at,
        )
        if await self._contacts.do_not_call_entries([contact.phone_number]):
            raise Invalid(f"{contact.phone_number} is on the do-not-call list")
        key = f"planned/{agent.id}/{carrier_id}/{','.join(map(str, number_ids))}/{ends_at}"
        for generation in range(MOST_PLANNED):  # a campaign has each number once
            campaign_id = await self._planning(agent, carrier_id, number_ids, ends_at, f"{key}/{generation}")
            if campaign_id is not None and await self._contacts.add(campaign_id, [contact], required=required):
                async with self._database.connection() as connection:
                    found = await sql.single_contact(
                        connection, campaign_id=campaign_id, to_number=contact.phone_number, **self._of
                    )
                return PlannedCall(campaign_id, found["id"], found["uuid"])
        raise Conflict(f"{MOST_PLANNED} calls are planned to {contact.phone_number}: that is the most")

    async def _planning(
        self, agent: AgentRecord, carrier_id: int, number_ids: Sequence[int], ends_at: datetime | None, key: str
    ) -> int | None:
        """A running campaign for planned calls; None where the one with this key has come to its end."""
        campaign_id = await self._campaigns.create(
            name=f"Planned calls of {agent.name}",
            agent_id=agent.id,
            carrier_id=carrier_id,
            policies=ONCE,
            keep_open=True,
            uuid=uuid5(NAMESPACE, f"{self._organization_id}/{key}"),
            number_ids=number_ids,
            hidden=True,
            ends_at=ends_at,
            extras={"planned": {}},
        )
        state = (await self._campaigns.get(campaign_id)).state
        if state is CampaignState.DRAFT:
            with suppress(InvalidTransition):  # another request has started it
                await self._campaigns.start(campaign_id)
            return campaign_id
        return campaign_id if state is CampaignState.RUNNING else None

    # --- before ----------------------------------------------------------------------------------------------

    async def _callable_agent(self, agent_id: int) -> AgentRecord:
        agent = await self._library.get(agent_id)
        if agent.archived_at is not None:
            raise NotFound("Workflow is not active")
        if not agent.version:
            raise NotFound("Workflow has no published definition")
        return agent

    async def _number_ids(self, carrier_id: int, number_id: int | None) -> list[int]:
        """What the call may come from: the number asked for, else the carrier's usual one, else any ([])."""
        if number_id is None:
            default_id = await self._caller_numbers.default(carrier_id)
            return [] if default_id is None else [default_id]
        with suppress(NotFound):
            if (await self._caller_numbers.get(carrier_id, number_id)).active:
                return [number_id]
        raise Invalid("from_phone_number_not_found")

    async def _check(self, carrier_id: int, to_number: str) -> None:
        """Whether a call could begin now."""
        async with self._database.connection() as connection:
            found = await sql.call_obstacles(
                connection, carrier_id=carrier_id, to_number=to_number, now=self._clock.instant(), **self._of
            )
            workers = await rows(sql.live_workers(connection, silent=SILENT))
        if found["do_not_call"]:
            raise Invalid(f"{to_number} is on the do-not-call list")
        if found["being_called"]:
            raise Conflict(f"{to_number} is being called: wait for the end of the call")
        most = min(lines for lines in (found["max_lines"], found["carrier_max_lines"]) if lines is not None)
        if found["lines"] >= found["max_lines"] or found["carrier_lines"] >= most:
            raise LinesBusy("Concurrent call limit reached")
        if found["rests_until"] is not None:
            until = f"{found['rests_until']:%H:%M:%S} UTC"
            raise EnvironmentFault(f"too many calls of '{found['carrier_name']}' failed: it rests until {until}")
        if not workers:
            raise EnvironmentFault("no worker is running, so nobody would place the call: start `dialplane worker`")

    # --- make ------------------------------------------------------------------------------------------------

    async def _campaign(self, agent: AgentRecord, carrier_id: int, number_ids: Sequence[int]) -> int:
        """The running hidden campaign for these, made once however many ask at a time."""
        choice = {"agent_id": agent.id, "carrier_id": carrier_id, "number_ids": number_ids}
        async with self._database.connection() as connection:
            latest = await sql.hidden_campaign(connection, **choice, **self._of)
        if latest is not None and latest["state"] == CampaignState.RUNNING:
            return int(latest["id"])
        if latest is not None and latest["state"] == CampaignState.DRAFT:
            campaign_id = int(latest["id"])
        else:
            ended = 0 if latest is None else latest["id"]
            key = f"{self._organization_id}/{agent.id}/{carrier_id}/{','.join(map(str, number_ids))}/{ended}"
            campaign_id = await self._campaigns.create(
                name=f"Single calls of {agent.name}",
                agent_id=agent.id,
                carrier_id=carrier_id,
                policies=ONCE,
                keep_open=True,
                uuid=uuid5(NAMESPACE, key),
                number_ids=number_ids,
                hidden=True,
            )
        with suppress(InvalidTransition):  # another request has started it
            await self._campaigns.start(campaign_id)
        return campaign_id

    async def _contact(
        self, campaign_id: int, agent: AgentRecord, to_number: str, variables: Mapping[str, str]
    ) -> tuple[int, int]:
        """(contact, ordinal of its last attempt so far), due now."""
        required = (await self._agents.get(self._organization_id, agent.id, agent.version)).variables()
        contact = LateContact(phone_number=to_number, variables=variables)
        added = await self._contacts.add(campaign_id, [contact], required=required)
        async with self._database.connection() as connection:
            found = await sql.single_contact(connection, campaign_id=campaign_id, to_number=to_number, **self._of)
        if added:
            return found["id"], 0
        if found["state"] in (ContactState.WAITING, ContactState.DIALING):
            raise Conflict(f"{to_number} is about to be called: wait for the end of the call")
        await self._contacts.call_now(campaign_id, found["id"], variables=variables)
        return found["id"], found["attempts"]

    # --- wait ------------------------------------------------------------------------------------------------

    async def _attempt(self, contact_id: int, made: int, wait: timedelta) -> Row | None:
        """The attempt once it is certain to stay."""
        deadline = self._clock.monotonic() + wait.total_seconds()
        while True:
            placed = await self._placed(contact_id, made)
            if placed is not None or self._clock.monotonic() >= deadline:
                return placed
            await asyncio.sleep(POLL_SECONDS)

    async def _placed(self, contact_id: int, made: int) -> Row | None:
        async with self._database.connection() as connection:
            found: Row | None = await sql.single_attempt(connection, contact_id=contact_id, after=made, **self._of)
        return found

    async def _take_back(self, campaign_id: int, contact_id: int, made: int, to_number: str) -> Row | None:
        """Nobody calls it any more; the attempt that was made after all."""
        with suppress(Conflict):  # it has come to its end meanwhile
            await self._contacts.remove(campaign_id, [to_number])
        return await self._placed(contact_id, made)
