"""Who may do what, how fast, and what a repeated request gets."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2
import pytest
from fastapi import APIRouter
from fastapi.responses import StreamingResponse
from site_of import OpenSite, Site

from dialplane.api.access import OperatorApp
from dialplane.api.application import build_api
from dialplane.api.guard import API
from dialplane.api.route import Route
from dialplane.engine.keys import Role
from dialplane.engine.repeats import Claim, Repeats
from dialplane.errors import Conflict

pytestmark = pytest.mark.asyncio

NEW = {"name": "x", "workflow_definition": {"greeting": "Hi."}}
CREATE = "/workflow/create/definition"


# --- keys ----------------------------------------------------------------------------------------


async def test_without_a_valid_key_the_answer_is_401(site: Site) -> None:
    texts: list[tuple[dict[str, Any], str]] = [
        ({}, "Authorization header required"),
        ({"X-API-Key": ""}, "Authorization header required"),
        ({"X-API-Key": "dp_garbage"}, "Invalid or expired API key"),
        ({"X-API-Key": "k" * 10_000}, "Invalid or expired API key"),
        ({"X-API-Key": "schlüssel".encode("latin-1")}, "Invalid or expired API key"),
        ({"Authorization": "Bearer"}, "Invalid authorization token"),
        ({"Authorization": "Bearer garbage"}, "Invalid or expired token"),
        ({"Authorization": "Basic YTpi"}, "Invalid or expired token"),
        ({"Authorization": "garbage"}, "Invalid or expired token"),
    ]
    for headers, detail in texts:
        answer = await site.http.get("/api/v1/workflow/fetch", headers=headers)
        assert (answer.status_code, answer.json()) == (401, {"detail": detail}), headers
        assert answer.headers["WWW-Authenticate"] == "Bearer"


async def test_a_key_opens_in_either_header(site: Site) -> None:
    key = site.keys["default"]

    for headers in ({"X-API-Key": key}, {"Authorization": f"Bearer {key}"}, {"Authorization": f"bearer {key}"}):
        assert (await site.http.get("/api/v1/workflow/fetch", headers=headers)).status_code == 200


async def test_x_api_key_wins_over_bearer(site: Site) -> None:
    async def organization(headers: dict[str, str]) -> Any:
        answer = await site.http.get("/api/v1/auth/me", headers=headers)
        return answer.json().get("organization_id", answer.status_code)

    ours, theirs = site.keys["default"], site.keys["other"]
    assert await organization({"X-API-Key": ours, "Authorization": f"Bearer {theirs}"}) == site.organizations["default"]
    assert await organization({"X-API-Key": theirs, "Authorization": f"Bearer {ours}"}) == site.organizations["other"]
    assert await organization({"X-API-Key": "garbage", "Authorization": f"Bearer {ours}"}) == 401
    assert await organization({"X-API-Key": "", "Authorization": f"Bearer {ours}"}) == site.organizations["default"]


@pytest.mark.parametrize("column", ["expires_at", "revoked_at"])
async def test_a_key_that_has_ended_is_401(site: Site, column: str) -> None:
    key = await site.join("default")
    await site.call("GET", "/auth/me", key=key)

    async with site.server.database.connection() as connection:
        await connection.execute(f"UPDATE api_key SET {column} = now() WHERE id = (SELECT max(id) FROM api_key)")

    answer = await site.call("GET", "/auth/me", key=key, status=401)
    assert answer == {"detail": "Invalid or expired API key"}


async def test_the_last_use_of_a_key_is_known_to_the_minute(site: Site) -> None:
    async def last_used() -> datetime:
        async with site.server.database.connection() as connection:
            found: datetime = await connection.fetchval("SELECT last_used_at FROM api_key ORDER BY id LIMIT 1")
        return found

    await site.call("GET", "/auth/me")
    first = await last_used()
    await site.call("GET", "/auth/me")
    assert await last_used() == first

    async with site.server.database.connection() as connection:
        await connection.execute("UPDATE api_key SET last_used_at = now() - interval '61 seconds'")
    await site.call("GET", "/auth/me")

    assert await last_used() > first


# --- roles ---------------------------------------------------------------------------------------


async def test_a_role_that_is_too_small_is_403(site: Site) -> None:
    keys = {role: await site.join("default", role) for role in (Role.VIEWER, Role.OPERATOR)}
    refused = [
        (Role.VIEWER, "POST", CREATE, "operator"),
        (Role.VIEWER, "PUT", "/workflow/1", "operator"),
        (Role.VIEWER, "POST", "/workflow/1/archive", "operator"),
        (Role.VIEWER, "POST", "/tools", "operator"),
        (Role.VIEWER, "GET", "/user/api-keys", "owner"),
        (Role.VIEWER, "POST", "/user/api-keys", "owner"),
        (Role.OPERATOR, "GET", "/user/api-keys", "owner"),
        (Role.OPERATOR, "POST", "/user/api-keys", "owner"),
        (Role.OPERATOR, "DELETE", "/user/api-keys/1", "owner"),
        (Role.OPERATOR, "PUT", "/user/api-keys/1/reactivate", "owner"),
        (Role.OPERATOR, "POST", "/organizations/telephony-configs", "owner"),
        (Role.OPERATOR, "POST", "/webhooks", "owner"),
    ]
    for role, method, path, needed in refused:
        body = {} if method in ("POST", "PUT") else None
        answer = await site.call(method, path, key=keys[role], json=body, status=403)
        assert answer == {"detail": f"this key's role is {role}; it takes {needed} to do this"}, path


async def test_every_route_but_a_few_needs_a_key(site: Site) -> None:
    paths = (await site.http.get("/openapi.json")).json()["paths"]
    free = {"/health", "/metrics", "/api/v1/auth/signup", "/api/v1/auth/login"}
    free_below = ("/api/v1/files/", "/api/v1/public/download/")
    asked = 0

    for path, operations in paths.items():
        if path in free or path.startswith(free_below):
            continue
        for method in operations:
            answer = await site.http.request(method.upper(), path.format_map(_Ones()), json={})
            assert (answer.status_code, answer.json()["detail"]) == (401, "Authorization header required"), path
            asked += 1
    assert asked > 20


class _Ones(dict[str, str]):
    def __missing__(self, key: str) -> str:
        return "1"


# --- pace ----------------------------------------------------------------------------------------


async def test_a_key_that_asks_too_fast_is_429_and_the_others_are_not(open_site: OpenSite) -> None:
    site = await open_site(requests_per_second=2)
    statuses = []
    for _ in range(5):
        answer = await site.http.get("/api/v1/auth/me", headers={"X-API-Key": site.keys["default"]})
        statuses.append(answer.status_code)

    assert statuses == [200, 200, 200, 200, 429]
    assert answer.headers["Retry-After"] == "1"
    assert answer.json()["detail"].startswith("too many requests: this key may make 2 a second")
    await site.call("GET", "/auth/me", of="other")


async def test_a_pace_below_one_a_second_still_lets_a_request_through(open_site: OpenSite) -> None:
    site = await open_site(requests_per_second=0.1)

    await site.call("GET", "/auth/me")
    answer = await site.http.get("/api/v1/auth/me", headers={"X-API-Key": site.keys["default"]})

    assert (answer.status_code, answer.headers["Retry-After"]) == (429, "10")


async def test_no_pace_is_no_limit(open_site: OpenSite) -> None:
    site = await open_site(requests_per_second=0)

    for _ in range(30):
        await site.call("GET", "/auth/me")


# --- repeated requests ---------------------------------------------------------------------------


async def repeated(site: Site, key: str, body: Any = NEW, **options: Any) -> Any:
    """The answer itself, headers and all."""
    headers = {"X-API-Key": options.pop("by", site.keys["default"]), "Idempotency-Key": key}
    return await site.http.post(f"/api/v1{options.pop('path', CREATE)}", json=body, headers=headers, **options)


async def names(site: Site) -> list[str]:
    return [each["name"] for each in await site.call("GET", "/workflow/fetch")]


async def test_a_repeated_post_gets_the_first_answer_and_is_not_carried_out(site: Site) -> None:
    first, second = await repeated(site, "k-1"), await repeated(site, "k-1")

    assert first.status_code == second.status_code == 200
    assert "Idempotency-Replayed" not in first.headers
    assert second.headers["Idempotency-Replayed"] == "true"
    assert second.headers["Content-Type"] == first.headers["Content-Type"]
    assert second.json() == first.json()
    assert await names(site) == ["x"]


async def test_another_key_or_none_is_another_request(site: Site) -> None:
    assert (await repeated(site, "k-1")).json()["id"] != (await repeated(site, "k-2")).json()["id"]
    await site.call("POST", CREATE, json=NEW)
    await site.call("POST", CREATE, json=NEW)

    assert await names(site) == ["x"] * 4


async def test_the_key_of_another_request_is_422(site: Site) -> None:
    await repeated(site, "k-1")
    refusal = {"detail": "this Idempotency-Key was used for another request within the last 24 hours"}

    for other in (
        repeated(site, "k-1", NEW | {"name": "y"}),
        repeated(site, "k-1", path="/workflow/1/archive"),
        repeated(site, "k-1", params={"a": "b"}),
        repeated(site, "k-1", by=await site.join("default")),
    ):
        answer = await other
        assert (answer.status_code, answer.json()) == (422, refusal)
    assert await names(site) == ["x"]


async def test_a_viewer_does_not_get_an_operators_answer(site: Site) -> None:
    created = await repeated(site, "k-1", {"name": "secret"}, path="/user/api-keys")
    viewer = await site.join("default", Role.VIEWER)

    answer = await repeated(site, "k-1", {"name": "secret"}, path="/user/api-keys", by=viewer)

    assert answer.status_code == 422
    assert created.json()["api_key"] not in answer.text


async def test_organizations_do_not_share_keys(site: Site) -> None:
    ours, theirs = await repeated(site, "k-1"), await repeated(site, "k-1", by=site.keys["other"])

    assert theirs.status_code == 200
    assert "Idempotency-Replayed" not in theirs.headers
    assert theirs.json()["id"] != ours.json()["id"]


async def test_a_refused_request_may_be_repeated_and_then_succeed(site: Site) -> None:
    assert (await repeated(site, "k-1", path="/workflow/1/archive", body=None)).status_code == 404
    await site.call("POST", CREATE, json=NEW)

    answer = await repeated(site, "k-1", path="/workflow/1/archive", body=None)

    assert answer.status_code == 200
    assert "Idempotency-Replayed" not in answer.headers


@pytest.mark.parametrize("key", ["k" * 256, "ä\x7f".encode("latin-1")])
async def test_a_key_that_is_too_long_or_no_text_is_422(site: Site, key: Any) -> None:
    answer = await repeated(site, key)

    assert (answer.status_code, answer.json()) == (
        422, {"detail": "Idempotency-Key must be at most 255 printable characters"},
    )  # fmt: skip


async def test_while_the_first_is_being_answered_the_second_is_409(site: Site) -> None:
    async with site.server.database.transaction() as connection:
        # Whoever makes a workflow waits for this lock.
        lock = "SELECT FROM organization WHERE id = $1 FOR NO KEY UPDATE"
        await connection.execute(lock, site.organizations["default"])
        first = asyncio.create_task(repeated(site, "k-1"))
        while not await connection.fetchval("SELECT count(*) FROM idempotent_request"):
            await asyncio.sleep(0.01)

        second = await repeated(site, "k-1")

        assert (second.status_code, second.headers["Retry-After"]) == (409, "1")
        assert second.json() == {"detail": "the first request with this Idempotency-Key is being answered"}
        assert not first.done()
    assert (await first).status_code == 200
    assert (await repeated(site, "k-1")).headers["Idempotency-Replayed"] == "true"
    assert await names(site) == ["x"]


async def test_of_ten_at_once_one_is_carried_out(site: Site) -> None:
    answers = await asyncio.gather(*(repeated(site, "k-1") for _ in range(10)))

    assert {answer.status_code for answer in answers} <= {200, 409}
    assert len({answer.json()["id"] for answer in answers if answer.status_code == 200}) == 1
    assert await names(site) == ["x"]


# Routes that end in other ways than with JSON.
odd = APIRouter(prefix=API, route_class=Route)
ends: list[asyncio.Event] = []


@odd.post("/stream")
async def stream(_: OperatorApp) -> StreamingResponse:
    async def parts() -> AsyncIterator[bytes]:
        yield b"a"
        yield b"b"

    return StreamingResponse(parts())


@odd.post("/wait")
async def wait(_: OperatorApp) -> str:
    await ends[-1].wait()
    return "done"


@odd.post("/fail")
async def fail(_: OperatorApp) -> None:
    raise RuntimeError("a defect")


@odd.post("/conflict")
async def conflict(_: OperatorApp) -> None:
    raise Conflict("not now")


async def odd_client(site: Site) -> httpx2.AsyncClient:
    app = build_api(site.server)
    app.include_router(odd)
    return httpx2.AsyncClient(
        transport=httpx2.ASGITransport(app, raise_app_exceptions=False),
        base_url="http://odd",
        headers={"X-API-Key": site.keys["default"], "Idempotency-Key": "k-1"},
    )


async def remembered(site: Site) -> int:
    async with site.server.database.connection() as connection:
        return int(await connection.fetchval("SELECT count(*) FROM idempotent_request"))


async def test_streams_and_faults_are_not_remembered(site: Site) -> None:
    async with await odd_client(site) as client:
        for path, status in (("stream", 200), ("stream", 200), ("conflict", 400), ("fail", 500)):
            answer = await client.post(f"/api/v1/{path}")
            assert answer.status_code == status
            assert "Idempotency-Replayed" not in answer.headers
            assert answer.text == "ab" or path != "stream"
            assert await remembered(site) == 0


async def test_a_request_that_is_cancelled_may_be_repeated(site: Site) -> None:
    ends.append(asyncio.Event())
    async with await odd_client(site) as client:
        first = asyncio.create_task(client.post("/api/v1/wait"))
        while not await remembered(site):
            await asyncio.sleep(0.01)

        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first
        while await remembered(site):
            await asyncio.sleep(0.01)

        ends[-1].set()
        assert (await client.post("/api/v1/wait")).json() == "done"


async def test_a_request_whose_process_died_is_carried_out_again_after_a_while(site: Site) -> None:
    repeats = Repeats(site.server.database, site.organizations["default"])
    died = await repeats.claim("k-1", b"digest")
    assert isinstance(died, Claim)
    first = await repeats.claim("k-1", b"digest")
    assert not isinstance(first, Claim) and first is not None and first["status"] is None
    async with site.server.database.connection() as connection:
        await connection.execute("UPDATE idempotent_request SET created_at = created_at - interval '91 seconds'")

    again = await repeats.claim("k-1", b"digest")

    assert isinstance(again, Claim)
    # The late first one neither answers for the second nor takes its claim away.
    await repeats.keep(died, status=200, media_type=None, answer=b"late")
    await repeats.forget(died)
    waiting = await repeats.claim("k-1", b"digest")
    assert not isinstance(waiting, Claim) and waiting is not None and waiting["status"] is None
    await repeats.keep(again, status=200, media_type=None, answer=b"in time")
    answered = await repeats.claim("k-1", b"digest")
    assert not isinstance(answered, Claim) and answered is not None and answered["answer"] == b"in time"


async def test_answers_are_forgotten_after_a_day(site: Site) -> None:
    for key in ("old", "new"):
        await repeated(site, key)
    await repeated(site, "theirs", by=site.keys["other"])
    async with site.server.database.connection() as connection:
        await connection.execute(
            "UPDATE idempotent_request SET created_at = created_at - interval '24 hours' WHERE key IN ('old', 'theirs')"
        )
    repeats = Repeats(site.server.database, site.organizations["default"])

    assert await repeats.purge(datetime.now(UTC) - timedelta(minutes=1)) == 0
    assert await repeats.purge(datetime.now(UTC)) == 1

    assert await remembered(site) == 2
    assert "Idempotency-Replayed" not in (await repeated(site, "old")).headers
    assert (await repeated(site, "new")).headers["Idempotency-Replayed"] == "true"
