"""Silero VAD: sound -> how likely it is that somebody speaks, 32 ms at a time.

The model is the one that pipecat brings; of pipecat itself nothing is loaded, which saves 40 MB and half a second.
"""

from __future__ import annotations

from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

WINDOW: Final = 256  # samples, at 8 kHz
WINDOW_SECONDS: Final = WINDOW / 8000
_CONTEXT: Final = 32  # samples of the window before


@cache
def load() -> Any:
    """The model, one for all calls of a process: what it remembers of each is kept by the caller.

    63 MB with its libraries, in a seventh of a second.
    """
    import onnxruntime  # noqa: PLC0415  (the extra `voice`)

    pipecat = find_spec("pipecat")
    assert pipecat is not None, "the extra `voice` is not installed"
    assert pipecat.origin is not None
    options = onnxruntime.SessionOptions()
    options.inter_op_num_threads = options.intra_op_num_threads = 1
    path = Path(pipecat.origin).parent / "audio" / "vad" / "data" / "silero_vad.onnx"
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


class Voicing:
    """Of one call. A window takes 0.1 ms of a processor."""

    def __init__(self) -> None:
        import numpy  # noqa: PLC0415

        self._numpy = numpy
        self._model = load()
        self._state = numpy.zeros((2, 1, 128), "float32")
        self._input = numpy.zeros((1, _CONTEXT + WINDOW), "float32")
        self._rate = numpy.array(8000, "int64")

    def likely(self, window: Any) -> float:
        """0 to 1. window: 256 samples, 1.0 is full scale; of some seconds before it is remembered as well."""
        self._input[0, :_CONTEXT] = self._input[0, -_CONTEXT:]
        self._input[0, _CONTEXT:] = window
        said, self._state = self._model.run(None, {"input": self._input, "state": self._state, "sr": self._rate})
        return float(said[0, 0])
