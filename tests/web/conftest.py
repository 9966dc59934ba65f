"""A server with pages, and a browser in which its owner has signed in."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

sys.path.insert(0, str(Path(__file__).parent.parent / "api"))

from browsing import CHROMIUM, PASSWORD, Surfer, chromium, surfing
from hosting import opened
from playwright.async_api import Browser, Page
from site_of import Site

from dialplane.config import Settings
from dialplane.engine.keys import Role
from dialplane.store.postgres import Database

OWNER = "ana@example.org"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if CHROMIUM is None:
        for item in items:
            if "browser" in getattr(item, "fixturenames", ()):
                item.add_marker(pytest.mark.skip(reason="Chromium is not installed (apt install chromium)"))


@pytest_asyncio.fixture
async def site(database: Database, tmp_path: Path) -> AsyncIterator[Site]:
    """A server with pages and two organizations, the example agent and carrier in the first, and no worker yet."""
    settings = Settings(home=tmp_path, secret_key="a secret for the tests", private_webhooks=True)
    async with opened(database, settings) as opened_site:
        await opened_site.server.provision(opened_site.organizations["default"])
        yield opened_site


@pytest_asyncio.fixture
async def browser() -> AsyncIterator[Browser]:
    async with chromium() as opened_browser:
        yield opened_browser


@pytest_asyncio.fixture
async def surfer(browser: Browser, site: Site) -> AsyncIterator[Surfer]:
    async with surfing(browser, site.url) as opened_surfer:
        yield opened_surfer


async def person(site: Site, email: str = OWNER, role: Role = Role.OWNER, *, of: str = "default") -> None:
    """Somebody who can sign in."""
    token = await site.server.people.invite(site.organizations[of], role)
    await site.server.people.join(token, email, PASSWORD, email.partition("@")[0].title())


@pytest_asyncio.fixture
async def tab(site: Site, surfer: Surfer) -> Page:
    """A tab in which the owner has signed in."""
    await person(site)
    return await surfer.sign_in(OWNER)
