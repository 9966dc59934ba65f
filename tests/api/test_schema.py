"""Our own OpenAPI document, tried by a machine: no 5xx, and no answer outside what it promises."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pytest
import schemathesis
import uvicorn
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from dialplane.api.application import build_api
from dialplane.clocks import RealClock
from dialplane.config import Settings
from dialplane.engine import catalog
from dialplane.engine.keys import Role, create_key
from dialplane.store.postgres import Database
from dialplane.wiring import Server

CHECKS = (not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance)
EXAMPLES, BUDGET_SECONDS = 15, 120
STREAMS = ("campaign_events", "organization_events")  # they do not end


@dataclass(frozen=True)
class Address:
    """new_key: an owner's; a request may have revoked the one before."""

    url: str
    new_key: Callable[[], str]


@pytest.fixture
def address(server: Mapping[str, Any], schema: str, tmp_path: Path) -> Iterator[Address]:
    """A server in a thread: what tries it is synchronous."""
    ready, stop = threading.Event(), asyncio.Event()
    found: list[Address] = []
    loop = asyncio.new_event_loop()

    async def serve() -> None:
        database = await Database.open(server, schema=schema, durable=False)
        ours = Server(
            Settings(home=tmp_path, secret_key="a secret for the tests", requests_per_second=0),
            database,
            RealClock(),
            tmp_path / "logs",
        )
        await ours.prepare()
        organization_id = await catalog.ensure_organization(database)

        def new_key() -> str:
            made = create_key(database, organization_id, "test", Role.OWNER)
            return asyncio.run_coroutine_threadsafe(made, loop).result(30).key

        http = uvicorn.Server(uvicorn.Config(build_api(ours), port=0, log_config=None))
        serving = asyncio.create_task(http.serve())
        while not http.started:
            await asyncio.sleep(0.01)
        found.append(Address(f"http://127.0.0.1:{http.servers[0].sockets[0].getsockname()[1]}", new_key))
        ready.set()
        await stop.wait()
        http.should_exit = True
        await serving
        await ours.close()
        await database.close()

    thread = threading.Thread(target=lambda: loop.run_until_complete(serve()))
    thread.start()
    assert ready.wait(30)
    yield found[0]
    loop.call_soon_threadsafe(stop.set)
    thread.join(30)


def seeded(address: Address) -> None:
    """One of the common things, so that small ids are found."""
    with httpx2.Client(base_url=f"{address.url}/api/v1", headers={"X-API-Key": address.new_key()}) as client:
        text = "phone_number,name\n+12125550142,Ana\n+12125550143,Ben\n"
        given = client.post("/s3/presigned-upload-url", json={"file_name": "c.csv", "file_size": len(text)}).json()
        assert client.put(given["upload_url"], content=text).status_code == 200
        for name in ("first", "second"):
            made = client.post(
                "/campaign/create",
                json={"name": name, "workflow_id": 1, "source_type": "csv", "source_id": given["file_key"]},
            )
            assert made.status_code == 200, made.text
        assert client.post("/webhooks", json={"url": "https://example.org/hook"}).status_code == 200


def test_every_answer_is_one_that_the_document_promises(address: Address) -> None:
    seeded(address)
    document = schemathesis.openapi.from_url(f"{address.url}/openapi.json")
    began = time.monotonic()
    tried, faults = 0, []

    for found in document.get_all_operations():
        operation = found.ok()
        if operation.definition.raw["operationId"] in STREAMS:
            continue
        if time.monotonic() - began > BUDGET_SECONDS:
            break

        key = address.new_key()

        @settings(
            max_examples=EXAMPLES,
            derandomize=True,
            deadline=None,
            database=None,
            phases=[Phase.explicit, Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(case=operation.as_strategy())
        def try_out(case: Any) -> None:
            nonlocal tried
            tried += 1
            case.call_and_validate(headers={"X-API-Key": key}, checks=CHECKS)  # noqa: B023

        try:
            try_out()
        except BaseException as fault:
            if isinstance(fault, KeyboardInterrupt):
                raise
            faults.append(f"{operation.label}: {fault}")

    print(f"{tried} requests in {time.monotonic() - began:.0f} s")
    assert not faults, "\n\n".join(faults)
    assert tried > 800
