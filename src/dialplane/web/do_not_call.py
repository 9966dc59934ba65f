"""The do-not-call list."""

from __future__ import annotations

from collections.abc import AsyncIterator

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, Response, StreamingResponse

from dialplane.api.do_not_call import enter_file
from dialplane.core.intake import NumberFault
from dialplane.engine.contacts import Contacts, e164
from dialplane.engine.numbering import check_region, read_number
from dialplane.engine.reports import csv_text, defused
from dialplane.errors import DialplaneError, Invalid
from dialplane.web.forms import Asked, Typed, TypedText
from dialplane.web.route import PageRoute
from dialplane.web.visit import Operating, Viewing, Visit

PER_PAGE = 100
EXPORTED_AT_ONCE = 5000
MOST_TYPED = 1000
REJECTS_SHOWN = 100
HEADINGS = ("phone_number", "source", "note", "entered_at")

router = APIRouter(route_class=PageRoute, prefix="/do-not-call")


@router.get("")
async def list_do_not_call(visit: Viewing, search: Asked = "", region: Asked = "", after: Asked = "") -> HTMLResponse:
    return await _list(visit, search=search, region=region, after=after)


@router.post("")
async def add_to_do_not_call(
    visit: Operating, numbers: TypedText = "", region: Typed = "", note: Typed = ""
) -> Response:
    """One number a line. Those that are numbers are entered in any case: nobody is to be called by mistake."""
    given = {"numbers": numbers, "region": region, "note": note}
    lines = [line.strip() for line in numbers.splitlines() if line.strip()]
    try:
        if not 0 < len(lines) <= MOST_TYPED:
            raise Invalid(f"write 1 to {MOST_TYPED:,} numbers, one a line; for more of them, import a file")
        usual = check_region(region or None)
    except DialplaneError as fault:
        return await _list(visit, given=given, fault=str(fault))
    read = {line: read_number(line, usual) for line in lines}
    good = list(dict.fromkeys(each.e164 for each in read.values() if not isinstance(each, NumberFault)))
    new = await visit.app.contacts.list_do_not_call(good, source="hand", note=note.strip()) if good else set()
    entered = _counted(len(new), len(good) - len(new))
    bad = {line: fault for line, fault in read.items() if isinstance(fault, NumberFault)}
    if not bad:
        return visit.go("/do-not-call", f"{entered} None of them is called from now on.")
    faults = "; ".join(f"'{line}': {fault.reason}; {fault.fix}" for line, fault in bad.items())
    return await _list(visit, given={**given, "numbers": "\n".join(bad)}, fault=f"{entered} Not entered: {faults}")


@router.post("/remove")
async def remove_from_do_not_call(visit: Operating, number: Typed) -> Response:
    gone = await visit.app.contacts.call_again([e164(number)])
    if not gone:
        return visit.go("/do-not-call", f"{number} is not on the list.", fault=True)
    said = "may be called again. Contacts that were skipped for it stay skipped until they are restored."
    return visit.go("/do-not-call", f"{number} {said}")


@router.post("/import")
async def import_do_not_call(request: Request, visit: Operating, region: Asked = "", note: Asked = "") -> HTMLResponse:
    """The body is the file."""
    imported = await enter_file(
        visit.app, request.stream(), region=region or None, note=note, most_rejects=REJECTS_SHOWN
    )
    return visit.page("do_not_call_imported.html", imported=imported)


@router.get("/export")
async def export_do_not_call(visit: Viewing) -> Response:
    return StreamingResponse(
        _exported(visit.app.contacts),
        media_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": 'attachment; filename="do-not-call.csv"'},
    )


async def _exported(contacts: Contacts) -> AsyncIterator[str]:
    """A page at a time, however long the list. Numbers are bare, so that the file can be imported again."""
    yield csv_text([HEADINGS])
    after = ""
    while page := await contacts.do_not_call_page(after=after, limit=EXPORTED_AT_ONCE):
        yield csv_text(
            [row["to_number"], row["source"], defused(row["note"]), row["created_at"].isoformat(timespec="seconds")]
            for row in page
        )
        after = page[-1]["to_number"]


async def _list(
    visit: Visit,
    *,
    search: str = "",
    region: str = "",
    after: str = "",
    given: dict[str, str] | None = None,
    fault: str = "",
) -> HTMLResponse:
    contacts, not_found = visit.app.contacts, ""
    if search.strip():
        try:
            found = await contacts.do_not_call_entries([e164(search, check_region(region or None))])
        except Invalid as failure:
            found, not_found = [], str(failure)
    else:
        found = await contacts.do_not_call_page(after=after, limit=PER_PAGE)
    full = not search and len(found) == PER_PAGE
    return visit.page(
        "do_not_call.html",
        entries=found,
        search=search,
        region=region,
        after=after,
        following=found[-1]["to_number"] if full else None,
        not_found=not_found,
        given=given or {"numbers": "", "region": "", "note": ""},
        fault=fault,
        status=400 if fault else 200,
    )


def _counted(new: int, known: int) -> str:
    there = f", {known:,} {'was' if known == 1 else 'were'} on the list already" if known else ""
    return f"{new:,} {'number is' if new == 1 else 'numbers are'} entered{there}."
