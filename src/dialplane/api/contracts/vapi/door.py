"""The application under `/vapi`: its routes and its error bodies."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, FastAPI

from dialplane import __version__
from dialplane.api.contracts.vapi import assistants, calls, campaigns, files, phone_numbers, squads
from dialplane.api.contracts.vapi.errors import Error, add_handlers
from dialplane.api.route import Route

PREFIX = "/vapi"
STATUSES = {
    400: "Not possible, or of the wrong shape: the message says why",
    401: "No key, or none that is valid",
    403: "The key's role does not allow it",
    404: "No such thing in this organization",
    409: "A request with this Idempotency-Key is being answered",
    413: "The body is too large",
    422: "This Idempotency-Key was used for another request",
    429: "Too many requests; Retry-After says when to go on",
    503: "The database cannot be reached; Retry-After says when to try again",
}
ERRORS: dict[int | str, dict[str, Any]] = {
    status: {"model": Error, "description": description} for status, description in STATUSES.items()
}


def build_door(app: FastAPI) -> FastAPI:
    """The door as an application of its own, with what the whole application has."""
    door = FastAPI(
        title="Dialplane: Vapi's contract",
        version=__version__,
        generate_unique_id_function=lambda route: route.name,
        redirect_slashes=False,
        redoc_url=None,
    )
    door.state = app.state
    add_handlers(door)
    routes = APIRouter(route_class=Route, responses=ERRORS)
    for module in (campaigns, assistants, squads, phone_numbers, calls, files):
        routes.include_router(module.router)
    door.include_router(routes)
    return door
