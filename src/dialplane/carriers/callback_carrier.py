"""A carrier that tells of calls by HTTP requests to us, and brings their sound over a WebSocket to us."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping
from typing import Any

import structlog

from dialplane.carriers.call_settings import CallSettings
from dialplane.carriers.callbacks import STREAM, Callback, Callbacks, Messages
from dialplane.carriers.sound_call import SoundCall
from dialplane.carriers.sound_carrier import Seen, SoundCarrier
from dialplane.carriers.stream import StreamAudio, sound_of, start_of
from dialplane.core.attempt import Order
from dialplane.ports import Clock, Files

log = structlog.get_logger()


class CallbackCarrier(SoundCarrier):
    """Implements callbacks.Follower as well."""

    def __init__(self, settings: CallSettings, clock: Clock, files: Files, callbacks: Callbacks) -> None:
        super().__init__(settings, clock, files)
        self._callbacks = callbacks

    # --- what the carrier says: an adapter's own -----------------------------------------------------------------

    @abstractmethod
    def _is_signed(self, call: SoundCall, callback: Callback) -> bool:
        """Whether the carrier says this, of this call."""

    @abstractmethod
    def _understood(self, call: SoundCall, callback: Callback) -> Seen:
        """What it says; the call learns its id."""

    def _may_open(self, call: SoundCall, callback: Callback) -> bool:  # noqa: ARG002
        """Whether it is the carrier that opens a stream, as far as its request shows."""
        return True

    @abstractmethod
    def _audio_of(self, call: SoundCall, start: Mapping[str, Any], send: Callable[[str], None]) -> StreamAudio | None:
        """The sound of a stream that began with this message; None: it is not this call's."""

    # --- callbacks -------------------------------------------------------------------------------------------------

    def told(self, callback: Callback) -> int:
        """The order and number in which things are told make no difference."""
        if callback.attempt in self._events.ends:
            return 204
        call = self._calls.get(callback.attempt)
        if call is None:
            return 404
        if not self._is_signed(call, callback):
            log.warning("callback.forged", attempt_id=call.order.attempt_id)
            return 403
        was_known = call.call_id is not None
        self._advance(call, self._understood(call, callback))
        if call.hung_up and not was_known and not call.is_placing:  # at last somebody can be asked for that
            self._clock.spawn(self._leave(call))
        return 204

    async def talked(self, callback: Callback, messages: Messages) -> None:
        """The stream of an answered call has been opened: the first that proves to be its own is the call's sound."""
        call = self._calls.get(callback.attempt)
        if call is None:
            return
        start = await start_of(messages) if self._may_open(call, callback) else {}
        audio = self._audio_of(call, start, messages.send)
        if audio is None or call.sound is not None or call.is_over:
            log.warning("stream.refused", attempt_id=call.order.attempt_id)
            return
        self._begin_talk(call, audio)
        assert call.sound is not None
        try:
            await sound_of(messages, audio, call.sound.press)
        finally:
            self._end_talk(call)

    def _stream_url(self, order: Order) -> str:
        """wss://…, for the carrier to open."""
        _, _, rest = self._callbacks.url(order, STREAM).partition("://")
        return f"wss://{rest}"

    async def _followed(self, call: SoundCall) -> None:
        await self._callbacks.follow(call.name, self)

    def _forgotten(self, attempt: str) -> None:
        self._callbacks.forget(attempt)
