"""The sound of one carrier's calls: begun, kept going every 20 ms, recorded."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from dialplane.carriers.call_settings import CallSettings
from dialplane.carriers.sound_call import LineAudio, SoundCall, SoundLine, Voice
from dialplane.carriers.sound_files import SoundFiles
from dialplane.core.attempt import Order
from dialplane.core.recording import RecordingMode
from dialplane.ports import Files
from dialplane.voice.apart import ListenerApart
from dialplane.voice.machines.ears import Ears
from dialplane.voice.recording import Recording
from dialplane.voice.sound import FRAME_SECONDS, CallSound
from dialplane.voice.speech import Speaker

log = structlog.get_logger()


class Talk:
    def __init__(self, settings: CallSettings, files: Files) -> None:
        self._records = settings.record
        self._files = SoundFiles(files, as_flac=settings.recording_format == "flac")
        self._listener = ListenerApart(settings.hearing)
        self._voice = Voice(Speaker(settings.speech), self._listener, settings.hearing.silence_seconds, self._files)
        self._talking: set[SoundCall] = set()
        self._pumping: asyncio.Task[None] | None = None

    def begin(self, call: SoundCall, audio: LineAudio) -> None:
        """Somebody has answered, and can be heard from now on, until the call falls silent."""
        path = self._files.recording(call.order) if self._is_recorded(call.order) else None
        call.audio = audio
        call.sound = CallSound(
            audio,
            Recording(path) if path is not None else None,
            announced=call.order.recording.mode is RecordingMode.ANNOUNCED,
            on_first_word=lambda at: setattr(call, "first_word_seconds", at),
            ears=Ears(self._listener.phrases, call.answering.told) if call.order.machines.listens else None,
        )
        self._talking.add(call)
        if self._pumping is None:
            self._pumping = asyncio.create_task(self._pump())

    async def _pump(self) -> None:
        """Every 20 ms all calls, as long as there are any. What comes late is made up for, so that no call drifts."""
        loop = asyncio.get_running_loop()
        due = loop.time()
        while self._talking:
            for call in list(self._talking):
                if call.sound is not None and call.talks:
                    self._tick(call, call.sound)
                else:
                    self._talking.discard(call)
            due += FRAME_SECONDS
            await asyncio.sleep(max(0.0, due - loop.time()))
        self._pumping = None

    def _tick(self, call: SoundCall, sound: CallSound) -> None:
        try:
            sound.tick()
        except Exception:
            # The others' sound goes on; this call's agent is told that it is over.
            log.exception("call.sound_failed", attempt_id=call.order.attempt_id)
            call.fall_silent()

    def line(
        self,
        call: SoundCall,
        *,
        transfer: Callable[[SoundCall, str], Awaitable[bool]],
        hang_up: Callable[[SoundCall], Awaitable[None]],
    ) -> SoundLine:
        return SoundLine(
            call, self._voice, is_recorded=self._is_recorded(call.order), transfer=transfer, hang_up=hang_up
        )

    def _is_recorded(self, order: Order) -> bool:
        return self._records and order.recording.mode is not RecordingMode.OFF

    async def kept_recording(self, call: SoundCall) -> str:
        """Its key; "" where it could not be kept."""
        try:
            return await self._files.keep_recording(call.order)
        except Exception as fault:
            # The call has been made, and what came of it must be told whatever the disk says.
            log.error("recording.not_kept", attempt_id=call.order.attempt_id, error=str(fault))
            return ""
        finally:
            await self._files.drop_recording(call.order)

    async def close(self) -> None:
        if self._pumping is not None:
            self._pumping.cancel()
        await self._listener.close()
        await self._files.close()
