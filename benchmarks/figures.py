"""A measured figure as one JSON line."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """baseline: what the same run measured without the engine, in the same unit; None where there is none.

    ratio: value / baseline. target: in words. met: None where the figure is reported only.
    """

    name: str
    value: float
    unit: str
    baseline: float | None = None
    ratio: float | None = None
    target: str = ""
    met: bool | None = None

    def line(self) -> str:
        return json.dumps(asdict(self))


def figure(
    name: str,
    value: float,
    unit: str,
    *,
    baseline: float | None = None,
    target: str = "",
    met: bool | None = None,
) -> Figure:
    """A figure with its ratio, rounded to what its noise allows."""
    ratio = None if not baseline else round(value / baseline, 3)
    return Figure(
        name=name,
        value=_rounded(value),
        unit=unit,
        baseline=None if baseline is None else _rounded(baseline),
        ratio=ratio,
        target=target,
        met=met,
    )


def quantile(values: Sequence[float], share: float) -> float:
    """The value below which that share of them lies."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def _rounded(value: float) -> float:
    return float(f"{value:.4g}")
