"""What listeners are sent: an event, a campaign's progress, or a word about the stream itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import BaseModel, Field

from dialplane.core.campaign import CampaignState
from dialplane.core.webhook import hears
from dialplane.engine.events import Event, Position
from dialplane.engine.views import Progress

RETRY_MS = 1000  # how long a client waits before it connects again
# Of the log's entries; the others are `log`.
STATE_CHANGES = {
    "campaign.created",
    "breaker.tripped",
    "abandon.tripped",
    *(f"campaign.{state}" for state in CampaignState),
}


class AttemptMessage(BaseModel):
    """`attempt`: a call has come further, or has ended."""

    kind: str = Field(examples=["attempt.answered"], description="placed, ringing, answered, unknown or ended")
    at: datetime = Field(description="When it was written down")
    campaign_id: int
    attempt_id: int | None
    attempt_uuid: UUID | None = None
    contact_id: int | None = None
    number: int | None = Field(None, description="Its ordinal for the contact, from 1")
    from_number: str | None = None
    to_number: str | None = None
    placed_at: datetime | None = None
    ringing_at: datetime | None = None
    answered_at: datetime | None = None
    ended_at: datetime | None = None
    disposition: str | None = Field(None, examples=["busy"], description="Of `attempt.ended` alone")
    cause: str = ""


class CampaignMessage(BaseModel):
    """`campaign`: its state has changed. `log`: anything else that its log tells."""

    kind: str = Field(examples=["campaign.paused"])
    at: datetime
    campaign_id: int
    state: str = Field(examples=["paused"], description="Of the campaign, after this")
    log_id: int
    level: str
    message: str
    details: dict[str, Any] | None = None


class ProgressMessage(BaseModel):
    """`progress`: where a campaign's contacts and attempts stand."""

    campaign_id: int
    contacts: dict[str, int] = Field(description="By state, and `total`")
    attempts: int = Field(description="Those that have ended")
    dispositions: dict[str, int] = Field(description="Of the attempts that have ended")
    calls: dict[str, int] = Field(description="Open attempts by state")


class StreamMessage(BaseModel):
    """`reset`: events were missed, or the client was too slow. `farewell`: the server stops."""

    reason: str = Field(examples=["expired"], description="expired, too_slow or stopping")
    detail: str


EXPIRED = StreamMessage(
    reason="expired", detail="events after this position are gone: read anew what you show, then go on from here"
)
TOO_SLOW = StreamMessage(
    reason="too_slow", detail="events came faster than they were read: connect again with the last id"
)
STOPPING = StreamMessage(reason="stopping", detail="the server stops: connect again with the last id")


def opening(position: Position) -> bytes:
    """A client that is cut off before its first event knows from where to go on."""
    return f"retry: {RETRY_MS}\nid: {position}\n\n".encode()


def passed(position: Position) -> bytes:
    """Nothing that this client asked for has happened up to here; sets its Last-Event-ID alone."""
    return f"id: {position}\n\n".encode()


def encoded(event: Event) -> bytes:
    return _message(_name(event.kind), _view(event), event.position)


def encoded_progress(campaign_id: int, progress: Progress) -> bytes:
    message = ProgressMessage(
        campaign_id=campaign_id,
        contacts=progress.contacts(),
        attempts=progress.attempts,
        dispositions=dict(progress.dispositions),
        calls=dict(progress.calls),
    )
    return _message("progress", message)


def reset(why: StreamMessage, position: Position | None = None) -> bytes:
    return _message("reset", why, position)


def farewell() -> bytes:
    return _message("farewell", STOPPING)


class Batch:
    """Consecutive events, written out once for all listeners of the same kinds. position: the end of what was read."""

    def __init__(self, events: Sequence[Event], position: Position) -> None:
        self.events = events
        self.position = position
        self._encoded: dict[tuple[str, ...], bytes] = {}

    def encoded(self, kinds: tuple[str, ...]) -> bytes:
        """Those of these kinds, () being all; only their end where there is none."""
        if kinds not in self._encoded:
            heard = [encoded(event) for event in self.events if hears(kinds, event.kind)]
            self._encoded[kinds] = b"".join(heard) or passed(self.position)
        return self._encoded[kinds]

    def after(self, position: Position) -> Batch:
        """Without what a listener has had already."""
        if not self.events or self.events[0].position > position:
            return self
        return Batch([event for event in self.events if event.position > position], self.position)


def _name(kind: str) -> str:
    if kind.startswith("attempt."):
        return "attempt"
    return "campaign" if kind in STATE_CHANGES else "log"


def _view(event: Event) -> BaseModel:
    common: Mapping[str, Any] = {"kind": event.kind, "at": event.at, "campaign_id": event.campaign_id}
    if event.details is not None:
        return CampaignMessage(**common, **event.details)
    if event.attempt is None:
        return AttemptMessage(**common, attempt_id=None)
    attempt = asdict(event.attempt)
    return AttemptMessage(**common, attempt_id=attempt.pop("id"), attempt_uuid=attempt.pop("uuid"), **attempt)


def _message(name: str, data: BaseModel, position: Position | None = None) -> bytes:
    place = "" if position is None else f"id: {position}\n"
    return f"{place}event: {name}\ndata: {data.model_dump_json()}\n\n".encode()
