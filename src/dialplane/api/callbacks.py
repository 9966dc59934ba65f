"""What carriers tell of calls: passed on to the worker that has the call, which knows whether they said it."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from uuid import UUID

import structlog
from fastapi import APIRouter, HTTPException, Request, WebSocket, WebSocketDisconnect
from fastapi.responses import Response

from dialplane.api.route import Route
from dialplane.carriers.callbacks import STREAM, Callback, Messages, bring, connect
from dialplane.errors import CarrierUnavailable
from dialplane.store.postgres import sql
from dialplane.wiring import Server

MOST_BYTES = 64_000
PATH = "/callbacks/{organization_id}/{attempt_uuid}/{what}"

log = structlog.get_logger()
router = APIRouter(route_class=Route)


@router.post(PATH, include_in_schema=False)
async def tell_of_call(organization_id: int, attempt_uuid: UUID, what: str, request: Request) -> Response:
    """503 where the worker is gone: whoever takes the call over asks the carrier."""
    body = await request.body()
    if len(body) > MOST_BYTES or what == STREAM:
        raise HTTPException(404, "there is no such callback")
    address = await _worker(request.app.state.server, organization_id, attempt_uuid)
    if address is None:
        raise HTTPException(404, "there is no such call")
    callback = Callback(
        attempt=str(attempt_uuid), what=what, headers=dict(request.headers), body=body.decode(errors="replace")
    )
    try:
        return Response(status_code=await bring(address, callback))
    except CarrierUnavailable as fault:
        log.warning("callback.not_brought", attempt_uuid=str(attempt_uuid), error=str(fault))
        raise HTTPException(503, "the worker that has this call does not answer") from fault


@router.websocket(PATH)
async def stream_of_call(organization_id: int, attempt_uuid: UUID, what: str, websocket: WebSocket) -> None:
    """The sound of a call, as its carrier's messages."""
    address = await _worker(websocket.app.state.server, organization_id, attempt_uuid)
    if address is None or what != STREAM:
        return await websocket.close()
    callback = Callback(attempt=str(attempt_uuid), what=what, headers=dict(websocket.headers))
    try:
        messages = await connect(address, callback)
    except CarrierUnavailable as fault:
        log.warning("callback.not_brought", attempt_uuid=str(attempt_uuid), error=str(fault))
        return await websocket.close()
    await websocket.accept()
    ways = [asyncio.create_task(way) for way in (_in(websocket, messages), _out(websocket, messages))]
    try:
        await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for way in ways:
            way.cancel()
        await asyncio.gather(*ways, return_exceptions=True)
        await messages.close()
        with suppress(RuntimeError, WebSocketDisconnect):  # they were first
            await websocket.close()
    return None


async def _in(websocket: WebSocket, messages: Messages) -> None:
    with suppress(WebSocketDisconnect):
        while True:
            messages.send(await websocket.receive_text())


async def _out(websocket: WebSocket, messages: Messages) -> None:
    with suppress(WebSocketDisconnect):
        async for message in messages:
            await websocket.send_text(message)


async def _worker(server: Server, organization_id: int, attempt_uuid: UUID) -> str | None:
    """Where the worker is that has this call."""
    async with server.database.connection() as connection:
        worker = await sql.worker_of_attempt(connection, organization_id=organization_id, uuid=attempt_uuid)
        address: str | None = worker and await sql.worker_address(connection, worker_id=worker)
    return address
