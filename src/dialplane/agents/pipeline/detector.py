"""Silero's voice activity detection, loaded once for all calls of a process."""

from __future__ import annotations

from copy import copy
from functools import cache
from typing import Final

from pipecat.audio.vad.silero import SileroOnnxModel, SileroVADAnalyzer
from pipecat.audio.vad.vad_analyzer import VADAnalyzer, VADParams, VADState

from dialplane.voice.outgoing import is_audible
from dialplane.voice.wav import RATE

FORGETS_WINDOWS: Final = 16  # half a second of silence, after which what was said before is of no use to it


@cache
def model() -> SileroOnnxModel:
    """30 ms and 10 MB for each that is loaded. What it remembers of a call is in the copies."""
    return SileroVADAnalyzer(sample_rate=RATE)._model


class Detector(SileroVADAnalyzer):
    """Of one call."""

    def __init__(self) -> None:
        VADAnalyzer.__init__(self, sample_rate=RATE, params=VADParams())
        self._model = copy(model())
        self._model.reset_states()  # type: ignore[no-untyped-call]
        self._windows_since_reset = self._low_confidence_windows = self._silent_windows = 0

    def voice_confidence(self, buffer: bytes) -> float:
        """Of silence none: half of a call's sound is that, and the model is the most that a call costs."""
        if is_audible(buffer):
            self._silent_windows = 0
            return super().voice_confidence(buffer)
        self._silent_windows += 1
        if self._silent_windows == FORGETS_WINDOWS:
            self._model.reset_states()  # type: ignore[no-untyped-call]
        return 0.0

    async def analyze_audio(self, buffer: bytes) -> VADState:
        """Here: to hand it to a thread takes longer than the model."""
        return self._run_analyzer(buffer)

    def _get_smoothed_volume(self, audio: bytes) -> float:
        """All or nothing: pipecat measures the loudness, which takes as long as the model, keeps soft voices of
        telephones out, and lags a tenth of a second behind who interrupts.
        """
        return float(is_audible(audio))
