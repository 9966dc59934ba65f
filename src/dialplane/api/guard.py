"""What a request passes before FastAPI sees it: its spelling, its id, the size and depth of its JSON."""

from __future__ import annotations

import json
import re
import time
from http import HTTPStatus
from typing import Any
from uuid import uuid4

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

API = "/api/v1"
# Sysevo's paths have no prefix.
BARE = re.compile(r"/(campaign|s3|workflow|public|telephony|organizations|user|auth)(/|$)")
OTHER_DOORS = re.compile(r"/(vapi|dialnexa)(/|$)")  # whose errors have another shape
MOST_BODY_BYTES = 10_000_000
MOST_FORM_BYTES = 11_000_000  # a file of 10 MiB, and what is around it
DEEPEST_JSON = 64
# Their bodies are files, which their routes measure as they come; those of the pages too.
UPLOADS = (f"{API}/dnc/import", f"{API}/sounds", "/do-not-call/import", "/agents/sounds", "/campaigns/new/file")
TOKEN = re.compile(r"(?<=/public/download/workflow/)[^/]+")  # who has it may read: it is not for logs
DEFECT = "the server has failed on this; its log tells more under the X-Request-ID of this answer"
REQUEST_ID = re.compile(r"[A-Za-z0-9._:-]{1,100}")

log = structlog.get_logger()


class Spelling:
    """The same route with and without `/api/v1`, with and without a slash at its end."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            path: str = scope["path"]
            if path != "/" and path.endswith("/"):
                path = path.rstrip("/")
            if BARE.match(path):
                path = API + path
            if path != scope["path"]:
                scope = {**scope, "path": path, "raw_path": path.encode()}
        await self._app(scope, receive, send)


class RequestId:
    """Every answer and every line that is logged on the way to it carry the id of the request."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        given = Headers(scope=scope).get("X-Request-ID", "")
        request_id = given if REQUEST_ID.fullmatch(given) else uuid4().hex
        began = time.monotonic()
        status: int | None = None

        async def named(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message)["X-Request-ID"] = request_id
            await send(message)

        with structlog.contextvars.bound_contextvars(request_id=request_id):
            try:
                await self._app(scope, receive, named)
            except Exception:
                log.exception("request.failed")
                if status is None:
                    await JSONResponse({"detail": DEFECT}, 500)(scope, receive, named)
            finally:
                taken_ms = round((time.monotonic() - began) * 1000, 1)
                path = TOKEN.sub("…", scope["path"])
                log.info("request.answered", method=scope["method"], path=path, status=status, taken_ms=taken_ms)
        return None


class JsonBody:
    """Refuses JSON that is too large, too deep, or holds text that no database can store."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] not in ("POST", "PUT", "PATCH") or _is_upload(scope):
            return await self._app(scope, receive, send)
        body = b""
        form = Headers(scope=scope).get("Content-Type", "").lower().startswith("multipart/")
        most = MOST_FORM_BYTES if form else MOST_BODY_BYTES
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                return None
            body += message.get("body", b"")
            if len(body) > most:
                return await _refuse(413, f"the body is larger than {most:,} bytes", scope, receive, send)
            if not message.get("more_body"):
                break
        if not form and (fault := _fault(body)) is not None:
            return await _refuse(400, fault, scope, receive, send)
        given = False

        async def replay() -> Message:
            nonlocal given
            if given:
                return await receive()
            given = True
            return {"type": "http.request", "body": body, "more_body": False}

        return await self._app(scope, replay, send)


def _is_upload(scope: Scope) -> bool:
    path: str = scope["path"]
    return path.startswith(f"{API}/files/") or path in UPLOADS


async def _refuse(status: int, detail: str, scope: Scope, receive: Receive, send: Send) -> None:
    body: dict[str, Any] = {"detail": detail}
    if OTHER_DOORS.match(scope["path"]):
        body = {"statusCode": status, "message": detail, "error": HTTPStatus(status).phrase}
    await JSONResponse(body, status)(scope, receive, send)


def _fault(body: bytes) -> str | None:
    """What is wrong with a body, beyond what its route will say: malformed JSON is the route's to tell."""
    try:
        value = json.loads(body)
    except RecursionError:
        return f"the JSON is nested deeper than {DEEPEST_JSON} levels"
    except ValueError:
        if b"%00" in body:  # of a form
            return "a text holds a NUL character, which cannot be stored; remove it"
        return None if _is_text(body) else "the body is no UTF-8 text"
    return _unstorable(value)


def _is_text(body: bytes) -> bool:
    try:
        body.decode()
    except UnicodeDecodeError:
        return False
    return True


def _unstorable(value: Any) -> str | None:
    """Level by level, not by recursion: a body may be as deep as it likes."""
    level = [value]
    for _ in range(DEEPEST_JSON):
        texts = [item for item in level if isinstance(item, str)]
        texts += [key for item in level if isinstance(item, dict) for key in item]
        for text in texts:
            if "\0" in text:
                return "a text holds a NUL character, which cannot be stored; remove it"
            if not text.isascii() and any("\ud800" <= sign <= "\udfff" for sign in text):
                return "a text holds half of a UTF-16 surrogate pair, which is no character; remove it"
        level = [
            child
            for item in level
            if isinstance(item, dict | list)
            for child in (item.values() if isinstance(item, dict) else item)
        ]
        if not level:
            return None
    return f"the JSON is nested deeper than {DEEPEST_JSON} levels"
