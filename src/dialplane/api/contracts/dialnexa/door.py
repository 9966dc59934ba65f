"""The application under `/dialnexa`: its routes, its error bodies, its headers."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, FastAPI

from dialplane import __version__
from dialplane.api.contracts.dialnexa import agents, batch_calls, call_logs, calls, campaigns, leads, user_webhooks
from dialplane.api.contracts.dialnexa.errors import Error, add_handlers
from dialplane.api.route import Route

PREFIX = "/dialnexa"
VERSION = "/v1"
STATUSES = {
    400: "The request is wrong: the message says what",
    401: "No key, or none that is valid",
    403: "The key's role does not allow it",
    404: "No such thing in this organization",
    409: "Not possible in the present state",
    429: "Too many requests; Retry-After says when to go on",
    503: "Not possible at present; Retry-After says when to try again",
}
ERRORS: dict[int | str, dict[str, Any]] = {
    status: {"model": Error, "description": description} for status, description in STATUSES.items()
}


def build_door(app: FastAPI) -> FastAPI:
    """The door as an application of its own, with what the whole application has."""
    door = FastAPI(
        title="Dialplane: DialNexa's contract",
        version=__version__,
        generate_unique_id_function=lambda route: route.name,
        redirect_slashes=False,
        redoc_url=None,
    )
    door.state = app.state
    add_handlers(door)
    current = APIRouter(prefix=VERSION, route_class=Route, responses=ERRORS)
    for routes in (campaigns, leads, call_logs, batch_calls, calls, agents, user_webhooks):
        current.include_router(routes.router)
    door.include_router(current)
    # As DialNexa's own client for Python calls them.
    unversioned = APIRouter(route_class=Route, responses=ERRORS)
    for routes in (batch_calls, calls, agents):
        unversioned.include_router(routes.router)
    door.include_router(unversioned, include_in_schema=False)
    return door
