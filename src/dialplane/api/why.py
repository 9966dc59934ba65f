"""Why somebody, or who else waits in a campaign, is not being called at this moment."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Self

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from dialplane.api.access import ViewerApp
from dialplane.api.route import Route
from dialplane.api.shapes import Id
from dialplane.core.attempt import ContactState
from dialplane.core.campaign import CampaignState
from dialplane.core.reason import Reason, Release
from dialplane.engine.explain import MOST_AHEAD, CampaignWhy, ContactWhy
from dialplane.engine.grouping import Group
from dialplane.engine.sight import Hold

router = APIRouter(route_class=Route)


class Binding(BaseModel):
    reason: Reason = Field(description="What binds.")
    release: Release = Field(
        description="What lets go of it: time; the end of a call, of an import or of another campaign; a worker; a "
        "command; or never, as things are."
    )
    text: str = Field(description="The same for people.", examples=["the campaign's lines are in use: 5"])


class HoldView(Binding):
    until: datetime | None = Field(description="When time lifts it; null: time alone does not, or is not known.")

    @classmethod
    def of(cls, hold: Hold) -> Self:
        return cls(**_binding(hold), until=hold.until)


class ContactWhyView(Binding):
    """Why a contact is not being called now. The first of `holds` binds, and is told in front too."""

    campaign_id: int
    contact_id: int
    phone_number: str = Field(description="E.164.")
    state: ContactState
    at: datetime = Field(description="The moment of the answer.")
    next_at: datetime | None = Field(
        description="The earliest instant at which it can be called; null: none can be named, since more than time is "
        "needed."
    )
    ahead: int | None = Field(
        description=f"Contacts who could be called as well and go before it, {MOST_AHEAD:,} at most; null: more holds "
        "it than they do."
    )
    holds: list[HoldView]

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "campaign_id": 3,
                "contact_id": 17,
                "phone_number": "+12125550142",
                "state": "waiting",
                "at": "2026-11-23T09:00:00Z",
                "reason": "outside_window",
                "release": "time",
                "text": "it is outside the calling hours: mon-fri 09:00-17:00 America/New_York",
                "next_at": "2026-11-23T14:00:00Z",
                "ahead": None,
                "holds": [
                    {
                        "reason": "outside_window",
                        "release": "time",
                        "text": "it is outside the calling hours: mon-fri 09:00-17:00 America/New_York",
                        "until": "2026-11-23T14:00:00Z",
                    }
                ],
            }
        }
    )

    @classmethod
    def of(cls, answer: ContactWhy) -> Self:
        return cls(
            **_binding(answer.holds[0]),
            campaign_id=answer.campaign_id,
            contact_id=answer.contact_id,
            phone_number=answer.to_number,
            state=answer.state,
            at=answer.at,
            next_at=answer.next_at,
            ahead=answer.ahead,
            holds=[HoldView.of(hold) for hold in answer.holds],
        )


class GroupView(Binding):
    """Contacts that the same thing holds."""

    contacts: int
    exact: bool = Field(description="false: there are at least so many.")
    next_at: datetime | None = Field(description="When the first of them can be called, at the earliest.")
    zones: list[str] = Field(description="Time zones that they are in, some of them.")

    @classmethod
    def of(cls, group: Group) -> Self:
        return cls(
            **_binding(group.hold),
            contacts=group.contacts,
            exact=group.exact,
            next_at=group.next_at,
            zones=group.zones,
        )


class CampaignWhyView(Binding):
    """What keeps a campaign from calling more people now, and its contacts by what holds them."""

    campaign_id: int
    state: CampaignState
    at: datetime = Field(description="The moment of the answer.")
    next_at: datetime | None = Field(description="The earliest instant at which it can call somebody else.")
    lines: int = Field(description="In use by it.")
    groups: list[GroupView] = Field(description="Who waits first, the soonest first; together all of its contacts.")

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "campaign_id": 3,
                "state": "running",
                "at": "2026-11-23T14:10:00Z",
                "reason": "campaign_lines",
                "release": "call",
                "text": "the campaign's lines are in use: 5",
                "next_at": None,
                "lines": 5,
                "groups": [
                    {
                        "reason": "campaign_lines",
                        "release": "call",
                        "text": "the campaign's lines are in use: 5",
                        "contacts": 1200,
                        "exact": True,
                        "next_at": None,
                        "zones": ["America/New_York"],
                    },
                    {
                        "reason": "in_call",
                        "release": "call",
                        "text": "a call to it is in progress",
                        "contacts": 5,
                        "exact": True,
                        "next_at": None,
                        "zones": [],
                    },
                ],
            }
        }
    )

    @classmethod
    def of(cls, answer: CampaignWhy) -> Self:
        return cls(
            **_binding(answer.hold),
            campaign_id=answer.campaign_id,
            state=answer.state,
            at=answer.at,
            next_at=answer.next_at,
            lines=answer.lines,
            groups=[GroupView.of(group) for group in answer.groups],
        )


def _binding(hold: Hold) -> dict[str, Any]:
    return {"reason": hold.reason, "release": hold.release, "text": hold.text}


@router.get("/campaign/{campaign_id}/why", tags=["campaigns"])
async def why_campaign(campaign_id: Id, app: ViewerApp) -> CampaignWhyView:
    """Why it calls nobody else at this moment, from counters: as fast for a million contacts as for one."""
    return CampaignWhyView.of(await app.explanations.campaign(campaign_id))


@router.get("/campaign/{campaign_id}/contacts/{contact_id}/why", tags=["contacts"])
async def why_campaign_contact(campaign_id: Id, contact_id: Id, app: ViewerApp) -> ContactWhyView:
    """Why this contact is not being called at this moment, which limit binds, and when it can be."""
    return ContactWhyView.of(await app.explanations.contact(contact_id, campaign_id))


@router.get("/contacts/{contact_id}/why", tags=["contacts"])
async def why_contact(contact_id: Id, app: ViewerApp) -> ContactWhyView:
    """The same, whichever its campaign is."""
    return ContactWhyView.of(await app.explanations.contact(contact_id))
