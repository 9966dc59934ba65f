"""Files in an S3-compatible store: clients exchange them with the store itself, by links that it understands."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx2
import pytest
from bucket import Bucket, query_signature, serving
from site_of import Site

from dialplane.engine.uploads import TooLarge
from dialplane.errors import EnvironmentFault, Invalid, NotFound
from dialplane.files import open_files
from dialplane.ports import Files
from dialplane.wiring import App

pytestmark = pytest.mark.asyncio

CSV = b"phone_number\n+12125550100\n"


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[Bucket]:
    with serving() as running:
        for name, value in running.environment.items():
            monkeypatch.setenv(name, value)
        yield running


@pytest.fixture
def files(bucket: Bucket, tmp_path: Path) -> Files:
    return open_files("s3://calls/dialplane", tmp_path)


@pytest.fixture
def app(site: Site, files: Files) -> App:
    """The first organization's application on the object store."""
    site.server.files = files
    return site.server.of(site.organizations["default"])


async def link_of(site: Site) -> tuple[str, str]:
    """(key, URL to upload to)."""
    answer = await site.call("POST", "/s3/presigned-upload-url", json={"filename": "contacts.csv"})
    return answer["file_key"], answer["upload_url"]


async def pieces(*content: bytes) -> AsyncIterator[bytes]:
    for piece in content:
        yield piece


async def test_links_are_signed_without_asking_the_store(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name, value in Bucket(url="https://s3.example.org").environment.items():
        monkeypatch.setenv(name, value)
    files = open_files("s3://calls/dialplane", tmp_path)

    for method in ("GET", "PUT"):
        link = await files.link(method, "campaigns/7/a_b.csv", timedelta(seconds=900))  # type: ignore[arg-type]
        assert link is not None
        query = parse_qs(urlsplit(link).query)
        assert link.startswith("https://s3.example.org/calls/dialplane/campaigns/7/a_b.csv?")
        assert query["X-Amz-Expires"] == ["900"]
        assert query["X-Amz-Signature"] == [query_signature(method, link)]


async def test_a_file_goes_to_the_store_and_comes_from_it(site: Site, app: App, bucket: Bucket) -> None:
    key, link = await link_of(site)

    put = await site.http.put(link, content=CSV, headers={"Content-Type": "text/csv"})
    record = await app.uploads.received(key)
    signed = await site.call("GET", "/s3/signed-url", params={"key": key, "expires_in": 60})
    got = await site.http.get(signed["url"])

    assert link.startswith(bucket.url)
    assert put.status_code == 200
    assert bucket.objects == {f"calls/dialplane/{key}": CSV}
    assert (record.bytes, record.name) == (26, "contacts.csv")
    assert signed["url"].startswith(bucket.url)
    assert got.content == CSV
    assert await asyncio.to_thread(lambda: b"".join(app.files.read(key))) == CSV


async def test_a_link_of_the_store_is_for_one_method_and_one_file(site: Site, app: App, bucket: Bucket) -> None:
    key, link = await link_of(site)
    other, _ = await link_of(site)

    assert (await site.http.get(link)).status_code == 403
    assert (await site.http.put(link.replace(key, other), content=CSV)).status_code == 403
    assert bucket.objects == {}


async def test_what_has_not_come_is_not_there(site: Site, app: App) -> None:
    key, _ = await link_of(site)

    with pytest.raises(NotFound, match="has not been uploaded yet"):
        await app.uploads.received(key)
    await site.call("GET", "/s3/signed-url", status=404, params={"key": key})


async def test_what_is_too_large_is_not_accepted(site: Site, app: App) -> None:
    app.uploads.max_bytes = 25
    key, link = await link_of(site)
    await site.http.put(link, content=CSV)

    with pytest.raises(TooLarge, match="the file has 26 bytes, and 25 are the most"):
        await app.uploads.received(key)


async def test_the_purge_deletes_from_the_store(site: Site, app: App, bucket: Bucket) -> None:
    _, link = await link_of(site)
    await site.http.put(link, content=CSV)
    bucket.objects[f"calls/dialplane/arriving/{app.organization_id}/x"] = b"broken off"

    await app.uploads.purge(datetime.now(UTC) - timedelta(days=1))
    assert len(bucket.objects) == 2
    await app.uploads.purge(datetime.now(UTC) + timedelta(days=1))

    assert bucket.objects == {}


async def test_the_server_itself_writes_in_parts_and_reads_as_a_stream(files: Files, bucket: Bucket) -> None:
    await files.write("arriving/1/x", pieces(*[b"x" * 1_000_000] * 12))
    await files.move("arriving/1/x", "recordings/1/7.wav")
    size, content = await files.stream("recordings/1/7.wav")

    assert size == 12_000_000
    assert sum([len(chunk) async for chunk in content]) == 12_000_000
    assert list(bucket.objects) == ["calls/dialplane/recordings/1/7.wav"]
    files.delete("recordings/1/7.wav")
    files.delete("recordings/1/7.wav")
    assert await files.size("recordings/1/7.wav") is None
    with pytest.raises(NotFound, match=r"the file s3://calls/dialplane/recordings/1/7\.wav is gone"):
        await files.stream("recordings/1/7.wav")


async def test_a_copy_of_a_local_file_goes_there_too(files: Files, bucket: Bucket, tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(CSV)

    await asyncio.to_thread(files.put, "contacts/1/a.csv", path)

    assert bucket.objects == {"calls/dialplane/contacts/1/a.csv": CSV}


async def test_a_store_that_is_away_is_named_in_one_line(site: Site, app: App, bucket: Bucket) -> None:
    key, _ = await link_of(site)
    bucket.down = True

    answer = await site.call("GET", "/s3/signed-url", status=503, params={"key": key}, timeout=httpx2.Timeout(20))

    assert answer["detail"].startswith(f"s3://calls/dialplane/{key} cannot be read: ")
    assert "\n" not in answer["detail"]


@pytest.mark.parametrize("url", ["gs://calls", "https://s3.example.org/calls", "s3://", "calls"])
async def test_another_kind_of_address_is_refused(url: str, tmp_path: Path) -> None:
    with pytest.raises(Invalid, match=f"DIALPLANE_FILES_URL.*{url}"):
        open_files(url, tmp_path)


async def test_no_store_at_the_address_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name, value in Bucket(url="http://127.0.0.1:1").environment.items():
        monkeypatch.setenv(name, value)

    with pytest.raises(EnvironmentFault, match="s3://calls/a cannot be read"):
        await open_files("s3://calls", tmp_path).size("a")
