"""Agents: what they say, by version, and the sounds that they play."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse, Response

from dialplane.api.shapes import HIGHEST_ID, Id
from dialplane.api.sounds import keep_sound
from dialplane.engine.agents import AgentRecord
from dialplane.engine.definitions import read_definition, write_definition
from dialplane.errors import DialplaneError, Invalid, NotFound
from dialplane.providers import SCRIPTED
from dialplane.web.agent_kinds import IN_YAML, KINDS, ORDER, TRUTHS
from dialplane.web.forms import Asked, Typed, TypedText, named
from dialplane.web.route import PageRoute
from dialplane.web.talk import talk_of
from dialplane.web.visit import Operating, Viewing, Visit

PER_PAGE = 50
CAMPAIGNS_SHOWN = 20
VERSIONS_SHOWN = 100

router = APIRouter(route_class=PageRoute)
Before = Annotated[int | None, Query(ge=1, le=HIGHEST_ID)]


@router.get("/agents")
async def list_agents(visit: Viewing, archived: bool = False, before: Before = None) -> HTMLResponse:
    library = visit.app.library
    agents = await library.page(archived=archived, before=before, limit=PER_PAGE)
    calls = await library.attempts([row["id"] for row in agents])
    _, put_away = await library.count()
    following = agents[-1]["id"] if len(agents) == PER_PAGE else None
    return visit.page(
        "agents.html", agents=agents, calls=calls, archived=archived, put_away=put_away, following=following
    )


@router.get("/agents/new")
async def show_new_agent(visit: Operating, kind: Asked = SCRIPTED) -> HTMLResponse:
    return _form(visit, kind, name="")


@router.post("/agents/new")
async def create_agent(
    visit: Operating, kind: Asked = SCRIPTED, name: Typed = "", definition: TypedText = ""
) -> Response:
    try:
        read = read_definition(definition, "the definition")
        agent_id = await visit.app.library.create(named(name or str(read.get("name") or "")), read)
    except DialplaneError as fault:
        return _form(visit, kind, name=name, text=definition, fault=str(fault))
    return visit.go(f"/agents/{agent_id}", "The agent is made.")


@router.get("/agents/sounds")
async def list_sounds(visit: Viewing, before: Before = None) -> HTMLResponse:
    sounds = await visit.app.sounds.page(before=before, limit=PER_PAGE)
    following = sounds[-1].id if len(sounds) == PER_PAGE else None
    return visit.page("sounds.html", sounds=sounds, following=following)


@router.post("/agents/sounds")
async def add_sound(request: Request, visit: Operating, name: Asked = "sound.wav") -> HTMLResponse:
    """The body is the file."""
    return visit.page("sound_kept.html", sound=await keep_sound(visit.app, request, name))


@router.get("/agents/{agent_id}")
async def show_agent(
    visit: Viewing, agent_id: Id, version: Annotated[int | None, Query(ge=1, le=2**31 - 1)] = None
) -> HTMLResponse:
    agent = await visit.app.library.get(agent_id)
    return await _shown(visit, agent, version=version)


@router.post("/agents/{agent_id}")
async def publish_agent_version(
    visit: Operating, agent_id: Id, name: Typed = "", definition: TypedText = ""
) -> Response:
    library = visit.app.library
    before = await library.get(agent_id)
    try:
        await library.update(agent_id, name=named(name), definition=read_definition(definition, "the definition"))
    except DialplaneError as fault:
        return await _shown(visit, before, name=name, text=definition, fault=str(fault))
    after = await library.get(agent_id)
    if after.newest_version == before.newest_version:
        return visit.go(f"/agents/{agent_id}", "The definition is as it was; no new version was made.")
    return visit.go(
        f"/agents/{agent_id}", f"Version {after.newest_version} is published. Calls in progress keep theirs."
    )


@router.post("/agents/{agent_id}/archive")
async def archive_agent(visit: Operating, agent_id: Id) -> Response:
    await visit.app.library.archive(agent_id)
    return visit.go(f"/agents/{agent_id}", "The agent is archived: no campaign can be made with it.")


@router.post("/agents/{agent_id}/unarchive")
async def unarchive_agent(visit: Operating, agent_id: Id) -> Response:
    await visit.app.library.unarchive(agent_id)
    return visit.go(f"/agents/{agent_id}", "Campaigns can be made with the agent again.")


def written(kind: str, definition: Mapping[str, Any]) -> str:
    """As people write it: in YAML; what an editor made as JSON."""
    if kind in IN_YAML:
        return write_definition(_in_order(definition, ORDER.get(kind, ())), truths=TRUTHS)
    return json.dumps(definition, indent=2, ensure_ascii=False)


def _in_order(value: Any, order: Sequence[str]) -> Any:
    """The database forgets the order of fields."""
    if isinstance(value, Mapping):
        known = [name for name in order if name in value]
        names = (*known, *(name for name in value if name not in known))
        return {name: _in_order(value[name], order) for name in names}
    return [_in_order(each, order) for each in value] if isinstance(value, list | tuple) else value


def _form(visit: Visit, kind: str, *, name: str, text: str | None = None, fault: str = "") -> HTMLResponse:
    """text: None for the example of the kind."""
    shown = next((each for each in KINDS if each.name == kind), KINDS[0])
    return visit.page(
        "agent_new.html",
        kinds=KINDS,
        kind=shown.name,
        meaning=shown.meaning,
        name=name,
        text=shown.example if text is None else text,
        fault=fault,
        status=400 if fault else 200,
    )


async def _shown(
    visit: Visit,
    agent: AgentRecord,
    *,
    version: int | None = None,
    name: str | None = None,
    text: str | None = None,
    fault: str = "",
) -> HTMLResponse:
    """One version, the newest unless it is named; with what was typed over it."""
    library = visit.app.library
    versions = await library.versions(agent.id, limit=VERSIONS_SHOWN)
    if version is not None and not any(row["version"] == version for row in versions):
        versions = [*versions, *await library.versions(agent.id, before=version + 1, limit=1)]
    shown = next((row for row in versions if row["version"] == (version or agent.newest_version)), None)
    if shown is None:
        raise NotFound(f"this agent has no version {version}")
    kind, definition = shown["kind"], shown["definition"]
    reading, unread = None, ""
    try:
        reading = (await library.reader())(definition)
    except Invalid as failure:
        unread = str(failure)
    speaks = reading is not None and not reading.draft
    return visit.page(
        "agent.html",
        agent=agent,
        versions=versions,
        version=shown["version"],
        kind=kind,
        as_yaml=kind in IN_YAML,
        name=agent.name if name is None else name,
        text=written(kind, definition) if text is None else text,
        variables=sorted(reading.variables) if reading else [],
        gathered=reading.fields if reading is not None and speaks else (),
        warnings=reading.warnings if reading else (),
        draft=reading.draft if reading else unread,
        talk=talk_of(definition) if kind == SCRIPTED and speaks else [],
        calls=(await library.attempts([agent.id]))[agent.id],
        campaigns=await library.newest_campaigns(agent.id, limit=CAMPAIGNS_SHOWN),
        fault=fault,
        status=400 if fault else 200,
    )
