"""Servers, each with a database of its own."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest_asyncio
from hosting import opened
from site_of import OpenSite, Site

from dialplane.config import Settings
from dialplane.store.postgres import Database


@pytest_asyncio.fixture
async def site(database: Database, tmp_path: Path) -> AsyncIterator[Site]:
    """A server with two organizations, and no worker yet."""
    settings = Settings(home=tmp_path, secret_key="a secret for the tests", private_webhooks=True)
    async with opened(database, settings) as opened_site:
        yield opened_site


@pytest_asyncio.fixture
async def open_site(database: Database, tmp_path: Path) -> AsyncIterator[OpenSite]:
    """Makes servers with settings of their own, on one database."""
    async with AsyncExitStack() as stack:

        async def open_site(**settings: Any) -> Site:
            given = Settings(**{"home": tmp_path, "secret_key": "a secret for the tests", **settings})
            return await stack.enter_async_context(opened(database, given))

        yield open_site
