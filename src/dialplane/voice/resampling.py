"""Sound at one rate -> the same at another."""

from __future__ import annotations

import warnings

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)
    import audioop  # from Python 3.13 on of the package audioop-lts


def resampled(frames: bytes, rate: int, wanted: int, *, channels: int = 1) -> bytes:
    """16 bits, little endian; two channels become one."""
    if channels == 2:
        frames = audioop.tomono(frames, 2, 0.5, 0.5)
    if rate == wanted:
        return frames
    converted, _ = audioop.ratecv(frames, 2, 1, rate, wanted, None)
    return converted
