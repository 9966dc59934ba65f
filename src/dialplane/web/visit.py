"""Who looks at a page, and what they may do: the cookie of a sign-in -> a visit."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated, Any, Literal
from urllib.parse import quote, unquote

from fastapi import Depends, HTTPException, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from dialplane.engine.keys import LOGIN, Caller, Role, identify
from dialplane.engine.people import SIGNED_IN
from dialplane.web.rendering import render
from dialplane.web.security import is_secure
from dialplane.wiring import App, Server

SESSION, THEME, SAID = "dialplane_session", "dialplane_theme", "dialplane_said"
SAID_SECONDS = 30  # until then the page on which it is shown has been loaded
Theme = Literal["light", "dark", "auto"]
THEMES: tuple[Theme, ...] = ("light", "dark", "auto")


class SignedOut(Exception):
    """Nobody has signed in on this browser, or their sign-in has ended."""


@dataclass(frozen=True, slots=True)
class Visit:
    """One request of a person. app: of their organization."""

    request: Request
    server: Server
    app: App
    caller: Caller

    def may(self, role: str) -> bool:
        """Whether they may do what takes this role; templates leave out what they may not."""
        return self.caller.role.includes(Role(role))

    @property
    def email(self) -> str:
        return self.caller.name.removeprefix("sign-in of ")

    def page(self, template: str, *, status: int = 200, **context: Any) -> HTMLResponse:
        """The template as a page, or as a part of one. What was to be said once is said here."""
        return page(self.request, template, status=status, visit=self, **context)

    def go(self, path: str, say: str = "", *, fault: bool = False) -> Response:
        """After something was done: on to a page, which says so."""
        response = RedirectResponse(path, 303)
        if say:
            response.set_cookie(
                SAID,
                quote(("!" if fault else "") + say[:1000]),
                max_age=SAID_SECONDS,
                httponly=True,
                samesite="lax",
                secure=is_secure(self.request),
            )
        return response


def page(request: Request, template: str, *, status: int = 200, **context: Any) -> HTMLResponse:
    """A page, also for who has not signed in."""
    said = unquote(request.cookies.get(SAID, ""))
    whole = "HX-Request" not in request.headers
    theme = request.cookies.get(THEME, "auto")
    given = {
        "visit": None,
        "request": request,
        "path": request.url.path,
        "theme": theme if theme in THEMES else "auto",
        "said": said.removeprefix("!") if whole else "",
        "said_fault": said.startswith("!"),
        **context,
    }
    response = HTMLResponse(render(template, given), status)
    if said and whole:
        response.delete_cookie(SAID)
    return response


def sign_in(request: Request, response: Response, key: str) -> None:
    """The browser shows this key from now on; no script can read it, no other site can send it."""
    response.set_cookie(
        SESSION,
        key,
        max_age=int(SIGNED_IN.total_seconds()),
        httponly=True,
        samesite="lax",
        secure=is_secure(request),
    )


async def caller_of(request: Request) -> Caller | None:
    """Who has signed in on this browser."""
    key = request.cookies.get(SESSION)
    caller = await identify(request.app.state.server.database, key) if key else None
    return caller if caller is not None and caller.kind == LOGIN else None


def visiting(role: Role) -> Callable[[Request], Awaitable[Visit]]:
    """A dependency: the visit of somebody with at least this role."""

    async def visit(request: Request) -> Visit:
        caller = await caller_of(request)
        if caller is None:
            raise SignedOut
        request.state.visit = found = Visit(
            request, request.app.state.server, request.app.state.server.of(caller.organization_id), caller
        )
        if not caller.role.includes(role):
            raise HTTPException(403, f"your role is {caller.role}; this takes {role}. An owner can change your role")
        return found

    return visit


Viewing = Annotated[Visit, Depends(visiting(Role.VIEWER))]
Operating = Annotated[Visit, Depends(visiting(Role.OPERATOR))]
Owning = Annotated[Visit, Depends(visiting(Role.OWNER))]
