"""How long people wait for an answer, and for whom."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any, Final

STEPS: Final = ("ended", "paused", "heard", "asked", "worded", "voiced", "sounded")


class Turns:
    """Of each turn: from the end of what the person said to the first sound of the answer, in milliseconds.

    pause: silence that the definition wants before an answer. stt: what hearing took beyond that. llm: from the model's
    being asked to its first sentence, without tools. tools: what those took. tts: from that sentence to its first
    sound. own: all the rest, between the services.
    """

    def __init__(self, pause_seconds: float) -> None:
        self.turns: list[Mapping[str, Any]] = []
        self._pause_seconds = pause_seconds  # from the detector's word that they are silent
        self._at: dict[str, float] = {}
        self._tool_seconds = 0.0

    def speaks(self) -> None:
        """They speak, again or still: what has been measured is of no turn."""
        self._at, self._tool_seconds = {}, 0.0

    def silent(self, since_seconds: float) -> None:
        """The detector says so, of a silence that began that long ago."""
        self.speaks()
        self._at = {"ended": time.monotonic() - since_seconds, "paused": time.monotonic()}

    def reaches(self, step: str) -> None:
        """heard, asked, worded, voiced, sounded: the first time in a turn counts; of `heard` the last."""
        before = STEPS[STEPS.index(step) - 1]
        if before in self._at and (step not in self._at or (step == "heard" and "asked" not in self._at)):
            self._at[step] = time.monotonic()
            if step == "sounded":
                self._close()

    def used_tool(self, seconds: float) -> None:
        self._tool_seconds += seconds

    def _close(self) -> None:
        ended, paused, heard, asked, worded, voiced, sounded = (self._at[step] for step in STEPS)
        due = paused + self._pause_seconds
        parts = {
            "pause": due - ended,
            "stt": max(0.0, heard - due),
            "llm": worded - asked - self._tool_seconds,
            "tools": self._tool_seconds,
            "tts": voiced - worded,
            "own": asked - max(due, heard) + sounded - voiced,
            "total": sounded - ended,
        }
        self.turns.append({f"{name}_ms": round(seconds * 1000) for name, seconds in parts.items()})
        self._at = {}
