"""Requests per second: create, progress and list, beside a bare FastAPI route under the same client."""

from __future__ import annotations

import json
import shutil
import tempfile
from functools import partial
from pathlib import Path

import httpx2

from benchmarks.figures import Figure, figure
from benchmarks.serving import KEY, bare_fastapi, get, post, requests_per_second, serving

COUNT = 2_000
CREATED = 500


async def measure() -> list[Figure]:
    async with bare_fastapi() as port:
        await requests_per_second(port, lambda _: get("/object"), count=200)
        bare_get = await requests_per_second(port, lambda _: get("/object"), count=COUNT)
        bare_post = await requests_per_second(port, lambda _: post("/object", b'{"name": "bench"}'), count=COUNT)
    home = Path(tempfile.mkdtemp(prefix="dp-bench-", dir="/tmp"))
    home.chmod(0o755)
    try:
        async with serving(home, "--workers", "0") as port:
            return await _ours(port, bare_get, bare_post)
    finally:
        shutil.rmtree(home, ignore_errors=True)


async def _ours(port: int, bare_get: float, bare_post: float) -> list[Figure]:
    key = await _contacts_file(port)
    body = json.dumps(
        {
            "name": "bench",
            "workflow_id": 1,
            "source_type": "csv",
            "source_id": key,
            "retry_config": {"max_retries": 0},
        }
    ).encode()
    rate = partial(requests_per_second, port)
    created = await rate(lambda _: post("/api/v1/campaign/create", body), count=CREATED)
    await rate(lambda _: get("/api/v1/campaign/1/progress"), count=100)
    progress = await rate(lambda _: get("/api/v1/campaign/1/progress"), count=COUNT)
    listed = await rate(lambda _: get("/api/v1/campaign?page=1&limit=20"), count=COUNT)
    return [
        figure("requests_create", created, "requests/s", baseline=bare_post),
        figure("requests_progress", progress, "requests/s", baseline=bare_get),
        figure("requests_list_20", listed, "requests/s", baseline=bare_get),
    ]


async def _contacts_file(port: int) -> str:
    """The key of a file with one contact."""
    content = b"phone_number\n+12122000001\n"
    async with httpx2.AsyncClient(headers={"X-API-Key": KEY}) as client:
        asked = {"file_name": "c.csv", "file_size": len(content)}
        url = f"http://127.0.0.1:{port}/api/v1/s3/presigned-upload-url"
        given = (await client.post(url, json=asked)).json()
        (await client.put(given["upload_url"], content=content)).raise_for_status()
    key: str = given["file_key"]
    return key
