"""Requests with a key of the caller's choice: the first is carried out and its answer kept for a day."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from dialplane.store.postgres import Database, Row, rows, sql

KEPT = timedelta(hours=24)
ANSWER_DEADLINE = timedelta(seconds=90)  # who has not answered by then never will
PURGED_AT_ONCE = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """The right to carry a request out, and to say what came of it."""

    key: str
    claimed_at: datetime


class Repeats:
    """The remembered requests of one organization.

    The row is claimed before the request is carried out. A process that dies in between leaves it without an answer; a
    repetition is carried out again once the deadline has passed.
    """

    def __init__(self, database: Database, organization_id: int) -> None:
        self._database = database
        self._of = {"organization_id": organization_id}

    async def claim(self, key: str, digest: bytes) -> Claim | Row | None:
        """A claim for the first request with this key; else the first one: request_digest, status, media_type, answer.

        None: there was one, and it has failed in this moment.
        """
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
                return Claim(key=key, claimed_at=now)
            first: Row | None = await sql.repeated_request(connection, key=key, **self._of)
        return first

    async def keep(self, claim: Claim, *, status: int, media_type: str | None, answer: bytes) -> None:
        async with self._database.connection() as connection:
            await sql.keep_answer(
                connection,
                key=claim.key,
                claimed_at=claim.claimed_at,
                status=status,
                media_type=media_type,
                answer=answer,
                **self._of,
            )

    async def forget(self, claim: Claim) -> None:
        """It came to nothing that is worth repeating: the next one with this key is the first."""
        async with self._database.connection() as connection:
            await sql.forget_request(connection, key=claim.key, claimed_at=claim.claimed_at, **self._of)

    async def purge(self, now: datetime) -> int:
        """Delete those that are older than a day; how many there were."""
        purged = 0
        while True:
            async with self._database.connection() as connection:
                gone = await rows(sql.purge_requests(connection, before=now - KEPT, limit=PURGED_AT_ONCE, **self._of))
            purged += len(gone)
            if len(gone) < PURGED_AT_ONCE:
                return purged
