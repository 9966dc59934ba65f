"""Server-sent events over real HTTP: nothing is lost, nothing comes twice, and one poll serves all who listen."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import structlog
from site_of import CALLS, Site

from dialplane.api.hub import Hub
from dialplane.core.campaign import Policies
from dialplane.engine.events import purge_events
from dialplane.wiring import App

pytestmark = pytest.mark.asyncio

# Some 500 calls a second on the 100 lines of an organization.
DENSE = {"outcomes": {"answered": 1}, "cps": None, "ring_seconds": [0.02, 0.1], "talk_seconds": [0.02, 0.1]}
ATTEMPT_ORDER = ["attempt.unknown", "attempt.placed", "attempt.ringing", "attempt.answered", "attempt.ended"]


@dataclass
class Message:
    name: str
    data: dict[str, Any]
    id: str | None


@dataclass
class Client:
    """A listener as a browser is one: it remembers the last id."""

    status: int = 0
    head: str = ""
    body: str = ""  # of an answer that is no stream
    last_id: str = ""
    messages: list[Message] = field(default_factory=list)
    comments: list[str] = field(default_factory=list)
    ended: bool = False
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    def events(self, *names: str) -> list[Message]:
        return [message for message in self.messages if message.id and (not names or message.name in names)]

    def ids(self) -> list[str]:
        return [message.id for message in self.messages if message.id and message.name != "reset"]

    def kinds(self) -> list[str]:
        return [message.data["kind"] for message in self.events("attempt", "campaign", "log")]

    def named(self, name: str) -> list[dict[str, Any]]:
        return [message.data for message in self.messages if message.name == name]

    async def until(self, happened: Any, *, seconds: float = 10) -> None:
        async with asyncio.timeout(seconds):
            while not happened():
                self.changed.clear()
                await self.changed.wait()

    def read(self, block: str) -> None:
        fields: dict[str, str] = {}
        for line in block.split("\n"):
            name, _, value = line.partition(":")
            fields[name] = value.strip()
        if "" in fields:
            self.comments.append(fields[""])
        self.last_id = fields.get("id", self.last_id)
        if "data" in fields:
            self.messages.append(Message(fields["event"], json.loads(fields["data"]), fields.get("id")))
        self.changed.set()


@asynccontextmanager
async def listening(
    site: Site, path: str, *, last_id: str = "", key: str | None = None, client: Client | None = None
) -> AsyncIterator[Client]:
    """A client that listens beside, over a socket of its own, once the answer has begun."""
    client = client or Client()
    address = urlsplit(site.url)
    reader, writer = await asyncio.open_connection(address.hostname, address.port)
    lines = [f"GET /api/v1{path} HTTP/1.1", "Host: x", f"X-API-Key: {key or site.keys['default']}"]
    lines += [f"Last-Event-ID: {last_id}"] if last_id else []
    writer.write("\r\n".join([*lines, "", ""]).encode())
    client.head = (await reader.readuntil(b"\r\n\r\n")).decode()
    client.status = int(client.head.split()[1])
    task = asyncio.create_task(_receive(reader, client))
    try:
        yield client
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        writer.close()


async def _receive(reader: asyncio.StreamReader, client: Client) -> None:
    text = ""
    if client.status == 200:
        async for chunk in _chunks(reader):
            *blocks, text = (text + chunk.decode()).split("\n\n")
            for block in blocks:
                client.read(block)
    client.ended = True
    client.changed.set()


async def _chunks(reader: asyncio.StreamReader) -> AsyncIterator[bytes]:
    """Until the chunk of no bytes, which closes a whole answer; raises where the stream was cut."""
    while size := int(await reader.readline(), 16):
        yield await reader.readexactly(size)
        await reader.readline()


@pytest.fixture
def hub(site: Site) -> Hub:
    hub: Hub = site.uvicorn.config.app.state.hub  # type: ignore[union-attr]
    hub.poll_seconds = 0.1
    return hub


def app_of(site: Site, of: str = "default") -> App:
    return site.server.of(site.organizations[of])


async def draft(site: Site, count: int, carrier: dict[str, Any] = CALLS, of: str = "default", **policies: Any) -> int:
    """A campaign with that many contacts, all answered."""
    app = app_of(site, of)
    campaign_id = await app.campaigns.create(
        name="test",
        agent_id=await app.add_agent(None),
        carrier_id=await app.add_carrier(carrier),
        policies=Policies(**policies),
    )
    path = Path(app.settings.home) / f"contacts-{campaign_id}.csv"
    path.write_text("\n".join(["phone_number", *(f"+1212{2_000_000 + i}" for i in range(count))]), encoding="utf-8")
    await app.intake.store(campaign_id, path, None)
    await app.intake.run(campaign_id, ())
    return campaign_id


async def table(site: Site, campaign_id: int, *, of: str = "default") -> list[str]:
    """The ids of a campaign's events, in the order of the feed."""
    async with site.server.database.connection() as connection:
        found = await connection.fetch(
            "SELECT transaction_id || '-' || id AS place FROM event WHERE organization_id = $1 AND campaign_id = $2"
            " ORDER BY transaction_id, id",
            site.organizations[of],
            campaign_id,
        )
    return [row["place"] for row in found]


async def polled(hub: Hub, times: int) -> None:
    """Until feeds have been read that often again."""
    polls = hub.polls + times
    while hub.polls < polls:
        await asyncio.sleep(0.01)


def completed(client: Client) -> bool:
    return any(data["kind"] == "campaign.completed" for data in client.named("campaign"))


async def test_a_listener_hears_the_whole_life_of_a_campaign(site: Site, hub: Hub) -> None:
    campaign_id = await draft(site, 3)
    async with listening(site, f"/campaign/{campaign_id}/events") as client, site.working():
        await app_of(site).campaigns.start(campaign_id)
        await client.until(lambda: completed(client))
        await client.until(lambda: client.named("progress")[-1]["contacts"]["reached"] == 3)

    assert "text/event-stream" in client.head.lower()
    assert [data["state"] for data in client.named("campaign")] == ["running", "completed"]
    ended = [data for data in client.named("attempt") if data["kind"] == "attempt.ended"]
    assert sorted(data["to_number"] for data in ended) == ["+12122000000", "+12122000001", "+12122000002"]
    assert {data["disposition"] for data in ended} == {"answered"}
    assert all(data["campaign_id"] == campaign_id and data["contact_id"] for data in ended)
    assert all(data["answered_at"] <= data["ended_at"] for data in ended)
    assert datetime.fromisoformat(ended[0]["at"]).tzinfo is not None
    assert client.named("progress")[-1] == {
        "campaign_id": campaign_id,
        "contacts": {
            "total": 3, "reached": 3, "exhausted": 0, "skipped": 0, "removed": 0, "dialing": 0, "waiting": 0,
        },
        "attempts": 3,
        "dispositions": {"answered": 3},
        "calls": {},
    }  # fmt: skip


async def test_progress_comes_at_once_and_then_when_it_changes(site: Site, hub: Hub) -> None:
    campaign_id = await draft(site, 2)
    async with listening(site, f"/campaign/{campaign_id}/events") as client:
        await client.until(lambda: len(client.named("progress")) == 1, seconds=1)
        async with listening(site, f"/campaign/{campaign_id}/events") as second:
            await second.until(lambda: len(second.named("progress")) == 1, seconds=1)
        await polled(hub, 5)
        assert len(client.named("progress")) == 1

        await app_of(site).contacts.remove(campaign_id, ["+12122000001"])

        await client.until(lambda: len(client.named("progress")) == 2)
    assert [progress["contacts"]["waiting"] for progress in client.named("progress")] == [2, 1]
    assert [data["kind"] for data in client.named("log")] == ["contacts.removed"]


async def test_without_an_id_a_stream_begins_now_and_tells_where_that_is(site: Site, hub: Hub) -> None:
    campaign_id = await draft(site, 1)
    async with listening(site, f"/campaign/{campaign_id}/events") as client:
        await client.until(lambda: bool(client.named("progress")))
    await app_of(site).campaigns.schedule(campaign_id, datetime.now(UTC) + timedelta(hours=1))

    async with listening(site, f"/campaign/{campaign_id}/events", last_id=client.last_id) as again:
        await again.until(lambda: bool(again.named("campaign")))

    assert client.kinds() == []
    assert again.kinds() == ["campaign.scheduled"]


async def test_two_listeners_one_of_which_comes_and_goes_both_hear_everything_once(site: Site, hub: Hub) -> None:
    hub.poll_seconds = 0.05
    campaign_id = await draft(site, 500, DENSE)
    path = f"/campaign/{campaign_id}/events"
    restless = Client()

    async def come_and_go() -> None:
        while not completed(restless):
            async with listening(site, path, last_id=restless.last_id, client=restless):
                with contextlib.suppress(TimeoutError):
                    await restless.until(lambda: completed(restless), seconds=0.3)

    async with listening(site, path) as steady, site.working():
        await restless_start(site, path, restless)
        await app_of(site).campaigns.start(campaign_id)
        coming = asyncio.create_task(come_and_go())
        await steady.until(lambda: completed(steady), seconds=30)
        await coming

    started = (await table(site, campaign_id)).index(steady.ids()[0])
    assert steady.ids() == (await table(site, campaign_id))[started:]
    assert restless.ids() == steady.ids()
    assert len(steady.named("attempt")) > 500, "more than the ends: how much more depends on how busy the machine is"
    of_attempts: dict[int, list[str]] = defaultdict(list)
    for data in steady.named("attempt"):
        of_attempts[data["attempt_id"]].append(data["kind"])
    assert len(of_attempts) == 500
    for kinds in of_attempts.values():
        assert kinds == sorted(kinds, key=ATTEMPT_ORDER.index) and kinds[-1] == "attempt.ended"
        assert len(set(kinds)) == len(kinds)


async def restless_start(site: Site, path: str, client: Client) -> None:
    async with listening(site, path, client=client):
        await client.until(lambda: bool(client.last_id))


async def test_two_hundred_listeners_hear_everything_by_one_poll(site: Site, hub: Hub) -> None:
    hub.poll_seconds = 0.5
    campaign_id = await draft(site, 900, DENSE)
    path = f"/campaign/{campaign_id}/events"
    async with contextlib.AsyncExitStack() as stack:
        tallies = [await stack.enter_async_context(counting(site, path)) for _ in range(200)]
        polls, began = hub.polls, time.monotonic()
        async with site.working():
            await app_of(site).campaigns.start(campaign_id)
            async with asyncio.timeout(30):
                for tally in tallies:
                    await tally.done.wait()
        took = time.monotonic() - began

    expected = await table(site, campaign_id)
    expected = expected[expected.index(tallies[0].ids[0]) :]
    assert all(tally.ids == expected for tally in tallies)
    assert len(expected) > 900
    assert hub.polls - polls <= took / 0.5 + 2


@dataclass
class Tally:
    """The ids that one of many has been sent; nothing else of the stream is looked at."""

    ids: list[str] = field(default_factory=list)
    done: asyncio.Event = field(default_factory=asyncio.Event)


@asynccontextmanager
async def counting(site: Site, path: str) -> AsyncIterator[Tally]:
    tally = Tally()
    address = urlsplit(site.url)
    reader, writer = await asyncio.open_connection(address.hostname, address.port)
    writer.write(f"GET /api/v1{path} HTTP/1.1\r\nHost: x\r\nX-API-Key: {site.keys['default']}\r\n\r\n".encode())
    await reader.readuntil(b"\r\n\r\n")

    async def count() -> None:
        rest = b""
        async for chunk in _chunks(reader):
            *blocks, rest = (rest + chunk).split(b"\n\n")
            tally.ids += [
                block[4 : block.index(b"\n")].decode()
                for block in blocks
                if block.startswith(b"id: ") and b"\n" in block
            ]
            if b"campaign.completed" in chunk:
                tally.done.set()

    task = asyncio.create_task(count())
    try:
        yield tally
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        writer.close()


async def test_nobody_reads_the_feed_when_nobody_listens(site: Site, hub: Hub) -> None:
    campaign_id = await draft(site, 1)
    async with listening(site, f"/campaign/{campaign_id}/events") as client:
        await client.until(lambda: bool(client.named("progress")))
    async with asyncio.timeout(5):
        while hub._topics:
            await asyncio.sleep(0.01)
    polls = hub.polls

    await asyncio.sleep(5 * hub.poll_seconds)

    assert hub.polls == polls


async def test_an_event_whose_transaction_commits_late_is_delivered(site: Site, hub: Hub) -> None:
    campaign_id = await draft(site, 1)
    organization_id = site.organizations["default"]
    async with listening(site, f"/campaign/{campaign_id}/events") as client:
        async with site.server.database.transaction() as late:
            await late.execute(
                "INSERT INTO event (organization_id, transaction_id, campaign_id, kind, at, details)"
                " VALUES ($1, pg_current_xact_id()::text::bigint, $2, 'settings.changed', now(), $3)",
                organization_id,
                campaign_id,
                {"log_id": 1, "level": "info", "message": "late", "state": "draft"},
            )
            await app_of(site).campaigns.schedule(campaign_id, datetime.now(UTC) + timedelta(hours=1))
            await polled(hub, 3)
            assert client.kinds() == []  # the later one waits too: its place is after the late one
        await client.until(lambda: len(client.kinds()) == 2)

    assert client.kinds() == ["settings.changed", "campaign.scheduled"]
    assert client.ids() == (await table(site, campaign_id))[-2:]


async def test_all_campaigns_of_the_organization_and_no_other(site: Site, hub: Hub) -> None:
    first, second = await draft(site, 1), await draft(site, 1)
    foreign = await draft(site, 1, of="other")
    async with listening(site, "/events") as client:
        await client.until(lambda: bool(client.last_id))
        for app, campaign_id in ((app_of(site, "other"), foreign), (app_of(site), first), (app_of(site), second)):
            await app.campaigns.schedule(campaign_id, datetime.now(UTC) + timedelta(hours=1))
        await client.until(lambda: len(client.kinds()) == 2 and len(client.named("progress")) == 2)

    assert [data["campaign_id"] for data in client.named("campaign")] == [first, second]
    assert {data["campaign_id"] for data in client.named("progress")} == {first, second}


async def test_a_listener_for_some_kinds_hears_no_other_and_keeps_its_place(site: Site, hub: Hub) -> None:
    campaign_id = await draft(site, 4)
    async with listening(site, "/events?kinds=attempt.ended,campaign.completed") as client, site.working():
        await client.until(lambda: bool(client.last_id))
        await app_of(site).campaigns.start(campaign_id)
        await client.until(lambda: completed(client))
    assert client.kinds() == ["attempt.ended"] * 4 + ["campaign.completed"]

    async with listening(site, "/events?kinds=attempt.ended", last_id=client.last_id) as quiet:
        await quiet.until(lambda: bool(quiet.last_id))
        before = quiet.last_id
        other = await draft(site, 1)
        await quiet.until(lambda: quiet.last_id != before)

    assert quiet.kinds() == []
    assert quiet.last_id in await table(site, other)


async def test_a_position_that_is_none_is_refused(site: Site) -> None:
    for position in ("abc", "1", "1-2-3", "-1-2", "1-", "1234567890123456789-1"):
        answer = await site.call("GET", "/events", status=422, headers={"Last-Event-ID": position})
        assert answer["detail"][0]["loc"] == ["header", "Last-Event-ID"]

        answer = await site.call("GET", "/events", status=422, params={"last_event_id": position})
        assert answer["detail"][0]["loc"] == ["query", "last_event_id"]


async def test_a_kind_that_is_none_is_refused_with_the_nearest(site: Site) -> None:
    answer = await site.call("GET", "/events", status=422, params={"kinds": "atempt.ended"})

    assert "did you mean 'attempt.ended'?" in answer["detail"][0]["msg"]


async def test_who_may_listen_to_what(site: Site) -> None:
    foreign = await draft(site, 1, of="other")

    missing = await site.call("GET", f"/campaign/{foreign}/events", status=404)
    await site.call("GET", "/campaign/999999999/events", status=404)
    await site.call("GET", f"/campaign/{2**63}/events", status=422)
    await site.call("GET", "/events", status=401, key="wrong")

    assert missing["detail"].startswith(f"there is no campaign {foreign}")


async def test_the_query_resumes_as_the_header_does_and_the_header_wins(site: Site, hub: Hub) -> None:
    campaign_id = await draft(site, 1)
    events = await table(site, campaign_id)
    assert len(events) == 2  # created, imported

    async with listening(site, f"/campaign/{campaign_id}/events?last_event_id=0-0") as all_of_it:
        await all_of_it.until(lambda: len(all_of_it.ids()) == 2)
    path = f"/campaign/{campaign_id}/events?last_event_id=0-0"
    async with listening(site, path, last_id=events[0]) as rest:
        await rest.until(lambda: len(rest.ids()) == 1)

    assert all_of_it.ids() == events
    assert rest.ids() == events[1:]


async def test_a_position_that_is_older_than_what_is_kept_resets_and_goes_on(site: Site, hub: Hub) -> None:
    campaign_id = await draft(site, 1)
    first, last = await table(site, campaign_id)
    await purge_events(site.server.database, site.organizations["default"], datetime.now(UTC))
    async with listening(site, f"/campaign/{campaign_id}/events", last_id=last) as kept:
        await kept.until(lambda: bool(kept.named("progress")))

    async with listening(site, f"/campaign/{campaign_id}/events", last_id=first) as client:
        await client.until(lambda: bool(client.named("reset")))
        await app_of(site).campaigns.schedule(campaign_id, datetime.now(UTC) + timedelta(hours=1))
        await client.until(lambda: bool(client.kinds()))
    position = client.events("reset")[0].id
    async with listening(site, f"/campaign/{campaign_id}/events", last_id=position or "") as again:
        await again.until(lambda: bool(again.kinds()))

    assert kept.named("reset") == []
    assert [data["reason"] for data in client.named("reset")] == ["expired"]
    assert client.kinds() == again.kinds() == ["campaign.scheduled"]
    assert again.named("reset") == []


async def test_a_position_of_another_database_resets(site: Site, hub: Hub) -> None:
    async with listening(site, "/events", last_id="999999999999-1") as client:
        await client.until(lambda: bool(client.named("reset")))

    assert client.named("reset")[0]["reason"] == "expired"
    assert int(client.last_id.partition("-")[0]) < 999999999999


async def test_a_long_absence_is_caught_up_page_by_page(site: Site, hub: Hub) -> None:
    campaign_id, other = await draft(site, 1), await draft(site, 1)
    begin = (await table(site, other))[-1]
    await write(site, [campaign_id, other] * 2500)

    async with listening(site, f"/campaign/{campaign_id}/events", last_id=begin) as client:
        await client.until(lambda: len(client.ids()) == 2500)
        await write(site, [campaign_id])
        await client.until(lambda: len(client.ids()) == 2501)

    assert client.ids() == (await table(site, campaign_id))[2:]


async def write(site: Site, campaign_ids: Sequence[int], *, message: str = "x") -> None:
    """An event of each of these campaigns, in one transaction."""
    async with site.server.database.connection() as connection:
        await connection.execute(
            "INSERT INTO event (organization_id, transaction_id, campaign_id, kind, at, details)"
            " SELECT $1, pg_current_xact_id()::text::bigint, c, 'settings.changed', now(), $3"
            " FROM unnest($2::bigint[]) WITH ORDINALITY AS u (c, place) ORDER BY place",
            site.organizations["default"],
            campaign_ids,
            {"log_id": 1, "level": "info", "message": message, "state": "draft"},
        )


async def test_a_listener_that_does_not_read_is_cut_and_loses_nothing(site: Site, hub: Hub) -> None:
    hub.most_waiting, hub.poll_seconds = 20, 0.01
    campaign_id = await draft(site, 1)
    path = f"/campaign/{campaign_id}/events"
    address = urlsplit(site.url)
    reader, writer = await asyncio.open_connection(address.hostname, address.port, limit=1000)
    request = f"GET /api/v1{path} HTTP/1.1\r\nHost: x\r\nX-API-Key: {site.keys['default']}\r\n\r\n"
    writer.write(request.encode())
    async with listening(site, path) as attentive:
        await attentive.until(lambda: bool(attentive.named("progress")))
        for count in range(1, 41):
            await write(site, [campaign_id] * 10, message="x" * 50_000)
            await attentive.until(lambda wanted=10 * count: len(attentive.ids()) == wanted)

    slow = Client(status=200)
    await reader.readuntil(b"\r\n\r\n")
    await asyncio.wait_for(_receive(reader, slow), 10)
    writer.close()
    async with listening(site, path, last_id=slow.last_id, client=slow):
        await slow.until(lambda: len(slow.ids()) == 400)

    assert slow.ids() == attentive.ids() == (await table(site, campaign_id))[2:]
    assert [data["reason"] for data in slow.named("reset")] == ["too_slow"]


async def test_a_stream_outlives_a_lost_database(site: Site, hub: Hub) -> None:
    campaign_id = await draft(site, 1)
    database = site.server.database
    with structlog.testing.capture_logs() as entries:
        async with listening(site, f"/campaign/{campaign_id}/events") as client:
            await client.until(lambda: bool(client.named("progress")))
            polls = hub.polls
            while not any(entry["event"] == "database.lost" for entry in entries):
                await kill_connections(database.pool)
                await asyncio.sleep(0.02)
            await database.pool.expire_connections()
            await app_of(site).campaigns.schedule(campaign_id, datetime.now(UTC) + timedelta(hours=1))
            await client.until(lambda: bool(client.kinds()))

    assert hub.polls > polls
    assert client.kinds() == ["campaign.scheduled"]
    assert not client.ended


async def kill_connections(pool: Any) -> None:
    """All of this pool, as a server that restarts would."""
    async with pool.acquire() as connection:
        await connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE application_name = 'dialplane' AND pid <> pg_backend_pid() AND usename = current_user"
        )


async def test_a_server_that_stops_says_farewell_within_a_second(site: Site, hub: Hub) -> None:
    campaign_id = await draft(site, 1)
    async with listening(site, f"/campaign/{campaign_id}/events") as client, listening(site, "/events") as other:
        await client.until(lambda: bool(client.named("progress")))
        site.uvicorn.should_exit = True

        await client.until(lambda: client.ended, seconds=1)
        await other.until(lambda: other.ended, seconds=1)

    assert [data["reason"] for data in client.named("farewell")] == ["stopping"]
    assert [data["reason"] for data in other.named("farewell")] == ["stopping"]
