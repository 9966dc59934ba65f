"""The server itself: health, the id of a request, what it does with bodies and paths."""

from __future__ import annotations

import pytest
from site_of import Site

pytestmark = pytest.mark.asyncio


async def test_health_needs_no_key(site: Site) -> None:
    answer = await site.http.get("/health")

    assert answer.status_code == 200
    assert answer.json()["status"] == "ok"


async def test_every_answer_names_the_request(site: Site) -> None:
    answer = await site.http.get("/health", headers={"X-Request-ID": "mine-7"})

    assert answer.headers["X-Request-ID"] == "mine-7"
    assert len((await site.http.get("/health")).headers["X-Request-ID"]) == 32
