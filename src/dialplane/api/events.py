"""Routes of server-sent events: what happens in a campaign or in an organization, while it happens."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Header, Query, Request
from pydantic import AfterValidator
from sse_starlette import EventSourceResponse

from dialplane.api.access import ViewerApp
from dialplane.api.hub import Hub
from dialplane.api.messages import AttemptMessage, CampaignMessage, ProgressMessage, StreamMessage
from dialplane.api.route import Route
from dialplane.api.shapes import Id
from dialplane.core.webhook import check_kinds
from dialplane.engine.events import Events, Position
from dialplane.errors import Invalid
from dialplane.wiring import App

KEEP_ALIVE_SECONDS = 15
FAREWELL_SECONDS = 1  # how long a stream may take to end when the server stops

router = APIRouter(route_class=Route, tags=["events"])

STREAM: dict[int | str, dict[str, Any]] = {
    200: {
        "model": AttemptMessage | CampaignMessage | ProgressMessage | StreamMessage,
        "description": "Events named `attempt`, `campaign`, `log`, `progress`, `reset` and `farewell`, for as long as "
        "the client stays. The first three have an id: sent back as Last-Event-ID, it resumes the stream after that "
        "event, with nothing lost and nothing twice.",
    }
}


def _kinds(given: list[str]) -> list[str]:
    """`a,b` is two. Raises ValueError."""
    kinds = [kind.strip() for text in given for kind in text.split(",") if kind.strip()]
    try:
        check_kinds(kinds)
    except Invalid as fault:
        raise ValueError(str(fault)) from None
    return kinds


POSITION = r"^([0-9]{1,18}-[0-9]{1,18})?$"  # 18 digits fit into a bigint
Kinds = Annotated[
    list[str],
    Query(
        max_length=50,
        description="Only these events: kinds or groups of them, repeated or with commas. Progress always comes.",
        examples=["attempt.ended,campaign.*"],
    ),
    AfterValidator(_kinds),
]
LastHeader = Annotated[str, Header(alias="Last-Event-ID", pattern=POSITION)]
LastQuery = Annotated[str, Query(pattern=POSITION, description="As the header Last-Event-ID, which wins.")]


@router.get("/campaign/{campaign_id}/events", response_class=EventSourceResponse, responses=STREAM)
async def campaign_events(
    campaign_id: Id,
    app: ViewerApp,
    request: Request,
    last_seen: LastHeader = "",
    last_event_id: LastQuery = "",
    kinds: Kinds = [],  # noqa: B006  (pydantic copies it)
) -> EventSourceResponse:
    """What happens in this campaign, from now on or from the event with this id on; and its progress, at once."""
    await app.campaigns.get(campaign_id)
    return await events_of(request, app, campaign_id, last_seen or last_event_id, kinds)


@router.get("/events", response_class=EventSourceResponse, responses=STREAM)
async def organization_events(
    app: ViewerApp,
    request: Request,
    last_seen: LastHeader = "",
    last_event_id: LastQuery = "",
    kinds: Kinds = [],  # noqa: B006
) -> EventSourceResponse:
    """The same for all campaigns of the organization; progress is of those in which something happens."""
    return await events_of(request, app, None, last_seen or last_event_id, kinds)


async def events_of(
    request: Request, app: App, campaign_id: int | None, last_event_id: str, kinds: Sequence[str] = ()
) -> EventSourceResponse:
    """The stream of one campaign, or of all of the organization, from this event on or from now on."""
    hub: Hub = request.app.state.hub
    resumed = bool(last_event_id)
    position = Position.parse(last_event_id) if resumed else await Events(app.database, app.organization_id).now()
    return EventSourceResponse(
        hub.stream(app, campaign_id, position, tuple(kinds), resumed=resumed),
        ping=KEEP_ALIVE_SECONDS,
        sep="\n",
        shutdown_event=hub.closing,
        shutdown_grace_period=FAREWELL_SECONDS,
    )
