"""Clients of other products, and a server that they are pointed at."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from actor import Actor, acting
from newcomer import Newcomer
from served import Served, data_folder, serving


@pytest.fixture(scope="session")
def served() -> Iterator[Served]:
    """What `make serve` starts."""
    with data_folder() as home, serving(home) as served:
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
