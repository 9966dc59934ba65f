"""The contacts of a campaign: looked for, looked at one by one, added, changed, taken out."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Form, Query
from fastapi.responses import HTMLResponse, Response

from dialplane.api.shapes import Id
from dialplane.core.attempt import ContactState
from dialplane.core.disposition import Disposition
from dialplane.core.intake import PhoneNumber
from dialplane.core.reason import MEANINGS as REASONS
from dialplane.engine.additions import LateContact
from dialplane.engine.contact_book import ContactRecord
from dialplane.engine.corrections import Correction
from dialplane.engine.numbering import check_region, read_number
from dialplane.engine.views import CampaignRecord
from dialplane.errors import DialplaneError, Invalid
from dialplane.web.contact_search import Asked, look
from dialplane.web.route import PageRoute
from dialplane.web.visit import Operating, Viewing, Visit

MOST_PASTED = 1000
MOST_FIELDS = 200
MEANINGS = {reason.value: meaning.words for reason, meaning in REASONS.items()}

router = APIRouter(route_class=PageRoute, prefix="/campaigns/{campaign_id}/contacts")

Text = Annotated[str, Form(max_length=255)]
Texts = Annotated[list[str], Form(max_length=MOST_FIELDS)]
LongText = Annotated[str, Form(max_length=200_000)]


@router.get("")
async def list_contacts(
    campaign_id: Id,
    visit: Viewing,
    search: Annotated[str, Query(max_length=200)] = "",
    state: Annotated[ContactState | Literal[""], Query()] = "",
    disposition: Annotated[Disposition | Literal[""], Query()] = "",
    after: Annotated[int | None, Query(ge=0, le=2**63 - 1)] = None,
    before: Annotated[int | None, Query(ge=0, le=2**63 - 1)] = None,
) -> HTMLResponse:
    record = await visit.app.campaigns.get(campaign_id)
    asked = Asked(
        search=search.strip(), state=state or None, disposition=disposition or None, after=after, before=before
    )
    return visit.page(
        "contacts.html",
        record=record,
        asked=asked,
        found=await look(visit.app.contact_book, campaign_id, asked),
        states=list(ContactState),
        dispositions=list(Disposition),
        meanings=MEANINGS,
    )


# --- add and remove many ----------------------------------------------------------------------------------


@router.get("/add")
async def show_add(campaign_id: Id, visit: Operating) -> HTMLResponse:
    return await _add_page(visit, campaign_id)


@router.post("/add")
async def add_contact(
    campaign_id: Id,
    visit: Operating,
    phone_number: Text,
    region: Text = "",
    external_id: Text = "",
    timezone: Text = "",
    priority: Annotated[int, Form(ge=0, le=9)] = 0,
    variable: Texts = [],  # noqa: B006  (pydantic copies it)
    value: Annotated[list[str], Form(max_length=MOST_FIELDS)] = [],  # noqa: B006
) -> Response:
    variables = _paired(variable, value)
    try:
        contact = LateContact(
            phone_number=phone_number,
            external_id=external_id.strip() or None,
            timezone=timezone.strip() or None,
            priority=priority,
            variables={name: text for name, text in variables.items() if text},
        )
        required = await visit.app.columns_of(campaign_id)
        added = await visit.app.contacts.add(
            campaign_id, [contact], default_region=check_region(region or None), required=required
        )
    except DialplaneError as fault:
        given = {"phone_number": phone_number, "region": region, "external_id": external_id}
        given |= {"timezone": timezone, "priority": str(priority)}
        return await _add_page(visit, campaign_id, given, variables, fault=str(fault))
    if not added:
        return await _add_page(
            visit, campaign_id, {"phone_number": phone_number}, variables, fault="The campaign has this number already."
        )
    return visit.go(f"/campaigns/{campaign_id}/contacts?search={added[0][1:]}", f"{added[0]} was added.")


@router.get("/remove")
async def show_remove(campaign_id: Id, visit: Operating) -> HTMLResponse:
    record = await visit.app.campaigns.get(campaign_id)
    return visit.page("contacts_remove.html", record=record, text="", region="", fault="", most=MOST_PASTED)


@router.post("/remove")
async def remove_contacts(campaign_id: Id, visit: Operating, text: LongText, region: Text = "") -> Response:
    """All that are named, or nobody."""
    try:
        numbers, external_ids = _pasted(text, check_region(region or None))
        removed = await visit.app.contacts.remove(campaign_id, numbers, external_ids=external_ids)
    except DialplaneError as fault:
        record = await visit.app.campaigns.get(campaign_id)
        given = {"text": text, "region": region, "fault": str(fault), "most": MOST_PASTED}
        return visit.page("contacts_remove.html", status=400, record=record, **given)
    people = "1 contact was" if len(removed) == 1 else f"{len(removed):,} contacts were"
    return visit.go(f"/campaigns/{campaign_id}/contacts", f"{people} taken out.")


# --- one of them ------------------------------------------------------------------------------------------


@router.get("/{contact_id}")
async def show_contact(campaign_id: Id, contact_id: Id, visit: Viewing) -> HTMLResponse:
    return await _contact_page(visit, campaign_id, contact_id)


@router.post("/{contact_id}")
async def correct_contact(
    campaign_id: Id,
    contact_id: Id,
    visit: Operating,
    phone_number: Text,
    variable: Texts = [],  # noqa: B006
    value: Annotated[list[str], Form(max_length=MOST_FIELDS)] = [],  # noqa: B006
) -> Response:
    contact = await visit.app.contact_book.get(contact_id, campaign_id)
    variables = _paired(variable, value)
    kept = {name: text for name, text in variables.items() if text or name in contact.variables}
    changed = Correction(
        phone_number=None if phone_number == contact.to_number else phone_number,
        variables=None if kept == contact.variables else kept,
    )
    try:
        required = await visit.app.columns_of(campaign_id)
        await visit.app.corrections.correct(contact_id, changed, required=required)
    except DialplaneError as fault:
        return await _contact_page(
            visit, campaign_id, contact_id, phone_number=phone_number, variables=variables, fault=str(fault)
        )
    return visit.go(_path(campaign_id, contact_id), "The contact is changed.")


@router.post("/{contact_id}/call-now")
async def call_contact_now(campaign_id: Id, contact_id: Id, visit: Operating) -> Response:
    await visit.app.contacts.call_now(campaign_id, contact_id)
    return visit.go(
        _path(campaign_id, contact_id), "It is called before all others, as soon as hours and limits allow."
    )


@router.post("/{contact_id}/remove")
async def remove_contact(campaign_id: Id, contact_id: Id, visit: Operating) -> Response:
    await visit.app.contacts.remove(campaign_id, contact_ids=[contact_id])
    return visit.go(_path(campaign_id, contact_id), "It was taken out and is not called any more.")


@router.post("/{contact_id}/restore")
async def restore_contact(campaign_id: Id, contact_id: Id, visit: Operating) -> Response:
    await visit.app.contacts.restore(campaign_id, contact_ids=[contact_id])
    return visit.go(_path(campaign_id, contact_id), "It waits for a call again.")


@router.post("/{contact_id}/do-not-call")
async def do_not_call_contact(campaign_id: Id, contact_id: Id, visit: Operating) -> Response:
    contact = await visit.app.contact_book.get(contact_id, campaign_id)
    await visit.app.contacts.do_not_call([contact.to_number], source="hand")
    return visit.go(
        _path(campaign_id, contact_id), f"{contact.to_number} is on the do-not-call list: no campaign calls it."
    )


# --- parts ------------------------------------------------------------------------------------------------


def _path(campaign_id: int, contact_id: int) -> str:
    return f"/campaigns/{campaign_id}/contacts/{contact_id}"


async def _add_page(
    visit: Visit,
    campaign_id: int,
    given: dict[str, str] | None = None,
    variables: dict[str, str] | None = None,
    *,
    fault: str = "",
) -> HTMLResponse:
    record = await visit.app.campaigns.get(campaign_id)
    blank = {"phone_number": "", "region": "", "external_id": "", "timezone": "", "priority": "0"}
    return visit.page(
        "contacts_add.html",
        status=400 if fault else 200,
        record=record,
        given=blank | (given or {}),
        variables=dict.fromkeys(await _names(visit, record), "") | (variables or {}),
        required=await _required(visit, campaign_id),
        fault=fault,
    )


async def _contact_page(
    visit: Visit,
    campaign_id: int,
    contact_id: int,
    *,
    phone_number: str | None = None,
    variables: dict[str, str] | None = None,
    fault: str = "",
) -> HTMLResponse:
    record = await visit.app.campaigns.get(campaign_id)
    contact = await visit.app.contact_book.get(contact_id, campaign_id)
    editable = _never_called(contact)
    names = await _names(visit, record) if editable else []
    return visit.page(
        "contact.html",
        status=400 if fault else 200,
        record=record,
        contact=contact,
        why=await visit.app.explanations.contact(contact_id, campaign_id),
        attempts=await visit.app.contact_book.attempts(contact_id),
        listed=await visit.app.contacts.do_not_call_entries([contact.to_number]),
        editable=editable,
        phone_number=contact.to_number if phone_number is None else phone_number,
        variables=dict.fromkeys(names, "") | dict(contact.variables) | (variables or {}),
        fault=fault,
    )


def _never_called(contact: ContactRecord) -> bool:
    return contact.state is ContactState.WAITING and not contact.attempts


async def _names(visit: Visit, record: CampaignRecord) -> list[str]:
    """Variables that its contacts have or that its agent asks for."""
    return list(dict.fromkeys([*record.variable_names, *sorted(await _required(visit, record.id))]))


async def _required(visit: Visit, campaign_id: int) -> frozenset[str]:
    return await visit.app.columns_of(campaign_id)


def _paired(names: list[str], values: list[str]) -> dict[str, str]:
    """The fields of a form for variables come as two lists."""
    if len(names) != len(values):
        raise Invalid("each variable needs a name and a value; load the page again")
    return {name.strip(): value.strip() for name, value in zip(names, values, strict=True) if name.strip()}


def _pasted(text: str, region: str | None) -> tuple[list[str], list[str]]:
    """Numbers and external ids of a list, one a line."""
    lines = list(dict.fromkeys(line.strip() for line in text.splitlines() if line.strip()))
    if not lines:
        raise Invalid("paste at least one number or id, one a line")
    if len(lines) > MOST_PASTED:
        raise Invalid(f"these are {len(lines):,} lines, and {MOST_PASTED:,} are the most at once")
    read = [(line, read_number(line, region)) for line in lines]
    numbers = [number.e164 for _, number in read if isinstance(number, PhoneNumber)]
    return numbers, [line for line, number in read if not isinstance(number, PhoneNumber)]
