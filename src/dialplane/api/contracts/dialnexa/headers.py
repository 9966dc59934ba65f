"""What DialNexa's answers say beside their bodies: how much more may be asked, and whether anything is new."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Coroutine
from math import ceil
from typing import Any

from fastapi import Request, Response
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from dialplane.api.rate import Rates
from dialplane.api.route import Route

Handler = Callable[[Request], Coroutine[Any, Any, Response]]


class RateHeaders:
    """X-RateLimit-Limit, -Remaining and -Reset (Unix time) on every answer below a prefix, refusals included.

    Without a valid key there is nobody to count for, and an installation without a limit has nothing to say.
    """

    def __init__(self, app: ASGIApp, prefix: str) -> None:
        self._app = app
        self._prefix = f"{prefix}/"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not scope["path"].startswith(self._prefix):
            return await self._app(scope, receive, send)
        known = scope.setdefault("state", {})  # where the route leaves the caller
        rates: Rates = scope["app"].state.rates

        async def counted(message: Message) -> None:
            if message["type"] == "http.response.start":
                caller = known.get("caller")
                key = None if caller is None else (caller.organization_id, caller.key_id)
                if (standing := rates.standing(key)) is not None:
                    headers = MutableHeaders(scope=message)
                    headers["X-RateLimit-Limit"] = str(standing.limit)
                    headers["X-RateLimit-Remaining"] = str(standing.remaining)
                    headers["X-RateLimit-Reset"] = str(ceil(time.time() + standing.reset_seconds))
            await send(message)

        return await self._app(scope, receive, counted)


class Tagged(Route):
    """A GET whose answer has an ETag; who has that already gets 304 and no body."""

    def get_route_handler(self) -> Handler:
        handle = super().get_route_handler()

        async def tagged(request: Request) -> Response:
            answer = await handle(request)
            if request.method != "GET" or answer.status_code != 200:
                return answer
            tag = f'"{hashlib.sha256(bytes(answer.body)).hexdigest()[:32]}"'
            answer.headers["ETag"] = tag
            answer.headers["Cache-Control"] = "private, no-cache"
            if _has(request.headers.get("If-None-Match", ""), tag):
                return Response(status_code=304, headers={"ETag": tag, "Cache-Control": "private, no-cache"})
            return answer

        return tagged


def _has(known: str, tag: str) -> bool:
    """
    >>> _has('W/"a", "b"', '"a"'), _has("*", '"a"'), _has('"b"', '"a"'), _has("", '"a"')
    (True, True, False, False)
    """
    return known.strip() == "*" or tag in {each.strip().removeprefix("W/") for each in known.split(",")}
