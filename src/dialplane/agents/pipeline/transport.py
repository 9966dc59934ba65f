"""A call's sound as the two ends of a pipeline."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from pipecat.audio.dtmf.types import KeypadEntry
from pipecat.frames.frames import (
    AggregatedTextFrame,
    CancelFrame,
    ControlFrame,
    Frame,
    InputAudioRawFrame,
    InputDTMFFrame,
    InterruptionFrame,
    OutputAudioRawFrame,
    StartFrame,
    TTSAudioRawFrame,
    TTSStoppedFrame,
)
from pipecat.processors.frame_processor import FrameDirection
from pipecat.transports.base_input import BaseInputTransport
from pipecat.transports.base_output import BaseOutputTransport
from pipecat.transports.base_transport import TransportParams

from dialplane.agents.pipeline.phone import Phone
from dialplane.agents.pipeline.speaking import Speaking, Utterance
from dialplane.voice.wav import RATE

FRAMES_AT_ONCE: Final = 2  # 40 ms: each frame costs every processor on its way as much as a long one


class SoundIn(BaseInputTransport):
    """What the other side says."""

    def __init__(self, phone: Phone) -> None:
        super().__init__(TransportParams(audio_in_enabled=True, audio_in_sample_rate=RATE))
        self._phone = phone
        self._gathered = bytearray()

    async def start(self, frame: StartFrame) -> None:
        await super().start(frame)
        self._phone.on_sound, self._phone.on_digit = self._heard, self._pressed

    async def _heard(self, sound: bytes) -> None:
        self._gathered += sound
        if len(self._gathered) >= FRAMES_AT_ONCE * len(sound):
            whole, self._gathered = bytes(self._gathered), bytearray()
            await self.push_frame(InputAudioRawFrame(audio=whole, sample_rate=RATE, num_channels=1))

    async def _pressed(self, digit: str) -> None:
        with suppress(ValueError):  # A to D, which no telephone has
            await self.push_frame(InputDTMFFrame(button=KeypadEntry(digit)))


@dataclass
class SaidFrame(ControlFrame):
    """The end of an utterance: goes on once that has been heard."""

    utterance: Utterance


class SoundOut(BaseOutputTransport):
    """What the agent says."""

    def __init__(self, phone: Phone, speaking: Speaking) -> None:
        super().__init__(
            TransportParams(audio_out_enabled=True, audio_out_sample_rate=RATE, audio_out_end_silence_secs=0)
        )
        self._phone = phone
        self._speaking = speaking

    async def start(self, frame: StartFrame) -> None:
        await super().start(frame)
        await self.set_transport_ready(frame)

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        if direction is FrameDirection.DOWNSTREAM:
            if isinstance(frame, AggregatedTextFrame) and frame.will_be_spoken:
                self._speaking.begins(frame.text, kept=not frame.interruptible)
            elif isinstance(frame, TTSAudioRawFrame):
                self._speaking.made(len(frame.audio) * RATE // frame.sample_rate)
            elif isinstance(frame, InterruptionFrame):
                if self._speaking.interrupted():
                    self._phone.cut()
            elif isinstance(frame, CancelFrame):
                self._speaking.over()
                self._phone.cut()
        await super().process_frame(frame, direction)
        if isinstance(frame, TTSStoppedFrame):  # last: it brings out what is left of the sound
            said = SaidFrame(self._speaking.ends())
            said.interruptible = not said.utterance.kept
            await super().process_frame(said, direction)

    async def write_audio_frame(self, frame: OutputAudioRawFrame) -> bool:
        self._speaking.sounds()
        return await self._phone.say(frame.audio)

    async def write_transport_frame(self, frame: Frame) -> None:
        if isinstance(frame, SaidFrame):
            await self._phone.until_said()
            self._speaking.was_said(frame.utterance)
        await super().write_transport_frame(frame)
