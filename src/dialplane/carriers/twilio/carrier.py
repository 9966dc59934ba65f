"""order -> POST Calls.json -> callbacks and a stream -> events"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Final
from urllib.parse import parse_qsl, urlsplit
from uuid import UUID
from xml.sax.saxutils import quoteattr

import structlog

from dialplane.carriers.callbacks import STREAM, Callback, Callbacks, Messages
from dialplane.carriers.twilio.account import Account
from dialplane.carriers.twilio.api import TwilioApi
from dialplane.carriers.twilio.call import TwilioCall, TwilioLine
from dialplane.carriers.twilio.outcomes import (
    ENDS,
    HUNG_UP,
    MACHINE,
    NO_STREAM,
    TRANSFERRED,
    answered_at,
    disposition_of,
    is_machine,
)
from dialplane.carriers.twilio.signing import Form, is_signed, stream_token
from dialplane.carriers.twilio.talk import Talk
from dialplane.core.attempt import Order
from dialplane.core.disposition import Disposition
from dialplane.errors import CarrierRefused, CarrierUnavailable
from dialplane.ports import Answered, CallEvent, Clock, Ended, Files, Lookup, Ringing

STATUS, ANSWERED_BY = "status", "answered-by"  # what is told, besides the stream
EVENTS: Final = ("initiated", "ringing", "answered", "completed")
SPARE_SECONDS: Final = 0.5  # of the time for sending
LATE_SECONDS: Final = 5.0  # from the end of the stream until Twilio is asked how the call ended
ENDS_KEPT: Final = 1000

log = structlog.get_logger()


class TwilioCarrier:
    """Implements ports.Carrier. Twilio has no key of ours for a call: without its own, nobody can ask for one."""

    def __init__(self, account: Account, clock: Clock, files: Files, callbacks: Callbacks) -> None:
        self.limits = account.limits()
        self._account = account
        self._clock = clock
        self._callbacks = callbacks
        self._api = TwilioApi(account)
        self._talk = Talk(account, files)
        self._calls: dict[str, TwilioCall] = {}
        self._ends: OrderedDict[str, Ended] = OrderedDict()  # of the latest calls, for who asks once more
        self._receive: Callable[[CallEvent], None] = lambda _: None

    def listen(self, receive: Callable[[CallEvent], None]) -> None:
        self._receive = receive

    async def probe(self) -> str | None:
        return self._talk.missing() or await self._api.fault()

    async def place(self, order: Order) -> str:
        call = await self._follow(order, placed_here=True)
        call.is_placing = True
        try:
            if self._clock.now() > order.send_before + timedelta(seconds=order.limits.send_timeout_seconds):
                raise CarrierUnavailable("the order came too late: another worker may have sent it again")
            call.placed_at = self._clock.now()
            seconds = max(SPARE_SECONDS, order.limits.send_timeout_seconds - SPARE_SECONDS)
            call.sid = await self._api.create(self._request(order), seconds)
        except (CarrierRefused, CarrierUnavailable):
            self._forget(call)
            raise
        finally:
            call.is_placing = False
            asyncio.get_running_loop().call_soon(self._tell_held, call)
        if call.hung_up:
            await self._api.update(call.sid, Status="completed")
        return call.sid

    def _request(self, order: Order) -> Form:
        status = self._callbacks.url(order, STATUS)
        form = [
            ("To", order.to_number),
            ("From", order.from_number),
            ("Twiml", self._answer(order)),
            ("Timeout", str(round(self.limits.ring_timeout_seconds))),
            ("TimeLimit", str(round(self.limits.max_call_seconds))),
            ("StatusCallback", status),
            ("StatusCallbackMethod", "POST"),
            *(("StatusCallbackEvent", event) for event in EVENTS),
        ]
        if self._account.machine_detection:
            # Beside the conversation: to wait for it would leave people without a word for seconds.
            found = self._callbacks.url(order, ANSWERED_BY)
            form += [("MachineDetection", "Enable"), ("AsyncAmd", "true"), ("AsyncAmdStatusCallback", found)]
        return form

    def _answer(self, order: Order) -> str:
        """What Twilio does once somebody has answered; after the stream there is nothing, so that it hangs up."""
        url = urlsplit(self._callbacks.url(order, STREAM))._replace(scheme="wss").geturl()
        token = stream_token(self._account.auth_token, str(order.attempt_uuid))
        parameter = f'<Parameter name="token" value={quoteattr(token)}/>'
        return f"<Response><Connect><Stream url={quoteattr(url)}>{parameter}</Stream></Connect></Response>"

    async def lookup(self, order: Order) -> Lookup:
        """A call without a sid stays followed: what Twilio tells of it comes here from now on."""
        if (ended := self._ends.get(str(order.attempt_uuid))) is not None:
            self._receive(ended)
            return Lookup.KNOWN
        call = self._calls.get(str(order.attempt_uuid)) or await self._follow(order, placed_here=False)
        call.sid = call.sid or order.carrier_call_id
        found = await self._api.fetch(call.sid) if call.sid else None
        if found is None:
            return Lookup.CANNOT_TELL
        if call.ringing_at is not None:
            self._receive(Ringing(attempt_uuid=order.attempt_uuid, at=call.ringing_at))
        if call.talks and call.answered_at is not None:
            self._receive(Answered(attempt_uuid=order.attempt_uuid, at=call.answered_at, line=self._line(call)))
        call.answered_at = call.answered_at or answered_at(found)
        self._advance(call, str(found.get("status")), None)
        return Lookup.KNOWN

    async def hang_up(self, attempt_uuid: UUID) -> None:
        if (call := self._calls.get(str(attempt_uuid))) is not None:
            await self._hang_up(call)

    async def _hang_up(self, call: TwilioCall) -> None:
        call.hung_up = True
        if call.sid is not None and not call.is_over:
            await self._api.update(call.sid, Status="completed")

    async def close(self) -> None:
        """Their sound is ours, so that calls in progress cannot go on: they are hung up."""
        await asyncio.gather(*map(self._hang_up, list(self._calls.values())), return_exceptions=True)
        for call in list(self._calls.values()):
            call.fall_silent()
            self._forget(call)
        for name in self._ends:
            self._callbacks.forget(name)
        self._receive = lambda _: None
        await self._talk.close()
        await self._api.close()

    async def _follow(self, order: Order, *, placed_here: bool) -> TwilioCall:
        """Hear what Twilio tells of it, for as long as it can last."""
        call = self._calls[str(order.attempt_uuid)] = TwilioCall(order=order, placed_here=placed_here)
        longest = self.limits.send_timeout_seconds + self.limits.ring_timeout_seconds + self.limits.max_call_seconds
        call.alarm = self._clock.call_at(
            self._clock.now() + timedelta(seconds=longest + 10 * LATE_SECONDS), lambda: self._forget(call)
        )
        await self._callbacks.follow(call.name, self)
        return call

    def _forget(self, call: TwilioCall) -> None:
        call.alarm()
        if self._calls.get(call.name) is call:
            del self._calls[call.name]
            self._callbacks.forget(call.name)

    # --- what Twilio tells -----------------------------------------------------------------------------------

    def told(self, callback: Callback) -> int:
        """Implements callbacks.Follower. The order and number in which things are told make no difference."""
        if callback.attempt in self._ends:
            return 204
        call = self._calls.get(callback.attempt)
        if call is None:
            return 404
        form = parse_qsl(callback.body, keep_blank_values=True)
        url = self._callbacks.url(call.order, callback.what)
        if not is_signed(self._account.auth_token, url, form, callback.headers.get("x-twilio-signature", "")):
            log.warning("twilio.forged", attempt_id=call.order.attempt_id)
            return 403
        fields = dict(form)
        call.sid = call.sid or fields.get("CallSid")
        if callback.what == ANSWERED_BY and is_machine(fields.get("AnsweredBy", "")) and not call.by_machine:
            call.by_machine = True
            self._clock.spawn(self._end_later(call, 0))
        elif callback.what == STATUS:
            code = fields.get("SipResponseCode", "")
            self._advance(call, fields.get("CallStatus", ""), int(code) if code.isdecimal() else None)
        return 204

    def _advance(self, call: TwilioCall, status: str, sip_status: int | None) -> None:
        now, uuid = self._clock.now(), call.order.attempt_uuid
        if call.is_over:
            return
        if status == "ringing" and call.ringing_at is None and call.answered_at is None:
            call.ringing_at = now
            self._tell(call, Ringing(attempt_uuid=uuid, at=now))
        elif status == "in-progress":
            call.answered_at = call.answered_at or now
        elif status in ENDS:
            disposition, cause = self._end_of(call, status, sip_status)
            self._end(call, disposition, cause, sip_status)

    def _end_of(self, call: TwilioCall, status: str, sip_status: int | None) -> tuple[Disposition, str]:
        if call.by_machine:
            return Disposition.VOICEMAIL, MACHINE
        if call.sound is not None:
            return Disposition.ANSWERED, HUNG_UP if call.hung_up else status
        if call.hung_up and status not in ("busy", "failed"):
            return Disposition.CANCELED, HUNG_UP
        if status == "completed" and call.placed_here:
            return Disposition.AGENT_FAILED, NO_STREAM
        return disposition_of(status, sip_status), status

    def _end(self, call: TwilioCall, disposition: Disposition, cause: str, sip_status: int | None = None) -> None:
        call.is_over = True
        recorded, fault = call.fall_silent()
        if fault:
            log.error("recording.not_kept", attempt_id=call.order.attempt_id, error=fault)
        ended = Ended(
            attempt_uuid=call.order.attempt_uuid,
            at=self._clock.now(),
            disposition=disposition,
            placed_at=call.placed_at,
            ringing_at=call.ringing_at,
            answered_at=call.answered_at,
            sip_status=sip_status,
            cause=cause,
        )
        self._clock.spawn(self._finish(call, ended, recorded=recorded))

    async def _finish(self, call: TwilioCall, ended: Ended, *, recorded: bool) -> None:
        """Told once its recording is kept."""
        if recorded:
            ended = replace(ended, recording=await self._talk.kept_recording(call))
        call.alarm()
        self._calls.pop(call.name, None)
        self._ends[call.name] = ended
        if len(self._ends) > ENDS_KEPT:
            self._callbacks.forget(self._ends.popitem(last=False)[0])
        self._tell(call, ended)

    async def _end_later(self, call: TwilioCall, seconds: float) -> None:
        """What should have ended by then is asked for, and hung up if it has not."""
        await asyncio.sleep(seconds)
        try:
            is_followed = self._calls.get(call.name) is call and not call.is_over
            found = await self._api.fetch(call.sid) if call.sid and is_followed else None
            if found is not None:
                self._advance(call, str(found.get("status")), None)
                await self._hang_up(call)
        except CarrierUnavailable as fault:
            log.warning("twilio.not_ended", attempt_id=call.order.attempt_id, error=str(fault))

    def _tell(self, call: TwilioCall, event: CallEvent) -> None:
        if call.is_placing or call.held:
            call.held.append(event)
        else:
            self._receive(event)

    def _tell_held(self, call: TwilioCall) -> None:
        held, call.held = call.held, []
        for event in held:
            self._receive(event)

    # --- sound -----------------------------------------------------------------------------------------------

    async def talked(self, callback: Callback, messages: Messages) -> None:
        """Implements callbacks.Follower: Twilio has opened the stream of an answered call."""
        call = self._calls.get(callback.attempt)
        if call is None or not await self._talk.begins(call, messages):
            return
        call.answered_at = call.answered_at or self._clock.now()
        self._tell(call, Answered(attempt_uuid=call.order.attempt_uuid, at=call.answered_at, line=self._line(call)))
        try:
            await self._talk.goes_on(call, messages)
        finally:
            call.fall_silent()
            self._clock.spawn(self._end_later(call, LATE_SECONDS))

    def _line(self, call: TwilioCall) -> TwilioLine:
        return self._talk.line(call, transfer=self._transfer, hang_up=self._leave)

    async def _leave(self, call: TwilioCall) -> None:
        """The agent is done, and need not know whether Twilio can be reached."""
        try:
            await self._hang_up(call)
        except CarrierUnavailable:
            self._clock.spawn(self._end_later(call, LATE_SECONDS))

    async def _transfer(self, call: TwilioCall, to_number: str) -> bool:
        """Twilio takes the call away from the stream and calls the number; what becomes of that it does not tell us."""
        dial = f"<Dial callerId={quoteattr(call.order.from_number)}>{to_number}</Dial>"
        try:
            done = await self._api.update(str(call.sid), Twiml=f"<Response>{dial}</Response>")
        except CarrierUnavailable as fault:
            log.warning("twilio.not_transferred", attempt_id=call.order.attempt_id, error=str(fault))
            return False
        if done and not call.is_over:
            self._end(call, Disposition.ANSWERED, TRANSFERRED)
        return done
