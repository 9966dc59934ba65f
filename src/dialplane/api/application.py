"""Server -> the FastAPI application: middleware, routes, answers to faults."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, FastAPI
from fastapi.routing import APIRoute

from dialplane import __version__
from dialplane.api import (
    callbacks,
    campaign_log,
    contacts,
    do_not_call,
    events,
    files,
    forecasts,
    health,
    live_calls,
    metrics,
    results,
    sounds,
    voice,
    webhooks,
    why,
)
from dialplane.api.contracts.dialnexa import door as dialnexa
from dialplane.api.contracts.dialnexa.headers import RateHeaders
from dialplane.api.contracts.dograh import (
    accounts,
    calls,
    campaigns,
    downloads,
    editor,
    organizations,
    phone_numbers,
    reports,
    runs,
    telephony,
    uploads,
    workflows,
)
from dialplane.api.contracts.vapi import door as vapi
from dialplane.api.errors import Error, FieldErrors, add_handlers
from dialplane.api.guard import API, JsonBody, RequestId, Spelling
from dialplane.api.hub import Hub
from dialplane.api.rate import Guesses, Rates
from dialplane.api.route import Route
from dialplane.wiring import Server

DESCRIPTION = "Outbound voice campaigns: every contact called once, inside the law and the limits."
ERRORS: dict[int | str, dict[str, Any]] = {
    400: {"model": Error, "description": "Not possible: the detail says why"},
    401: {"model": Error, "description": "No key, or none that is valid"},
    403: {"model": Error, "description": "The key's role does not allow it"},
    404: {"model": Error, "description": "No such thing in this organization"},
    409: {"model": Error, "description": "A request with this Idempotency-Key is being answered"},
    413: {"model": Error, "description": "The body is too large"},
    422: {"model": FieldErrors, "description": "The shape of the request is wrong"},
    429: {"model": Error, "description": "Too many requests; Retry-After says when to go on"},
    503: {"model": Error, "description": "The database cannot be reached; Retry-After says when to try again"},
}


def build_api(server: Server) -> FastAPI:
    """The application; it opens nothing and closes nothing of the server's."""
    app = build_routes()
    attach(app, server)
    return app


def attach(app: FastAPI, server: Server) -> None:
    """From now on the application speaks for this server; its doors share its state."""
    app.state.server = server
    app.state.hub = Hub(server.database)
    app.state.rates = Rates(server.settings.requests_per_second)
    app.state.guesses = Guesses()


def build_routes() -> FastAPI:
    """Routes, middleware and answers to faults, for whichever server is attached."""
    app = FastAPI(
        title="Dialplane",
        version=__version__,
        description=DESCRIPTION,
        generate_unique_id_function=_operation_id,
        redirect_slashes=False,
        docs_url="/docs",
        redoc_url=None,
    )
    add_handlers(app)
    app.include_router(health.router)
    app.include_router(metrics.router)
    app.include_router(callbacks.router)
    api = APIRouter(prefix=API, route_class=Route, responses=ERRORS)
    api.include_router(files.router)
    api.include_router(uploads.router)
    api.include_router(downloads.router)
    api.include_router(campaigns.router)
    api.include_router(contacts.router)
    api.include_router(why.router)
    api.include_router(forecasts.router)
    api.include_router(live_calls.router)
    api.include_router(sounds.router)
    api.include_router(voice.router)
    api.include_router(do_not_call.router)
    api.include_router(campaign_log.router)
    api.include_router(events.router)
    api.include_router(webhooks.router)
    api.include_router(workflows.router)
    api.include_router(runs.router)
    api.include_router(reports.router)
    api.include_router(results.router)
    api.include_router(editor.router)
    api.include_router(accounts.router)
    api.include_router(telephony.router)
    api.include_router(phone_numbers.router)
    api.include_router(organizations.router)
    api.include_router(calls.router)
    app.include_router(api)
    app.mount(dialnexa.PREFIX, dialnexa.build_door(app))
    app.mount(vapi.PREFIX, vapi.build_door(app))
    app.add_middleware(JsonBody)
    app.add_middleware(RateHeaders, prefix=dialnexa.PREFIX)
    app.add_middleware(metrics.Latency)
    app.add_middleware(RequestId)
    app.add_middleware(Spelling)  # the outermost: the others see the path as it is meant
    return app


def _operation_id(route: APIRoute) -> str:
    """The name of its function, such as `start_campaign`: what generated clients call it."""
    return route.name
