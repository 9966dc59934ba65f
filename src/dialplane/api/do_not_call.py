"""The do-not-call list: numbers that nobody in an organization calls, whatever the campaign."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import asdict
from datetime import datetime
from tempfile import SpooledTemporaryFile
from typing import Annotated, Any, Literal, Self

from fastapi import APIRouter, HTTPException, Path, Query, Request
from pydantic import BaseModel, Field, model_validator

from dialplane.api.access import OperatorApp, ViewerApp
from dialplane.api.contact_shapes import Number
from dialplane.api.contacts import as_typed
from dialplane.api.route import Route
from dialplane.api.shapes import PageLimit, Tolerant
from dialplane.core.intake import NumberFault, Reject
from dialplane.engine.contacts import e164
from dialplane.engine.number_file import read_numbers
from dialplane.engine.numbering import check_region, read_number
from dialplane.errors import EnvironmentFault, Invalid, NotFound
from dialplane.wiring import App

MOST_NUMBERS = 1000
MOST_REJECTS = 1000  # that an answer lists
KEPT_IN_MEMORY_BYTES = 1 << 20
CHUNK_BYTES = 1 << 18

router = APIRouter(route_class=Route, prefix="/dnc", tags=["do not call"])

Region = Annotated[str | None, Field(max_length=10, description="For numbers without a country code.")]
Note = Annotated[str, Field(max_length=1000, description="Why.")]


class DoNotCallEntry(BaseModel):
    phone_number: str = Field(description="E.164.", examples=["+14155550100"])
    source: str = Field(description="`hand`, `file`, or `call`: the person called refuses such calls.")
    note: str
    created_at: datetime


class DoNotCallPage(BaseModel):
    numbers: list[DoNotCallEntry]
    next: str | None = Field(description="`after` of the page that follows; null: this is the last.")


class _Numbers(Tolerant):
    phone_numbers: list[Number] = Field(min_length=1, max_length=MOST_NUMBERS, examples=[["+14155550100"]])
    default_region: Region = None

    @model_validator(mode="before")
    @classmethod
    def _single(cls, body: Any) -> Any:
        """`phone_number` in place of `phone_numbers`, for one."""
        if not isinstance(body, dict) or "phone_number" not in body or "phone_numbers" in body:
            return body
        return {**{k: v for k, v in body.items() if k != "phone_number"}, "phone_numbers": [body["phone_number"]]}


class NumbersToList(_Numbers):
    """Numbers that nobody shall call; `phone_number` for a single one."""

    note: Note = ""


class NumbersToUnlist(_Numbers):
    """Numbers that may be called again; `phone_number` for a single one."""


class NumberResult(BaseModel):
    """What became of one number; reason and fix where it is none."""

    index: int = Field(description="Its position in the request, from 0.")
    value: str = Field(description="As it was sent.")
    result: Literal["added", "exists", "rejected"]
    phone_number: str | None = Field(None, description="E.164.")
    reason: str | None = None
    fix: str | None = None


class NumbersListed(BaseModel):
    added: int
    exists: int
    rejected: int
    results: list[NumberResult] = Field(description="In the order of the request.")
    warnings: list[str]


class NumbersUnlisted(BaseModel):
    removed: list[str]
    not_listed: list[str]
    warnings: list[str]


class RejectView(BaseModel):
    """A row that could not be used, and what to mend."""

    row: int = Field(description="As a spreadsheet counts: the header is row 1.")
    field: str
    value: str
    reason: str
    fix: str

    @classmethod
    def of(cls, reject: Reject) -> Self:
        fields = asdict(reject)
        return cls(row=fields.pop("row_number"), **fields)


class NumbersImported(BaseModel):
    added: int
    exists: int = Field(description="On the list already, or in the file before.")
    rejected: int
    rejects: list[RejectView] = Field(description=f"The first {MOST_REJECTS:,}.")


@router.get("")
async def list_do_not_call(
    app: ViewerApp,
    after: Annotated[str, Query(max_length=20, description="The page before's `next`.")] = "",
    limit: Annotated[PageLimit, Query()] = 100,
    phone_number: Annotated[str | None, Query(max_length=100, description="Only this one, if it is listed.")] = None,
) -> DoNotCallPage:
    """Numbers that nobody calls, in their order."""
    if phone_number is not None:
        found = await app.contacts.do_not_call_entries([e164(as_typed(phone_number))])
        following = None
    else:
        found = await app.contacts.do_not_call_page(after=as_typed(after), limit=limit)
        following = found[-1]["to_number"] if len(found) == limit else None
    entries = [DoNotCallEntry(phone_number=row["to_number"], **_without_number(row)) for row in found]
    return DoNotCallPage(numbers=entries, next=following)


@router.post("")
async def add_do_not_call(body: NumbersToList, app: OperatorApp) -> NumbersListed:
    """Enter up to 1,000 numbers. Once this returns, none of them is called, in no campaign."""
    region = check_region(body.default_region)
    read = [read_number(text, region) for text in body.phone_numbers]
    numbers = list(dict.fromkeys(number.e164 for number in read if not isinstance(number, NumberFault)))
    new = await app.contacts.list_do_not_call(numbers, source="hand", note=body.note)
    results: list[NumberResult] = []
    for index, (text, number) in enumerate(zip(body.phone_numbers, read, strict=True)):
        if isinstance(number, NumberFault):
            results.append(NumberResult(index=index, value=text, result="rejected", **asdict(number)))
        else:
            result: Literal["added", "exists"] = "added" if number.e164 in new else "exists"
            new.discard(number.e164)
            results.append(NumberResult(index=index, value=text, result=result, phone_number=number.e164))
    counts = {kind: sum(each.result == kind for each in results) for kind in ("added", "exists", "rejected")}
    return NumbersListed(**counts, results=results, warnings=body.unknown())


@router.post(
    "/import",
    openapi_extra={
        "requestBody": {"required": True, "content": {"text/csv": {"schema": {"type": "string", "format": "binary"}}}}
    },
)
async def import_do_not_call(
    request: Request,
    app: OperatorApp,
    default_region: Annotated[str | None, Query(max_length=10)] = None,
    note: Annotated[str, Query(max_length=1000)] = "",
) -> NumbersImported:
    """Enter the numbers of a CSV with a phone column, or of one number a line; the body is the file itself.

    Rows that are no numbers are told, and the others entered. An import that broke off is repeated as a whole.
    """
    if "form" in request.headers.get("content-type", ""):
        raise Invalid("send the file itself as the body, with Content-Type: text/csv, and not as a form")
    return await enter_file(app, request.stream(), region=default_region, note=note)


async def enter_file(
    app: App, content: AsyncIterator[bytes], *, region: str | None, note: str, most_rejects: int = MOST_REJECTS
) -> NumbersImported:
    """Enter the numbers of a file; as many of its rejects are told. Raises Invalid, HTTPException, EnvironmentFault."""
    region = check_region(region)
    imported = NumbersImported(added=0, exists=0, rejected=0, rejects=[])
    with SpooledTemporaryFile(KEPT_IN_MEMORY_BYTES) as file:
        await _receive(content, file, app.settings.max_upload_bytes)
        chunks = iter(lambda: file.read(CHUNK_BYTES), b"")
        batches = read_numbers(chunks, name="the file", default_region=region)
        while (batch := await asyncio.to_thread(next, batches, None)) is not None:
            new = await app.contacts.list_do_not_call(batch.numbers, source="file", note=note)
            imported.added += len(new)
            imported.exists += len(batch.numbers) - len(new)
            imported.rejected += len(batch.rejects)
            room = most_rejects - len(imported.rejects)
            imported.rejects += [RejectView.of(reject) for reject in batch.rejects[:room]]
    return imported


@router.delete("/{phone_number}")
async def remove_do_not_call_number(
    phone_number: Annotated[str, Path(max_length=100, examples=["+14155550100"])], app: OperatorApp
) -> NumbersUnlisted:
    """Take a number off the list; contacts that were skipped for it stay skipped until they are restored."""
    number = e164(phone_number)
    if not await app.contacts.call_again([number]):
        raise NotFound(f"{number} is not on the do-not-call list")
    return NumbersUnlisted(removed=[number], not_listed=[], warnings=[])


@router.post("/remove")
async def remove_do_not_call(body: NumbersToUnlist, app: OperatorApp) -> NumbersUnlisted:
    """Take numbers off the list. One that is no number refuses all."""
    region = check_region(body.default_region)
    numbers = list(dict.fromkeys(e164(text, region) for text in body.phone_numbers))
    removed = await app.contacts.call_again(numbers)
    return NumbersUnlisted(
        removed=removed,
        not_listed=[number for number in numbers if number not in removed],
        warnings=body.unknown(),
    )


def _without_number(row: Any) -> dict[str, Any]:
    return {name: row[name] for name in ("source", "note", "created_at")}


async def _receive(stream: AsyncIterator[bytes], file: SpooledTemporaryFile[bytes], most_bytes: int) -> None:
    """The whole body, on the disk where it is large: a file that breaks off enters nothing."""
    received = 0
    try:
        async for chunk in stream:
            received += len(chunk)
            if received > most_bytes:
                raise HTTPException(413, f"the file is larger than {most_bytes:,} bytes")
            await asyncio.to_thread(file.write, chunk)
    except OSError as fault:
        raise EnvironmentFault(f"the file cannot be kept while it is read: {fault.strerror}") from fault
    file.seek(0)
