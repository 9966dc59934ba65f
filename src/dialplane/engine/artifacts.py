"""What a call leaves behind: its transcript, which is kept with the attempt, and its recording, a file."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from dialplane.store.postgres import Database, Row, sql

TRANSCRIPTS: Final = "transcripts/"  # keys below are rendered from the attempt when they are asked for

_TRANSCRIPT = re.compile(rf"{TRANSCRIPTS}(\d{{1,19}})\.txt", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Artifacts:
    """Of one attempt; None where there is none. transcript: as text; recording: its key in the file store."""

    attempt_id: int
    transcript: str | None
    recording: str | None

    @property
    def transcript_key(self) -> str:
        return f"{TRANSCRIPTS}{self.attempt_id}.txt"


async def artifacts(database: Database, organization_id: int, attempt: int | UUID) -> Artifacts | None:
    """By the attempt's id or uuid; None where the organization has no such attempt."""
    async with database.connection() as connection:
        found: Row | None
        if isinstance(attempt, UUID):
            found = await sql.artifacts_by_uuid(connection, organization_id=organization_id, attempt_uuid=attempt)
        else:
            found = await sql.artifacts_by_id(connection, organization_id=organization_id, attempt_id=attempt)
    if found is None:
        return None
    said = found["transcript"]
    return Artifacts(
        attempt_id=found["id"],
        transcript=None if said is None else transcript_text(said),
        recording=found["recording"] or None,
    )


def attempt_of(key: str) -> int | None:
    """The id of the attempt whose transcript has this key; None for any other key."""
    found = _TRANSCRIPT.fullmatch(key)
    return int(found[1]) if found else None


def transcript_text(said: Sequence[Mapping[str, Any]]) -> str:
    """A line for each thing said.

    [{"speaker": "agent", "text": "Hello", "at_seconds": 0.5}] -> "[0.5] agent: Hello"
    """
    return "\n".join(f"[{one['at_seconds']:.1f}] {one['speaker']}: {one['text']}" for one in said)
