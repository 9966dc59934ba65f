"""A callee -> what the detector takes it for, and when: as on a call, but as fast as the processor allows."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from dataclasses import dataclass

from benchmarks.callees.making import Callee
from dialplane.core.answered_by import AnsweredBy
from dialplane.voice.machines.detector import Detector
from dialplane.voice.machines.phrases import Phrase

FRAME_BYTES = 320
HANDED_OVER_SECONDS = 0.03  # to the process that listens, and back


@dataclass(frozen=True, slots=True)
class Judged:
    """seconds: since the answer, from which on it was treated as what it was taken for in the end.

    processor_seconds: of the detector, without what listens for phrases. heard_seconds: of sound that it was fed.
    """

    callee: Callee
    taken_for: AnsweredBy
    seconds: float
    processor_seconds: float
    heard_seconds: float

    @property
    def is_right(self) -> bool:
        return treated_as(self.taken_for) is treated_as(self.callee.is_a)


def treated_as(answered_by: AnsweredBy) -> AnsweredBy:
    return AnsweredBy.HUMAN if answered_by is AnsweredBy.UNCERTAIN else answered_by


def judged(callee: Callee, spotted: Callable[[bytes], Collection[Phrase]]) -> Judged:
    """What listens for phrases takes its time of the call, as it does elsewhere on a processor of its own."""
    detector = Detector()
    found: tuple[float, Collection[Phrase]] | None = None
    treatment, seconds, processor = None, 0.0, 0.0
    for start in range(0, len(callee.pcm), FRAME_BYTES):
        began = time.thread_time()
        detector.feed(callee.pcm[start : start + FRAME_BYTES])
        processor += time.thread_time() - began
        verdict = detector.verdict
        if verdict is not None and treated_as(verdict.answered_by) is not treatment:
            treatment, seconds = treated_as(verdict.answered_by), detector.seconds
        if verdict is not None and verdict.is_final:
            break
        if found is None and (sound := detector.wants()) is not None:
            began = time.thread_time()
            phrases = spotted(sound)
            found = detector.seconds + time.thread_time() - began + HANDED_OVER_SECONDS, phrases
        if found is not None and detector.seconds >= found[0]:
            detector.understand(found[1])
            found = None
    verdict = detector.verdict
    taken_for = verdict.answered_by if verdict is not None else AnsweredBy.UNCERTAIN
    return Judged(callee, taken_for, seconds, processor, detector.seconds)
