"""The settings of one campaign, changed where they stand."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Annotated, Any, Self

from fastapi import APIRouter, Form
from fastapi.responses import HTMLResponse, Response
from pydantic import Field

from dialplane.api.shapes import Id
from dialplane.core import splitting
from dialplane.core.campaign import FINAL, CampaignState
from dialplane.core.splitting import AgentSplit
from dialplane.engine import catalog
from dialplane.engine.agents import Reading
from dialplane.engine.settings import MoreSettings
from dialplane.engine.views import CampaignRecord
from dialplane.errors import DialplaneError, Invalid, NotFound
from dialplane.store.postgres import Row
from dialplane.web.policy_form import RETRIABLE, PolicyFields, Text, whole
from dialplane.web.route import PageRoute
from dialplane.web.visit import Operating, Viewing, Visit

MOST_NUMBERS = 1_000
VERSIONS_SHOWN = 20
MOST_VERSIONS = VERSIONS_SHOWN + splitting.MOST_VERSIONS

router = APIRouter(route_class=PageRoute, prefix="/campaigns/{campaign_id:int}/settings")


class SettingsFields(PolicyFields):
    """What `campaign_settings.html` asks for. number_id: calls come from these; none: from all of the carrier's.

    starts_at, ends_at: with the reader's time zone; "" for none. version, weight: of the agent's versions, a weight
    each; "" where it is not to speak.
    """

    name: Annotated[str, Field(max_length=255)] = ""
    agent_id: Id
    number_id: Annotated[list[Id], Field(max_length=MOST_NUMBERS)] = []  # noqa: RUF012  (pydantic copies it)
    starts_at: Annotated[str, Field(max_length=40)] = ""
    ends_at: Annotated[str, Field(max_length=40)] = ""
    version: Annotated[list[Id], Field(max_length=MOST_VERSIONS)] = []  # noqa: RUF012
    weight: Annotated[list[Text], Field(max_length=MOST_VERSIONS)] = []  # noqa: RUF012

    @classmethod
    def filled(cls, record: CampaignRecord) -> Self:
        return cls(
            **PolicyFields.of(record.policies).model_dump(),
            name=record.name,
            agent_id=record.agent_id,
            number_id=list(record.number_ids),
            starts_at=_shown(record.starts_at),
            ends_at=_shown(record.ends_at),
            version=list(record.policies.split.weights),
            weight=[str(weight) for weight in record.policies.split.weights.values()],
        )

    def split(self) -> AgentSplit:
        """Raises Invalid."""
        typed = {version: text for version, text in zip(self.version, self.weight, strict=False) if text.strip()}
        return AgentSplit(
            weights={version: whole(f"Weight of version {version}", text) for version, text in typed.items()}
        )


@router.get("")
async def show_campaign_settings(campaign_id: Id, visit: Viewing) -> HTMLResponse:
    record = await visit.app.campaigns.get(campaign_id)
    return await _page(visit, record, SettingsFields.filled(record))


@router.post("")
async def change_campaign_settings(
    campaign_id: Id, visit: Operating, fields: Annotated[SettingsFields, Form()]
) -> Response:
    record = await visit.app.campaigns.get(campaign_id)
    try:
        more = await _more(visit, record, fields)
        if not fields.name.strip():
            raise Invalid("Name: a campaign needs one")
        # Versions are those of the agent that the form was shown for: another one begins without a split.
        split = fields.split() if fields.agent_id == record.agent_id else AgentSplit()
        await visit.app.campaigns.adjust(
            campaign_id, lambda old: replace(fields.over(old), split=split), name=fields.name.strip(), **more
        )
    except DialplaneError as refusal:
        return await _page(visit, record, fields, fault=str(refusal), status=400)
    return visit.go(f"/campaigns/{campaign_id}/settings", "Saved. It counts from the next call on.")


async def _page(
    visit: Visit, record: CampaignRecord, fields: SettingsFields, *, fault: str = "", status: int = 200
) -> HTMLResponse:
    limits = await catalog.limits(visit.server.database, visit.app.organization_id)
    agents = [agent for agent in await visit.app.library.page(archived=False) if agent["version"]]
    numbers = await visit.app.caller_numbers.page(record.carrier_id, limit=MOST_NUMBERS)
    return visit.page(
        "campaign_settings.html",
        status=status,
        record=record,
        fields=fields,
        fault=fault,
        retriable=RETRIABLE,
        most=limits.max_lines,
        agents=agents,
        numbers=numbers,
        versions=await _versions(visit, record),
        weights=dict(zip(fields.version, fields.weight, strict=False)),
        final=record.state in FINAL or not visit.may("operator"),
    )


async def _versions(visit: Visit, record: CampaignRecord) -> list[Row]:
    """The newest versions of its agent that can speak, and those of its split."""
    library, split = visit.app.library, record.policies.split
    newest = await library.versions(record.agent_id, limit=VERSIONS_SHOWN)
    older = [v for v in sorted(split.weights, reverse=True) if all(v != row["version"] for row in newest)]
    found = [*newest, *[row for v in older for row in await library.versions(record.agent_id, before=v + 1, limit=1)]]
    read = await library.reader()
    return [row for row in found if row["version"] in split.weights or _speaks(read, row["definition"])]


def _speaks(read: Callable[[Mapping[str, Any]], Reading], definition: Mapping[str, Any]) -> bool:
    try:
        return not read(definition).draft
    except Invalid:  # understood by an earlier release alone
        return False


async def _more(visit: Visit, record: CampaignRecord, fields: SettingsFields) -> MoreSettings:
    """What was changed beside name and policies. Raises Invalid, NotFound."""
    more = MoreSettings()
    if fields.agent_id != record.agent_id:
        more["agent_id"] = fields.agent_id
    if set(fields.number_id) != set(record.number_ids):
        known = {number.id for number in await visit.app.caller_numbers.page(record.carrier_id, limit=MOST_NUMBERS)}
        if not known.issuperset(fields.number_id):
            raise NotFound("one of these numbers is not, or no longer, of the campaign's carrier: choose again")
        more["number_ids"] = sorted(fields.number_id)
    if fields.ends_at != _shown(record.ends_at):
        more["ends_at"] = _instant("End", fields.ends_at) if fields.ends_at else None
    if record.state is CampaignState.SCHEDULED and fields.starts_at != _shown(record.starts_at):
        more["starts_at"] = _instant("Start", fields.starts_at)
    return more


def _instant(label: str, text: str) -> datetime:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        raise Invalid(f"{label}: choose a day and an hour") from None


def _shown(at: datetime | None) -> str:
    return "" if at is None else at.isoformat()
