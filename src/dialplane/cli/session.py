"""What every command begins with: settings, an open application, an event loop."""

from __future__ import annotations

import os
import sys
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, TypeVar

import uvloop

from dialplane.errors import Conflict

if TYPE_CHECKING:
    from dialplane.config import Settings
    from dialplane.wiring import App, Server

T = TypeVar("T")


def perform(work: Coroutine[None, None, T]) -> T:
    """Run a command's work on an event loop of its own; a turn is a dozen round trips, and uvloop's cost less."""
    return uvloop.run(work)


def settings() -> Settings:
    """Raises Invalid."""
    from dialplane.config import Settings  # noqa: PLC0415  (half of a start-up, which --version does not need)

    return Settings.from_env(os.environ)


def say_waiting(reason: str) -> None:
    print(f"waiting: {reason}", file=sys.stderr)


@asynccontextmanager
async def opened_server(*, as_it_is: bool = False) -> AsyncIterator[Server]:
    """All organizations, attached to their database; as_it_is: for who only reads, of whatever version."""
    from dialplane.wiring import open_server  # noqa: PLC0415

    async with open_server(settings(), on_wait=say_waiting, as_it_is=as_it_is) as server:
        yield server


@asynccontextmanager
async def opened() -> AsyncIterator[App]:
    """The application, attached to its database."""
    from dialplane.wiring import open_app  # noqa: PLC0415

    async with open_app(settings(), on_wait=say_waiting) as app:
        yield app


@asynccontextmanager
async def opened_for(campaign_id: int) -> AsyncIterator[App]:
    """The application in which this campaign lives, runs on the virtual clock included."""
    from dialplane.virtual import open_campaign_app  # noqa: PLC0415

    async with open_campaign_app(settings(), campaign_id, on_wait=say_waiting) as app:
        yield app


@asynccontextmanager
async def opened_to_change(campaign_id: int) -> AsyncIterator[App]:
    """The same for commands that workers carry out; no worker ever sees a run on the virtual clock. Raises Conflict."""
    async with opened() as app:
        if await app.virtual_schema(campaign_id) is not None:
            raise Conflict(
                f"campaign {campaign_id} is a run on the virtual clock (--fast): "
                f"only show, report, log and `dialplane run --resume {campaign_id}` work on it"
            )
        yield app
