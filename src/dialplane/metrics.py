"""What is counted for Prometheus, by every process; the server adds them up where PROMETHEUS_MULTIPROC_DIR is set."""

from __future__ import annotations

from prometheus_client import Counter, Histogram

TURNS = Counter(
    "dialplane_turns", "Dispatch turns: those that ran, and those that found the organization taken", ["result"]
)
CLAIMS = Counter("dialplane_claims", "Contacts that a turn claimed for a call")
PLACEMENTS = Counter("dialplane_placements", "Calls handed to a carrier, by its answer", ["result"])
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
