"""What happens in a campaign or in all of them, told to the page that shows it, while it happens."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Header, Request
from fastapi.responses import Response
from sse_starlette import EventSourceResponse

from dialplane.api.events import POSITION, events_of
from dialplane.api.shapes import Id
from dialplane.web.route import PageRoute
from dialplane.web.visit import Viewing

router = APIRouter(route_class=PageRoute)
LastSeen = Annotated[str, Header(alias="Last-Event-ID", pattern=POSITION)]


@router.get("/live/campaigns/{campaign_id}", response_class=EventSourceResponse)
async def campaign_stream(campaign_id: Id, visit: Viewing, request: Request, last_seen: LastSeen = "") -> Response:
    """Named events alone: a page asks anew for the parts of it that an event changes."""
    await visit.app.campaigns.get(campaign_id)
    return await events_of(request, visit.app, campaign_id, last_seen)


@router.get("/live/campaigns", response_class=EventSourceResponse)
async def organization_stream(visit: Viewing, request: Request, last_seen: LastSeen = "") -> Response:
    return await events_of(request, visit.app, None, last_seen)
