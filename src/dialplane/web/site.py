"""The application with its pages: routes, static files, what an unknown address shows."""

from __future__ import annotations

from fastapi import APIRouter, FastAPI, Request
from fastapi.exception_handlers import http_exception_handler
from fastapi.responses import RedirectResponse, Response
from starlette.exceptions import HTTPException
from starlette.middleware.gzip import GZipMiddleware
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from dialplane.api.application import build_api
from dialplane.web import (
    accounts,
    agents,
    calls,
    campaign,
    campaign_orders,
    campaign_settings,
    campaign_setup,
    campaigns,
    carriers,
    contacts,
    do_not_call,
    keys,
    live,
    new_campaign,
    numbers,
    people,
    rejects,
    results,
    settings,
    system,
    voice,
    webhooks,
)
from dialplane.web.rendering import FOLDER, STATIC
from dialplane.web.route import PageRoute, fault_page
from dialplane.web.security import HEADERS
from dialplane.wiring import Server

HALF_A_YEAR_SECONDS = 182 * 86_400

home = APIRouter(route_class=PageRoute)


@home.get("/")
async def show_home() -> Response:
    return RedirectResponse("/campaigns", 303)


# Where two of them could answer an address, the one that comes first does.
ROUTERS = (
    home,
    *(
        each.router
        for each in (
            accounts,
            new_campaign,
            campaign_setup,
            rejects,
            campaigns,
            campaign,
            campaign_orders,
            campaign_settings,
            contacts,
            calls,
            results,
            live,
            agents,
            carriers,
            numbers,
            do_not_call,
            webhooks,
            keys,
            people,
            settings,
            voice,
            system,
        )
    ),
)


def build_site(server: Server) -> FastAPI:
    """The API with the pages beside it; it opens nothing and closes nothing of the server's."""
    app = build_api(server)
    add_pages(app)
    return app


def add_pages(app: FastAPI) -> None:
    for router in ROUTERS:
        app.include_router(router, include_in_schema=False)
    app.mount(STATIC, GZipMiddleware(Static(directory=FOLDER / "static"), minimum_size=1000))
    app.add_exception_handler(HTTPException, _unknown)


class Static(StaticFiles):
    """Their addresses carry their version, so browsers may keep them."""

    def file_response(self, full_path, stat_result, scope: Scope, status_code: int = 200) -> Response:  # type: ignore[no-untyped-def]
        response = super().file_response(full_path, stat_result, scope, status_code)
        response.headers["Cache-Control"] = f"public, max-age={HALF_A_YEAR_SECONDS}, immutable"
        response.headers["X-Content-Type-Options"] = "nosniff"
        return response


async def _unknown(request: Request, fault: Exception) -> Response:
    """An address that nobody knows is shown as a page to people, and as JSON to programs."""
    assert isinstance(fault, HTTPException)
    if fault.status_code != 404 or "text/html" not in request.headers.get("Accept", ""):
        return await http_exception_handler(request, fault)
    response = fault_page(request, 404, "there is no page at this address")
    response.headers.update(HEADERS)
    return response
