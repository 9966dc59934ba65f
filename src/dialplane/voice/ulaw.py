"""Sound as telephone networks carry it (G.711 μ-law) <-> 16 bits."""

from __future__ import annotations

import warnings

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)
    import audioop  # from Python 3.13 on of the package audioop-lts


def from_ulaw(sound: bytes) -> bytes:
    return audioop.ulaw2lin(sound, 2)


def to_ulaw(pcm: bytes) -> bytes:
    return audioop.lin2ulaw(pcm, 2)
