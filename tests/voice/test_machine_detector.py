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
    for callee in callees(Half.TUNING, 1, folder, at_most=3):
        found.setdefault(callee.is_a, []).append(judged(callee, spotting.found))

    wrong = [(each.callee.name, each.taken_for) for kind in found.values() for each in kind if not each.is_right]
    assert not [each for each in found[AnsweredBy.HUMAN] if not each.is_right], "no person is taken for a machine"
    assert len(wrong) <= 3, wrong
    assert any(each.taken_for is AnsweredBy.MACHINE for each in found[AnsweredBy.MACHINE])
    assert any(each.taken_for is AnsweredBy.FAX for each in found[AnsweredBy.FAX])
    assert any(each.taken_for is AnsweredBy.SCREENING for each in found[AnsweredBy.SCREENING])
