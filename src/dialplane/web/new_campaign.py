"""A new campaign, until it is a draft: a file comes, its columns get a meaning, an agent and a carrier are chosen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import Annotated, Any, Final, Literal
from uuid import UUID, uuid4

from fastapi import APIRouter, Form, HTTPException, Query, Request
from fastapi.responses import HTMLResponse, JSONResponse, Response
from pydantic import BaseModel, Field

from dialplane.api.errors import status_of
from dialplane.api.files import keep
from dialplane.core.campaign import FINAL, Policies
from dialplane.core.window import CONTACT, CallingWindow
from dialplane.engine.caller_numbers import NumberRecord
from dialplane.engine.carriers import CarrierRecord
from dialplane.engine.intake import ContactsFile
from dialplane.engine.mending import FIX, REASON
from dialplane.engine.numbering import check_region, regions
from dialplane.engine.preview import MOST_COLUMNS, Preview
from dialplane.engine.uploads import UploadRecord
from dialplane.errors import DialplaneError, Invalid
from dialplane.store.postgres import Row
from dialplane.web.route import PageRoute
from dialplane.web.visit import Operating, Visit
from dialplane.web.window_form import USUAL

SUFFIXES: Final = (".csv", ".txt", ".tsv", ".xlsx", ".xls")
LATEST: Final = 5
MEANINGS: Final[Mapping[str, str]] = {
    "phone_number": "Phone number",
    "timezone": "Time zone",
    "priority": "Priority, 0 to 9",
    "external_id": "Your own id",
    "variable": "For the agent, as",
    "": "Leave out",
}

router = APIRouter(route_class=PageRoute, prefix="/campaigns/new")

Meaning = Literal["phone_number", "timezone", "priority", "external_id", "variable", ""]
Kind = Annotated[list[Meaning], Field(max_length=MOST_COLUMNS)]
Names = Annotated[list[Annotated[str, Field(max_length=255)]], Field(max_length=MOST_COLUMNS)]


class Wanted(BaseModel):
    """What somebody has filled in. kind, column: one for each column of the file; none: as it is proposed.

    to: an existing campaign which gets the file. key: of the campaign that is to be made; twice the same makes one.
    """

    name: Annotated[str, Field(max_length=255)] = ""
    kind: Kind = []
    column: Names = []
    region: Annotated[str, Field(max_length=2)] = ""
    agent_id: int | None = None
    carrier_id: int | None = None
    number_id: Annotated[list[int], Field(max_length=1000)] = []
    to: int | None = None
    key: UUID | None = None

    def names(self) -> list[str] | None:
        """Names for the columns, "" for one that is left out."""
        if not self.kind or len(self.kind) != len(self.column):
            return None
        return [
            column.strip() if kind == "variable" else kind for kind, column in zip(self.kind, self.column, strict=True)
        ]


@dataclass(frozen=True, slots=True, kw_only=True)
class Choices:
    """What there is to choose from, and what is chosen. blocked: why the carrier cannot place calls, if it cannot."""

    agents: Sequence[Row]
    agent: Row | None
    required: frozenset[str]
    carriers: Sequence[CarrierRecord]
    carrier: CarrierRecord | None
    blocked: str | None
    numbers: Sequence[NumberRecord]


@router.get("")
async def show_new_campaign(visit: Operating, to: int | None = None) -> HTMLResponse:
    campaign = None if to is None else await visit.app.campaigns.get(to)
    return visit.page(
        "new_campaign.html",
        campaign=campaign,
        uploads=await visit.app.uploads.newest(limit=LATEST),
        max_bytes=visit.app.uploads.max_bytes,
        suffixes=SUFFIXES,
    )


@router.put("/file")
async def upload_contacts_file(
    visit: Operating, request: Request, name: Annotated[str, Query(min_length=1, max_length=255)]
) -> Response:
    """The raw bytes of the body, kept as they come. The answer is for the script of the page."""
    try:
        if PurePath(name.lower()).suffix not in SUFFIXES:
            raise Invalid(f"{name} is no contacts file: save the list as CSV or as an Excel workbook (.xlsx)")
        key = await visit.app.uploads.expect(name, request.headers.get("Content-Type", "text/csv")[:255])
        size = await keep(request, visit.app, key)
        if not size:
            await visit.app.uploads.delete(key)
            raise Invalid(f"{name} is empty: choose the file that has the contacts")
        uuid = (await visit.app.uploads.received(key)).uuid
    except HTTPException as fault:
        return JSONResponse({"detail": fault.detail}, fault.status_code)
    except DialplaneError as fault:
        return JSONResponse({"detail": str(fault)}, status_of(fault))
    return JSONResponse({"file": str(uuid)})


@router.get("/{file_uuid}")
async def show_contacts_file(file_uuid: UUID, visit: Operating, wanted: Annotated[Wanted, Query()]) -> HTMLResponse:
    return await _page(visit, file_uuid, wanted)


@router.post("/{file_uuid}")
async def make_campaign(file_uuid: UUID, visit: Operating, wanted: Annotated[Wanted, Form()]) -> Response:
    try:
        if wanted.to is not None:
            return await _add(visit, file_uuid, wanted, wanted.to)
        campaign_id = await _make(visit, file_uuid, wanted)
    except DialplaneError as fault:
        return await _page(visit, file_uuid, wanted, fault=str(fault), status=400)
    return visit.go(f"/campaigns/{campaign_id}/setup", "The draft is made. Nobody is called before you start it.")


async def _page(visit: Visit, file_uuid: UUID, wanted: Wanted, *, fault: str = "", status: int = 200) -> HTMLResponse:
    upload = await visit.app.uploads.by_uuid(file_uuid)
    campaign = None if wanted.to is None else await visit.app.campaigns.get(wanted.to)
    choices = await _choices(visit, wanted, None if campaign is None else campaign.agent_id)
    found, unreadable = None, ""
    try:
        found = await _preview(visit, upload, wanted, choices.required)
    except DialplaneError as refusal:
        unreadable, status = str(refusal), 400
    name = wanted.name or PurePath(upload.name).stem[:200]
    return visit.page(
        "new_campaign_file.html",
        status=status,
        upload=upload,
        wanted=wanted,
        name=name,
        key=wanted.key or uuid4(),
        campaign=campaign,
        choices=choices,
        found=found,
        columns=[] if found is None else _columns(found, wanted),
        unreadable=unreadable,
        fault=fault,
        meanings=MEANINGS,
        regions=sorted(regions()),
    )


def _columns(found: Preview, wanted: Wanted) -> list[dict[str, Any]]:
    """Of each column: what it is called in the file, what it means, its name for the agent, its first cells."""
    kinds: Sequence[str] = wanted.kind if wanted.names() is not None else []
    columns = []
    for at, (header, name) in enumerate(zip(found.header, found.names, strict=True)):
        meant = _meaning(name)
        cells = [row.cells[at] for row in found.rows if at < len(row.cells) and row.cells[at].strip()]
        columns.append(
            {
                "header": header,
                "kind": kinds[at] if kinds else meant,
                "name": wanted.column[at] if kinds else (name if meant == "variable" else header.strip()),
                "cells": cells[:3],
            }
        )
    return columns


def _meaning(name: str) -> str:
    """What the engine would take a column of this name for."""
    key = name.casefold().replace(" ", "_").replace("-", "_")
    if key in ("phone_number", "phone", "number"):
        return "phone_number"
    if key in ("timezone", "time_zone"):
        return "timezone"
    return key if key in ("priority", "external_id") else "variable" if name else ""


async def _preview(visit: Visit, upload: UploadRecord, wanted: Wanted, required: frozenset[str]) -> Preview:
    file = ContactsFile(key=upload.key, name=upload.name, default_region=check_region(wanted.region or None))
    found = await visit.app.intake.preview(file, required, wanted.names())
    if wanted.names() is None and (spare := [name in (REASON, FIX) for name in found.names]) and any(spare):
        names = ["" if left_out else name for name, left_out in zip(found.names, spare, strict=True)]
        found = await visit.app.intake.preview(file, required, names)
    return found


async def _choices(visit: Visit, wanted: Wanted, agent_id: int | None) -> Choices:
    """agent_id: where it is settled; else the one that is wanted, or the newest."""
    app = visit.app
    agents = [agent for agent in await app.library.page(archived=False) if agent["version"]]
    agent_id = agent_id or wanted.agent_id
    agent = next((each for each in agents if each["id"] == agent_id), agents[0] if agents and not agent_id else None)
    carriers = await app.telephony.page()
    usual = await app.telephony.usual()
    chosen = wanted.carrier_id or (usual.id if usual is not None else None)
    carrier = next((each for each in carriers if each.id == chosen), None)
    numbers = [] if carrier is None else await app.caller_numbers.page(carrier.id, limit=200)
    required = frozenset[str]()
    if agent is not None:
        required = (await app.agents.get(app.organization_id, agent["id"], agent["version"])).variables()
    return Choices(
        agents=agents,
        agent=agent,
        required=required,
        carriers=carriers,
        carrier=carrier,
        blocked=None if carrier is None else await app.telephony.blocked(carrier),
        numbers=[number for number in numbers if number.active],
    )


async def _file(visit: Visit, file_uuid: UUID, wanted: Wanted, required: frozenset[str]) -> ContactsFile:
    """Checked as far as it takes to know that somebody in it can be called. Raises Invalid."""
    upload = await visit.app.uploads.by_uuid(file_uuid)
    found = await _preview(visit, upload, wanted, required)
    if found.fault:
        raise Invalid(found.fault)
    if found.missing:
        raise Invalid(
            f"the agent's text uses {', '.join(found.missing)}, and no column is called so: give one that name, or "
            "choose another agent"
        )
    region = check_region(wanted.region or None)
    file = ContactsFile(key=upload.key, name=upload.name, default_region=region, columns=found.names)
    screened = await visit.app.intake.screen(file, frozenset(), thorough=False)
    if not screened.is_usable:
        first = found.problems[0] if found.problems else None
        why = f"; row {first.row_number}: {first.reason}; {first.fix}" if first else ""
        raise Invalid(f"no row of {upload.name} can be called{why}")
    return file


async def _make(visit: Visit, file_uuid: UUID, wanted: Wanted) -> int:
    app = visit.app
    choices = await _choices(visit, wanted, None)
    if choices.agent is None:
        raise Invalid("choose an agent: somebody has to speak with the people who answer")
    file = await _file(visit, file_uuid, wanted, choices.required)
    carrier_id = await app.telephony.choose(wanted.carrier_id)
    if unknown := set(wanted.number_id) - set(await app.campaigns.numbers_of(carrier_id)):
        raise Invalid(f"number {min(unknown)} is none that this carrier calls from: choose the numbers again")
    return await app.campaigns.create(
        name=wanted.name,
        uuid=wanted.key,
        agent_id=choices.agent["id"],
        carrier_id=carrier_id,
        policies=Policies(window=CallingWindow.parse(USUAL, CONTACT)),
        number_ids=sorted(set(wanted.number_id)),
        file=file,
    )


async def _add(visit: Visit, file_uuid: UUID, wanted: Wanted, campaign_id: int) -> Response:
    campaign = await visit.app.campaigns.get(campaign_id)
    required = await visit.app.columns_of(campaign_id)
    await visit.app.intake.add(campaign_id, await _file(visit, file_uuid, wanted, required))
    further = "/setup" if campaign.state not in FINAL and campaign.started_at is None else ""
    return visit.go(f"/campaigns/{campaign_id}{further}", "The contacts of the file are being added.")
