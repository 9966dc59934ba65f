"""A POST that is repeated with its Idempotency-Key gets the first answer, and is not carried out again."""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

from fastapi import HTTPException, Request, Response

from dialplane.store.postgres import Database, Row, sql

KEPT = timedelta(hours=24)
ANSWER_DEADLINE = timedelta(seconds=90)  # who has not answered by then never will
MOST_CHARACTERS = 255
MOST_ANSWER_BYTES = 1 << 20


class Repeats:
    """The remembered requests of one organization.

    The row is claimed before the handler runs. A process that dies in between leaves it without an answer; a repetition
    is then carried out again, and what must not be made twice has an id that is derived from the key (`derived`).
    """

    def __init__(self, database: Database, organization_id: int) -> None:
        self._database = database
        self._of = {"organization_id": organization_id}

    async def once(self, key: str, request: Request, handle: Callable[[Request], Awaitable[Response]]) -> Response:
        """Raises HTTPException: 409 while the first is being answered, 422 for a key of another request."""
        if len(key) > MOST_CHARACTERS or not key.isprintable():
            raise HTTPException(422, f"Idempotency-Key must be at most {MOST_CHARACTERS} printable characters")
        digest = hashlib.sha256(f"{request.method} {request.url.path}\n".encode() + await request.body()).digest()
        if (first := await self._claim(key, digest)) is not None:
            return _repeated(first, digest)
        try:
            answer = await handle(request)
        except BaseException:
            await self._forget(key)
            raise
        body = answer.body if isinstance(answer.body, bytes) and type(answer).__name__ != "StreamingResponse" else None
        if answer.status_code >= 400 or body is None or len(body) > MOST_ANSWER_BYTES:
            await self._forget(key)
        else:
            async with self._database.connection() as connection:
                await sql.keep_answer(
                    connection,
                    key=key,
                    status=answer.status_code,
                    media_type=answer.media_type,
                    answer=body,
                    **self._of,
                )
        return answer

    async def _claim(self, key: str, digest: bytes) -> Row | None:
        """The request that was there first, or None: then this one is."""
        now = datetime.now(UTC)
        async with self._database.connection() as connection:
            claimed = await sql.claim_request(
                connection,
                key=key,
                request_digest=digest,
                now=now,
                forgotten=now - KEPT,
                overdue=now - ANSWER_DEADLINE,
                **self._of,
            )
            if claimed is not None:
                return None
            found: Row | None = await sql.repeated_request(connection, key=key, **self._of)
        if found is None:  # forgotten in between: the first one failed
            raise HTTPException(409, "the first request with this Idempotency-Key has just failed; repeat it")
        return found

    async def _forget(self, key: str) -> None:
        async with self._database.connection() as connection:
            await sql.forget_request(connection, key=key, **self._of)


def _repeated(first: Row, digest: bytes) -> Response:
    if first["request_digest"] != digest:
        raise HTTPException(422, "this Idempotency-Key was used for another request within the last 24 hours")
    if first["status"] is None:
        raise HTTPException(409, "the first request with this Idempotency-Key is being answered", {"Retry-After": "1"})
    return Response(first["answer"], first["status"], {"Idempotency-Replayed": "true"}, first["media_type"])
