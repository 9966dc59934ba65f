"""People, machines, call screening and faxes that are made here: what they are taken for, and how soon.

The rules were tuned on one half of the callees; measured is the other, whose texts, voices and lines are its own.
"""

from __future__ import annotations

import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from statistics import median

from benchmarks.callees.judging import Judged, judged
from benchmarks.callees.making import Half, callees
from benchmarks.figures import Figure, figure
from dialplane.core.answered_by import AnsweredBy
from dialplane.voice.machines.spotting import Spotting

SEED = 2028
MOST_FALSE = 2.0  # percent of the people who are taken for something else
LONGEST_SECONDS = 2.5


async def measure() -> list[Figure]:
    return figures(judge(Half.HELD_OUT, SEED))


def judge(half: Half, seed: int) -> list[Judged]:
    folder = Path(tempfile.gettempdir()) / "dialplane-callees"  # what flite has said is kept for the next time
    spotting = Spotting()
    return [judged(callee, spotting.found) for callee in callees(half, seed, folder)]


def figures(all_judged: Sequence[Judged]) -> list[Figure]:
    """And the confusion matrix, to standard error, since standard output is for figures."""
    print(matrix(all_judged), file=sys.stderr)
    people = [each for each in all_judged if each.callee.is_a is AnsweredBy.HUMAN]
    false = 100 * sum(not each.is_right for each in people) / len(people)
    seconds = median(each.seconds for each in all_judged)
    right = 100 * sum(each.is_right for each in all_judged) / len(all_judged)
    cost = sum(each.processor_seconds for each in all_judged) / sum(each.heard_seconds for each in all_judged)
    return [
        figure("machine_detection_callees", len(all_judged), "callees", target=">= 60", met=len(all_judged) >= 60),
        figure(
            "machine_detection_false",
            false,
            "% of people taken for something else",
            target=f"<= {MOST_FALSE:g} %",
            met=false <= MOST_FALSE,
        ),
        figure(
            "machine_detection_median",
            seconds,
            "s after the answer",
            target=f"<= {LONGEST_SECONDS:g} s",
            met=seconds <= LONGEST_SECONDS,
        ),
        *(
            figure(
                f"machine_detection_median_{kind}", _median(all_judged, kind), "s after the answer", target="reported"
            )
            for kind in (AnsweredBy.HUMAN, AnsweredBy.MACHINE, AnsweredBy.SCREENING)
        ),
        figure("machine_detection_right", right, "% of all"),
        figure("machine_detection_processor", 100 * cost, "% of a core, each call it listens to"),
    ]


def _median(all_judged: Sequence[Judged], kind: AnsweredBy) -> float:
    return median(each.seconds for each in all_judged if each.callee.is_a is kind)


def matrix(all_judged: Sequence[Judged]) -> str:
    """Rows: what they are. Columns: what they were taken for."""
    counted = Counter((each.callee.is_a, each.taken_for) for each in all_judged)
    lines = ["".join(f"{word:>11}" for word in ("", *AnsweredBy))]
    for is_a in AnsweredBy:
        lines.append("".join(f"{word:>11}" for word in (is_a, *(counted[is_a, taken_for] for taken_for in AnsweredBy))))
    return "\n".join(lines)
