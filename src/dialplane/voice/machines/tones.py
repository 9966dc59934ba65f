"""Steady tones: the beep of a machine, the call of a fax."""

from __future__ import annotations

from typing import Any, Final

WINDOW: Final = 320  # samples, 40 ms; looked at every 20 ms
_RATE: Final = 8000
_LOWEST, _HIGHEST = 410, 2300  # hertz
_PURE: Final = 0.8  # of the power between 250 and 3400 Hz: in the tone. Of a vowel, some 0.4
_STEADY_HERTZ: Final = 12.0
_LEAST_POWER: Final = 1e-6  # of full scale: 60 dB below it


class ToneFinder:
    def __init__(self) -> None:
        import numpy  # noqa: PLC0415  (the extra `voice`)

        self._numpy = numpy
        self._hann = numpy.hanning(WINDOW)
        self._hertz = _RATE / WINDOW
        self._first, self._last = round(250 / self._hertz), round(3400 / self._hertz)

    def pitch(self, window: Any) -> float | None:
        """In hertz, where there is hardly anything but one tone. window: 320 samples, 1.0 is full scale."""
        power = self._numpy.abs(self._numpy.fft.rfft(window * self._hann)) ** 2
        band = power[self._first : self._last]
        total = float(band.sum())
        if total / WINDOW**2 < _LEAST_POWER / 8:
            return None
        peak = int(band.argmax()) + self._first
        if not 0 < peak < len(power) - 1 or float(power[peak - 2 : peak + 3].sum()) < _PURE * total:
            return None
        below, at, above = (float(each) for each in self._numpy.log(power[peak - 1 : peak + 2] + 1e-20))
        hertz = (peak + 0.5 * (below - above) / (below - 2 * at + above)) * self._hertz
        return hertz if _LOWEST <= hertz <= _HIGHEST else None


def is_same(hertz: float, other: float) -> bool:
    """Whether two pitches are those of one tone. A voice moves more within 20 ms, or soon after."""
    return abs(hertz - other) <= _STEADY_HERTZ
