"""What every request passes before its handler: the pace of its key, and the memory of repeated POSTs."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from math import ceil
from typing import Any

from fastapi import HTTPException, Request, Response
from fastapi.routing import APIRoute

from dialplane.api.access import caller_of, server_of
from dialplane.api.idempotency import answer_once
from dialplane.api.rate import Rates
from dialplane.engine.repeats import Repeats

Handler = Callable[[Request], Coroutine[Any, Any, Response]]
IDEMPOTENCY_KEY = "Idempotency-Key"


class Route(APIRoute):
    """Routes of the API are of this class."""

    def get_route_handler(self) -> Handler:
        handle = super().get_route_handler()

        async def passed(request: Request) -> Response:
            caller = await caller_of(request)
            if caller is None:
                return await handle(request)
            rates: Rates = request.app.state.rates
            if (wait_seconds := rates.wait_seconds((caller.organization_id, caller.key_id))) > 0:
                raise HTTPException(429, _too_fast(rates), headers={"Retry-After": str(ceil(wait_seconds))})
            key = request.headers.get(IDEMPOTENCY_KEY)
            if request.method != "POST" or not key:
                return await handle(request)
            server = server_of(request)
            repeats = Repeats(server.database, caller.organization_id)
            return await answer_once(key, caller, request, handle, repeats=repeats, secrets=server.secrets)

        return passed


def _too_fast(rates: Rates) -> str:
    return f"too many requests: this key may make {rates.per_second:g} a second; Retry-After says when to go on"
