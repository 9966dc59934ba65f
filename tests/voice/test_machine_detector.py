"""The detector on callees that are made here: some of those of the benchmark, which is where its figures come from."""

from __future__ import annotations

import shutil
import tempfile
from importlib.util import find_spec
from pathlib import Path

import pytest

from dialplane.core.answered_by import AnsweredBy

missing = [module for module in ("numpy", "onnxruntime", "pipecat", "pocketsphinx") if find_spec(module) is None]
missing += [program for program in ("flite",) if shutil.which(program) is None]
pytestmark = pytest.mark.skipif(bool(missing), reason=f"not installed: {', '.join(missing)}")


def test_people_machines_and_faxes_are_told_apart() -> None:
    from benchmarks.callees.judging import Judged, judged
    from benchmarks.callees.making import Half, callees
    from dialplane.voice.machines.spotting import Spotting

    folder, spotting = Path(tempfile.gettempdir()) / "dialplane-callees", Spotting()
    found: dict[AnsweredBy, list[Judged]] = {}
    for callee in callees(Half.TUNING, 1, folder, at_most=1):
        found.setdefault(callee.is_a, []).append(judged(callee, spotting.found))

    taken_for = {is_a: [each.taken_for for each in those] for is_a, those in found.items()}
    assert len(found[AnsweredBy.HUMAN]) == 5 and all(each.is_right for each in found[AnsweredBy.HUMAN])
    assert taken_for[AnsweredBy.MACHINE].count(AnsweredBy.MACHINE) >= 2, "greeting, mailbox and menu"
    assert taken_for[AnsweredBy.FAX] == [AnsweredBy.FAX]
    assert all(each.seconds < 2.5 for each in found[AnsweredBy.HUMAN] if each.callee.kind == "hello")
