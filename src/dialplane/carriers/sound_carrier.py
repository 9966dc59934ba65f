"""order -> call -> events, for every carrier whose calls have sound in this process."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

import structlog

from dialplane.carriers.call_settings import CallSettings
from dialplane.carriers.events import Events
from dialplane.carriers.sound_call import End, LineAudio, SoundCall
from dialplane.carriers.talk import Talk
from dialplane.core.answered_by import AnsweredBy
from dialplane.core.attempt import Order
from dialplane.core.disposition import Disposition
from dialplane.errors import CarrierRefused, CarrierUnavailable
from dialplane.ports import Answered, CallEvent, Clock, Ended, Files, Lookup, Ringing
from dialplane.voice.machines import voicing

SPARE_SECONDS: Final = 0.5  # of the time for sending
LATE_SECONDS: Final = 5.0  # from the end of the sound until the carrier is asked how the call ended
TRANSFERRED: Final = "transferred to another number"

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What a carrier says of a call. In which order and how often things are said is no matter.

    answered_at: where it remembers. no_sound: why it brings none, where it was answered.
    """

    rings: bool = False
    is_answered: bool = False
    answered_at: datetime | None = None
    by_machine: bool = False
    no_sound: str = ""
    end: End | None = None


class SoundCarrier(ABC):
    """Implements ports.Carrier but for `probe`."""

    nobody_there: str  # the cause of a call that was answered, and on which no sound ever began

    def __init__(self, settings: CallSettings, clock: Clock, files: Files) -> None:
        self.limits = settings.limits()
        self._clock = clock
        self._talk = Talk(settings, files)
        self._calls: dict[str, SoundCall] = {}
        self._events = Events()

    # --- what the carrier is asked: an adapter's own -----------------------------------------------------------

    @abstractmethod
    async def _create(self, call: SoundCall, seconds: float) -> str:
        """The carrier's id of it, within `seconds`. Raises CarrierRefused, CarrierUnavailable, PlacementUnknown."""

    @abstractmethod
    async def _look(self, call: SoundCall) -> Seen | Lookup:
        """What it says of the call; a Lookup where it knows of none. Raises CarrierUnavailable."""

    @abstractmethod
    async def _end_there(self, call: SoundCall) -> None:
        """Hang up a call that has an id; one that is over is no error. Raises CarrierUnavailable."""

    @abstractmethod
    async def _hand_over(self, call: SoundCall, to_number: str) -> bool:
        """Whether the carrier has taken the call away from us and calls the number. Raises CarrierUnavailable."""

    async def _followed(self, call: SoundCall) -> None:  # noqa: B027
        """From now on the carrier may tell of it."""

    def _forgotten(self, attempt: str) -> None:  # noqa: B027
        """What the carrier tells of it is of no interest any more."""

    async def _close(self) -> None:  # noqa: B027
        """Release its connections."""

    # --- what the engine asks ----------------------------------------------------------------------------------

    def listen(self, receive: Callable[[CallEvent], None]) -> None:
        self._events.listen(receive)

    async def place(self, order: Order) -> str:
        call = await self._follow(order, placed_here=True)
        call.is_placing = True
        try:
            if self._clock.now() > order.send_before + timedelta(seconds=order.limits.send_timeout_seconds):
                raise CarrierUnavailable("the order came too late: another worker may have sent it again")
            call.placed_at = self._clock.now()
            call.call_id = await self._create(
                call, max(SPARE_SECONDS, order.limits.send_timeout_seconds - SPARE_SECONDS)
            )
        except (CarrierRefused, CarrierUnavailable):
            self._forget(call)
            raise
        finally:
            call.is_placing = False
            asyncio.get_running_loop().call_soon(self._events.tell_held, call)
        if call.hung_up:
            await self._leave(call)
        return call.call_id

    async def lookup(self, order: Order) -> Lookup:
        """A call without an id stays followed: what the carrier tells of it comes here from now on."""
        if self._events.tell_end_again(str(order.attempt_uuid)):
            return Lookup.KNOWN
        call = self._calls.get(str(order.attempt_uuid)) or await self._follow(order, placed_here=False)
        call.call_id = call.call_id or order.carrier_call_id
        seen = await self._look(call)
        if isinstance(seen, Lookup):
            if seen is not Lookup.CANNOT_TELL:
                self._forget(call)
            return seen
        if call.ringing_at is not None:
            self._events.tell(call, Ringing(attempt_uuid=order.attempt_uuid, at=call.ringing_at))
        if call.talks and call.answered_at is not None:
            self._tell_answer(call, call.answered_at)
        self._advance(call, seen)
        return Lookup.KNOWN

    async def hang_up(self, attempt_uuid: UUID) -> None:
        if (call := self._calls.get(str(attempt_uuid))) is not None:
            await self._hang_up(call)

    async def close(self) -> None:
        """Their sound is ours, so that calls in progress cannot go on: they are hung up."""
        await asyncio.gather(*map(self._hang_up_last, list(self._calls.values())))
        for call in list(self._calls.values()):
            call.fall_silent()
            self._forget(call)
        for attempt in self._events.ends:
            self._forgotten(attempt)
        self._events.close()
        await self._talk.close()
        await self._close()

    async def _follow(self, order: Order, *, placed_here: bool) -> SoundCall:
        """Hear what the carrier tells of it, for as long as it can last."""
        call = self._calls[str(order.attempt_uuid)] = SoundCall(order=order, placed_here=placed_here)
        longest = self.limits.send_timeout_seconds + self.limits.ring_timeout_seconds + self.limits.max_call_seconds
        call.alarm = self._clock.call_at(
            self._clock.now() + timedelta(seconds=longest + 10 * LATE_SECONDS), lambda: self._forget(call)
        )
        await self._followed(call)
        if order.machines.listens:
            await asyncio.to_thread(voicing.load)  # now, while nobody waits for sound
        return call

    def _forget(self, call: SoundCall) -> None:
        call.alarm()
        if self._calls.get(call.name) is call:
            del self._calls[call.name]
            self._forgotten(call.name)

    # --- what becomes of a call ----------------------------------------------------------------------------------

    def _advance(self, call: SoundCall, seen: Seen) -> None:
        now, uuid = self._clock.now(), call.order.attempt_uuid
        if call.is_over:
            return
        call.answered_at = call.answered_at or seen.answered_at or (now if seen.is_answered else None)
        if seen.by_machine and not call.by_machine:
            call.by_machine = True
            call.answering.told(AnsweredBy.MACHINE)
            if not call.order.machines.listens:  # else the campaign says what is done about it
                self._clock.spawn(self._end_later(call, 0))
        if seen.no_sound and call.sound is None and not call.no_sound:
            call.no_sound = seen.no_sound
            self._clock.spawn(self._end_later(call, 0))
        if seen.rings and call.ringing_at is None and call.answered_at is None:
            call.ringing_at = now
            self._events.tell(call, Ringing(attempt_uuid=uuid, at=now))
        if seen.end is not None:
            self._end(call, call.judged(seen.end, self.nobody_there))

    def _begin_talk(self, call: SoundCall, audio: LineAudio) -> None:
        """Somebody has answered, and their sound comes and goes."""
        self._talk.begin(call, audio)
        call.answered_at = call.answered_at or self._clock.now()
        self._tell_answer(call, call.answered_at)

    def _end_talk(self, call: SoundCall) -> None:
        """The sound has ended; the carrier is to say that the call has."""
        call.fall_silent()
        self._clock.spawn(self._end_later(call, LATE_SECONDS))

    def _tell_answer(self, call: SoundCall, at: datetime) -> None:
        line = self._talk.line(call, transfer=self._transfer, hang_up=self._leave)
        self._events.tell(call, Answered(attempt_uuid=call.order.attempt_uuid, at=at, line=line))

    def _end(self, call: SoundCall, end: End) -> None:
        call.is_over = True
        recorded, fault = call.fall_silent()
        if fault:
            log.error("recording.not_kept", attempt_id=call.order.attempt_id, error=fault)
        ended = Ended(
            attempt_uuid=call.order.attempt_uuid,
            at=self._clock.now(),
            disposition=end.disposition,
            placed_at=call.placed_at,
            ringing_at=call.ringing_at,
            answered_at=call.answered_at,
            sip_status=end.sip_status,
            cause=end.cause,
        )
        self._clock.spawn(self._finish(call, ended, recorded=recorded))

    async def _finish(self, call: SoundCall, ended: Ended, *, recorded: bool) -> None:
        """Told once its recording is kept."""
        if recorded:
            ended = replace(ended, recording=await self._talk.kept_recording(call))
        call.alarm()
        self._calls.pop(call.name, None)
        if (oldest := self._events.keep(ended)) is not None:
            self._forgotten(oldest)
        self._events.tell(call, ended)

    async def _end_later(self, call: SoundCall, seconds: float) -> None:
        """What should have ended by then is asked for, and hung up if it has not."""
        await asyncio.sleep(seconds)
        try:
            is_followed = call.call_id and self._calls.get(call.name) is call and not call.is_over
            if is_followed and isinstance(seen := await self._look(call), Seen):
                self._advance(call, seen)
                await self._hang_up(call)
        except CarrierUnavailable as fault:
            log.warning("call.not_ended", attempt_id=call.order.attempt_id, error=str(fault))

    async def _hang_up(self, call: SoundCall) -> None:
        call.hung_up = True
        if call.call_id is not None and not call.is_over:
            await self._end_there(call)

    async def _hang_up_last(self, call: SoundCall) -> None:
        """The others are hung up, whatever becomes of this one: without its sound it does not last."""
        try:
            await self._hang_up(call)
        except CarrierUnavailable as fault:
            log.warning("call.not_ended", attempt_id=call.order.attempt_id, error=str(fault))

    async def _leave(self, call: SoundCall) -> None:
        """Who is done with it need not know whether the carrier can be reached."""
        try:
            await self._hang_up(call)
        except CarrierUnavailable:
            self._clock.spawn(self._end_later(call, LATE_SECONDS))

    async def _transfer(self, call: SoundCall, to_number: str) -> bool:
        """What becomes of it then, the carrier does not tell."""
        try:
            done = await self._hand_over(call, to_number)
        except CarrierUnavailable as fault:
            log.warning("call.not_transferred", attempt_id=call.order.attempt_id, error=str(fault))
            return False
        if done and not call.is_over:
            self._end(call, End(disposition=Disposition.ANSWERED, cause=TRANSFERRED))
        return done
