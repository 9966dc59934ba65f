"""`/metrics` for Prometheus: what all processes of this machine have counted, and how the database stands now."""

from __future__ import annotations

import time
from collections.abc import Iterable

from fastapi import APIRouter, Response
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from dialplane.api.access import ServerDep
from dialplane.engine import health
from dialplane.metrics import REQUESTS, registry

router = APIRouter(tags=["health"])


@router.get("/metrics", response_class=Response, responses={200: {"content": {"text/plain": {}}}})
async def metrics(server: ServerDep) -> Response:
    """Metrics in Prometheus' text format. No key is needed: no contact and no organization is named."""
    now = CollectorRegistry()
    now.register(_Gauges(await health.measure(server.database)))
    return Response(generate_latest(registry()) + generate_latest(now), headers={"Content-Type": CONTENT_TYPE_LATEST})


class _Gauges(Collector):
    def __init__(self, found: health.Load) -> None:
        self._found = found

    def collect(self) -> Iterable[Metric]:
        lines = GaugeMetricFamily("dialplane_lines", "Calls that have not ended, by state", labels=["state"])
        for state, count in self._found.lines.items():
            lines.add_metric([state], count)
        jobs = GaugeMetricFamily("dialplane_jobs", "Background jobs in the queue, by state", labels=["state"])
        for state, count in self._found.jobs.items():
            jobs.add_metric([state], count)
        yield lines
        yield jobs
        yield GaugeMetricFamily("dialplane_workers", "Workers that were heard of lately", value=self._found.workers)
        yield GaugeMetricFamily(
            "dialplane_deliveries_pending", "Webhook messages that wait", value=self._found.deliveries
        )


class Latency:
    """Times every request until its answer begins, by the route and not by the path: a path has ids in it."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        began = time.monotonic()

        async def timed(message: Message) -> None:
            if message["type"] == "http.response.start":
                route = getattr(scope.get("route"), "path", "none")
                REQUESTS.labels(scope["method"], route, str(message["status"])).observe(time.monotonic() - began)
            await send(message)

        return await self._app(scope, receive, timed)
