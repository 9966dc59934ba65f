"""A server with pages, and a browser in which its owner has signed in."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

sys.path.insert(0, str(Path(__file__).parent.parent / "api"))

import schemas
from browsing import CHROMIUM, Surfer, chromium, surfing
from hosting import opened
from playwright.async_api import Browser, Page, async_playwright
from site_of import Site
from visitors import OWNER, person

from dialplane.config import Settings
from dialplane.store.postgres import Database


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """All tests of pages share one event loop, and with it the driver of the browser: it takes 0.7 s to start."""
    for item in items:
        uses = set(getattr(item, "fixturenames", ()))
        if item.path.parent == Path(__file__).parent and uses & {"browser", "schema"}:
            item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)
        if CHROMIUM is None and "browser" in uses:
            item.add_marker(pytest.mark.skip(reason="Chromium is not installed (apt install chromium)"))


@pytest_asyncio.fixture(loop_scope="session")
async def schema(server: Mapping[str, Any], clean_schemas: list[str]) -> AsyncIterator[str]:
    async with schemas.migrated(server, clean_schemas) as name:
        yield name


@pytest_asyncio.fixture(loop_scope="session")
async def database(server: Mapping[str, Any], schema: str) -> AsyncIterator[Database]:
    async with schemas.opened(server, schema) as database:
        yield database


@pytest_asyncio.fixture(loop_scope="session")
async def site(database: Database, tmp_path: Path) -> AsyncIterator[Site]:
    """A server with pages and two organizations, the example agent and carrier in the first, and no worker yet."""
    settings = Settings(home=tmp_path, secret_key="a secret for the tests", private_webhooks=True)
    async with opened(database, settings) as opened_site:
        await opened_site.server.provision(opened_site.organizations["default"])
        yield opened_site


@pytest.fixture(scope="session")
def browser_address() -> Iterator[str]:
    with chromium() as address:
        yield address


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser(browser_address: str) -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        yield await playwright.chromium.connect_over_cdp(browser_address)


@pytest_asyncio.fixture(loop_scope="session")
async def surfer(browser: Browser, site: Site) -> AsyncIterator[Surfer]:
    async with surfing(browser, site.url) as opened_surfer:
        yield opened_surfer


@pytest_asyncio.fixture(loop_scope="session")
async def tab(site: Site, surfer: Surfer) -> Page:
    """A tab in which the owner has signed in."""
    await person(site)
    return await surfer.sign_in(OWNER)
