"""Events become messages, and each message arrives: in order, at least once, whatever the receiver does."""

from __future__ import annotations

import asyncio
import json
import random
import signal
import sys
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from bench import ALL_ANSWER, FAST_CALLS, Bench, numbers
from delivers import BOUNDS
from receiver import Receiver, Request, answer, receiving
from standardwebhooks import Webhook

from dialplane.core.webhook import Backoff
from dialplane.engine import catalog
from dialplane.engine.deliveries import Bounds, Deliveries
from dialplane.engine.webhooks import Webhooks, WithSecret, purge_deliveries
from dialplane.secrets import Secrets
from dialplane.store.postgres import Database, Row
from dialplane.webhooks import HttpSender

pytestmark = pytest.mark.asyncio

SECRETS = Secrets("a secret for the tests")
AT_ONCE = Backoff(delays=(timedelta(milliseconds=10),) * 40)
STATES = ["placed", "ringing", "answered", "ended"]


@dataclass
class Post:
    """Webhooks of one organization, and senders for them."""

    database: Database
    organization_id: int
    webhooks: Webhooks

    async def to(self, receiver: Receiver, *kinds: str) -> WithSecret:
        return await self.webhooks.create(receiver.url, kinds)

    @asynccontextmanager
    async def sending(
        self, *, backoff: Backoff = AT_ONCE, bounds: Bounds = BOUNDS, deadline_seconds: float = 5
    ) -> AsyncIterator[None]:
        sender = HttpSender(own_network=True, deadline_seconds=deadline_seconds)
        stopping = asyncio.Event()
        deliveries = Deliveries(self.database, SECRETS, sender, backoff=backoff, bounds=bounds)
        running = asyncio.create_task(deliveries.run(stopping))
        try:
            yield
        finally:
            stopping.set()
            await running
            await sender.close()

    async def happen(self, kind: str, *subjects: int, campaign_id: int = 1) -> None:
        """Events of campaigns that there are, one transaction each."""
        async with self.database.connection() as connection:
            for subject in subjects or (campaign_id,):
                await connection.execute(
                    "INSERT INTO event (organization_id, transaction_id, campaign_id, kind, at, details) "
                    "VALUES ($1, pg_current_xact_id()::text::bigint, $2, $3, statement_timestamp(), $4)",
                    self.organization_id,
                    subject,
                    kind,
                    {"message": f"{kind} of {subject}"},
                )

    async def ask(self, question: str, *arguments: Any) -> list[Row]:
        async with self.database.connection() as connection:
            found: list[Row] = await connection.fetch(question, *arguments)
        return found

    async def states(self, webhook: WithSecret) -> dict[str, int]:
        found = await self.ask(
            "SELECT state, count(*) AS count FROM delivery WHERE webhook_id = $1 GROUP BY state", webhook.webhook["id"]
        )
        return {row["state"]: row["count"] for row in found}

    async def until(self, webhook: WithSecret, wanted: Mapping[str, int], *, seconds: float = 20) -> None:
        async with asyncio.timeout(seconds):
            while await self.states(webhook) != wanted:
                await asyncio.sleep(0.02)


@pytest_asyncio.fixture
async def post(database: Database) -> Post:
    organization_id = await catalog.ensure_organization(database)
    webhooks = Webhooks(database, organization_id, SECRETS, HttpSender(own_network=True))
    return Post(database, organization_id, webhooks)


@pytest_asyncio.fixture
async def campaign_id(live: Bench) -> int:
    """A draft."""
    return await live.draft(numbers(2), name="Reminders")


def failing(share: float, *, status: int = 500) -> tuple[list[Request], Callable[[Request], Any]]:
    """(what was taken, in order; a reply that takes it or does not, by chance)"""
    taken: list[Request] = []
    chance = random.Random(7)

    async def reply(request: Request) -> bytes:
        if chance.random() < share:
            return answer(status)
        taken.append(request)
        return answer(204)

    return taken, reply


def by_attempt(taken: Sequence[Request]) -> dict[int, list[str]]:
    states = defaultdict(list)
    for request in taken:
        states[request.message["data"]["attempt_id"]].append(request.message["data"]["state"])
    return states


# --- all of it ---------------------------------------------------------------------------------------


async def test_a_thousand_messages_arrive_at_a_receiver_that_fails_half_the_time(live: Bench, post: Post) -> None:
    taken, reply = failing(0.5)
    async with live.working():
        await live.wait_until_ended(await live.started(numbers(250), carrier={**FAST_CALLS, **ALL_ANSWER}))
    async with receiving(reply) as receiver:
        webhook = await post.to(receiver, "attempt.*")
        await post.ask(
            "INSERT INTO event (organization_id, transaction_id, campaign_id, attempt_id, kind, at)"
            " SELECT 1, pg_current_xact_id()::text::bigint, a.campaign_id, a.id, 'attempt.' || s.state, now()"
            " FROM unnest($1::text[]) WITH ORDINALITY AS s (state, place), attempt a"
            " ORDER BY s.place, a.id RETURNING id",
            STATES,
        )
        async with post.sending(bounds=Bounds(poll_seconds=0.02, failing_after=1000)):
            await post.until(webhook, {"delivered": 1000}, seconds=60)

    ids = Counter(request.headers["webhook-id"] for request in taken)
    assert len(ids) == 1000
    assert set(ids.values()) == {1}
    assert len(receiver.requests) > 1.5 * len(taken)
    for request in taken:
        Webhook(webhook.secret).verify(request.body, request.headers)
    assert list(by_attempt(taken).values()) == [STATES] * 250


async def test_two_senders_share_the_work_and_double_none(campaign_id: int, post: Post) -> None:
    taken, reply = failing(0.2)
    async with receiving(reply) as receiver:
        webhook = await post.to(receiver, "campaign.*")
        await post.happen("campaign.warned", *[campaign_id] * 60)
        async with post.sending(), post.sending():
            await post.until(webhook, {"delivered": 60})

    messages = await post.ask("SELECT uuid::text FROM delivery ORDER BY id")
    assert [request.headers["webhook-id"] for request in taken] == [row["uuid"] for row in messages]


async def test_after_a_killed_process_another_one_goes_on(
    campaign_id: int, post: Post, server: Mapping[str, Any], schema: str
) -> None:
    """Its try under way is not lost: nobody knows whether it arrived, so it is made again."""
    hold = asyncio.Event()

    async def reply(_: Request) -> bytes:
        await hold.wait()
        return answer(204)

    async with receiving(reply) as receiver:
        webhook = await post.to(receiver)
        await post.webhooks.test(webhook.webhook["id"])
        await post.happen("campaign.warned", campaign_id)
        child = await asyncio.create_subprocess_exec(
            sys.executable, str(Path(__file__).parent / "delivers.py"), json.dumps(dict(server)), schema
        )
        await receiver_has(receiver, connections=2)
        child.send_signal(signal.SIGKILL)
        await child.wait()
        hold.set()
        async with post.sending():
            await post.until(webhook, {"delivered": 2})

    tries = await post.ask("SELECT tries FROM delivery")
    assert [row["tries"] for row in tries] == [2, 2]
    assert len({request.headers["webhook-id"] for request in receiver.requests}) == 2


async def receiver_has(receiver: Receiver, *, connections: int) -> None:
    async with asyncio.timeout(20):
        while receiver.connections < connections:
            await asyncio.sleep(0.01)


# --- receivers that misbehave ------------------------------------------------------------------------


async def test_a_receiver_that_hangs_holds_nobody_up(post: Post, live: Bench) -> None:
    campaigns = [await live.draft(numbers(1)) for _ in range(30)]

    async def hang(_: Request) -> bytes:
        await asyncio.Event().wait()
        return b""

    async with receiving(hang) as hanging, receiving() as receiver:
        first = await post.to(hanging, "campaign.warned")
        other = await post.to(receiver, "campaign.warned")
        async with post.sending(deadline_seconds=30, bounds=Bounds(poll_seconds=0.02, at_once=4, grace_seconds=0.1)):
            await post.happen("campaign.warned", *campaigns)
            await post.until(other, {"delivered": 30}, seconds=10)

    assert await post.states(first) == {"pending": 30}
    assert hanging.most_connections == 4
    faults = await post.ask("SELECT fault FROM delivery WHERE tries > 0 AND state = 'pending'")
    assert [row["fault"] for row in faults] == ["the sender stopped in the middle of it"] * 4


async def test_one_that_always_fails_gets_one_try_at_a_time(post: Post, live: Bench) -> None:
    campaigns = [await live.draft(numbers(1)) for _ in range(8)]
    open_now = most_open = 0

    async def reply(_: Request) -> bytes:
        nonlocal open_now, most_open
        open_now += 1
        most_open = max(most_open, open_now) if len(receiver.requests) > 40 else 0
        await asyncio.sleep(0.005)
        open_now -= 1
        return answer(503)

    async with receiving(reply) as receiver:
        webhook = await post.to(receiver, "campaign.warned")
        await post.happen("campaign.warned", *campaigns)
        async with post.sending():
            await receiver.got(80)

    assert most_open == 1
    assert (await post.webhooks.get(webhook.webhook["id"]))["failures"] >= 80


async def test_what_fails_holds_up_its_own_subject_alone(post: Post, live: Bench) -> None:
    bad, good = await live.draft(numbers(1)), await live.draft(numbers(1))

    async def reply(request: Request) -> bytes:
        return answer(500 if request.message["data"]["campaign_id"] == bad else 204)

    async with receiving(reply) as receiver:
        webhook = await post.to(receiver, "campaign.warned", "campaign.closed")
        await post.happen("campaign.warned", bad, good)
        await post.happen("campaign.closed", bad, good)
        async with post.sending(backoff=Backoff(delays=(timedelta(hours=1),))):
            await post.until(webhook, {"delivered": 2, "pending": 2})

    asked = [(request.message["type"], request.message["data"]["campaign_id"]) for request in receiver.requests]
    assert sorted(asked) == sorted([("campaign.warned", bad), ("campaign.warned", good), ("campaign.closed", good)])


async def test_a_message_dies_after_its_last_try_and_the_next_one_goes_on(campaign_id: int, post: Post) -> None:
    async def reply(request: Request) -> bytes:
        return answer(500 if request.message["type"] == "campaign.warned" else 204)

    async with receiving(reply) as receiver:
        webhook = await post.to(receiver)
        await post.happen("campaign.warned", campaign_id)
        await post.happen("campaign.closed", campaign_id)
        async with post.sending(backoff=Backoff(delays=(timedelta(milliseconds=10),) * 2)):
            await post.until(webhook, {"dead": 1, "delivered": 1})

    assert [message["type"] for message in receiver.messages] == ["campaign.warned"] * 3 + ["campaign.closed"]
    found = await post.webhooks.deliveries(webhook.webhook["id"], state="dead")
    assert [(row["tries"], row["status"], row["fault"]) for row in found] == [(3, 500, "answered 500")]


async def test_a_message_that_kills_its_senders_dies_in_the_end(campaign_id: int, post: Post) -> None:
    """A try is counted before it begins."""
    async with receiving() as receiver:
        webhook = await post.to(receiver)
        await post.happen("campaign.warned", campaign_id)
        async with post.sending(bounds=Bounds(poll_seconds=0.02, at_once=0)):
            await post.until(webhook, {"pending": 1})
        await post.ask("UPDATE delivery SET tries = 11, claim = gen_random_uuid(), due_at = now() RETURNING id")
        async with post.sending(backoff=Backoff()):
            await post.until(webhook, {"dead": 1})

    assert receiver.requests == []
    found = await post.webhooks.deliveries(webhook.webhook["id"])
    assert found[0]["fault"] == "its last try never came to an end"


async def test_410_switches_the_webhook_off(campaign_id: int, post: Post) -> None:
    async def reply(_: Request) -> bytes:
        return answer(410)

    async with receiving(reply) as receiver, receiving() as everything:
        webhook = await post.to(receiver)
        await post.to(everything)
        await post.happen("campaign.warned", campaign_id, campaign_id)
        async with post.sending():
            await post.until(webhook, {"dead": 1, "pending": 1})
            await post.happen("campaign.closed", campaign_id)
            await everything.got(3)

    after = await post.webhooks.get(webhook.webhook["id"])
    assert (after["active"], after["inactive_reason"]) == (False, "the receiver answered 410: it wants no more")
    assert len(receiver.requests) == 1
    assert await post.states(webhook) == {"dead": 1, "pending": 1}


# --- what it hears of --------------------------------------------------------------------------------


async def test_it_hears_of_its_kinds_from_now_on(campaign_id: int, post: Post) -> None:
    async with receiving() as receiver, receiving() as everything:
        await post.happen("campaign.paused", campaign_id)
        webhook = await post.to(receiver, "campaign.paused", "breaker.*")
        await post.to(everything)
        await post.happen("campaign.running", campaign_id)
        await post.happen("breaker.tripped", campaign_id)
        await post.happen("campaign.paused", campaign_id)
        async with post.sending():
            await post.until(webhook, {"delivered": 2})
            await everything.got(3)

    assert [message["type"] for message in receiver.messages] == ["breaker.tripped", "campaign.paused"]
    assert [m["type"] for m in everything.messages] == ["campaign.running", "breaker.tripped", "campaign.paused"]


async def test_a_transaction_that_commits_late_is_told_all_the_same(campaign_id: int, post: Post) -> None:
    async with receiving() as receiver:
        webhook = await post.to(receiver)
        async with post.sending():
            async with post.database.transaction() as connection:
                await connection.execute(
                    "INSERT INTO event (organization_id, transaction_id, campaign_id, kind, at) "
                    "VALUES ($1, pg_current_xact_id()::text::bigint, $2, 'campaign.paused', now())",
                    post.organization_id,
                    campaign_id,
                )
                await post.happen("campaign.closed", campaign_id)
                await post.webhooks.test(webhook.webhook["id"])
                await post.until(webhook, {"delivered": 1})
            await post.until(webhook, {"delivered": 3})

    assert [m["type"] for m in receiver.messages] == ["webhook.test", "campaign.paused", "campaign.closed"]


async def test_more_events_than_one_step_takes_all_arrive_in_order(campaign_id: int, post: Post) -> None:
    async with receiving() as receiver:
        webhook = await post.to(receiver)
        await post.happen("campaign.warned", *[campaign_id] * 25)
        await post.happen("campaign.closed", campaign_id)
        async with post.sending(bounds=Bounds(poll_seconds=0.02, events=10)):
            await post.until(webhook, {"delivered": 26})

    assert [message["type"] for message in receiver.messages] == ["campaign.warned"] * 25 + ["campaign.closed"]


async def test_switched_off_it_hears_nothing_and_begins_again_at_now(campaign_id: int, post: Post) -> None:
    async with receiving() as receiver:
        webhook_id = (webhook := await post.to(receiver)).webhook["id"]
        await post.webhooks.change(webhook_id, active=False)
        await post.happen("campaign.paused", campaign_id)
        async with post.sending():
            await post.webhooks.change(webhook_id, active=True)
            await post.happen("campaign.closed", campaign_id)
            await post.until(webhook, {"delivered": 1})

    assert [message["type"] for message in receiver.messages] == ["campaign.closed"]


async def test_a_message_about_an_attempt_tells_no_more_than_had_happened(live: Bench, post: Post) -> None:
    csv = "phone_number,name,external_id\n+12122000000,Zoë,crm-7\n"
    carrier = {**ALL_ANSWER, "ring_seconds": [1, 1], "talk_seconds": [1, 1]}
    async with receiving() as receiver:
        await post.to(receiver, "attempt.*")
        async with live.working():
            campaign_id = await live.started(csv, carrier=carrier)
            await live.wait_until_ended(campaign_id)
        async with post.sending():
            await receiver.until(lambda: any(m["type"] == "attempt.ended" for m in receiver.messages))

    first, ended = receiver.messages[0]["data"], receiver.messages[-1]["data"]
    same = ("campaign_id", "contact_id", "attempt_id", "uuid", "to_number", "from_number", "attempt", "variables")
    assert {name: first[name] for name in same} == {name: ended[name] for name in same}
    assert first["campaign_id"] == campaign_id
    assert (first["to_number"], first["attempt"], first["external_id"]) == ("+12122000000", 1, "crm-7")
    assert first["variables"]["name"] == "Zoë"
    assert first["state"] in ("placed", "ringing")  # two at once are told as one
    assert [first[name] for name in ("answered_at", "ended_at", "disposition", "transcript")] == [None] * 4
    assert ended["disposition"] == "answered"
    assert ended["transcript"][0]["speaker"] == "agent"
    assert ended["agent_version"] == 1
    instants = [ended[name] for name in ("created_at", "placed_at", "ringing_at", "answered_at", "ended_at")]
    parsed = [datetime.fromisoformat(instant) for instant in instants]
    assert parsed == sorted(parsed)
    assert parsed[0].tzinfo is not None


async def test_a_message_about_a_campaign_has_its_progress(live: Bench, post: Post) -> None:
    async with receiving() as receiver:
        webhook = await post.to(receiver, "campaign.completed", "campaign.running")
        async with live.working():
            campaign_id = await live.started(numbers(3), carrier={**FAST_CALLS, **ALL_ANSWER}, name="Reminders")
            await live.wait_until_ended(campaign_id)
        async with post.sending():
            await post.until(webhook, {"delivered": 2})

    running, completed = (message["data"] for message in receiver.messages)
    assert (running["name"], running["state"], running["message"]) == ("Reminders", "running", "started")
    assert completed["state"] == "completed"
    assert completed["progress"]["total"] == 3
    assert completed["progress"]["reached"] == 3
    assert completed["progress"]["dispositions"] == {"answered": 3}


# --- again -------------------------------------------------------------------------------------------


async def test_a_redelivery_is_the_same_bytes(campaign_id: int, post: Post) -> None:
    async with receiving() as receiver:
        webhook_id = (webhook := await post.to(receiver)).webhook["id"]
        await post.happen("campaign.paused", campaign_id)
        async with post.sending():
            await post.until(webhook, {"delivered": 1})
            delivery = (await post.webhooks.deliveries(webhook_id))[0]
            await post.ask("UPDATE campaign SET name = 'another' RETURNING id")
            await post.webhooks.redeliver(webhook_id, delivery["id"])
            await receiver.got(2)
            await post.until(webhook, {"delivered": 1})

    first, second = receiver.requests
    assert first.body == second.body
    assert first.headers["webhook-id"] == second.headers["webhook-id"] == str(delivery["uuid"])
    Webhook(webhook.secret).verify(second.body, second.headers)


async def test_what_died_goes_out_again_in_its_order(campaign_id: int, post: Post) -> None:
    status = 500

    async def reply(_: Request) -> bytes:
        return answer(status)

    async with receiving(reply) as receiver:
        webhook_id = (webhook := await post.to(receiver)).webhook["id"]
        for kind in ("campaign.running", "campaign.paused", "campaign.closed"):
            await post.happen(kind, campaign_id)
        async with post.sending(backoff=Backoff(delays=())):
            await post.until(webhook, {"dead": 3})
            receiver.requests.clear()
            status = 204
            assert await post.webhooks.redeliver_dead(webhook_id) == 3
            await post.until(webhook, {"delivered": 3})

    assert [m["type"] for m in receiver.messages] == ["campaign.running", "campaign.paused", "campaign.closed"]
    assert await post.webhooks.redeliver_dead(webhook_id) == 0


async def test_for_a_day_both_secrets_sign(campaign_id: int, post: Post) -> None:
    async with receiving() as receiver:
        webhook_id = (webhook := await post.to(receiver)).webhook["id"]
        new = await post.webhooks.rotate(webhook_id)
        async with post.sending():
            await post.happen("campaign.paused", campaign_id)
            await post.until(webhook, {"delivered": 1})
            await post.ask("UPDATE webhook SET old_secret_until = now() RETURNING id")
            await post.happen("campaign.closed", campaign_id)
            await post.until(webhook, {"delivered": 2})

    during, after = receiver.requests
    for secret in (webhook.secret, new.secret):
        Webhook(secret).verify(during.body, during.headers)
    assert len(after.headers["webhook-signature"].split(" ")) == 1
    Webhook(new.secret).verify(after.body, after.headers)


async def test_the_purge_takes_what_is_old_and_what_a_deleted_webhook_left(campaign_id: int, post: Post) -> None:
    async with receiving() as receiver:
        kept = await post.to(receiver)
        deleted = await post.to(receiver)
        await post.happen("campaign.running", campaign_id)
        await post.happen("campaign.paused", campaign_id)
        async with post.sending():
            await post.until(kept, {"delivered": 2})
            await post.until(deleted, {"delivered": 2})
    old = datetime.now(UTC) - timedelta(days=31)
    await post.ask(
        "UPDATE delivery SET created_at = $1 WHERE kind = 'campaign.running' AND webhook_id = $2 RETURNING id",
        old,
        kept.webhook["id"],
    )
    await post.webhooks.delete(deleted.webhook["id"])

    assert await purge_deliveries(post.database) == 3
    assert await purge_deliveries(post.database) == 0

    assert [row["kind"] for row in await post.webhooks.deliveries(kept.webhook["id"])] == ["campaign.paused"]
    assert [row["id"] for row in await post.ask("SELECT id FROM webhook")] == [kept.webhook["id"]]
