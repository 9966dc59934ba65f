"""order -> POST Calls.json -> callbacks and a stream -> events"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final
from urllib.parse import parse_qsl
from xml.sax.saxutils import quoteattr

from dialplane.carriers.callback_carrier import CallbackCarrier
from dialplane.carriers.callbacks import Callback, Callbacks
from dialplane.carriers.sound_call import SoundCall
from dialplane.carriers.sound_carrier import Seen
from dialplane.carriers.stream import StreamAudio
from dialplane.carriers.twilio.account import Account
from dialplane.carriers.twilio.api import TwilioApi
from dialplane.carriers.twilio.outcomes import NO_STREAM, answered_at, is_machine, seen
from dialplane.carriers.twilio.signing import Form, is_signed, is_stream_token, stream_token
from dialplane.core.attempt import Order
from dialplane.ports import Clock, Files, Lookup

STATUS, ANSWERED_BY = "status", "answered-by"  # what is told, besides the stream
EVENTS: Final = ("initiated", "ringing", "answered", "completed")


class TwilioCarrier(CallbackCarrier):
    """Implements ports.Carrier. Twilio has no key of ours for a call: without its own, nobody can ask for one."""

    nobody_there = NO_STREAM

    def __init__(self, account: Account, clock: Clock, files: Files, callbacks: Callbacks) -> None:
        super().__init__(account, clock, files, callbacks)
        self._account = account
        self._api = TwilioApi(account)

    async def probe(self) -> str | None:
        return self._account.missing() or await self._api.fault()

    async def _create(self, call: SoundCall, seconds: float) -> str:
        return await self._api.create(self._request(call.order), seconds)

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
        token = stream_token(self._account.auth_token, str(order.attempt_uuid))
        parameter = f'<Parameter name="token" value={quoteattr(token)}/>'
        url = quoteattr(self._stream_url(order))
        return f"<Response><Connect><Stream url={url}>{parameter}</Stream></Connect></Response>"

    async def _look(self, call: SoundCall) -> Seen | Lookup:
        found = await self._api.fetch(call.call_id) if call.call_id else None
        if found is None:
            return Lookup.CANNOT_TELL
        return seen(str(found.get("status")), None, answered_at(found))

    async def _end_there(self, call: SoundCall) -> None:
        await self._api.update(str(call.call_id), Status="completed")

    async def _hand_over(self, call: SoundCall, to_number: str) -> bool:
        """Twilio takes the call away from the stream and calls the number."""
        dial = f"<Dial callerId={quoteattr(call.order.from_number)}>{to_number}</Dial>"
        return await self._api.update(str(call.call_id), Twiml=f"<Response>{dial}</Response>")

    async def _close(self) -> None:
        await self._api.close()

    # --- what Twilio tells -----------------------------------------------------------------------------------

    def _is_signed(self, call: SoundCall, callback: Callback) -> bool:
        url = self._callbacks.url(call.order, callback.what)
        given = callback.headers.get("x-twilio-signature", "")
        return is_signed(self._account.auth_token, url, _form(callback), given)

    def _understood(self, call: SoundCall, callback: Callback) -> Seen:
        fields = dict(_form(callback))
        call.call_id = call.call_id or fields.get("CallSid")
        if callback.what == ANSWERED_BY:
            return Seen(by_machine=is_machine(fields.get("AnsweredBy", "")))
        code = fields.get("SipResponseCode", "")
        return seen(fields.get("CallStatus", ""), int(code) if code.isdecimal() else None)

    def _audio_of(self, call: SoundCall, start: Mapping[str, Any], send: Callable[[str], None]) -> StreamAudio | None:
        match start:
            case {
                "start": {"customParameters": {"token": str(token)}, "callSid": str(sid), "streamSid": str(stream_sid)}
            } if call.call_id in (None, sid) and is_stream_token(self._account.auth_token, call.name, token):
                call.call_id = sid
                return StreamAudio(send, streamSid=stream_sid)
        return None


def _form(callback: Callback) -> list[tuple[str, str]]:
    return parse_qsl(callback.body, keep_blank_values=True)
