"""What is counted for Prometheus, by every process; the server adds them up where PROMETHEUS_MULTIPROC_DIR is set."""

from __future__ import annotations

import os
from collections import Counter as Counted
from dataclasses import dataclass
from typing import Self

from prometheus_client import REGISTRY, CollectorRegistry, Counter, Histogram
from prometheus_client.multiprocess import MultiProcessCollector

MULTIPROCESS = "PROMETHEUS_MULTIPROC_DIR"

TURNS = Counter(
    "dialplane_turns", "Dispatch turns: those that ran, and those that found the organization taken", ["result"]
)
CLAIMS = Counter("dialplane_claims", "Contacts that a turn claimed for a call")
PLACEMENTS = Counter("dialplane_placements", "Calls handed to a carrier, by its answer", ["result"])
ANSWERS = Counter("dialplane_answers", "Calls that people answered, by whether they were abandoned", ["result"])
REFILL = Histogram(
    "dialplane_refill_seconds",
    "From the end of a call to the commit of the next intent on its line",
    buckets=(0.001, 0.002, 0.003, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 5),
)
REQUESTS = Histogram(
    "dialplane_request_seconds",
    "HTTP requests until their answer begins",
    ["method", "route", "status"],
    buckets=(0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10),
)


def registry() -> CollectorRegistry:
    """What all processes of this server have counted where MULTIPROCESS is set, else what this one has."""
    if not os.environ.get(MULTIPROCESS):
        return REGISTRY
    found = CollectorRegistry()
    MultiProcessCollector(found)  # type: ignore[no-untyped-call]
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """How a histogram's values lie: at most `half` for half of them, at most `most` for 99 of 100, by its buckets."""

    count: int
    half: float
    most: float

    @classmethod
    def of(cls, found: CollectorRegistry, name: str) -> Self | None:
        """None where nothing was counted. Of a histogram with labels: over all of them."""
        below: Counted[float] = Counted()
        for metric in found.collect():
            for sample in metric.samples if metric.name == name else ():
                if sample.name == f"{name}_bucket":
                    below[float(sample.labels["le"])] += int(sample.value)
        count = max(below.values(), default=0)
        if not count:
            return None
        half, most = (min(le for le, so_far in below.items() if so_far >= share * count) for share in (0.5, 0.99))
        return cls(count=count, half=half, most=most)
