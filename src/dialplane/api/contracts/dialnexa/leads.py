"""`/campaigns-leads`: added one by one or by file, changed and removed; those of a running campaign are called."""

from __future__ import annotations

import asyncio
from typing import Annotated, Literal

from fastapi import APIRouter, File, Form, Path, Query, UploadFile
from pydantic import BaseModel, Field

from dialplane.api.access import OperatorApp, ViewerApp
from dialplane.api.contracts.dialnexa import ids
from dialplane.api.contracts.dialnexa.lead_files import examined, kept, sentences
from dialplane.api.contracts.dialnexa.lead_shapes import (
    Campaign,
    CreateLead,
    LeadMeta,
    LeadPage,
    LeadView,
    UpdateLead,
    Uploaded,
    lead_view,
    region_of,
)
from dialplane.api.contracts.dialnexa.lookup import find_campaign, find_lead
from dialplane.api.contracts.dialnexa.shapes import MOST_ON_A_PAGE, Message
from dialplane.api.contracts.dialnexa.words import CAMPAIGN_WORDS
from dialplane.api.route import Route
from dialplane.api.shapes import HIGHEST_ID
from dialplane.core.attempt import ContactState
from dialplane.core.campaign import FINAL
from dialplane.engine.additions import Exists, LateContact, Rejected
from dialplane.engine.contact_book import ContactFilter, ContactRecord
from dialplane.engine.corrections import Correction
from dialplane.engine.views import CampaignRecord
from dialplane.errors import Conflict, Invalid, NotFound
from dialplane.wiring import App

router = APIRouter(tags=["leads"], route_class=Route)

CampaignId = Annotated[str, Path(max_length=ids.LONGEST, examples=["cmp_1b4e28ba2fa111d2883f0016d3cca427"])]
LeadId = Annotated[str, Path(max_length=ids.LONGEST, examples=["lead_1b4e28ba2fa111d2883f0016d3cca427"])]

FILTERS = {
    "pending": frozenset({ContactState.WAITING}),
    "in_progress": frozenset({ContactState.WAITING, ContactState.DIALING}),
    "completed": frozenset({ContactState.REACHED}),
    "failed": frozenset({ContactState.EXHAUSTED, ContactState.SKIPPED}),
}
PRESENT = frozenset(ContactState) - {ContactState.REMOVED}


class Listing(BaseModel):
    after: str = Field("0", pattern=r"^\d{1,19}$", description="The page before's `next`.")
    limit: int = Field(20, ge=1, le=MOST_ON_A_PAGE)
    status: Literal["pending", "in_progress", "completed", "failed"] | None = None


@router.post("/campaigns-leads", status_code=201)
async def create_lead(app: OperatorApp, body: CreateLead) -> LeadView:
    """Add one lead; a running campaign calls it as soon as its limits allow."""
    campaign = await _open_campaign(app, body.campaignId)
    contact = LateContact(phone_number=body.phoneNumber, variables=body.contact_variables())
    region = region_of(body.phoneNumber, body.countryCode)
    required = await app.columns_of(campaign.id)
    (added,) = await app.contacts.add_each(campaign.id, [contact], default_region=region, required=required)
    if isinstance(added, Rejected):
        raise Invalid(str(added))
    lead = await app.contact_book.get(added.contact_id)
    if isinstance(added, Exists):
        raise Conflict(f"{added.to_number} is a lead of this campaign already: {ids.shown(ids.LEAD, lead.uuid)}")
    return await _shown(app, lead)


@router.post("/campaigns-leads/upload-file/{campaign_id}", status_code=201)
async def upload_leads(
    app: OperatorApp,
    campaign_id: CampaignId,
    file: Annotated[UploadFile, File(description="CSV, XLSX or XLS with a phone_number column, 10 MB at most.")],
    countryCode: Annotated[  # noqa: N803  (theirs)
        str | None, Form(max_length=5, description="Of numbers without +.", examples=["+91"])
    ] = None,
) -> Uploaded:
    """Add the leads of a file. Rows that are no leads are skipped; where none is one, the file is refused."""
    campaign = await _open_campaign(app, campaign_id)
    region = region_of(None, countryCode)
    required = await app.columns_of(campaign.id)
    with kept(file) as path:
        found = await asyncio.to_thread(examined, path, required, region)
        done = await app.import_now(campaign.id, path, region)
    return Uploaded(
        campaign_id=ids.shown(ids.CAMPAIGN, campaign.uuid),
        leads_created=done.contacts,
        leads_skipped=done.rejects,
        message="; ".join([f"{done.contacts} leads created, {done.rejects} rows skipped", *sentences(found)]),
    )


@router.get("/campaigns-leads/{lead_id}")
async def get_lead(app: ViewerApp, lead_id: LeadId) -> LeadView:
    """A lead, and how far it is."""
    return await _shown(app, await find_lead(app, lead_id))


@router.patch("/campaigns-leads/{lead_id}")
async def update_lead(app: OperatorApp, lead_id: LeadId, body: UpdateLead) -> LeadView:
    """Change a lead that nobody has called yet."""
    lead = await find_lead(app, lead_id)
    if body.countryCode is not None and body.phoneNumber is None:
        raise Invalid("countryCode belongs to a phoneNumber: give both")
    region = None if body.phoneNumber is None else region_of(body.phoneNumber, body.countryCode)
    correction = Correction(phone_number=body.phoneNumber, variables=body.over(lead.variables))
    if correction != Correction():
        required = await app.columns_of(lead.campaign_id)
        await app.corrections.correct(lead.id, correction, default_region=region, required=required)
    return await _shown(app, await app.contact_book.get(lead.id))


@router.delete("/campaigns-leads/{lead_id}")
async def delete_lead(app: OperatorApp, lead_id: LeadId) -> Message:
    """Take a lead out. A call in progress ends by itself, and the logs of its calls stay."""
    lead = await find_lead(app, lead_id)
    campaign = await app.campaigns.get(lead.campaign_id)
    if campaign.state in FINAL:
        raise Conflict(f"Cannot remove leads from a {CAMPAIGN_WORDS[campaign.state]} campaign")
    await app.contacts.remove(lead.campaign_id, contact_ids=[lead.id])
    return Message(message="Lead removed from campaign.")


@router.get("/campaigns/{campaign_id}/leads")
async def list_leads(app: ViewerApp, campaign_id: CampaignId, listing: Annotated[Listing, Query()]) -> LeadPage:
    """In the order in which they came. A filtered page may be short, even empty, and yet have a next one."""
    campaign = await find_campaign(app, campaign_id)
    wanted = ContactFilter(among=PRESENT if listing.status is None else FILTERS[listing.status])
    after = min(int(listing.after), HIGHEST_ID)
    found, following = await app.contact_book.page(campaign.id, wanted, after=after, limit=listing.limit)
    traces = await app.directory.traces([contact.id for contact in found])
    of = Campaign(campaign.uuid, campaign.created_at)
    leads = [lead_view(contact, of, traces.get(contact.id)) for contact in found]
    return LeadPage(
        data=[lead for lead in leads if listing.status in (None, lead.status)],
        meta=LeadMeta(limit=listing.limit, next=None if following is None else str(following)),
    )


async def _open_campaign(app: App, text: str) -> CampaignRecord:
    """Raises NotFound, Conflict."""
    campaign = await find_campaign(app, text)
    if campaign.state in FINAL:
        raise Conflict(f"Cannot add leads to a {CAMPAIGN_WORDS[campaign.state]} campaign")
    return campaign


async def _shown(app: App, lead: ContactRecord) -> LeadView:
    campaign = await app.campaigns.get(lead.campaign_id)
    if campaign.hidden:
        raise NotFound("Lead not found")
    traces = await app.directory.traces([lead.id])
    return lead_view(lead, Campaign(campaign.uuid, campaign.created_at), traces.get(lead.id))
