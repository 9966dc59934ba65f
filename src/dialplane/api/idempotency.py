"""A POST that is repeated with its Idempotency-Key gets the first answer, and is not carried out again."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable

import structlog
from fastapi import HTTPException, Request, Response

from dialplane.engine.keys import Caller
from dialplane.engine.repeats import Claim, Repeats
from dialplane.secrets import Secrets
from dialplane.store.postgres import CONNECTION_FAULTS, Row, describe

MOST_CHARACTERS = 255
MOST_ANSWER_BYTES = 1 << 20

log = structlog.get_logger()


async def answer_once(
    key: str,
    caller: Caller,
    request: Request,
    handle: Callable[[Request], Awaitable[Response]],
    *,
    repeats: Repeats,
    secrets: Secrets,
) -> Response:
    """Refusals, faults, streams and large answers are not kept: their repetition is carried out.

    Raises HTTPException: 409 while the first is being answered, 422 for a key of another request.
    """
    if len(key) > MOST_CHARACTERS or not key.isprintable():
        raise HTTPException(422, f"Idempotency-Key must be at most {MOST_CHARACTERS} printable characters")
    digest = await _digest(caller, request)
    claim = await repeats.claim(key, digest)
    if not isinstance(claim, Claim):
        return _repeated(claim, digest, secrets)
    try:
        answer = await handle(request)
    except BaseException:
        # A handler that is cancelled is cancelled once; what it left must still be cleared up.
        await asyncio.shield(repeats.forget(claim))
        raise
    body = getattr(answer, "body", None)  # a stream has none
    if answer.status_code >= 400 or not isinstance(body, bytes) or len(body) > MOST_ANSWER_BYTES:
        await repeats.forget(claim)
        return answer
    try:
        # Encrypted: the answer may hold a key, which is kept nowhere else.
        kept = secrets.encrypt(body.decode("latin-1")).encode()
        await repeats.keep(claim, status=answer.status_code, media_type=answer.media_type, answer=kept)
    except CONNECTION_FAULTS as fault:
        log.warning("answer.not_kept", fault=describe(fault))  # done it is, so its caller must hear of it
    return answer


async def _digest(caller: Caller, request: Request) -> bytes:
    """Of all that makes two requests the same one, the caller's key included: another's answer is nobody's business."""
    head = f"{caller.key_id} {request.method} {request.url.path}?{request.url.query}\n"
    return hashlib.sha256(head.encode() + await request.body()).digest()


def _repeated(first: Row | None, digest: bytes, secrets: Secrets) -> Response:
    if first is None:
        raise HTTPException(409, "the first request with this Idempotency-Key has just failed; repeat it")
    if first["request_digest"] != digest:
        raise HTTPException(422, "this Idempotency-Key was used for another request within the last 24 hours")
    if first["status"] is None:
        raise HTTPException(409, "the first request with this Idempotency-Key is being answered", {"Retry-After": "1"})
    body = secrets.decrypt(first["answer"].decode()).encode("latin-1")
    return Response(body, first["status"], {"Idempotency-Replayed": "true"}, first["media_type"])
