"""order -> INVITE -> events, with sound once it is answered."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import mkdtemp
from typing import Any, Final
from uuid import UUID

import structlog

from dialplane.carriers.sip.options import answers_options
from dialplane.carriers.sip.outcomes import Closed, cause_of, disposition_of
from dialplane.carriers.sip.phones import Phone, Phones, Told
from dialplane.carriers.sip.trunk import Trunk
from dialplane.core.attempt import Order
from dialplane.core.disposition import REFUSALS, Disposition
from dialplane.errors import CarrierRefused, CarrierUnavailable, PlacementUnknown
from dialplane.ports import Answered, CallEvent, Clock, Ended, Files, HungUp, Line, Lookup, Ringing

ATTEMPT_HEADER: Final = "X-Dialplane-Attempt"
FIRST_WORD_SECONDS: Final = 4.0  # a trunk that refuses does so by then; one that takes longer has taken the call

log = structlog.get_logger()


class AgentFailed(Exception):
    """Speech could not be made, or not be understood."""


@dataclass(eq=False, slots=True)
class SipCall:
    """A call of this process. first: set when the trunk has said anything; ended_by_us: why, if it was us."""

    order: Order
    phone: Phone
    first: asyncio.Future[None]
    call_id: str = ""
    placed_at: datetime | None = None
    ringing_at: datetime | None = None
    answered_at: datetime | None = None
    ended_by_us: Disposition | None = None
    recording: Path | None = None
    is_placing: bool = True
    alarm: Callable[[], None] = lambda: None
    asked: dict[int, asyncio.Future[Told]] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return str(self.order.attempt_uuid)


class SipCarrier:
    """Implements ports.Carrier. A trunk remembers nothing: what its process does not know, nobody can tell."""

    def __init__(self, trunk: Trunk, settings: Mapping[str, Any], clock: Clock, files: Files) -> None:
        self.limits = trunk.limits()
        self._trunk = trunk
        self._clock = clock
        self._files = files
        self._phones = Phones(dict(settings), self._told, self._lost)
        self._calls: dict[str, SipCall] = {}
        self._receive: Callable[[CallEvent], None] = lambda _: None
        self._numbers = itertools.count(1)
        self._recordings: Path | None = None

    def listen(self, receive: Callable[[CallEvent], None]) -> None:
        self._receive = receive

    async def probe(self) -> str | None:
        if not self._trunk.probe:
            return None
        return await answers_options(self._trunk)

    async def place(self, order: Order) -> str:
        phone = await self._phones.pick()
        if self._clock.now() > order.send_before + timedelta(seconds=order.limits.send_timeout_seconds):
            raise CarrierUnavailable("the order came too late: another worker may have sent it again")
        call = SipCall(order=order, phone=phone, first=asyncio.get_running_loop().create_future())
        call.recording = self._recording_path(order.attempt_uuid) if self._trunk.record else None
        self._calls[call.name] = call
        phone.calls.add(call.name)
        call.placed_at = self._clock.now()
        phone.send(
            {
                "do": "dial",
                "call": call.name,
                "from": order.from_number,
                "to": self._trunk.address(order.to_number),
                "headers": self._headers(order),
                "record": str(call.recording) if call.recording else None,
            }
        )
        call.alarm = self._alarm(call, self.limits.ring_timeout_seconds, Disposition.NO_ANSWER)
        try:
            await asyncio.wait([call.first], timeout=FIRST_WORD_SECONDS)
        finally:
            call.is_placing = False
        if call.first.done():
            call.first.result()  # raises what the trunk said
        return call.call_id or call.name

    async def lookup(self, order: Order) -> Lookup:
        call = self._calls.get(str(order.attempt_uuid))
        if call is None:
            return Lookup.CANNOT_TELL
        if call.ringing_at is not None:
            self._receive(Ringing(attempt_uuid=order.attempt_uuid, at=call.ringing_at))
        if call.answered_at is not None:
            line = SipLine(self, call)
            self._receive(Answered(attempt_uuid=order.attempt_uuid, at=call.answered_at, line=line))
        return Lookup.KNOWN

    async def hang_up(self, attempt_uuid: UUID) -> None:
        if (call := self._calls.get(str(attempt_uuid))) is not None:
            self._end(call, Disposition.CANCELED)

    async def close(self) -> None:
        for call in self._calls.values():
            call.alarm()
        await self._phones.close()
        if self._recordings is not None:
            with suppress(OSError):
                self._recordings.rmdir()

    # --- asking ----------------------------------------------------------------------------------------------

    async def ask(self, call: SipCall, order: Mapping[str, Any]) -> Told:
        """Raises HungUp, AgentFailed."""
        if call.name not in self._calls:
            raise HungUp
        number = next(self._numbers)
        answer = call.asked[number] = asyncio.get_running_loop().create_future()
        call.phone.send({**order, "call": call.name, "id": number})
        try:
            told: Told = await answer
        finally:
            del call.asked[number]
        if told["told"] == "failed":
            raise AgentFailed(told["why"])
        return told

    def _end(self, call: SipCall, why: Disposition) -> None:
        call.ended_by_us = call.ended_by_us or why
        call.phone.send({"do": "hang_up", "call": call.name})

    def end(self, call: SipCall) -> None:
        """The agent is done."""
        if call.name in self._calls:
            self._end(call, Disposition.ANSWERED)

    def _alarm(self, call: SipCall, seconds: float, why: Disposition) -> Callable[[], None]:
        at = self._clock.now() + timedelta(seconds=seconds)
        return self._clock.call_at(at, lambda: self._end(call, why))

    def _headers(self, order: Order) -> dict[str, str]:
        headers = {**self._trunk.headers, ATTEMPT_HEADER: str(order.attempt_uuid)}
        if self._trunk.asserted_identity:
            number = self._trunk.written(order.from_number)
            headers["P-Asserted-Identity"] = f"<sip:{number}@{self._trunk.host}>"
        return headers

    def _recording_path(self, attempt_uuid: UUID) -> Path:
        if self._recordings is None:
            self._recordings = Path(mkdtemp(prefix="dialplane-calls-"))
        return self._recordings / f"{attempt_uuid}.wav"

    # --- hearing ---------------------------------------------------------------------------------------------

    def _told(self, told: Told) -> None:
        call = self._calls.get(told["call"])
        if call is None:
            return
        now = self._clock.now()
        call.call_id = call.call_id or told.get("call_id") or ""
        match told["told"]:
            case "unsent":
                self._forget(call)
                self._first(call, CarrierUnavailable(told["why"]))
            case "ringing" if call.ringing_at is None:
                call.ringing_at = now
                self._first(call)
                self._receive(Ringing(attempt_uuid=call.order.attempt_uuid, at=now))
            case "answered" if call.answered_at is None:
                call.answered_at = now
                call.alarm()
                call.alarm = self._alarm(call, self.limits.max_call_seconds, Disposition.ANSWERED)
                self._first(call)
                line = SipLine(self, call)
                self._receive(Answered(attempt_uuid=call.order.attempt_uuid, at=now, line=line))
            case "closed":
                self._closed(call, Closed(text=told["text"], headers=told["headers"]), recorded=told["recorded"])
            case "said" | "heard" | "gone" | "failed":
                if (answer := call.asked.get(told["id"])) is not None and not answer.done():
                    if told["told"] == "gone":
                        answer.set_exception(HungUp())
                    else:
                        answer.set_result(told)

    def _closed(self, call: SipCall, closed: Closed, *, recorded: bool) -> None:
        disposition = disposition_of(
            closed,
            self._trunk.dispositions,
            rang=call.ringing_at is not None,
            answered=call.answered_at is not None,
            ended_by_us=call.ended_by_us,
        )
        if call.is_placing and disposition in REFUSALS and not call.first.done():
            self._forget(call)
            return self._first(call, CarrierRefused(disposition, cause=closed.text, sip_status=closed.status))
        self._first(call)
        self._forget(call)
        self._clock.spawn(self._finish(call, disposition, closed, self._clock.now(), recorded=recorded))
        return None

    async def _finish(
        self, call: SipCall, disposition: Disposition, closed: Closed, at: datetime, *, recorded: bool
    ) -> None:
        """Told once its recording is kept."""
        key = await self._keep(call) if recorded and call.recording is not None else ""
        self._receive(
            Ended(
                attempt_uuid=call.order.attempt_uuid,
                at=at,
                disposition=disposition,
                placed_at=call.placed_at,
                ringing_at=call.ringing_at,
                answered_at=call.answered_at,
                sip_status=closed.status,
                cause=cause_of(closed, answered=call.answered_at is not None, ended_by_us=call.ended_by_us),
                recording=key,
            )
        )

    async def _keep(self, call: SipCall) -> str:
        assert call.recording is not None
        key = f"recordings/{call.order.organization_id}/{call.name}.wav"
        try:
            await asyncio.to_thread(self._files.put, key, call.recording)
        except Exception as fault:
            # The call has been made, and what came of it must be told whatever the disk says.
            log.error("recording.not_kept", attempt_id=call.order.attempt_id, error=str(fault))
            return ""
        finally:
            call.recording.unlink(missing_ok=True)
        return key

    def _lost(self, names: set[str]) -> None:
        """The process with these calls has died: whoever was talked to hears nothing more."""
        for call in [self._calls[name] for name in names if name in self._calls]:
            text = "the SIP process died"
            self._forget(call)
            if call.is_placing and not call.first.done():
                self._first(call, PlacementUnknown(text))
                continue
            disposition = Disposition.UNKNOWN if call.answered_at is None else Disposition.AGENT_FAILED
            self._clock.spawn(self._finish(call, disposition, Closed(text=text), self._clock.now(), recorded=False))

    def _first(self, call: SipCall, fault: Exception | None = None) -> None:
        if not call.first.done():
            if fault is None:
                call.first.set_result(None)
            else:
                call.first.set_exception(fault)

    def _forget(self, call: SipCall) -> None:
        call.alarm()
        del self._calls[call.name]
        call.phone.calls.discard(call.name)
        for answer in list(call.asked.values()):
            if not answer.done():
                answer.set_exception(HungUp())


class SipLine(Line):
    """Implements ports.Line."""

    def __init__(self, carrier: SipCarrier, call: SipCall) -> None:
        self._carrier = carrier
        self._call = call

    async def say(self, text: str) -> float:
        told = await self._carrier.ask(self._call, {"do": "say", "text": text})
        return float(told["at"])

    async def hear(self, expected: tuple[str, ...] = ()) -> tuple[str, float] | None:
        told = await self._carrier.ask(self._call, {"do": "hear", "expected": list(expected)})
        return None if told["text"] is None else (told["text"], float(told["at"]))

    async def hang_up(self) -> None:
        self._carrier.end(self._call)
