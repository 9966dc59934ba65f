"""Faults -> Vapi's error bodies: {"message", "error", "statusCode"}, as NestJS writes them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from http import HTTPStatus

import asyncpg
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from dialplane.api.errors import DATABASE_GONE, RETRY_AFTER_SECONDS, recover, status_of
from dialplane.errors import DialplaneError
from dialplane.store.postgres import CONNECTION_FAULTS

MOST_MESSAGES = 50  # of one answer; ten thousand customers may each have a fault


class Error(BaseModel):
    """Why a request came to nothing; a list where its shape is wrong in several places."""

    message: str | list[str] = Field(examples=["Campaign not found"])
    error: str = Field(examples=["Not Found"])
    statusCode: int = Field(examples=[404])  # noqa: N815  (the contract's word)


def add_handlers(app: FastAPI) -> None:
    app.add_exception_handler(DialplaneError, _known)
    app.add_exception_handler(RequestValidationError, _misshapen)
    app.add_exception_handler(HTTPException, _refused)
    app.add_exception_handler(asyncpg.DataError, _unstorable)
    for fault in CONNECTION_FAULTS:
        app.add_exception_handler(fault, _database_gone)


def answer(status: int, message: str | Sequence[str], headers: Mapping[str, str] | None = None) -> JSONResponse:
    body = {"message": message, "error": HTTPStatus(status).phrase, "statusCode": status}
    return JSONResponse(body, status, dict(headers or {}))


async def _known(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, DialplaneError)
    status = status_of(error)
    return answer(status, str(error), _come_back() if status in (429, 503) else None)


async def _refused(request: Request, error: Exception) -> JSONResponse:
    """Also what no route answers."""
    assert isinstance(error, HTTPException)
    message = error.detail
    if error.status_code == HTTPStatus.NOT_FOUND and message == HTTPStatus.NOT_FOUND.phrase:
        message = f"Cannot {request.method} {request.url.path}"
    return answer(error.status_code, message, error.headers)


async def _misshapen(_: Request, error: Exception) -> JSONResponse:
    """A wrong shape is a bad request here: 422 is no status of this contract."""
    assert isinstance(error, RequestValidationError)
    faults = error.errors()
    messages = [_told(fault["loc"], fault["msg"]) for fault in faults[:MOST_MESSAGES]]
    if more := len(faults) - len(messages):
        messages.append(f"and {more} more")
    return answer(HTTPStatus.BAD_REQUEST, messages)


def _told(place: Sequence[str | int], message: str) -> str:
    """(("body", "customers", 3, "number"), "…") -> "customers.3.number: …" """
    where = ".".join(str(part) for part in place[1:])
    return f"{where}: {message.removeprefix('Value error, ')}" if where else message.removeprefix("Value error, ")


async def _unstorable(_: Request, error: Exception) -> JSONResponse:
    return answer(HTTPStatus.BAD_REQUEST, f"a value cannot be stored: {error}")


async def _database_gone(request: Request, error: Exception) -> JSONResponse:
    await recover(request, error)
    return answer(HTTPStatus.SERVICE_UNAVAILABLE, DATABASE_GONE, _come_back())


def _come_back() -> dict[str, str]:
    return {"Retry-After": str(RETRY_AFTER_SECONDS)}
