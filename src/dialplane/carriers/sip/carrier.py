"""order -> INVITE -> events, with sound once it is answered."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

import structlog

from dialplane.carriers.events import Events
from dialplane.carriers.sip import marks
from dialplane.carriers.sip.call import SipCall, SipLine
from dialplane.carriers.sip.failover import Way, by_preference, has_been_silent, is_trunk_fault
from dialplane.carriers.sip.options import answers_options
from dialplane.carriers.sip.outcomes import Closed, cause_of, disposition_of
from dialplane.carriers.sip.phones import Phone, Phones, Told
from dialplane.carriers.sip.trunk import Trunk, settings_of_each
from dialplane.carriers.sound_files import SoundFiles
from dialplane.core.answered_by import AnsweredBy
from dialplane.core.attempt import Order
from dialplane.core.disposition import REFUSALS, Disposition
from dialplane.core.recording import RecordingMode
from dialplane.errors import CarrierRefused, CarrierUnavailable, PlacementUnknown
from dialplane.ports import Answered, CallEvent, Clock, Ended, Files, HungUp, Lookup, Ringing

ATTEMPT_HEADER: Final = "X-Dialplane-Attempt"
SPARE_SECONDS: Final = 0.5  # of the time for sending; a trunk that refuses does so before, else it has taken the call

log = structlog.get_logger()


class SipCarrier:
    """Implements ports.Carrier. A trunk remembers nothing: what its process does not know, nobody can tell."""

    def __init__(self, trunk: Trunk, settings: Mapping[str, Any], clock: Clock, files: Files) -> None:
        """trunk: the first one, with the others; settings: of all of them, as they were given."""
        self.limits = trunk.limits()
        self._records = trunk.record
        self._ways = [
            Way(each, Phones(alone, self._told, self._lost))
            for each, alone in zip((trunk, *trunk.others), settings_of_each(settings), strict=True)
        ]
        self._clock = clock
        self._sound_files = SoundFiles(files, as_flac=trunk.recording_format == "flac")
        self._calls: dict[str, SipCall] = {}
        self._finishing: set[asyncio.Task[None]] = set()
        self._events = Events()

    def listen(self, receive: Callable[[CallEvent], None]) -> None:
        self._events.listen(receive)

    async def probe(self) -> str | None:
        """One trunk that answers is enough; the others are asked last at first, and are named in the log."""
        if (fault := self._ways[0].trunk.missing()) is not None:
            return fault
        asked = [way for way in self._ways if way.trunk.probe]
        faults = dict(zip(asked, await asyncio.gather(*map(_fault_of, asked)), strict=True))
        silent = {way: why for way, why in faults.items() if why is not None}
        if len(silent) == len(self._ways):
            return "; ".join(silent.values())
        for way, why in silent.items():
            way.rest()
            log.warning("sip.trunk_not_ready", host=way.trunk.host, port=way.trunk.port, why=why)
        return None

    async def place(self, order: Order) -> str:
        loop = asyncio.get_running_loop()
        until = loop.time() + max(SPARE_SECONDS, order.limits.send_timeout_seconds - SPARE_SECONDS)
        ways = by_preference(self._ways)
        way, phone = await self._picked(order, ways, until)
        call = SipCall(order=order, ways=ways, way=way, phone=phone, first=loop.create_future())
        self._calls[call.name] = call
        try:
            self._dial(call, way, phone)
            await asyncio.wait([call.first], timeout=until - loop.time())
            while call.failed is not None:
                await self._dial_next(call, until)
                await asyncio.wait([call.first], timeout=until - loop.time())
        finally:
            call.is_placing = False
            if call.failed is not None:
                self._give_up(call)
            loop.call_soon(self._events.tell_held, call)
        if call.first.done():
            call.first.result()  # raises what the trunk said
        return call.call_id or call.name

    async def _picked(self, order: Order, ways: list[Way], until: float) -> tuple[Way, Phone]:
        """The first of `ways` that has a process to place it, taken from them. Raises CarrierRefused,
        CarrierUnavailable: nothing may leave any more, or by none of them.
        """
        while True:
            way = ways.pop(0)
            try:
                async with asyncio.timeout_at(until):
                    phone = await way.phones.pick()
            except TimeoutError:
                raise CarrierUnavailable("no SIP process was ready in time") from None
            except CarrierUnavailable:
                way.rest()
                if not ways:
                    raise
            else:
                break
        if self._clock.now() > order.send_before + timedelta(seconds=order.limits.send_timeout_seconds):
            raise CarrierUnavailable("the order came too late: another worker may have sent it again")
        return way, phone

    def _dial(self, call: SipCall, way: Way, phone: Phone) -> None:
        call.way, call.phone, call.failed, call.call_id = way, phone, None, ""
        phone.calls.add(call.name)
        call.placed_at = self._clock.now()
        phone.send(
            {
                "do": "dial",
                "call": call.name,
                "from": call.order.from_number,
                "to": way.trunk.address(call.order.to_number),
                "headers": self._headers(call.order, way.trunk),
                "folder": str(self._sound_files.folder),
                "record": self._is_recorded(call.order),
                "announced": call.order.recording.mode is RecordingMode.ANNOUNCED,
                "machines": call.order.machines.listens,
            }
        )
        call.alarm = self._alarm(call, self.limits.ring_timeout_seconds, Disposition.NO_ANSWER)

    async def _dial_next(self, call: SipCall, until: float) -> None:
        """On another trunk, as long as there is time; else the failure of the last one stands."""
        loop = asyncio.get_running_loop()
        call.first = loop.create_future()
        try:
            way, phone = await self._picked(call.order, call.ways, until)
        except (CarrierRefused, CarrierUnavailable):
            return self._give_up(call)
        if call.ended_by_us is not None or loop.time() >= until:
            return self._give_up(call)
        return self._dial(call, way, phone)

    def _give_up(self, call: SipCall) -> None:
        assert call.failed is not None
        (closed, fault), call.failed = call.failed, None
        call.ways.clear()
        self._closed(call, closed, fault=fault)

    async def lookup(self, order: Order) -> Lookup:
        uuid, name = order.attempt_uuid, str(order.attempt_uuid)
        if self._events.tell_end_again(name):
            return Lookup.KNOWN
        call = self._calls.get(name)
        if call is None:
            return Lookup.CUT_OFF if marks.is_orphaned(name) else Lookup.CANNOT_TELL
        if call.ringing_at is not None:
            self._events.tell(call, Ringing(attempt_uuid=uuid, at=call.ringing_at))
        if call.answered_at is not None:
            self._events.tell(call, Answered(attempt_uuid=uuid, at=call.answered_at, line=self._line(call)))
        return Lookup.KNOWN

    async def hang_up(self, attempt_uuid: UUID) -> None:
        if (call := self._calls.get(str(attempt_uuid))) is not None:
            call.end(Disposition.CANCELED)

    async def close(self) -> None:
        """Sound and signalling are ours, so that calls in progress cannot go on: they are hung up, and told."""
        for call in self._calls.values():
            call.alarm()
            call.ended_by_us = call.ended_by_us or Disposition.CANCELED
        await asyncio.gather(*(way.phones.close() for way in self._ways))
        await asyncio.gather(*self._finishing)
        self._events.close()
        await self._sound_files.close()

    def _is_recorded(self, order: Order) -> bool:
        return self._records and order.recording.mode is not RecordingMode.OFF

    def _line(self, call: SipCall) -> SipLine:
        return SipLine(call, self._sound_files, is_recorded=self._is_recorded(call.order))

    def _alarm(self, call: SipCall, seconds: float, why: Disposition) -> Callable[[], None]:
        at = self._clock.now() + timedelta(seconds=seconds)
        return self._clock.call_at(at, lambda: call.end(why))

    def _headers(self, order: Order, trunk: Trunk) -> dict[str, str]:
        headers = {**trunk.headers, ATTEMPT_HEADER: str(order.attempt_uuid)}
        if trunk.asserted_identity:
            headers["P-Asserted-Identity"] = f"<sip:{trunk.written(order.from_number)}@{trunk.host}>"
        return headers

    # --- hearing ---------------------------------------------------------------------------------------------

    def _told(self, told: Told) -> None:
        call = self._calls.get(told["call"])
        if call is None or call.is_over:
            return
        now, uuid = self._clock.now(), call.order.attempt_uuid
        call.call_id = call.call_id or told.get("call_id") or ""
        match told["told"]:
            case "unsent" | "unclear":
                fault = CarrierUnavailable if told["told"] == "unsent" else PlacementUnknown
                self._closed(call, Closed(text=told["why"]), fault=fault(told["why"]))
            case "ringing" if call.ringing_at is None:
                call.ringing_at = now
                self._first(call)
                self._events.tell(call, Ringing(attempt_uuid=uuid, at=now))
            case "answered" if call.answered_at is None and call.ended_by_us is None:
                call.answered_at = now
                call.alarm()
                call.alarm = self._alarm(call, self.limits.max_call_seconds, Disposition.ANSWERED)
                self._first(call)
                self._events.tell(call, Answered(attempt_uuid=uuid, at=now, line=self._line(call)))
            case "closed":
                if told["fault"]:
                    self._not_kept(call, told["fault"])
                closed = Closed(text=told["text"], soundless=told["soundless"])
                self._closed(call, closed, recorded=told["recorded"])
            case "speaking":
                call.first_word_seconds = float(told["at"])
            case "answered_by":
                call.answering.told(AnsweredBy(told["value"]))
            case "said" | "heard" | "opened" | "transferred" | "gone" | "failed":
                if (answer := call.asked.get(told["id"])) is not None and not answer.done():
                    if told["told"] == "gone":
                        answer.set_exception(HungUp())
                    else:
                        answer.set_result(told)

    def _closed(self, call: SipCall, closed: Closed, *, recorded: bool = False, fault: Exception | None = None) -> None:
        """fault: what `place` raises if it has not returned yet."""
        rang, answered = call.ringing_at is not None, call.answered_at is not None
        disposition = disposition_of(
            closed, call.way.trunk.dispositions, rang=rang, answered=answered, ended_by_us=call.ended_by_us
        )
        if isinstance(fault, CarrierUnavailable):
            disposition = call.ended_by_us or Disposition.CARRIER_FAILED
        at_fault = is_trunk_fault(closed, disposition, rang=rang or answered, ended_by_us=call.ended_by_us)
        if at_fault or has_been_silent(disposition, closed, rang=rang):
            call.way.rest()
        if at_fault and call.is_placing and call.ways and not call.first.done():
            call.failed = closed, fault
            self._leave(call)
            self._first(call)
            return
        cause = cause_of(closed, rang=rang, answered=answered, ended_by_us=call.ended_by_us)
        if disposition in REFUSALS:
            fault = CarrierRefused(disposition, cause=cause, sip_status=closed.status)
        elif closed.unsent and not rang:
            fault = CarrierUnavailable(cause)
        self._over(call)
        if fault is not None and call.is_placing and not call.first.done():
            call.held.clear()
            marks.forget(call.name)
            del self._calls[call.name]
            self._first(call, fault)
            return
        self._first(call)
        ended = Ended(
            attempt_uuid=call.order.attempt_uuid,
            at=self._clock.now(),
            disposition=disposition,
            placed_at=call.placed_at,
            ringing_at=call.ringing_at,
            answered_at=call.answered_at,
            sip_status=closed.status,
            cause=cause,
        )
        finish = asyncio.create_task(self._finish(call, ended, recorded=recorded))
        self._finishing.add(finish)
        finish.add_done_callback(self._finishing.discard)
        self._clock.spawn(_finished(finish))

    async def _finish(self, call: SipCall, ended: Ended, *, recorded: bool) -> None:
        """Told once its recording is kept."""
        if recorded:
            ended = replace(ended, recording=await self._kept_recording(call))
        if self._is_recorded(call.order):
            await self._sound_files.drop_recording(call.order)
        marks.forget(call.name)
        del self._calls[call.name]
        self._events.keep(ended)
        self._events.tell(call, ended)

    async def _kept_recording(self, call: SipCall) -> str:
        try:
            return await self._sound_files.keep_recording(call.order)
        except Exception as fault:
            # The call has been made, and what came of it must be told whatever the disk says.
            self._not_kept(call, str(fault))
            return ""

    def _not_kept(self, call: SipCall, why: str) -> None:
        log.error("recording.not_kept", attempt_id=call.order.attempt_id, error=why)

    def _lost(self, names: set[str]) -> None:
        """The process with these calls has died: whoever was talked to hears nothing more, and no other has them."""
        for call in [self._calls[name] for name in names if name in self._calls]:
            call.ended_by_us = None  # nobody can say whether that was still heard
            self._closed(call, Closed(text="the SIP process died", lost=True))

    def _first(self, call: SipCall, fault: Exception | None = None) -> None:
        if not call.first.done():
            if fault is None:
                call.first.set_result(None)
            else:
                call.first.set_exception(fault)

    def _leave(self, call: SipCall) -> None:
        """Its process knows nothing more of it."""
        call.alarm()
        call.phone.calls.discard(call.name)

    def _over(self, call: SipCall) -> None:
        call.is_over = True
        self._leave(call)
        for answer in list(call.asked.values()):
            if not answer.done():
                answer.set_exception(HungUp())


async def _fault_of(way: Way) -> str | None:
    """Whether anybody is there, and lets us in."""
    fault = await answers_options(way.trunk)
    if fault is None and way.trunk.register:
        try:
            await way.phones.ready()
        except CarrierUnavailable as refused:
            return str(refused)
    return fault


async def _finished(finish: asyncio.Task[None]) -> None:
    await finish
