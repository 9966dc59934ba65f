"""What the engine asks of the outside: a carrier, an agent, a clock, files. One class each, in plain words."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Callable, Collection, Coroutine, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Any, Literal, Protocol, runtime_checkable
from uuid import UUID

from dialplane.core.answered_by import AnsweredBy
from dialplane.core.attempt import Conversation, Order
from dialplane.core.disposition import Disposition
from dialplane.core.screening import Check

# --- clock ---------------------------------------------------------------------------------------


class Clock(Protocol):
    """Time for the engine and the simulated carrier: real, or virtual so that days pass in seconds."""

    virtual: bool

    def now(self) -> datetime:
        """The present instant, UTC."""

    def instant(self) -> datetime | None:
        """What SQL gets as `$now`: None in real time (the database's own clock counts), else the virtual instant."""

    def monotonic(self) -> float:
        """Seconds that never go back."""

    def call_at(self, at: datetime, callback: Callable[[], None]) -> Callable[[], None]:
        """Run `callback` once at `at` (at once if that has passed); the answer cancels it."""

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Run `work` beside the caller. Virtual time stands still until it is done. What it raises, `wait` raises."""

    async def sleep_until(self, at: datetime) -> None:
        """Return at `at`. Only inside spawned work: in virtual time nobody else may let time pass."""

    async def wait(self, wake: asyncio.Event, until: datetime | None) -> None:
        """Return when `wake` is set or `until` has come. In virtual time this is what moves time."""


# --- carrier -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenSound:
    """The sound of an answered call, at a Unix socket that speaks as `voice/wire.py` says.

    since_seconds: from the answer until its first frame. order: what the call is for.
    """

    socket: Path
    since_seconds: float
    order: Order


class Line(Protocol):
    """An answered call as an agent sees it: words in, words out.

    first_word_seconds: from the answer until the agent began to speak; None: it has not, or nobody was there to hear.
    All methods raise HungUp once the other side has gone; anything else they raise means that the agent could not work.
    """

    @property
    def first_word_seconds(self) -> float | None: ...

    @property
    def answered_by(self) -> AnsweredBy | None:
        """As far as it is known; None: nobody has listened for machines, or long enough."""

    async def say(self, text: str, sound: str | None = None) -> float:
        """Speak, return when it has been said: the seconds since the answer at which it began.

        sound: the name of a recording of it among the organization's, for a line that has sound.
        """

    async def announce(self, text: str) -> float | None:
        """Say that the call is recorded, to the end whatever keys are pressed, and record from then on. As `say`; None:
        it is not recorded by this carrier, and nothing was said.
        """

    async def hear(self, expected: tuple[str, ...] = ()) -> tuple[str, float] | None:
        """What the other side says next and when it began, or None for silence. `expected`: likely answers."""

    async def open_sound(self) -> OpenSound:
        """For an agent that listens and speaks by itself, in place of `say` and `hear`. Raises NoSound."""

    async def transfer(self, to_number: str) -> bool:
        """Hand the other side over to this number, E.164. True: the call is over for us; False: it goes on here."""

    async def no_person(self) -> AnsweredBy:
        """Return once it turns out that no person has answered; where one has, never."""

    async def leave_message(self, text: str) -> float:
        """Say this to a machine once it records. As `say`; whoever else uses the line gets HungUp from now on."""

    async def hang_up(self) -> None:
        """End the call; what was said stands."""


class NoSound(Exception):
    """This carrier carries words alone."""


class HungUp(Exception):
    """The other side ended the call: an ordinary end of a conversation, not an error."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ringing:
    attempt_uuid: UUID
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """line: the conversation, or None where a machine answered."""

    attempt_uuid: UUID
    at: datetime
    line: Line | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """The final event of a call. Earlier instants are repeated here, so that a lost event loses nothing.

    recording: the key of its file; "" without one.
    """

    attempt_uuid: UUID
    at: datetime
    disposition: Disposition
    placed_at: datetime | None = None
    ringing_at: datetime | None = None
    answered_at: datetime | None = None
    sip_status: int | None = None
    cause: str = ""
    recording: str = ""


CallEvent = Ringing | Answered | Ended


class Lookup(StrEnum):
    """A carrier's answer about a call it may or may not have placed."""

    KNOWN = "known"  # it was placed; its events, past ones included, now come to the one who asked
    NEVER_PLACED = "never_placed"  # certain: nothing was placed under this id
    CANNOT_TELL = "cannot_tell"
    CUT_OFF = "cut_off"  # certain: what carried it has died, and nobody here can talk on it any more


@dataclass(frozen=True, slots=True, kw_only=True)
class CarrierLimits:
    """What the carrier allows and how long its calls may take; the engine paces and sets deadlines by it.

    slow_start: begin with few lines after start, resume and window opening. carries_sound: of real telephones, whose
    people hear it when nobody speaks.
    """

    cps: float | None = None
    max_lines: int | None = None
    send_timeout_seconds: float = 5.0
    ring_timeout_seconds: float = 60.0
    max_call_seconds: float = 3600.0
    slow_start: bool = True
    carries_sound: bool = True


class Carrier(Protocol):
    """How calls reach the telephone network. Events may come twice, late and out of order."""

    limits: CarrierLimits

    def listen(self, receive: Callable[[CallEvent], None]) -> None:
        """Send the events of all calls to `receive`; called once, before the first call."""

    async def probe(self) -> str | None:
        """None when calls can be placed, else the reason why not, for the operator."""

    async def place(self, order: Order) -> str:
        """Start the call; return the carrier's own id as soon as it accepts.

        Busy, no answer, voicemail come later as events: results, not errors.
        Nothing may leave once `send_before` and the send timeout have passed: from then on another worker may send the
        same order. An adapter looks at that last, right before the request goes out.
        Raises: CarrierRefused, CarrierUnavailable, PlacementUnknown.
        """

    async def lookup(self, order: Order) -> Lookup:
        """Ask for a call by our id. Raises CarrierUnavailable where the carrier cannot be asked at present."""

    async def hang_up(self, attempt_uuid: UUID) -> None:
        """End a call in progress; its `Ended` follows. Unknown calls are ignored."""

    async def close(self) -> None:
        """Release connections; calls in progress are left alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PastCall:
    """A call as its carrier remembers it. attempt_uuid, campaign_id: as the order named them."""

    attempt_uuid: UUID
    campaign_id: int
    to_number: str
    from_number: str
    placed_at: datetime


@runtime_checkable
class Remembers(Protocol):
    """A carrier that can also say what it has accepted: after a restore it is asked for calls that the backup lacks."""

    def accepted_since(self, since: datetime) -> AsyncIterator[PastCall]:
        """In the order in which it accepted them. Raises CarrierUnavailable."""


class Carriers(Protocol):
    """The carriers of all organizations, each opened when first needed; their events come to one receiver."""

    async def get(self, organization_id: int, carrier_id: int, *, revision: int | None = None) -> Carrier:
        """revision: of its settings, where the caller has just read it. Raises Invalid for one that cannot be opened,
        NotFound.
        """


# --- check before a call -------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """Somebody who is about to be called. added_at: to the campaign."""

    order: Order
    organization_uuid: UUID
    campaign_uuid: UUID
    contact_uuid: UUID
    external_id: str | None
    variables: Mapping[str, str]
    added_at: datetime
    asked_at: datetime


class CheckFailed(Exception):
    """Nobody knows whether the call may go out; the text says why. It does not."""


class Screening(Protocol):
    """Says whether a call may go out, for campaigns that have each of theirs checked."""

    async def eligible(self, candidate: Candidate, check: Check) -> bool:
        """Raises CheckFailed."""


# --- agent ---------------------------------------------------------------------------------------


class TalkBroken(Exception):
    """The agent could not go on. Its text is the failure's; conversation: what was said and gathered until then."""

    def __init__(self, failure: Exception, conversation: Conversation) -> None:
        super().__init__(str(failure) or type(failure).__name__)
        self.conversation = conversation


class Agent(Protocol):
    """What talks to the person who answers."""

    def variables(self) -> frozenset[str]:
        """Names of the contact variables its texts use, as spelled there."""

    def fields(self) -> tuple[str, ...]:
        """Names of the data that it gathers, in order: columns of the report."""

    async def talk(self, line: Line, variables: Mapping[str, str]) -> Conversation:
        """Hold the conversation; an early end by the other side (HungUp) still returns what was said.

        Raises TalkBroken for what goes wrong on the line; anything else before the first word.
        """


@runtime_checkable
class Prepares(Protocol):
    """An agent that carries sound, and has to load much before it can."""

    async def prepare(self) -> None:
        """Before anybody's phone rings, each time. Raises Invalid: it cannot talk."""


class Agents(Protocol):
    """Agents by version."""

    async def get(self, organization_id: int, agent_id: int, version: int) -> Agent:
        """Raises Invalid for a definition that is not understood, NotFound."""


# --- files ---------------------------------------------------------------------------------------


class Files(Protocol):
    """Where uploaded and produced files live, by key: 'contacts/7/4f..csv'."""

    def put(self, key: str, source: Path) -> None:
        """Store a copy of `source`, as a stream. Raises EnvironmentFault when the disk is full."""

    async def write(self, key: str, content: AsyncIterable[bytes]) -> None:
        """Store the content, whole or not at all: what it raises leaves nothing. Raises EnvironmentFault."""

    async def move(self, key: str, to: str) -> None:
        """Give it another key; what was there is replaced. Raises EnvironmentFault."""

    def read(self, key: str) -> Iterator[bytes]:
        """The content in chunks. Raises NotFound."""

    async def stream(self, key: str) -> tuple[int, AsyncIterator[bytes]]:
        """How many bytes it has, and the content in chunks. Raises NotFound before the first one."""

    async def part(self, key: str, start: int, stop: int) -> AsyncIterator[bytes]:
        """Its bytes from `start` on, up to `stop` exclusive, in chunks. Raises NotFound before the first one."""

    async def size(self, key: str) -> int | None:
        """In bytes; None where there is none."""

    async def link(self, method: Literal["GET", "PUT"], key: str, lifetime: timedelta) -> str | None:
        """A URL at which the store itself takes or gives this file; None where the store has none."""

    def delete(self, key: str) -> None:
        """Remove it; a missing file is ignored."""

    def sweep(self, prefix: str, before: datetime) -> None:
        """Remove what is under this prefix and was last written before then, whole or broken off."""


# --- webhooks ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """What a receiver is told. id: the same at every try; secrets: each of them signs it, the newest comes first.

    format: how it is signed. headers: which go with it. timeout_seconds: for the answer; None: the sender's own.
    """

    url: str
    id: UUID
    body: str
    sent_at: datetime
    secrets: Sequence[str]
    format: str = "standard"
    headers: Mapping[str, str] = field(default_factory=dict)
    timeout_seconds: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came of a try. status: the receiver's, None without an answer; fault: "" where it took the message."""

    status: int | None = None
    fault: str = ""


class Sender(Protocol):
    """Brings messages to the servers of others."""

    def objection(self, url: str) -> str | None:
        """Why nothing can ever be sent to this URL, for the person who typed it; None for one that may work."""

    def header_objection(self, headers: Mapping[str, str]) -> str | None:
        """The same for headers that go with messages."""

    async def send(self, message: Message) -> Answer:
        """Try once. Everything that the network and the receiver do wrong is an answer, not an error."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Happening:
    """An event and what is known of its subject when a message about it is made: rows, by column.

    campaign: also a hidden one, which holds single calls. standing: what has become of the contact by now, in the words
    of `engine/standings.py`. last: whether the attempt is the contact's newest.
    """

    kind: str
    at: datetime
    organization_uuid: UUID
    campaign: Mapping[str, Any]
    attempt: Mapping[str, Any] | None = None
    contact: Mapping[str, Any] | None = None
    standing: str = ""
    last: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """A message to a receiver. subject: what is delivered in order. once: of two with this text only one is sent."""

    kind: str
    subject: str
    body: str
    once: str | None = None


class MessageFormat(Protocol):
    """How messages read that are not of our own format."""

    kinds: Sequence[str]  # of its messages

    def becomes(self, event_kind: str) -> Collection[str]:
        """Kinds of messages that an event of this kind may become; () is none."""

    def messages(self, happening: Happening) -> Sequence[Told]:
        """In their order."""
