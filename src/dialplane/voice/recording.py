"""Both sides of a call -> a stereo WAV file, written while the call runs."""

from __future__ import annotations

import os
import wave
from array import array
from pathlib import Path
from typing import Final

RATE: Final = 8000


class Recording:
    """The agent on the left, the other side on the right. A full disk ends it, and not the call: see `fault`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.fault = ""
        self._raw = path.open("wb")
        self._file = wave.open(self._raw, "wb")  # noqa: SIM115
        self._file.setnchannels(2)
        self._file.setsampwidth(2)
        self._file.setframerate(RATE)

    def add(self, agent: bytes, other: bytes) -> None:
        """The same stretch of time of both, 16 bits each."""
        if self.fault:
            return
        both = array("h", bytes(2 * len(agent)))
        both[0::2], both[1::2] = array("h", agent), array("h", other)
        try:
            self._file.writeframesraw(both.tobytes())
        except OSError as fault:
            self.fault = fault.strerror or str(fault)

    def close(self) -> bool:
        """Whether the file is whole; one that is not is deleted."""
        try:
            self._file.close()  # which writes the length
            self._raw.close()
        except OSError as fault:
            self.fault = self.fault or fault.strerror or str(fault)
        if self.fault:
            os.unlink(self.path)
        return not self.fault
