"""What every page passes: where the request comes from, faults -> pages, headers, the record of what people did."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any
from urllib.parse import quote

import structlog
from fastapi import HTTPException, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from fastapi.routing import APIRoute

from dialplane.api.errors import DATABASE_GONE, recover, status_of
from dialplane.api.guard import DEFECT
from dialplane.errors import DialplaneError
from dialplane.store.postgres import CONNECTION_FAULTS
from dialplane.web.security import HARMLESS, HEADERS, check_origin
from dialplane.web.visit import SignedOut, Visit, page

Handler = Callable[[Request], Coroutine[Any, Any, Response]]

log = structlog.get_logger()


class PageRoute(APIRoute):
    """Routes of pages are of this class."""

    def get_route_handler(self) -> Handler:
        handle = super().get_route_handler()

        async def answered(request: Request) -> Response:
            response = await self._answer(request, handle)
            for name, value in HEADERS.items():
                response.headers.setdefault(name, value)
            return response

        return answered

    async def _answer(self, request: Request, handle: Handler) -> Response:
        try:
            check_origin(request)
            response = await handle(request)
            await self._note(request)
        except SignedOut:
            return _to_sign_in(request)
        except HTTPException as fault:
            return fault_page(request, fault.status_code, str(fault.detail))
        except DialplaneError as fault:
            return fault_page(request, status_of(fault), str(fault))
        except RequestValidationError as fault:
            return fault_page(request, 422, _misshapen(fault))
        except CONNECTION_FAULTS as fault:
            await recover(request, fault)
            return fault_page(request, 503, DATABASE_GONE)
        except Exception:
            log.exception("page.failed", path=request.url.path)
            return fault_page(request, 500, DEFECT)
        return response

    async def _note(self, request: Request) -> None:
        """What a person has changed is kept for the record."""
        visit: Visit | None = getattr(request.state, "visit", None)
        if visit is not None and request.method not in HARMLESS:
            await visit.server.people.note(visit.caller, self.name, request.url.path)


def fault_page(request: Request, status: int, detail: str) -> HTMLResponse:
    """What went wrong and what to do; a part of a page where a part was asked for."""
    part = "HX-Request" in request.headers
    visit = getattr(request.state, "visit", None)
    return page(
        request,
        "fault_part.html" if part else "fault.html",
        status=status,
        visit=visit,
        fault_status=status,
        detail=detail,
    )


def _to_sign_in(request: Request) -> Response:
    back = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    if "HX-Request" in request.headers:
        return Response(status_code=401, headers={"HX-Redirect": "/sign-in"})
    wanted = f"?next={quote(back)}" if request.method in HARMLESS and back != "/" else ""
    return RedirectResponse(f"/sign-in{wanted}", 303)


def _misshapen(fault: RequestValidationError) -> str:
    """Which field, and what is wrong with it."""
    return "; ".join(f"{'.'.join(str(part) for part in error['loc'][1:])}: {error['msg']}" for error in fault.errors())
