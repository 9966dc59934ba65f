"""The event feed: one event for each state reached, in an order in which nothing appears later."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from bench import ALL_ANSWER, ALL_BUSY, Bench, OpenBench, numbers

from dialplane.core.attempt import Outcome
from dialplane.core.disposition import Disposition
from dialplane.engine import events as events_module
from dialplane.engine.events import Event, Events, Position, purge_events
from dialplane.engine.outcomes import EndedCall, settle
from dialplane.store.postgres import sql
from dialplane.store.turn import open_turn

pytestmark = pytest.mark.asyncio

BEGINNING = Position(0, 0)
QUICK = {"ring_seconds": [0.01, 0.02], "talk_seconds": [0.3, 0.3]}
ENTRY = {"log_id": 1, "level": "info", "message": "by hand", "state": "draft"}


def feed(bench: Bench, campaign_id: int | None = None) -> Events:
    return Events(bench.app.database, bench.app.organization_id, campaign_id)


async def told(bench: Bench, campaign_id: int) -> list[Event]:
    """All events of a campaign."""
    found: list[Event] = []
    page = await feed(bench, campaign_id).after(BEGINNING)
    while not page.at_end:
        found += page.events
        page = await feed(bench, campaign_id).after(page.position)
    return found


async def kinds(bench: Bench, campaign_id: int) -> list[str]:
    return [event.kind for event in await told(bench, campaign_id)]


async def write(bench: Bench, campaign_id: int, *ats: datetime) -> None:
    """An event at each of these instants."""
    async with bench.app.database.connection() as connection:
        for at in ats:
            await connection.execute(
                "INSERT INTO event (organization_id, transaction_id, campaign_id, kind, at, details)"
                " VALUES ($1, pg_current_xact_id()::text::bigint, $2, 'settings.changed', $3, $4)",
                bench.app.organization_id,
                campaign_id,
                at,
                ENTRY,
            )


async def ran(live: Bench, contacts: Sequence[str], **options: Any) -> int:
    campaign_id = await live.started(contacts, **options)
    async with live.working():
        await live.wait_until_ended(campaign_id)
    return campaign_id


async def test_an_answered_call_is_told_from_its_placing_to_its_end(live: Bench) -> None:
    campaign_id = await ran(live, numbers(1), carrier={**ALL_ANSWER, **QUICK})

    events = await told(live, campaign_id)
    calls = [event for event in events if event.attempt is not None]

    assert [event.kind for event in events[:3]] == ["campaign.created", "contacts.imported", "campaign.running"]
    assert calls[-1].kind == "attempt.ended"
    assert "attempt.answered" in [event.kind for event in calls]
    assert events[-1].kind == "campaign.completed"
    assert events[-1].details is not None and events[-1].details["state"] == "completed"
    end = calls[-1].attempt
    assert end is not None and (end.to_number, end.number, end.disposition) == ("+12122000000", 1, "answered")
    assert end.answered_at is not None and end.ended_at is not None
    before = calls[0].attempt
    assert before is not None and (before.disposition, before.ended_at) == (None, None)


async def test_a_call_that_never_rang_is_told_by_its_end(live: Bench) -> None:
    campaign_id = await live.started(["+15005550011"])  # refused as rate-limited

    async def ended() -> bool:
        return "attempt.ended" in await kinds(live, campaign_id)

    async with live.working():
        await live.wait_for(ended)
        await live.app.campaigns.cancel(campaign_id)

    calls = [event for event in await told(live, campaign_id) if event.attempt is not None]
    assert [event.kind for event in calls] == ["attempt.ended"]
    assert calls[0].attempt is not None and calls[0].attempt.disposition == "rate_limited"


async def test_adopting_what_is_unknown_already_tells_nothing(live: Bench) -> None:
    campaign_id, attempt_id = await open_attempt(live, "sending")
    worker, other = uuid4(), uuid4()
    async with live.app.database.connection() as connection:
        await connection.execute("UPDATE attempt SET worker_id = $1", worker)
        for before, now_of, state in ((worker, other, "sending"), (other, worker, "unknown")):
            adopt = sql.adopt(
                connection,
                organization_id=live.app.organization_id,
                worker_id=now_of,
                ids=[attempt_id],
                states=[state],
                workers=[before],
                deadlines=[datetime.now(UTC)],
                tell=True,
            )
            assert [row["id"] async for row in adopt] == [attempt_id]

    assert (await kinds(live, campaign_id)).count("attempt.unknown") == 1


async def open_attempt(live: Bench, state: str) -> tuple[int, int]:
    """A campaign, and the id of its one attempt, which is in this state and no worker's."""
    campaign_id = await live.draft(numbers(1))
    async with live.app.database.connection() as connection:
        contact = await connection.fetchrow(
            "UPDATE contact SET state = 'dialing' RETURNING organization_id, id, to_number"
        )
        attempt_id = await connection.fetchval(
            "INSERT INTO attempt (organization_id, uuid, campaign_id, contact_id, number, carrier_id, number_id,"
            " from_number, to_number, agent_id, agent_version, state, worker_id, created_at, send_at, send_before,"
            " deadline_at, sent_at)"
            " SELECT $1, $2, $3, $4, 1, carrier_id, 1, '+15005550100', $5, agent_id, 1, $6, $7, $8, $8, $8, $8, $8"
            " FROM campaign WHERE id = $3 RETURNING id",
            contact["organization_id"],
            uuid4(),
            campaign_id,
            contact["id"],
            contact["to_number"],
            state,
            uuid4(),
            datetime.now(UTC) - timedelta(seconds=1),
        )
    return campaign_id, attempt_id


async def end(connection: Any, live: Bench, attempt_id: int) -> None:
    outcome = Outcome(disposition=Disposition.ANSWERED, ended_at=datetime.now(UTC))
    call = EndedCall(organization_id=live.app.organization_id, attempt_id=attempt_id, outcome=outcome, spent=True)
    await settle(connection, live.app.organization_id, uuid4(), [call], tell=True)


async def mark(connection: Any, live: Bench, attempt_id: int, state: str) -> None:
    now = datetime.now(UTC)
    await sql.mark(
        connection,
        organization_id=live.app.organization_id,
        ids=[attempt_id],
        states=[state],
        carrier_call_ids=[None],
        placed_ats=[now],
        ringing_ats=[None],
        answered_ats=[now],
        deadlines=[now],
        tell=True,
    )


async def test_events_of_an_attempt_keep_the_order_of_its_states_whichever_transaction_is_older(live: Bench) -> None:
    campaign_id, attempt_id = await open_attempt(live, "sending")
    async with live.app.database.transaction() as older:
        await older.fetchval("SELECT pg_current_xact_id()")
        async with live.app.database.connection() as younger:
            await mark(younger, live, attempt_id, "answered")
        await end(older, live, attempt_id)

    assert (await kinds(live, campaign_id))[-2:] == ["attempt.answered", "attempt.ended"]


async def test_the_same_where_the_older_transaction_has_to_wait_for_the_attempt(live: Bench) -> None:
    campaign_id, attempt_id = await open_attempt(live, "sending")
    database = live.app.database
    async with database.transaction() as older:
        process_id = await older.fetchval("SELECT pg_backend_pid() FROM pg_current_xact_id()")
        async with database.transaction() as younger:
            await mark(younger, live, attempt_id, "answered")
            ending = asyncio.create_task(end(older, live, attempt_id))

            async def waits() -> bool:
                return bool(await younger.fetchval("SELECT cardinality(pg_blocking_pids($1)) > 0", process_id))

            await live.wait_for(waits)
        await ending

    assert (await kinds(live, campaign_id))[-2:] == ["attempt.answered", "attempt.ended"]


async def test_completed_is_told_after_the_last_call_whichever_transaction_is_older(live: Bench) -> None:
    campaign_id, attempt_id = await open_attempt(live, "answered")
    async with open_turn(live.app.database, live.app.organization_id, None) as turn:
        assert turn is not None
        await turn.connection.fetchval("SELECT pg_current_xact_id()")
        async with live.app.database.transaction() as younger:
            await end(younger, live, attempt_id)
        await turn.log(campaign_id, "campaign.completed", "every contact has ended")

    assert (await kinds(live, campaign_id))[-2:] == ["attempt.ended", "campaign.completed"]


async def test_a_transaction_that_is_open_holds_back_what_was_written_after_it_began(live: Bench) -> None:
    campaign_id = await live.draft(numbers(1))
    position = (await feed(live).after(BEGINNING)).position
    async with live.app.database.transaction() as late:
        await late.fetchval("SELECT pg_current_xact_id()")
        await live.app.campaigns.schedule(campaign_id, datetime.now(UTC) + timedelta(hours=1))
        held_back = await feed(live).after(position)
    page = await feed(live).after(position)

    assert held_back.at_end
    assert [event.kind for event in page.events] == ["campaign.scheduled"]


async def test_virtual_runs_write_no_events(bench: Bench) -> None:
    campaign_id = await bench.completed(numbers(5), carrier=ALL_BUSY)

    assert (await bench.progress(campaign_id)).attempts == 15
    async with bench.app.database.connection() as connection:
        assert await connection.fetchval("SELECT count(*) FROM event") == 0


async def test_a_page_looks_at_so_many_events_and_goes_on_after_the_last_of_them(live: Bench) -> None:
    mine, other = await live.draft([]), await live.draft([])
    start = (await feed(live).after(BEGINNING)).position
    for campaign_id in (other, other, mine, other, other):
        await write(live, campaign_id, datetime.now(UTC))

    first = await feed(live, mine).after(start, limit=2)
    second = await feed(live, mine).after(first.position, limit=2)
    third = await feed(live, mine).after(second.position, limit=2)
    last = await feed(live, mine).after(third.position, limit=2)

    assert [len(page.events) for page in (first, second, third, last)] == [0, 1, 0, 0]
    assert [page.at_end for page in (first, second, third, last)] == [False, False, False, True]


async def test_events_of_another_organization_are_not_in_the_feed(live: Bench, open_bench: OpenBench) -> None:
    other = await open_bench(live.app.clock, organization="other")
    campaign_id = await other.draft([])

    assert (await feed(live).after(BEGINNING)).at_end
    assert await kinds(live, campaign_id) == []


async def test_what_is_old_is_forgotten_and_readers_from_before_then_are_told(
    live: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events_module, "PURGED_AT_ONCE", 3)
    now = datetime.now(UTC)
    old, young = now - timedelta(days=2), now - timedelta(hours=1)
    campaign_id = await live.draft([])
    async with live.app.database.connection() as connection:
        await connection.execute("DELETE FROM event")
    await write(live, campaign_id, *[old] * 7, young, young)
    events = await told(live, campaign_id)

    purged = await purge_events(live.app.database, live.app.organization_id, now - timedelta(days=1))
    again = await purge_events(live.app.database, live.app.organization_id, now - timedelta(days=1))

    assert (purged, again) == (7, 0)
    assert await told(live, campaign_id) == events[7:]
    assert [await feed(live).keeps(event.position) for event in events] == [False] * 6 + [True] * 3
    assert not await feed(live).keeps(BEGINNING)


async def test_a_feed_that_was_never_purged_keeps_everything_and_knows_no_future(live: Bench) -> None:
    now = await feed(live).now()

    assert await feed(live).keeps(BEGINNING)
    assert await feed(live).keeps(now)
    assert not await feed(live).keeps(Position(now.transaction_id + 1000, 1))
