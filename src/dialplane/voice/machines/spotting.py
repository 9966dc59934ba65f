"""sound -> the phrases in it, by pocketsphinx, which waits for nothing else: in a twentieth of the sound's time."""

from __future__ import annotations

import tempfile
from typing import Any, Final

from dialplane.voice.machines.phrases import Phrase, Spotted, in_sound, wanted_wordings
from dialplane.voice.resampling import resampled
from dialplane.voice.wav import RATE

MODEL_RATE: Final = 16000
_SEARCH: Final = "phrases"


class Spotting:
    """What it needs, 40 MB in 0.3 s, is loaded when it is needed first."""

    def __init__(self) -> None:
        self._decoder: Any = None

    def found(self, sound: bytes) -> frozenset[Phrase]:
        """sound: 8 kHz, mono, 16 bits. Nothing else runs in this process meanwhile."""
        if self._decoder is None:
            self._decoder = _decoder()
        self._decoder.start_utt()
        self._decoder.process_raw(resampled(sound, RATE, MODEL_RATE), no_search=False, full_utt=True)
        self._decoder.end_utt()
        found = self._decoder.seg() or ()
        return in_sound([Spotted(each.word.strip(), each.start_frame, each.end_frame, each.prob) for each in found])


def _decoder() -> Any:
    from pocketsphinx import Decoder  # noqa: PLC0415  (the extra `voice`)

    decoder = Decoder(samprate=MODEL_RATE, loglevel="FATAL")
    with tempfile.NamedTemporaryFile("w", prefix="dialplane-", encoding="utf-8") as file:
        file.write(wanted_wordings())
        file.flush()
        decoder.add_kws(_SEARCH, file.name)
    decoder.activate_search(_SEARCH)
    return decoder
