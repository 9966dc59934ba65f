"""order -> POST calls -> webhooks and a stream -> events"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any, Final
from uuid import uuid5

from dialplane.carriers.callback_carrier import CallbackCarrier
from dialplane.carriers.callbacks import Callback, Callbacks
from dialplane.carriers.sound_call import End, SoundCall
from dialplane.carriers.sound_carrier import Seen
from dialplane.carriers.stream import StreamAudio
from dialplane.carriers.telnyx.account import Account
from dialplane.carriers.telnyx.api import TelnyxApi
from dialplane.carriers.telnyx.outcomes import NO_STREAM, OVER, seen
from dialplane.carriers.telnyx.signing import is_signed, opens_stream, stream_token
from dialplane.core.attempt import Order
from dialplane.core.disposition import Disposition
from dialplane.ports import Clock, Files, Lookup

EVENT: Final = "event"  # what is told, besides the stream
STREAM_SECONDS: Final = 10.0  # from the answer until there must be a stream: Telnyx leaves people in silence without


class TelnyxCarrier(CallbackCarrier):
    """Implements ports.Carrier. Telnyx ignores a second request with the attempt's uuid, and finds no call by it."""

    nobody_there = NO_STREAM

    def __init__(self, account: Account, clock: Clock, files: Files, callbacks: Callbacks) -> None:
        super().__init__(account, clock, files, callbacks)
        self._account = account
        self._api = TelnyxApi(account)

    async def probe(self) -> str | None:
        return self._account.missing() or await self._api.fault()

    async def _create(self, call: SoundCall, seconds: float) -> str:
        return await self._api.dial(self._request(call.order), seconds)

    def _request(self, order: Order) -> dict[str, Any]:
        request = {
            "connection_id": self._account.connection_id,
            "to": order.to_number,
            "from": order.from_number,
            "command_id": str(order.attempt_uuid),
            "client_state": _state_of(order),
            "webhook_url": self._callbacks.url(order, EVENT),
            "webhook_url_method": "POST",
            "timeout_secs": round(self.limits.ring_timeout_seconds),
            "time_limit_secs": round(self.limits.max_call_seconds),
            "retry_on_timeout": False,  # by another route, the same telephone would ring once more
            "preferred_codecs": "PCMU,PCMA",
            "stream_url": self._stream_url(order),
            "stream_auth_token": stream_token(self._account.api_key, str(order.attempt_uuid)),
            "stream_track": "inbound_track",
            "stream_codec": "PCMU",
            "stream_bidirectional_mode": "rtp",
            "stream_bidirectional_codec": "PCMU",
            "stream_bidirectional_target_legs": "self",
        }
        if self._account.machine_detection:
            # Told beside the conversation: nobody waits for it.
            request["answering_machine_detection"] = "premium"
        return request

    async def _look(self, call: SoundCall) -> Seen | Lookup:
        """Telnyx says whether a call is alive, ten minutes longer than it is: not whether it rings, or how it ended."""
        found = await self._api.status(call.call_id) if call.call_id else None
        if found is None:
            return Lookup.CANNOT_TELL
        if found.get("is_alive") or not found.get("end_time"):  # one that is being dialled is not alive yet
            return Seen()
        known = Disposition.UNKNOWN if call.answered_at is None else Disposition.ANSWERED
        return Seen(end=End(disposition=known, cause=OVER))

    async def _end_there(self, call: SoundCall) -> None:
        await self._api.command(str(call.call_id), "hangup", command_id=_command_id(call.order, "hangup"))

    async def _hand_over(self, call: SoundCall, to_number: str) -> bool:
        """Telnyx calls the number and connects the two."""
        return await self._api.command(
            str(call.call_id),
            "transfer",
            command_id=_command_id(call.order, f"transfer {to_number}"),
            to=to_number,
            **{"from": call.order.from_number},
        )

    async def _close(self) -> None:
        await self._api.close()

    # --- what Telnyx tells -----------------------------------------------------------------------------------

    def _is_signed(self, call: SoundCall, callback: Callback) -> bool:
        """Signed, and of this call: the signature is that of any address."""
        now_seconds = self._clock.now().timestamp()
        if not is_signed(self._account.webhook_public_key, callback.body, callback.headers, now_seconds):
            return False
        _, payload = _event(callback)
        return payload.get("client_state") == _state_of(call.order)

    def _understood(self, call: SoundCall, callback: Callback) -> Seen:
        event, payload = _event(callback)
        call_id = str(payload.get("call_control_id"))
        call.call_id = call.call_id or call_id
        if call.call_id != call_id:
            return Seen()  # of the other side of a call that was handed over
        if event == "call.answered":
            until = self._clock.now() + timedelta(seconds=STREAM_SECONDS)
            self._clock.call_at(until, lambda: self._advance(call, Seen(no_sound=NO_STREAM)))
        return seen(event, payload, was_answered=call.answered_at is not None)

    def _may_open(self, call: SoundCall, callback: Callback) -> bool:
        return opens_stream(self._account.api_key, call.name, callback.headers)

    def _audio_of(self, call: SoundCall, start: Mapping[str, Any], send: Callable[[str], None]) -> StreamAudio | None:
        match start:
            case {
                "start": {"call_control_id": str(call_id), "media_format": {"encoding": "PCMU", "sample_rate": 8000}}
            } if call.call_id in (None, call_id):
                call.call_id = call_id
                return StreamAudio(send)
        return None


def _event(callback: Callback) -> tuple[str, Mapping[str, Any]]:
    """Its type and content; ("", {}): what came is none."""
    try:
        match json.loads(callback.body):
            case {"data": {"event_type": str(kind), "payload": dict(payload)}}:
                return kind, payload
    except ValueError:
        pass
    return "", {}


def _state_of(order: Order) -> str:
    """What every webhook of the call brings along."""
    return base64.b64encode(str(order.attempt_uuid).encode()).decode()


def _command_id(order: Order, what: str) -> str:
    """The same for the same command: what is sent twice is carried out once."""
    return str(uuid5(order.attempt_uuid, what))
