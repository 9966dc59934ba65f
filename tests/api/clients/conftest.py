"""Clients of other products, and a site that they are pointed at."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from actor import Actor, acting


@pytest.fixture(scope="session")
def vapi_3() -> Iterator[Actor]:
    with acting("vapi-3", "vapi_acts.py") as actor:
        yield actor


@pytest.fixture(scope="session")
def vapi_1() -> Iterator[Actor]:
    with acting("vapi-1", "vapi_acts.py") as actor:
        yield actor


@pytest.fixture(scope="session")
def dialnexa_0() -> Iterator[Actor]:
    with acting("dialnexa", "dialnexa_acts.py") as actor:
        yield actor
