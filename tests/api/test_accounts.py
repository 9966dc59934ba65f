"""Sign-up, sign-in, and the keys of an organization."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from site_of import OpenSite, Site

from dialplane.api.rate import Guesses, Rates
from dialplane.engine.keys import Role, forget_logins
from dialplane.engine.people import People
from dialplane.errors import Conflict
from dialplane.store.postgres import Database

pytestmark = pytest.mark.asyncio

ANA = {"email": "Ana@Example.org ", "password": "correct horse"}


async def post(site: Site, path: str, body: Any, *, status: int = 200, token: str | None = None) -> Any:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    answer = await site.http.post(f"/api/v1{path}", json=body, headers=headers)
    assert answer.status_code == status, answer.text
    return answer.json()


async def get(site: Site, path: str, token: str, *, status: int = 200) -> Any:
    answer = await site.http.get(f"/api/v1{path}", headers={"Authorization": f"Bearer {token}"})
    assert answer.status_code == status, answer.text
    return answer.json()


# --- sign-up and sign-in -------------------------------------------------------------------------


async def test_a_sign_up_makes_an_organization_of_its_own_with_the_examples(open_site: OpenSite) -> None:
    site = await open_site(signup=True)

    new = await post(site, "/auth/signup", {**ANA, "name": "Ana"})

    user = new["user"]
    assert (user["email"], user["name"], user["role"]) == ("ana@example.org", "Ana", "owner")
    assert user["organization_id"] not in site.organizations.values()
    assert await get(site, "/auth/me", new["token"]) == user
    assert await get(site, "/user/auth/user", new["token"]) == {"id": user["id"], "is_superuser": False}
    workflows = await get(site, "/workflow/fetch", new["token"])
    assert [(each["name"], each["status"]) for each in workflows] == [("Default agent", "active")]
    app = site.server.of(user["organization_id"])
    [carrier] = await app.telephony.page()
    assert (carrier.provider, carrier.is_default, carrier.active_numbers) == ("simulated", True, 1)
    assert await app.telephony.readiness(carrier.id) is None


async def test_no_examples_where_they_are_switched_off(open_site: OpenSite) -> None:
    site = await open_site(signup=True, examples=False)

    new = await post(site, "/auth/signup", ANA)

    assert await get(site, "/workflow/fetch", new["token"]) == []
    assert await site.server.of(new["user"]["organization_id"]).telephony.page() == []


async def test_nobody_signs_up_where_it_is_switched_off(site: Site) -> None:
    assert await post(site, "/auth/signup", ANA, status=403) == {
        "detail": "Signup is disabled; DIALPLANE_SIGNUP=on allows it"
    }


async def test_an_address_is_one_persons(open_site: OpenSite) -> None:
    site = await open_site(signup=True)
    await post(site, "/auth/signup", ANA)

    assert await post(site, "/auth/signup", ANA | {"email": "ANA@example.org"}, status=400) == {
        "detail": "Email already registered"
    }


async def test_of_two_who_sign_up_at_once_one_is_refused(database: Database) -> None:
    people = People(database)

    results = await asyncio.gather(
        *(people.sign_up("ana@example.org", "correct horse") for _ in range(2)), return_exceptions=True
    )

    [refusal] = [result for result in results if isinstance(result, Conflict)]
    assert str(refusal) == "Email already registered"
    async with database.connection() as connection:
        assert await connection.fetchval("SELECT count(*) FROM person") == 1
        assert await connection.fetchval("SELECT count(*) FROM organization") == 1


async def test_nobody_signs_up_into_an_organization_that_is_called_like_their_address(open_site: OpenSite) -> None:
    site = await open_site(signup=True)
    await site.join("ana@example.org")

    new = await post(site, "/auth/signup", ANA)

    assert new["user"]["organization_id"] != site.organizations["ana@example.org"]


async def test_a_misshapen_sign_up_is_422(open_site: OpenSite) -> None:
    site = await open_site(signup=True)
    bodies: list[dict[str, str]] = [
        {"email": "ana", "password": "long enough"},
        {"email": "a b@example.org", "password": "long enough"},
        {"email": "a@" + "b" * 254, "password": "long enough"},
        {"email": "ana@example.org", "password": "7 signs"},
        {"email": "ana@example.org", "password": "p" * 201},
        {"email": "ana@example.org"},
    ]
    for body in bodies:
        await post(site, "/auth/signup", body, status=422)


async def test_a_sign_in_opens_until_it_is_ended(open_site: OpenSite) -> None:
    site = await open_site(signup=True)
    await post(site, "/auth/signup", ANA)
    first = (await post(site, "/auth/login", ANA | {"email": "ana@example.ORG"}))["token"]
    second = (await post(site, "/auth/login", ANA))["token"]

    assert (await post(site, "/auth/logout", None, token=first))["success"]

    assert await get(site, "/auth/me", first, status=401) == {"detail": "Invalid or expired token"}
    assert (await get(site, "/auth/me", second))["email"] == "ana@example.org"


async def test_a_sign_in_ends_after_thirty_days(open_site: OpenSite) -> None:
    site = await open_site(signup=True)
    token = (await post(site, "/auth/signup", ANA))["token"]
    async with site.server.database.connection() as connection:
        ends = await connection.fetchval("SELECT expires_at FROM api_key WHERE kind = 'login'")
        assert timedelta(days=29, hours=23) < ends - datetime.now(UTC) <= timedelta(days=30)

        await connection.execute("UPDATE api_key SET expires_at = now() WHERE kind = 'login'")

    assert await get(site, "/auth/me", token, status=401) == {"detail": "Invalid or expired token"}


async def test_ended_sign_ins_are_forgotten_and_keys_are_not(open_site: OpenSite) -> None:
    site = await open_site(signup=True)
    user = (await post(site, "/auth/signup", ANA))["user"]
    over = (await post(site, "/auth/login", ANA))["token"]
    await post(site, "/auth/logout", None, token=over)
    key = (await post(site, "/auth/login", ANA))["token"]
    created = await post(site, "/user/api-keys", {"name": "CRM"}, token=key)

    await forget_logins(site.server.database, user["organization_id"], before=datetime.now(UTC))

    async with site.server.database.connection() as connection:
        kept = await connection.fetch(
            "SELECT kind FROM api_key WHERE organization_id = $1 ORDER BY kind", user["organization_id"]
        )
    assert [row["kind"] for row in kept] == ["key", "login", "login"]
    assert (await get(site, "/auth/me", created["api_key"]))["name"] == "CRM"


async def test_an_unknown_address_is_refused_like_a_wrong_password_and_as_slowly(open_site: OpenSite) -> None:
    site = await open_site(signup=True)
    await post(site, "/auth/signup", ANA)
    await post(site, "/auth/login", {"email": "warm@up.org", "password": "x"}, status=401)

    async def refused(email: str) -> tuple[Any, float]:
        taken = []
        for _ in range(4):
            began = time.perf_counter()
            answer = await post(site, "/auth/login", {"email": email, "password": "wrong"}, status=401)
            taken.append(time.perf_counter() - began)
        return answer, min(taken)

    known, known_seconds = await refused("ana@example.org")
    unknown, unknown_seconds = await refused("nobody@example.org")

    assert known == unknown == {"detail": "Invalid email or password"}
    assert 0.4 < known_seconds / unknown_seconds < 2.5


async def test_who_guesses_has_to_wait(open_site: OpenSite) -> None:
    site = await open_site(signup=True)
    await post(site, "/auth/signup", ANA)
    wrong = {"email": "ana@example.org", "password": "wrong"}
    for _ in range(9):
        await post(site, "/auth/login", wrong, status=401)

    answer = await site.http.post("/api/v1/auth/login", json=ANA)

    assert answer.status_code == 429
    assert 1 <= int(answer.headers["Retry-After"]) <= 60
    assert answer.json() == {"detail": "too many tries; Retry-After says when to go on"}
    await post(site, "/auth/login", wrong | {"email": "bob@example.org"}, status=401)


async def test_whoever_knows_the_password_does_not_have_to_wait(open_site: OpenSite) -> None:
    site = await open_site(signup=True)
    await post(site, "/auth/signup", ANA)

    for _ in range(14):
        await post(site, "/auth/login", ANA)


async def test_an_address_that_tries_many_people_has_to_wait() -> None:
    guesses = Guesses()

    waits = [guesses.wait_seconds("192.0.2.1", f"{i}@example.org") for i in range(31)]

    assert waits[:30] == [0.0] * 30
    assert 9 < waits[30] <= 10
    assert guesses.wait_seconds("192.0.2.2", "x@example.org") == 0


@pytest.mark.parametrize(("per_second", "burst"), [(100, 200), (2, 4), (0.5, 1), (0.1, 1)])
async def test_a_pace_lets_two_seconds_be_saved_up_and_one_request_at_least(per_second: float, burst: int) -> None:
    rates = Rates(per_second)

    waits = [rates.wait_seconds("a") for _ in range(burst + 1)]

    assert waits[:burst] == [0.0] * burst
    assert 0 < waits[burst] <= 1 / per_second


# --- keys ----------------------------------------------------------------------------------------


async def test_a_new_key_opens_with_its_role_and_is_shown_once(site: Site) -> None:
    ends = datetime.now(UTC) + timedelta(days=1)
    body = {"name": "CRM", "role": "viewer", "expires_at": ends.isoformat()}

    new = await site.call("POST", "/user/api-keys", json=body)

    assert new["api_key"].startswith(new["key_prefix"]) and len(new["api_key"]) > 40
    assert (new["name"], new["role"]) == ("CRM", "viewer")
    me = await site.call("GET", "/auth/me", key=new["api_key"])
    assert (me["email"], me["name"], me["role"], me["organization_id"]) == (
        None, "CRM", "viewer", site.organizations["default"],
    )  # fmt: skip
    listed = await site.call("GET", "/user/api-keys")
    assert (listed[0]["name"], listed[0]["is_active"], listed[0]["key_prefix"]) == ("CRM", True, new["key_prefix"])
    assert datetime.fromisoformat(listed[0]["expires_at"]) == ends
    assert datetime.fromisoformat(listed[0]["last_used_at"]) <= datetime.now(UTC)
    assert new["api_key"] not in str(listed)


async def test_the_key_itself_is_nowhere_in_the_database(site: Site) -> None:
    answers = [
        await site.call("POST", "/user/api-keys", json={"name": "x"}, headers={"Idempotency-Key": "one"})
        for _ in range(2)
    ]

    assert answers[0] == answers[1]
    async with site.server.database.connection() as connection:
        rows = await connection.fetch(
            "SELECT t::text FROM api_key t UNION ALL SELECT t::text FROM idempotent_request t"
        )
        kept = await connection.fetchval("SELECT encode(answer, 'escape') FROM idempotent_request")
    secret = answers[0]["api_key"]
    assert all(secret not in row[0] and secret.encode().hex() not in row[0] for row in rows)
    assert secret not in kept


async def test_a_revoked_key_opens_nothing_until_it_is_reactivated(site: Site) -> None:
    new = await site.call("POST", "/user/api-keys", json={"name": "CRM"})

    done = await site.call("DELETE", f"/user/api-keys/{new['id']}")

    assert done == {"success": True, "message": "API key archived successfully"}
    refused = await site.call("GET", "/workflow/fetch", key=new["api_key"], status=401)
    assert refused == {"detail": "Invalid or expired API key"}
    assert new["id"] not in [each["id"] for each in await site.call("GET", "/user/api-keys")]
    [revoked] = [
        each for each in await site.call("GET", "/user/api-keys?include_archived=true") if each["id"] == new["id"]
    ]
    assert (revoked["is_active"], revoked["archived_at"] is None) == (False, False)
    done = await site.call("PUT", f"/user/api-keys/{new['id']}/reactivate")
    assert done == {"success": True, "message": "API key reactivated successfully"}
    await site.call("GET", "/workflow/fetch", key=new["api_key"])


async def test_an_end_that_has_passed_makes_no_key(site: Site) -> None:
    body = {"name": "late", "expires_at": "2020-01-01T00:00:00Z"}

    refused = await site.call("POST", "/user/api-keys", json=body, status=400)

    assert refused["detail"] == "expires_at, 2020-01-01T00:00:00+00:00, has passed: the key would open nothing"


async def test_a_misshapen_key_is_422(site: Site) -> None:
    bodies: list[dict[str, str]] = [
        {},
        {"name": ""},
        {"name": "n" * 256},
        {"name": "x", "role": "boss"},
        {"name": "x", "expires_at": "2099-01-01T00:00:00"},
    ]
    for body in bodies:
        await site.call("POST", "/user/api-keys", json=body, status=422)


@pytest.mark.parametrize(("method", "path"), [("DELETE", "/user/api-keys/{}"), ("PUT", "/user/api-keys/{}/reactivate")])
async def test_another_organizations_key_is_not_there(site: Site, method: str, path: str) -> None:
    theirs = await site.call("POST", "/user/api-keys", json={"name": "theirs"}, of="other")

    for key_id in (theirs["id"], 999_999):
        assert await site.call(method, path.format(key_id), status=404) == {"detail": "API key not found"}
    await site.call("GET", "/workflow/fetch", key=theirs["api_key"])
    assert "theirs" not in str(await site.call("GET", "/user/api-keys"))


async def test_a_sign_in_is_no_key_that_could_be_revoked_by_number(open_site: OpenSite) -> None:
    site = await open_site(signup=True)
    token = (await post(site, "/auth/signup", ANA))["token"]
    async with site.server.database.connection() as connection:
        login_id = await connection.fetchval("SELECT id FROM api_key WHERE kind = 'login'")

    answer = await site.http.delete(f"/api/v1/user/api-keys/{login_id}", headers={"Authorization": f"Bearer {token}"})

    assert (answer.status_code, answer.json()) == (404, {"detail": "API key not found"})


async def test_a_key_cannot_sign_out(site: Site) -> None:
    refused = await site.call("POST", "/auth/logout", status=400)

    assert refused["detail"] == "this is an API key and no sign-in: revoke it under /user/api-keys"
    await site.call("GET", "/auth/me")


# --- what a server begins with -------------------------------------------------------------------


async def test_a_server_begins_with_the_operators_key_and_the_examples(open_site: OpenSite) -> None:
    site = await open_site(api_key="chosen by the operator")

    for _ in range(2):
        await site.server.prepare()

    me = await site.call("GET", "/auth/me", key="chosen by the operator")
    assert (me["role"], me["organization_id"]) == (Role.OWNER, site.organizations["default"])
    keys = await site.call("GET", "/user/api-keys")
    assert [each["name"] for each in keys] == ["DIALPLANE_API_KEY", "test"]
    assert [each["name"] for each in await site.call("GET", "/workflow/fetch")] == ["Default agent"]
    assert len(await site.server.of(site.organizations["default"]).telephony.page()) == 1


async def test_what_was_taken_away_does_not_come_back_with_the_next_start(open_site: OpenSite) -> None:
    site = await open_site(api_key="chosen by the operator")
    app = site.server.of(await site.server.prepare())
    [agent] = await site.call("GET", "/workflow/fetch")
    [carrier] = await app.telephony.page()
    [key, _] = await site.call("GET", "/user/api-keys")

    await site.call("POST", f"/workflow/{agent['id']}/archive")
    await app.telephony.archive(carrier.id)
    await site.call("DELETE", f"/user/api-keys/{key['id']}")
    await site.server.prepare()

    assert await site.call("GET", "/workflow/fetch?status=active") == []
    assert await app.telephony.page() == []
    await site.call("GET", "/auth/me", key="chosen by the operator", status=401)
