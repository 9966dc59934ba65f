"""Calls of all campaigns: those in progress, those that have ended, one of them with what was said."""

from __future__ import annotations

import mimetypes
from functools import partial
from pathlib import PurePosixPath
from typing import Annotated

from fastapi import APIRouter, Form, Query, Request
from fastapi.responses import HTMLResponse, Response

from dialplane.api.shapes import Id
from dialplane.core.attempt import AttemptState
from dialplane.engine.call_book import LAST
from dialplane.engine.contacts import e164
from dialplane.errors import Invalid, NotFound
from dialplane.providers import SIMULATED
from dialplane.web.call_views import strip, utterances
from dialplane.web.parts_of_files import answered_in_part
from dialplane.web.route import PageRoute
from dialplane.web.visit import Operating, Viewing

PER_PAGE = 50
MOST_IN_PROGRESS = 200

router = APIRouter(route_class=PageRoute, prefix="/calls")

Before = Annotated[int, Query(ge=1, le=LAST)]


@router.get("")
async def list_calls(
    visit: Viewing, number: Annotated[str, Query(max_length=100)] = "", before: Before = LAST
) -> HTMLResponse:
    book, fault = visit.app.call_book, ""
    going, total = await book.in_progress(limit=MOST_IN_PROGRESS)
    try:
        wanted = e164(number) if number.strip() else None
    except Invalid as refused:
        wanted, fault = None, str(refused)
    if wanted is None:
        ended = [] if fault else await book.ended(before=before, limit=PER_PAGE)
    else:
        ended = await book.to_number(wanted, before=before, limit=PER_PAGE)
    return visit.page(
        "calls.html",
        status=400 if fault else 200,
        going=going,
        total=total,
        now=visit.app.clock.now(),
        ended=ended,
        number=number,
        wanted=wanted,
        fault=fault,
        first=before == LAST,
        following=ended[-1].id if len(ended) == PER_PAGE else None,
    )


@router.get("/{call_id}")
async def show_call(call_id: Id, visit: Viewing) -> HTMLResponse:
    call = await visit.app.call_book.one(call_id)
    attempt = call.attempt
    assert attempt is not None, "a call with an id was made"
    spoken = utterances(call.transcript or (), attempt)
    return visit.page(
        "call.html",
        call=call,
        attempt=attempt,
        now=visit.app.clock.now(),
        live=attempt.state is not AttemptState.ENDED,
        spoken=spoken,
        strip=strip(attempt, spoken),
        recorded=bool(attempt.recording) and await visit.app.files.size(attempt.recording) is not None,
        simulated=attempt.provider == SIMULATED,
    )


@router.get("/{call_id}/recording")
async def play_recording(
    call_id: Id,
    visit: Viewing,
    request: Request,
    download: bool = False,
) -> Response:
    """The sound, or the part of it that is asked for: a player that jumps asks for what comes there."""
    key = (await visit.app.attempts.one(call_id)).recording
    size = await visit.app.files.size(key) if key else None
    if size is None:
        raise NotFound(f"call {call_id} has no recording")

    return await answered_in_part(
        request.headers.get("Range"),
        size,
        partial(visit.app.files.part, key),
        media_type=mimetypes.guess_type(key)[0] or "application/octet-stream",
        name=f"call-{call_id}{PurePosixPath(key).suffix}" if download else None,
    )


@router.post("/{call_id}/hang-up")
async def hang_up(
    call_id: Id, visit: Operating, back: Annotated[str, Form(pattern="^(list|call)$")] = "call"
) -> Response:
    await visit.app.attempts.one(call_id)
    await visit.app.call_book.hang_up(call_id)
    return visit.go("/calls" if back == "list" else f"/calls/{call_id}", "The call is being ended.")
