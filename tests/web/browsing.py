"""A real browser on real pages."""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field

from playwright.async_api import Browser, BrowserContext, ConsoleMessage, Page, Request

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
FLAGS += ["--disable-component-update", "--disable-sync"]
DESK, PHONE = {"width": 1280, "height": 800}, {"width": 390, "height": 844}
PASSWORD = "correct horse battery"


@dataclass
class Surfer:
    """A browser whose tabs share a sign-in. complaints: what pages have said in its console. strays: requests that left
    this machine."""

    context: BrowserContext
    url: str
    complaints: list[str] = field(default_factory=list)
    strays: list[str] = field(default_factory=list)
    expected: tuple[str, ...] = ()  # parts of complaints that a test provokes

    def _listen(self, page: Page) -> None:
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("console", self._hear)
        page.on("request", self._watch)

    def _hear(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning") and not any(each in message.text for each in self.expected):
            self.complaints.append(message.text)

    def _watch(self, request: Request) -> None:
        if not request.url.startswith((self.url, "data:", "blob:")):
            self.strays.append(request.url)

    async def tab(self, path: str = "/") -> Page:
        page = await self.context.new_page()
        page.set_default_timeout(15_000)
        await page.goto(self.url + path)
        return page

    async def sign_in(self, email: str, password: str = PASSWORD) -> Page:
        page = await self.tab("/sign-in")
        await page.get_by_label("E-mail").fill(email)
        await page.get_by_label("Password").fill(password)
        await page.get_by_role("button", name="Sign in").click()
        await page.wait_for_url("**/campaigns")
        return page


@contextmanager
def chromium() -> Iterator[str]:
    """A browser for all tests of a process, which takes longer to start than most of them to run; its address."""
    assert CHROMIUM is not None
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        command = [CHROMIUM, "--headless", "--remote-debugging-port=0", f"--user-data-dir={profile}", *FLAGS]
        process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        try:
            assert process.stderr is not None
            said = (re.search(r"DevTools listening on (ws://\S+)", line) for line in process.stderr)
            address = next(found[1] for found in said if found)
            threading.Thread(target=process.stderr.read, daemon=True).start()  # a full pipe would stop it
            yield address
        finally:
            process.terminate()
            process.wait(10)


@asynccontextmanager
async def surfing(browser: Browser, url: str, **options: object) -> AsyncIterator[Surfer]:
    """Raises AssertionError at the end where a page has complained, or asked another machine for something."""
    # Without motion: a colour on its way to another one is neither.
    context = await browser.new_context(**{"viewport": DESK, "reduced_motion": "reduce", **options})
    surfer = Surfer(context, url)
    context.on("page", surfer._listen)
    try:
        yield surfer
    finally:
        await context.close()
    assert surfer.complaints == []
    assert surfer.strays == []
