"""Services that pipecat lacks: speech of flite and hearing of pocketsphinx, and voices of servers in OpenAI's shape."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Final

from pipecat.frames.frames import ErrorFrame, Frame, StartFrame, TranscriptionFrame, TTSAudioRawFrame
from pipecat.services.openai.tts import OpenAITTSService
from pipecat.services.settings import STTSettings, TTSSettings
from pipecat.services.stt_service import SegmentedSTTService
from pipecat.services.tts_service import TTSService
from pipecat.utils.time import time_now_iso8601

from dialplane.voice.apart import ListenerApart
from dialplane.voice.hearing import HearingFailed
from dialplane.voice.settings import Hearing, Speech
from dialplane.voice.speech import Speaker, SpeechFailed
from dialplane.voice.wav import RATE

OPENAI_RATE: Final = 24_000  # of what OpenAI's interface calls pcm
CHUNK_BYTES: Final = 3200
STREAMED_BYTES: Final = 4800  # 100 ms: pipecat's own half a second would be waited for before the first sound


@cache
def _speaker(voice: str) -> Speaker:
    return Speaker(Speech(voice=voice))


@cache
def _listener() -> ListenerApart:
    return ListenerApart(Hearing())


class FliteTTSService(TTSService):
    """A program of this machine."""

    Settings = TTSSettings

    def __init__(self, *, settings: TTSSettings | None = None, **more: Any) -> None:
        kept = TTSSettings(model=None, voice="rms", language=None)
        if settings is not None:
            kept.apply_update(settings)
        super().__init__(sample_rate=RATE, push_start_frame=True, push_stop_frames=True, settings=kept, **more)

    def can_generate_metrics(self) -> bool:
        return True

    async def run_tts(self, text: str, context_id: str) -> AsyncGenerator[Frame | None, None]:
        try:
            sound = await _speaker(str(self._settings.voice)).spoken(text)
        except SpeechFailed as fault:
            yield ErrorFrame(error="flite failed", exception=fault)
            return
        await self.start_tts_usage_metrics(text)
        for start in range(0, len(sound), CHUNK_BYTES):
            part = sound[start : start + CHUNK_BYTES]
            yield TTSAudioRawFrame(part, RATE, 1, context_id=context_id)


@dataclass
class PocketsphinxSettings(STTSettings):
    """expected: likely answers, which are far better understood than all of the language."""

    expected: list[str] = field(default_factory=list)


class PocketsphinxSTTService(SegmentedSTTService):
    """In processes of its own: while it listens, Python stands still."""

    Settings = PocketsphinxSettings

    def __init__(self, *, settings: PocketsphinxSettings | None = None, **more: Any) -> None:
        kept = PocketsphinxSettings(model=None, language=None)
        if settings is not None:
            kept.apply_update(settings)
        super().__init__(settings=kept, ttfs_p99_latency=2.0, **more)
        self._expected = tuple(kept.expected)

    @property
    def wants_wav_segments(self) -> bool:
        return False

    def can_generate_metrics(self) -> bool:
        return True

    async def start(self, frame: StartFrame) -> None:
        await super().start(frame)
        self.create_task(_listener().understood(bytes(RATE), ()))  # its process starts while the greeting is said

    async def run_stt(self, audio: bytes) -> AsyncGenerator[Frame | None, None]:
        try:
            heard = await _listener().understood(audio, self._expected)
        except HearingFailed as fault:
            yield ErrorFrame(error="pocketsphinx failed", exception=fault)
            return
        if heard:
            yield TranscriptionFrame(heard, self._user_id, time_now_iso8601())


class CompatibleTTSService(OpenAITTSService):
    """Of another server than OpenAI's, which has other voices. base_url: up to /v1."""

    def __init__(self, **more: Any) -> None:
        super().__init__(sample_rate=OPENAI_RATE, **more)

    async def run_tts(self, text: str, context_id: str) -> AsyncGenerator[Frame, None]:
        chosen: Any = self._settings
        more = {"speed": chosen.speed} if chosen.speed else {}
        asked = self._client.audio.speech.with_streaming_response.create(
            input=text,
            model=str(chosen.model),
            voice=str(chosen.voice),
            response_format="pcm",
            **more,
        )
        async with asked as answer:
            await self.start_tts_usage_metrics(text)
            async for chunk in answer.iter_bytes(STREAMED_BYTES):
                yield TTSAudioRawFrame(chunk, self.sample_rate, 1, context_id=context_id)
