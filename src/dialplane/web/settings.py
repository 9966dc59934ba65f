"""What holds for the whole organization, and what the installation was started with."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from urllib.parse import urlsplit

from fastapi import APIRouter
from fastapi.responses import HTMLResponse, Response

from dialplane.config import KEPT, Settings
from dialplane.engine import catalog
from dialplane.errors import DialplaneError, Invalid
from dialplane.web.forms import Typed, decimal, named, whole
from dialplane.web.route import PageRoute
from dialplane.web.visit import Owning, Visit

router = APIRouter(route_class=PageRoute, prefix="/settings")
MEANINGS = {
    "events": "events of the live pages, and for webhooks that have not been told",
    "deliveries": "messages to webhooks and what came of them",
    "uploads": "uploaded files that no campaign was made of",
    "virtual_runs": "runs on the virtual clock",
    "contacts_files": "contacts files, after the end of their campaigns; the contacts stay",
    "carrier_logs": "logs of the simulated carrier, after the end of their campaigns",
    "transcripts": "transcripts and gathered data, after the end of the call",
    "recordings": "recordings, after the end of the call",
}


@dataclass(frozen=True, slots=True)
class Variable:
    """One of the installation's settings, as it is in force. value: never a secret."""

    name: str
    value: str
    meaning: str


@router.get("")
async def show_settings(visit: Owning) -> HTMLResponse:
    name = await catalog.organization_name(visit.app.database, visit.app.organization_id)
    limits = await catalog.limits(visit.app.database, visit.app.organization_id)
    cps = "" if limits.cps is None else f"{limits.cps:g}"
    return await _shown(visit, {"name": name, "max_lines": str(limits.max_lines), "cps": cps})


@router.post("")
async def change_settings(visit: Owning, name: Typed = "", max_lines: Typed = "", cps: Typed = "") -> Response:
    database, organization_id = visit.app.database, visit.app.organization_id
    try:
        lines = whole(max_lines, "Calls at once", least=0)
        if lines is None:
            raise Invalid("Calls at once: write a number; 0 stops all calls")
        per_second = decimal(cps, "Calls started per second")
        await catalog.rename(database, organization_id, named(name))
        await catalog.set_limits(database, organization_id, max_lines=lines, cps=per_second)
    except DialplaneError as fault:
        return await _shown(visit, {"name": name, "max_lines": max_lines, "cps": cps}, fault=str(fault))
    return visit.go("/settings", "Saved. The limits hold from the next calls on.")


async def _shown(visit: Visit, given: dict[str, str], *, fault: str = "") -> HTMLResponse:
    ours = visit.server.settings
    own = await catalog.is_installations_own(visit.app.database, visit.app.organization_id)
    return visit.page(
        "settings.html",
        given=given,
        is_installations_own=own,
        carrier=await visit.app.telephony.usual(),
        voice=await visit.app.voice.get(),
        kept=[Variable(KEPT[name], _time(getattr(ours.keep, name)), MEANINGS[name]) for name in KEPT],
        variables=list(variables(ours)) if own else [],
        fault=fault,
        status=400 if fault else 200,
    )


def variables(ours: Settings) -> Iterator[Variable]:
    """What the environment says, for who looks after the machine."""
    yield Variable("DIALPLANE_HOME", str(ours.home), "the data folder")
    yield Variable(
        "DIALPLANE_DATABASE_URL", _place(ours.database_url) or "embedded, in the data folder", "the database"
    )
    yield Variable("DIALPLANE_DATABASE_POOLER", _switch(ours.database_pooler), "whether a pooler is in between")
    yield Variable("DIALPLANE_API_KEY", _given(ours.api_key), "a first key, an owner's")
    secret = "given" if ours.secret_key else "made, in the data folder"
    yield Variable("DIALPLANE_SECRET_KEY", secret, "signs links, encrypts what is secret in the database")
    yield Variable("DIALPLANE_PUBLIC_URL", ours.public_url or "as each request has it", "how others reach the server")
    yield Variable("DIALPLANE_FILES_URL", _place(ours.files_url) or "in the data folder", "where files are")
    yield Variable("DIALPLANE_MAX_UPLOAD_BYTES", f"{ours.max_upload_bytes:,}", "the largest file that is taken")
    rate = f"{ours.requests_per_second:g}" if ours.requests_per_second else "no limit"
    yield Variable("DIALPLANE_REQUESTS_PER_SECOND", rate, "of one API key, in one server process")
    yield Variable("DIALPLANE_SIGNUP", _switch(ours.signup), "whether a stranger may make an organization")
    yield Variable("DIALPLANE_EXAMPLES", _switch(ours.examples), "whether a new organization has an example agent")
    yield Variable("DIALPLANE_PRIVATE_WEBHOOKS", _switch(ours.private_webhooks), "webhooks to the own network")


def _place(url: str | None) -> str | None:
    """The address without user, password and parameters.

    >>> _place("postgresql://ana:secret@db.example.org:5432/calls?sslmode=require")
    'postgresql://db.example.org:5432/calls'
    """
    if url is None:
        return None
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def _switch(on: bool) -> str:
    return "on" if on else "off"


def _given(secret: str | None) -> str:
    return "given" if secret else "not given"


def _time(kept: timedelta | None) -> str:
    if kept is None:
        return "for ever"
    return f"{kept.days} days" if kept.days > 1 else f"{kept.total_seconds() / 3600:g} hours"
