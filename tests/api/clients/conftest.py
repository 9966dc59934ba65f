"""Clients of other products, and a server that they are pointed at."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from actor import Actor, acting
from newcomer import Newcomer
from served import Served, data_folder, serving, until


@pytest.fixture(scope="session")
def served() -> Iterator[Served]:
    """What `make serve` starts; its worker is heard of a moment after it listens, and a single call wants one."""
    with data_folder() as home, serving(home) as served:
        until(lambda: "dialplane_workers 1.0" in served.http.get(f"{served.url}/metrics").text, "its worker is there")
        yield served


@pytest.fixture
def newcomer(served: Served) -> Newcomer:
    return Newcomer.of(served)


@pytest.fixture(scope="session")
def vapi() -> Iterator[dict[str, Actor]]:
    with acting("vapi-3", "vapi-1", script="vapi_acts.py") as actors:
        yield actors


@pytest.fixture(scope="session")
def dialnexa() -> Iterator[dict[str, Actor]]:
    with acting("dialnexa", script="dialnexa_acts.py") as actors:
        yield actors
