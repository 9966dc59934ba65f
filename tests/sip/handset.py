"""A telephone network of one call, which does nothing by itself."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class Handset:
    """Implements voice.sound.Audio. says: what is still to come from the person, 16 bits at 8 kHz; heard: what they
    were told; cleared: how often what was waiting was thrown away.
    """

    says: bytearray = field(default_factory=bytearray)
    heard: bytearray = field(default_factory=bytearray)
    cleared: int = 0

    def read(self, max_bytes: int) -> bytes:
        """20 ms of it: what is said takes its time."""
        came = bytes(self.says[: min(max_bytes, 320)])
        del self.says[: len(came)]
        return came

    def write(self, pcm: bytes) -> None:
        self.heard += pcm

    def flush_tx(self) -> None:
        self.cleared += 1
