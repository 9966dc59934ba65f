"""A call as its page shows it: what was said when, and how its time was spent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from dialplane.engine.attempt_views import AttemptRecord

WIDTH = 1000  # of the strip, in its own units
SLOWEST_WORD = timedelta(seconds=1)  # when somebody falls silent is not kept: by then, or when the other one begins


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """One utterance. at_seconds: from the answer on. at: None where nobody knows when the call was answered."""

    speaker: str
    text: str
    at_seconds: float
    at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """A part of a call's time. kind: waiting, ringing, talk, agent or contact. start, width: of WIDTH."""

    kind: str
    start: float
    width: float


def utterances(transcript: Sequence[Mapping[str, Any]], attempt: AttemptRecord) -> list[Said]:
    answered = attempt.answered_at
    return [
        Said(
            speaker=str(one["speaker"]),
            text=str(one["text"]),
            at_seconds=float(one["at_seconds"]),
            at=None if answered is None else answered + timedelta(seconds=float(one["at_seconds"])),
        )
        for one in transcript
    ]


def strip(attempt: AttemptRecord, said: Sequence[Said]) -> list[Stretch]:
    """How the time from the order to the end was spent, and who began to speak when; () while the call goes on."""
    begun, ended = attempt.sent_at or attempt.created_at, attempt.ended_at
    if ended is None or ended <= begun:
        return []

    def stretch(kind: str, since: datetime | None, until: datetime | None) -> list[Stretch]:
        if since is None or until is None or until <= since:
            return []
        whole = ended - begun
        return [Stretch(kind=kind, start=WIDTH * ((since - begun) / whole), width=WIDTH * ((until - since) / whole))]

    rings, answered = attempt.ringing_at, attempt.answered_at
    found = stretch("waiting", begun, rings or answered or ended)
    found += stretch("ringing", rings, answered or ended)
    found += stretch("talk", answered, ended)
    for one, silent_at in zip(said, [*(following.at for following in said[1:]), ended], strict=False):
        if one.at is not None and silent_at is not None:
            until = min(silent_at, one.at + len(one.text.split()) * SLOWEST_WORD)
            found += stretch("agent" if one.speaker == "agent" else "contact", one.at, until)
    return found
