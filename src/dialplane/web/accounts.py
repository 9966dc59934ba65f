"""Pages to come in and to go: the first person, invitations, sign-in, sign-out, the own account."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, HTTPException, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from dialplane.api.guessing import check_pace, guesses_of
from dialplane.engine import keys
from dialplane.engine.people import People
from dialplane.errors import DialplaneError
from dialplane.web.route import PageRoute
from dialplane.web.security import is_secure
from dialplane.web.visit import SESSION, THEME, Theme, Viewing, caller_of, page, sign_in

WRONG = "The e-mail or the password is not right."
YEAR_SECONDS = 365 * 86_400
router = APIRouter(route_class=PageRoute)

Email = Annotated[str, Form(max_length=254)]
Password = Annotated[str, Form(max_length=200)]
Name = Annotated[str, Form(max_length=255)]
Token = Annotated[str, Query(max_length=100)]
Next = Annotated[str, Query(max_length=2000)]


@router.get("/sign-in")
async def show_sign_in(request: Request, next: Next = "/") -> Response:
    if await caller_of(request) is not None:
        return RedirectResponse(_own(next), 303)
    return _sign_in_page(request, next)


@router.post("/sign-in")
async def sign_in_here(request: Request, email: Email, password: Password, next: Next = "/") -> Response:
    try:
        check_pace(request, email)
    except HTTPException as fault:
        return _sign_in_page(request, next, email=email, fault=str(fault.detail), status=fault.status_code)
    people = _people(request)
    person = await people.sign_in(email, password)
    if person is None:
        return _sign_in_page(request, next, email=email, fault=WRONG, status=401)
    guesses_of(request).right(email.lower())
    response = RedirectResponse(_own(next), 303)
    sign_in(request, response, (await people.session(person)).key)
    return response


@router.post("/sign-out")
async def sign_out(visit: Viewing) -> Response:
    await keys.sign_out(visit.server.database, visit.caller)
    response = visit.go("/sign-in", "You are signed out.")
    response.delete_cookie(SESSION)
    return response


@router.get("/welcome")
async def show_welcome(request: Request, token: Token = "") -> HTMLResponse:
    role = await _people(request).invited_as(token)
    if role is None:
        raise HTTPException(
            404, "this link has been used or has expired. Sign in, ask for a new one, or start the server again"
        )
    return page(request, "welcome.html", token=token, role=role, email="", name="", fault="")


@router.post("/welcome")
async def join(request: Request, email: Email, password: Password, name: Name = "", token: Token = "") -> Response:
    people = _people(request)
    try:
        person = await people.join(token, email, password, name)
    except DialplaneError as failure:
        role = await people.invited_as(token)
        if role is None:
            raise
        given = {"token": token, "role": role, "email": email, "name": name, "fault": str(failure)}
        return page(request, "welcome.html", status=400, **given)
    response = RedirectResponse("/", 303)
    sign_in(request, response, (await people.session(person)).key)
    return response


@router.get("/account")
async def show_account(visit: Viewing) -> HTMLResponse:
    return visit.page("account.html", person=await _person(visit))


@router.post("/account/password")
async def change_password(visit: Viewing, old: Password, new: Password) -> Response:
    await visit.server.people.change_password(visit.caller, old, new)
    return visit.go("/account", "The password is changed. Your other sign-ins have ended.")


@router.post("/theme")
async def choose_theme(request: Request, theme: Annotated[Theme, Form()], next: Next = "/") -> Response:
    response = RedirectResponse(_own(next), 303)
    response.set_cookie(THEME, theme, max_age=YEAR_SECONDS, samesite="lax", secure=is_secure(request))
    return response


def _people(request: Request) -> People:
    people: People = request.app.state.server.people
    return people


async def _person(visit: Viewing) -> object:
    assert visit.caller.person_id is not None
    return await visit.server.people.get(visit.caller.organization_id, visit.caller.person_id)


def _sign_in_page(request: Request, next: str, *, email: str = "", fault: str = "", status: int = 200) -> HTMLResponse:
    return page(request, "sign_in.html", status=status, next=next, email=email, fault=fault)


def _own(next: str) -> str:
    """A path of ours, whatever a link says: never another site."""
    return next if next.startswith("/") and not next.startswith(("//", "/\\")) else "/"
