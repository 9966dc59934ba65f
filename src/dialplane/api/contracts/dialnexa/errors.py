"""Faults -> DialNexa's error bodies: one table from the class to the status."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus

import asyncpg
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from dialplane.api.errors import DATABASE_GONE, RETRY_AFTER_SECONDS, recover
from dialplane.errors import CarrierError, Conflict, DialplaneError, EnvironmentFault, Invalid, NotFound
from dialplane.store.postgres import CONNECTION_FAULTS

MOST_SENTENCES = 50  # of one answer
STATUS: dict[type[DialplaneError], int] = {
    NotFound: 404,
    Conflict: 409,
    Invalid: 400,
    EnvironmentFault: 503,
    CarrierError: 502,
}


class Error(BaseModel):
    """What went wrong, in words for the person who has to act."""

    statusCode: int = Field(examples=[400])  # noqa: N815  (theirs)
    message: str | list[str] = Field(description="One sentence; of a request of the wrong shape, one a field")
    error: str = Field(examples=["Bad Request"])


class Rows(Invalid):
    """A file of which nothing can be used. sentences: what is wrong, a group of rows each."""

    def __init__(self, sentences: list[str]) -> None:
        super().__init__("; ".join(sentences))
        self.sentences = sentences


def refusal(status: int, message: str | list[str], headers: Mapping[str, str] | None = None) -> JSONResponse:
    body = {"statusCode": status, "message": message, "error": HTTPStatus(status).phrase}
    return JSONResponse(body, status, dict(headers or {}))


def add_handlers(app: FastAPI) -> None:
    app.add_exception_handler(DialplaneError, _known)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(RequestValidationError, _misshapen)
    app.add_exception_handler(asyncpg.DataError, _unstorable)
    for fault in CONNECTION_FAULTS:
        app.add_exception_handler(fault, _database_gone)


async def _known(_: Request, error: Exception) -> JSONResponse:
    status = next(status for kind, status in STATUS.items() if isinstance(error, kind))
    headers = {"Retry-After": str(RETRY_AFTER_SECONDS)} if status == 503 else None
    return refusal(status, error.sentences if isinstance(error, Rows) else str(error), headers)


async def _http(request: Request, error: Exception) -> JSONResponse:
    """Also what no route answers."""
    assert isinstance(error, HTTPException)
    message = str(error.detail)
    if message == HTTPStatus(error.status_code).phrase:
        message = f"Cannot {request.method} {request.url.path}"
    return refusal(error.status_code, message, error.headers)


async def _misshapen(_: Request, error: Exception) -> JSONResponse:
    """400, as DialNexa answers: its 422 is for other things."""
    assert isinstance(error, RequestValidationError)
    faults = error.errors()
    sentences = [_sentence(fault["loc"], fault["msg"]) for fault in faults[:MOST_SENTENCES]]
    if more := len(faults) - len(sentences):
        sentences.append(f"and {more} more")
    return refusal(400, sentences)


def _sentence(where: tuple[str | int, ...], why: str) -> str:
    """
    >>> _sentence(("body", "retry_config", "max_retries"), "Input should be a valid integer")
    'retry_config.max_retries: Input should be a valid integer'
    """
    place = ".".join(str(part) for part in where if part not in ("body", "query", "path"))
    why = why.removeprefix("Value error, ")
    return f"{place}: {why}" if place else why


async def _unstorable(_: Request, error: Exception) -> JSONResponse:
    return refusal(400, f"a value cannot be stored: {error}")


async def _database_gone(request: Request, error: Exception) -> JSONResponse:
    await recover(request, error)
    return refusal(503, DATABASE_GONE, {"Retry-After": str(RETRY_AFTER_SECONDS)})
