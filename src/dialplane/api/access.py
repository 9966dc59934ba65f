"""Who asks, and what they may do: key -> caller -> the application of their organization."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from typing import Annotated

from fastapi import Depends, HTTPException, Request, Security
from fastapi.security import APIKeyHeader, HTTPAuthorizationCredentials, HTTPBearer

from dialplane.engine.keys import Caller, Role, identify
from dialplane.wiring import App, Server

API_KEY = APIKeyHeader(name="X-API-Key", auto_error=False, description="A key of your organization.")
BEARER_WORD = re.compile(r"^\s*bearer(\s|$)", re.IGNORECASE)
BEARER = HTTPBearer(auto_error=False, description="The same key, or the token of a sign-in.")
# For the OpenAPI document: `caller_of` reads them.
ShownKey = Annotated[str | None, Security(API_KEY)]
ShownToken = Annotated[HTTPAuthorizationCredentials | None, Security(BEARER)]


def server_of(request: Request) -> Server:
    server: Server = request.app.state.server
    return server


async def caller_of(request: Request) -> Caller | None:
    """The caller with the request's key, looked up once a request; None without a valid one."""
    if not hasattr(request.state, "caller"):
        key = shown_key(request)
        request.state.caller = await identify(server_of(request).database, key) if key else None
    caller: Caller | None = request.state.caller
    return caller


def shown_key(request: Request) -> str | None:
    """X-API-Key wins over Authorization, where the word Bearer may be left out."""
    if key := request.headers.get("X-API-Key"):
        return key
    return BEARER_WORD.sub("", request.headers.get("Authorization", "")).strip() or None


def needs(role: Role) -> Callable[..., Awaitable[App]]:
    """A dependency: the application of the caller's organization, for callers with at least this role."""

    async def application(request: Request, _key: ShownKey = None, _token: ShownToken = None) -> App:
        caller = await caller_of(request)
        if caller is None:
            raise HTTPException(401, _why_not(request), headers={"WWW-Authenticate": "Bearer"})
        if not caller.role.includes(role):
            raise HTTPException(403, f"this key's role is {caller.role}; it takes {role} to do this")
        return server_of(request).of(caller.organization_id)

    return application


def _why_not(request: Request) -> str:
    if request.headers.get("X-API-Key"):
        return "Invalid or expired API key"
    if not request.headers.get("Authorization"):
        return "Authorization header required"
    return "Invalid or expired token" if shown_key(request) else "Invalid authorization token"


ServerDep = Annotated[Server, Depends(server_of)]
CallerDep = Annotated[Caller, Depends(caller_of)]  # only beside one of the next three, which refuse a missing caller
ViewerApp = Annotated[App, Depends(needs(Role.VIEWER))]
OperatorApp = Annotated[App, Depends(needs(Role.OPERATOR))]
OwnerApp = Annotated[App, Depends(needs(Role.OWNER))]
