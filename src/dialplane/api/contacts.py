"""Contacts of a campaign: pages, one with its calls, and what is done to them by hand."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from dialplane.api.access import OperatorApp, ViewerApp
from dialplane.api.contact_shapes import (
    ContactHistory,
    ContactPage,
    ContactsAdded,
    ContactsMoved,
    ContactsToAdd,
    ContactsToMove,
    ContactView,
)
from dialplane.api.route import Route
from dialplane.api.shapes import After, Id, PageLimit
from dialplane.core.attempt import ContactState
from dialplane.core.disposition import Disposition
from dialplane.engine.additions import Addition
from dialplane.engine.contact_book import ContactFilter
from dialplane.engine.contacts import e164
from dialplane.engine.numbering import check_region
from dialplane.errors import Invalid
from dialplane.wiring import App

router = APIRouter(route_class=Route, tags=["contacts"])


@router.get("/campaign/{campaign_id}/contacts")
async def list_contacts(
    campaign_id: Id,
    app: ViewerApp,
    after: Annotated[After, Query(description="The page before's `next`.")] = 0,
    limit: Annotated[PageLimit, Query()] = 100,
    state: Annotated[ContactState | None, Query()] = None,
    disposition: Annotated[Disposition | None, Query(description="Of the last call.")] = None,
    external_id: Annotated[str | None, Query(max_length=255)] = None,
    phone_number: Annotated[str | None, Query(max_length=100, description="With + and the country code.")] = None,
) -> ContactPage:
    """Contacts in the order of their ids. A filtered page may be short, even empty, and yet have a next one."""
    wanted = ContactFilter(
        state=state,
        disposition=disposition,
        external_id=external_id,
        to_number=None if phone_number is None else e164(as_typed(phone_number)),
    )
    contacts, following = await app.contact_book.page(campaign_id, wanted, after=after, limit=limit)
    return ContactPage(contacts=[ContactView.of(contact) for contact in contacts], next=following)


@router.get("/campaign/{campaign_id}/contacts/{contact_id}")
async def get_campaign_contact(campaign_id: Id, contact_id: Id, app: ViewerApp) -> ContactHistory:
    """One contact with its calls."""
    contact = await app.contact_book.get(contact_id, campaign_id)
    return ContactHistory.of_all(contact, await app.contact_book.attempts(contact_id))


@router.get("/contacts/{contact_id}")
async def get_contact(contact_id: Id, app: ViewerApp) -> ContactHistory:
    """The same, whichever its campaign is."""
    contact = await app.contact_book.get(contact_id)
    return ContactHistory.of_all(contact, await app.contact_book.attempts(contact_id))


@router.post("/campaign/{campaign_id}/contacts")
async def add_contacts(campaign_id: Id, body: ContactsToAdd, app: OperatorApp) -> ContactsAdded:
    """Add one contact, or up to 1,000; while the campaign runs they are called as soon as its policies allow.

    The same request again adds nobody twice: whoever is there already, by number or by `external_id`, is answered with
    `exists`. Contacts that cannot be added are answered with `rejected` and do not keep the others from it, unless
    `strict` is set. A contact that is sent alone, without a list around it, is strict.
    """
    required = await app.columns_of(campaign_id)
    if body.strict and (malformed := body.malformed()):
        position, rejected = min(malformed.items())
        raise Invalid(f"contact {position + 1} of {len(body.contacts)}, {rejected}")
    sound = body.sound()
    found = await app.contacts.add_each(
        campaign_id,
        list(sound.values()),
        default_region=check_region(body.default_region),
        required=required,
        strict=body.strict,
    )
    additions: dict[int, Addition] = {**dict(zip(sound, found, strict=True)), **body.malformed()}
    return ContactsAdded.of(campaign_id, additions, body.warnings())


@router.post("/campaign/{campaign_id}/contacts/remove")
async def remove_contacts(campaign_id: Id, body: ContactsToMove, app: OperatorApp) -> ContactsMoved:
    """Take people out, all that are named or nobody. Once this returns, none of them is called any more.

    A call in progress ends by itself, and whoever is out already stays out.
    """
    moved = await app.contacts.remove(
        campaign_id, _numbers(body), contact_ids=body.contact_ids, external_ids=body.external_ids
    )
    return ContactsMoved(campaign_id=campaign_id, phone_numbers=moved, warnings=body.unknown())


@router.delete("/campaign/{campaign_id}/contacts/{contact_id}")
async def remove_contact(campaign_id: Id, contact_id: Id, app: OperatorApp) -> ContactView:
    """Take one person out."""
    await app.contacts.remove(campaign_id, contact_ids=[contact_id])
    return await _view(app, campaign_id, contact_id)


@router.post("/campaign/{campaign_id}/contacts/restore")
async def restore_contacts(campaign_id: Id, body: ContactsToMove, app: OperatorApp) -> ContactsMoved:
    """Let removed and skipped people wait for a call again, all that are named or nobody."""
    moved = await app.contacts.restore(
        campaign_id, _numbers(body), contact_ids=body.contact_ids, external_ids=body.external_ids
    )
    return ContactsMoved(campaign_id=campaign_id, phone_numbers=moved, warnings=body.unknown())


@router.post("/campaign/{campaign_id}/contacts/{contact_id}/call-now")
async def call_contact_now(campaign_id: Id, contact_id: Id, app: OperatorApp) -> ContactView:
    """Call somebody before all others, within the campaign's hours and limits; also whoever was called before."""
    await app.contacts.call_now(campaign_id, contact_id)
    return await _view(app, campaign_id, contact_id)


async def _view(app: App, campaign_id: int, contact_id: int) -> ContactView:
    return ContactView.of(await app.contact_book.get(contact_id, campaign_id))


def _numbers(body: ContactsToMove) -> list[str]:
    region = check_region(body.default_region)
    return [e164(number, region) for number in body.phone_numbers]


def as_typed(number: str) -> str:
    """A number from a query: a + that nobody escaped arrives as a space."""
    return f"+{number[1:]}" if number[:1] == " " else number
