"""Ids of assistants and phone numbers -> who calls, and from where."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from dialplane.api.contracts.vapi.requests import TARGETS, Target
from dialplane.api.contracts.vapi.showing import told
from dialplane.engine.directory import OwnNumber
from dialplane.engine.numbering import region_of
from dialplane.engine.views import CampaignRecord
from dialplane.errors import Invalid, NotFound
from dialplane.wiring import App


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """target: which of assistantId, workflowId, squadId it was called. required: variables of the agent's text."""

    target: str
    agent_id: int
    required: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """Numbers of one carrier. own: each contact has one of them; else they are used in turn.

    regions: of numbers without a country code, by the number that calls them.
    """

    carrier_id: int
    number_ids: Sequence[int]
    own: bool
    by_uuid: Mapping[UUID, OwnNumber]

    def region(self, uuid: UUID | None) -> str | None:
        """The region of numbers without a country code that this number calls; None: of whichever calls."""
        number = self.by_uuid.get(uuid) if uuid is not None else next(iter(self.by_uuid.values()), None)
        return None if number is None else region_of(number.e164)


async def agent_of(app: App, body: Target, source: CampaignRecord | None) -> Caller:
    """Raises NotFound; Invalid for one that has nothing to say."""
    target, uuid = body.target(), body.target_id()
    if target is None or uuid is None:
        assert source is not None, "a request without an agent changes or duplicates something"
        return await _caller(app, told(source).get("target", TARGETS[0]), source.agent_id)
    try:
        agent_id = await app.library.id_of(uuid)
    except NotFound:
        raise NotFound(f"{target}: there is no {target.removesuffix('Id')} {uuid}") from None
    return await _caller(app, target, agent_id)


async def _caller(app: App, target: str, agent_id: int) -> Caller:
    agent = await app.library.get(agent_id)
    if agent.archived_at is not None:
        raise NotFound(f"{target}: '{agent.name}' was deleted")
    if not agent.version:
        raise Invalid(f"{target}: '{agent.name}' has nothing to say yet: give it a first message")
    found = await app.agents.get(app.organization_id, agent.id, agent.version)
    return Caller(target=target, agent_id=agent.id, required=found.variables())


async def line_of(app: App, body: Target, source: CampaignRecord | None) -> Line:
    """Raises NotFound; Invalid for numbers of two carriers or one switched off, Conflict for a carrier that is."""
    if body.phone_number_id is not None:
        return await _line(app, {"phoneNumberId": body.phone_number_id}, own=False)
    if body.dial_plan is not None:
        places = {f"dialPlan.{n}.phoneNumberId": entry.phone_number_id for n, entry in enumerate(body.dial_plan)}
        return await _line(app, places, own=True)
    assert source is not None, "a request without a number changes or duplicates something"
    return await line_as(app, source)


async def line_as(app: App, source: CampaignRecord) -> Line:
    """What a campaign calls from."""
    names = await app.directory.number_uuids(source.number_ids)
    return Line(
        carrier_id=await app.telephony.choose(source.carrier_id),
        number_ids=list(source.number_ids),
        own=bool(told(source).get("dialPlan")),
        by_uuid=await app.directory.numbers_by_uuid(names.values()),
    )


async def _line(app: App, places: Mapping[str, UUID], *, own: bool) -> Line:
    found = await app.directory.numbers_by_uuid(places.values())
    for place, uuid in places.items():
        if uuid not in found:
            raise NotFound(f"{place}: there is no phone number {uuid}")
        if not found[uuid].active:
            raise Invalid(f"{place}: {found[uuid].e164} is switched off")
    carriers = {number.carrier_id for number in found.values()}
    if len(carriers) > 1:
        raise Invalid("dialPlan: the numbers of one campaign must be of one provider's account")
    return Line(
        carrier_id=await app.telephony.choose(carriers.pop()),
        number_ids=sorted(number.id for number in found.values()),
        own=own,
        by_uuid=found,
    )
