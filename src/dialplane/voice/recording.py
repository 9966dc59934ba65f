"""Both sides of a call -> a stereo WAV file, written while the call runs."""

from __future__ import annotations

import wave
from array import array
from pathlib import Path

from dialplane.voice.wav import RATE, SAMPLE_BYTES


class Recording:
    """The agent on the left, the other side on the right. A full disk ends it, and not the call: see `fault`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.fault = ""
        self._file: wave.Wave_write | None = None
        try:
            self._raw = path.open("wb")
        except OSError as fault:
            self._failed(fault)
            return
        self._file = wave.open(self._raw, "wb")  # noqa: SIM115
        self._file.setnchannels(2)
        self._file.setsampwidth(SAMPLE_BYTES)
        self._file.setframerate(RATE)

    def add(self, agent: bytes, other: bytes) -> None:
        """The same stretch of time of both, 16 bits each."""
        if self._file is None or self.fault:
            return
        both = array("h", bytes(2 * len(agent)))
        both[0::2], both[1::2] = array("h", agent), array("h", other)
        try:
            self._file.writeframesraw(both.tobytes())
        except OSError as fault:
            self._failed(fault)

    def close(self, *, keep: bool = True) -> bool:
        """Whether there is a whole file; any other is deleted."""
        if self._file is not None:
            for close in (self._file.close, self._raw.close):  # the first of them writes the length
                try:
                    close()
                except OSError as fault:
                    self._failed(fault)
        kept = keep and not self.fault
        if not kept:
            self.path.unlink(missing_ok=True)
        return kept

    def _failed(self, fault: OSError) -> None:
        self.fault = self.fault or fault.strerror or str(fault)
