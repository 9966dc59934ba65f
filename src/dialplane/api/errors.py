"""Faults -> HTTP: one table from the class to the status; handlers never build an answer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import asyncpg
import structlog
from fastapi import FastAPI, Request
from fastapi.encoders import jsonable_encoder
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel

from dialplane.engine.sealing import MASK, is_secret
from dialplane.errors import CarrierError, Conflict, DialplaneError, EnvironmentFault, Invalid, LinesBusy, NotFound
from dialplane.store.postgres import CONNECTION_FAULTS, describe

# Dograh answers a wrong state and wrong data with 400; its 422 is for the shape of a request.
STATUS: dict[type[DialplaneError], int] = {
    NotFound: 404,
    LinesBusy: 429,  # before what it is a kind of
    Conflict: 400,
    Invalid: 400,
    EnvironmentFault: 503,
    CarrierError: 502,
}
RETRY_AFTER_SECONDS = 2
DATABASE_GONE = "the database cannot be reached at present; try again in some seconds"

log = structlog.get_logger()


class Error(BaseModel):
    """What went wrong, in words for the person who has to act."""

    detail: str


class FieldError(BaseModel):
    loc: list[str | int]
    msg: str
    type: str
    input: object = None
    ctx: dict[str, object] | None = None


class FieldErrors(BaseModel):
    """The shape of the request is wrong: where, and why."""

    detail: list[FieldError]


def add_handlers(app: FastAPI) -> None:
    app.add_exception_handler(DialplaneError, _known)
    app.add_exception_handler(RequestValidationError, _misshapen)
    app.add_exception_handler(asyncpg.DataError, _unstorable)
    for fault in CONNECTION_FAULTS:
        app.add_exception_handler(fault, _database_gone)


def status_of(error: DialplaneError) -> int:
    return next(status for kind, status in STATUS.items() if isinstance(error, kind))


async def _known(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, DialplaneError)
    status = status_of(error)
    headers = {"Retry-After": str(RETRY_AFTER_SECONDS)} if status in (429, 503) else None
    return JSONResponse({"detail": str(error)}, status, headers)


async def _misshapen(_: Request, error: Exception) -> JSONResponse:
    """As FastAPI does it, without what JSON cannot carry."""
    assert isinstance(error, RequestValidationError)
    details = [
        {key: value for key, value in detail.items() if key != "url"}
        | {"ctx": _told(detail.get("ctx")), "input": _without_secrets(detail)}
        for detail in error.errors()
    ]
    return JSONResponse({"detail": jsonable_encoder(details, custom_encoder={float: _finite})}, 422)


def _without_secrets(detail: Mapping[str, Any]) -> Any:
    """What was sent, but for what nobody shall read in an answer or its logs."""
    given = detail.get("input")
    if any(is_secret(str(place), given) for place in detail["loc"]):
        return MASK
    return _masked(given)


def _masked(given: Any) -> Any:
    if isinstance(given, Mapping):
        return {name: MASK if is_secret(str(name), value) else _masked(value) for name, value in given.items()}
    return [_masked(each) for each in given] if isinstance(given, list) else given


def _told(context: object) -> dict[str, str] | None:
    return {str(key): str(value) for key, value in context.items()} if isinstance(context, dict) else None


def _finite(number: float) -> float | str:
    return number if abs(number) < float("inf") else str(number)


async def _unstorable(_: Request, error: Exception) -> JSONResponse:
    return JSONResponse({"detail": f"a value cannot be stored: {error}"}, 400)


async def recover(request: Request, error: Exception) -> None:
    """The embedded server is started again."""
    log.warning("database.lost", fault=describe(error))
    try:
        await request.app.state.server.database.recover()
    except EnvironmentFault as fault:
        log.error("database.not_recovered", fault=str(fault))


async def _database_gone(request: Request, error: Exception) -> JSONResponse:
    """The client is told to come back."""
    await recover(request, error)
    return JSONResponse({"detail": DATABASE_GONE}, 503, {"Retry-After": str(RETRY_AFTER_SECONDS)})
