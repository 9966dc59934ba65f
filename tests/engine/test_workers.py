"""What workers do when something comes between: intents taken back, locks taken, workers that died."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
import structlog
from bench import ALL_ANSWER, START, Bench, OpenBench, numbers
from checks import every_place_has_one_end, no_attempt_is_placed_twice

from dialplane.clocks import RealClock, VirtualClock
from dialplane.core.attempt import Order
from dialplane.engine import catalog
from dialplane.engine.calls import Calls
from dialplane.engine.dispatcher import Dispatcher
from dialplane.engine.orders import Orders
from dialplane.store.postgres import rows, sql

pytestmark = pytest.mark.asyncio

DEAD = UUID(int=0xDEAD)
ANSWERED, NO_TRACE = "+15005550006", "+15005550017"


class Hand:
    """A worker whose steps are taken one by one."""

    def __init__(self, bench: Bench, worker_id: UUID | None = None) -> None:
        app = bench.app
        self.bench = bench
        self.id = worker_id or uuid4()
        self.wake = asyncio.Event()
        self.dispatcher = Dispatcher(app.database, app.clock, self.id)
        self.calls = Calls(app.database, app.clock, self.id, app.carriers, app.agents, self.wake)
        self.orders = Orders(app.database, app.clock, self.id, self.calls, app.screening, self.wake)
        app.carriers.listen(self.calls.receive)

    async def intends(self, room: int = 100) -> list[Order]:
        """Orders of one turn."""
        result = await self.dispatcher.turn(self.bench.app.organization_id, [], room)
        assert result is not None
        return list(result.orders)

    async def sends(self, orders: list[Order]) -> None:
        """All that is spawned for it comes to its end; in virtual time no alarm rings."""
        self.orders.add(orders, timedelta(0))
        self.orders.send_due()
        stop = asyncio.Event()
        self.bench.app.clock.spawn(_nothing())
        stop.set()
        await self.bench.app.clock.wait(stop, None)


async def _nothing() -> None:
    return


async def attempts(bench: Bench) -> list[Mapping[str, Any]]:
    async with bench.app.database.connection() as connection:
        return list(await connection.fetch("SELECT * FROM attempt ORDER BY id"))


# --- the guard ------------------------------------------------------------------------------------


async def test_an_intent_that_was_sent_in_time_is_placed(bench: Bench) -> None:
    campaign = await bench.started(numbers(2), carrier=ALL_ANSWER | {"cps": None})
    hand = Hand(bench)

    await hand.sends(await hand.intends())

    assert await bench.placed(campaign) == numbers(2)


async def test_an_intent_that_has_not_passed_the_guard_cannot_be_marked_as_a_call(bench: Bench) -> None:
    await bench.started(numbers(1), carrier=ALL_ANSWER)
    (order,) = await Hand(bench).intends()

    async with bench.app.database.connection() as connection:
        await sql.mark(
            connection,
            organization_id=order.organization_id,
            ids=[order.attempt_id],
            states=["placed"],
            carrier_call_ids=["c"],
            placed_ats=[bench.now],
            ringing_ats=[None],
            answered_ats=[None],
            deadlines=[bench.now],
            tell=False,
        )

    assert [(row["state"], row["placed_at"]) for row in await attempts(bench)] == [("intended", None)]


@pytest.mark.parametrize("command", ["pause", "cancel", "fail", "remove", "do_not_call"])
async def test_an_intent_that_was_taken_back_is_not_sent(bench: Bench, command: str) -> None:
    campaign = await bench.started(numbers(2), carrier=ALL_ANSWER | {"cps": None})
    hand = Hand(bench)
    orders = await hand.intends()
    assert len(orders) == 2

    app = bench.app
    await {
        "pause": lambda: app.campaigns.pause(campaign),
        "cancel": lambda: app.campaigns.cancel(campaign),
        "fail": lambda: app.campaigns.fail(campaign, "gone"),
        "remove": lambda: app.contacts.remove(campaign, numbers(2)),
        "do_not_call": lambda: app.contacts.do_not_call(numbers(2), source="hand"),
    }[command]()
    await hand.sends(orders)

    assert await bench.log(campaign) == []
    assert await attempts(bench) == []
    contact = await bench.contact(campaign, numbers(1)[0])
    assert contact["attempts"] == 0
    assert contact["state"] == ("removed" if command == "remove" else "waiting")


async def test_an_intent_past_its_hour_is_never_sent_and_its_contact_is_called_later(bench: Bench) -> None:
    campaign = await bench.started(numbers(1), carrier=ALL_ANSWER)
    hand = Hand(bench)
    orders = await hand.intends()
    assert isinstance(bench.app.clock, VirtualClock)

    bench.app.clock.advance(orders[0].send_before - bench.now)
    await hand.sends(orders)

    assert await bench.log(campaign) == []
    await bench.run(campaign)
    assert await bench.placed(campaign) == numbers(1)
    assert (await bench.contact(campaign, numbers(1)[0]))["attempts"] == 1


async def test_an_intent_goes_out_before_the_window_closes_or_not_at_all(bench: Bench) -> None:
    from dialplane.core.window import CallingWindow

    campaign = await bench.draft(numbers(1), carrier=ALL_ANSWER, window=CallingWindow.parse("daily 08:00-09:01", "UTC"))
    assert isinstance(bench.app.clock, VirtualClock)
    bench.app.clock.advance(timedelta(seconds=59.5))
    await bench.app.campaigns.start(campaign)
    hand = Hand(bench)
    (order,) = await hand.intends()
    assert order.send_before == START + timedelta(seconds=60)

    bench.app.clock.advance(timedelta(seconds=0.5))
    await hand.sends([order])

    assert await bench.log(campaign) == []


async def test_of_two_workers_with_one_order_one_sends_it(open_bench: OpenBench) -> None:
    one, two = await open_bench(RealClock()), await open_bench(RealClock())
    campaign = await one.started(numbers(50), carrier=ALL_ANSWER | {"cps": None})
    first, second = Hand(one), Hand(two)
    orders = await first.intends()
    assert len(orders) == 50

    await asyncio.gather(
        *[
            hand.orders._guard(one.app.organization_id, [order.attempt_id for order in orders])
            for hand in (first, second)
        ],
    )
    found = await asyncio.gather(
        *[
            hand.orders._guard(one.app.organization_id, [order.attempt_id for order in orders])
            for hand in (first, second)
        ]
    )

    assert found == [{}, {}], "who has passed once passes no more"
    sent = await attempts(one)
    assert {row["state"] for row in sent} == {"sending"}
    assert {row["worker_id"] for row in sent} <= {first.id, second.id}
    assert await one.log(campaign) == []


async def test_two_workers_that_race_for_the_guard_never_both_pass(open_bench: OpenBench) -> None:
    one, two = await open_bench(RealClock()), await open_bench(RealClock())
    await one.started(numbers(50), carrier=ALL_ANSWER | {"cps": None})
    hands = [Hand(one), Hand(two)]
    ids = [order.attempt_id for order in await hands[0].intends()]

    halves = await asyncio.gather(
        *[hand.orders._guard(one.app.organization_id, ids[at::5]) for at in range(5) for hand in hands]
    )

    passed = [attempt_id for half in halves for attempt_id in half]
    assert sorted(passed) == sorted(ids)


async def test_two_workers_with_the_same_orders_place_each_once(open_bench: OpenBench) -> None:
    one, two = await open_bench(RealClock()), await open_bench(RealClock())
    campaign = await one.started(numbers(50), carrier=ALL_ANSWER | {"cps": None})
    hands = [Hand(one), Hand(two)]
    orders = await hands[0].intends()

    await asyncio.gather(*[hand.orders._send(one.app.organization_id, _due(orders)) for hand in hands])
    await asyncio.sleep(0.2)

    log = await one.log(campaign)
    no_attempt_is_placed_twice(log)
    assert sum(line.event == "place" for line in log) == 50


def _due(orders: list[Order]) -> dict[int, Any]:
    return {order.attempt_id: (order.send_at, order) for order in orders}


# --- the organization's lock ----------------------------------------------------------------------


@asynccontextmanager
async def locked(bench: Bench) -> AsyncIterator[None]:
    """Another session holds the organization."""
    async with bench.app.database.transaction() as connection:
        assert await sql.lock_organization(connection, organization_id=bench.app.organization_id, now=None) is not None
        yield


async def test_a_turn_does_not_wait_for_an_organization_that_is_taken(bench: Bench) -> None:
    await bench.started(numbers(5), carrier=ALL_ANSWER)
    hand = Hand(bench)

    async with locked(bench), asyncio.timeout(1):
        result = await hand.dispatcher.turn(bench.app.organization_id, [], 100)

    assert result is None
    assert await attempts(bench) == []


async def test_ended_calls_are_settled_while_the_organization_is_taken(bench: Bench) -> None:
    from dialplane.core.attempt import Outcome
    from dialplane.core.disposition import Disposition
    from dialplane.engine.outcomes import EndedCall, Fault

    campaign = await bench.started(numbers(2), carrier=ALL_ANSWER | {"cps": None})
    hand = Hand(bench)
    orders = await hand.intends()
    await hand.orders._guard(bench.app.organization_id, [order.attempt_id for order in orders])
    ended = [
        EndedCall(
            organization_id=order.organization_id,
            attempt_id=order.attempt_id,
            outcome=Outcome(disposition=disposition, ended_at=bench.now),
            spent=True,
        )
        for order, disposition in zip(orders, (Disposition.ANSWERED, Disposition.CARRIER_FAILED), strict=True)
    ]

    async with locked(bench), asyncio.timeout(1):
        faults = await hand.dispatcher.settle_alone(bench.app.organization_id, [*ended, *ended])
        again = await hand.dispatcher.settle_alone(bench.app.organization_id, ended)

    assert faults == {Fault(campaign, orders[0].carrier_id)}
    assert again == set()
    progress = await bench.progress(campaign)
    assert (progress.attempts, progress.reached, progress.exhausted) == (2, 1, 1)
    assert progress.dispositions == {"answered": 1, "carrier_failed": 1}


async def test_an_import_does_not_stop_the_dialling_of_its_organization(bench: Bench) -> None:
    """A foreign key takes a key-share lock on the organization's row, which a turn does not mind."""
    await bench.started(numbers(5), carrier=ALL_ANSWER | {"cps": None})
    hand = Hand(bench)

    async with bench.app.database.transaction() as connection:
        await connection.execute(
            "INSERT INTO do_not_call (organization_id, to_number, source, created_at) VALUES ($1, '+1', 'hand', $2)",
            bench.app.organization_id,
            bench.now,
        )
        orders = await hand.intends()

    assert len(orders) == 5


async def test_a_turn_without_room_settles_and_leaves_the_rest_to_others(bench: Bench) -> None:
    await bench.started(numbers(5), carrier=ALL_ANSWER)
    hand = Hand(bench)

    assert await hand.intends(room=0) == []

    async with bench.app.database.connection() as connection:
        assert await connection.fetchval("SELECT next_turn_at FROM organization") == bench.now, (
            "another may come at once"
        )


async def test_a_turn_without_a_free_line_claims_nothing(bench: Bench) -> None:
    app = bench.app
    await bench.started(numbers(5), carrier=ALL_ANSWER | {"cps": None}, max_lines=3)
    await catalog.set_limits(app.database, app.organization_id, max_lines=2, cps=None)
    hand = Hand(bench)

    assert len(await hand.intends()) == 2
    assert await hand.intends() == []


# --- workers that died ----------------------------------------------------------------------------


async def abandoned(bench: Bench, *, placed: bool) -> Order:
    """An attempt that a worker left behind between the guard and the carrier, or after the carrier had accepted it."""
    hand = Hand(bench, DEAD)
    (order,) = await hand.intends(1)
    await hand.orders._guard(bench.app.organization_id, [order.attempt_id])
    if placed:
        carrier = await bench.app.carriers.get(order.organization_id, order.carrier_id)
        await carrier.place(order)
        await carrier.close()  # its alarms die with the process
        bench.app.carriers._open.clear()
    return order


async def test_a_call_that_was_certainly_never_placed_is_sent_again_under_its_id(bench: Bench) -> None:
    campaign = await bench.started([ANSWERED])
    order = await abandoned(bench, placed=False)

    await bench.run(campaign)

    log = await bench.log(campaign)
    places = [line for line in log if line.event == "place"]
    assert [(line.attempt_id, line.number) for line in places] == [(str(order.attempt_uuid), 1)]
    assert [line.result for line in log if line.event == "lookup"][:1] == ["never_placed"]
    sent_by = order.send_before + timedelta(seconds=order.limits.send_timeout_seconds)
    assert places[0].at > sent_by, "not before the worker that had it can no longer send it"
    (row,) = await attempts(bench)
    assert (row["uuid"], row["disposition"], row["worker_id"] == DEAD) == (order.attempt_uuid, "answered", False)


async def test_a_call_that_the_carrier_knows_is_adopted_and_not_dialled_again(bench: Bench) -> None:
    campaign = await bench.started([ANSWERED])
    order = await abandoned(bench, placed=True)

    await bench.run(campaign)

    log = await bench.log(campaign)
    no_attempt_is_placed_twice(log)
    every_place_has_one_end(log)
    assert await bench.placed(campaign) == [ANSWERED]
    (row,) = await bench.report(campaign)
    (end,) = [line for line in log if line.event == "end"]
    assert (row["attempt_id"], row["disposition"]) == (str(order.attempt_uuid), "answered")
    assert row["ended_at"] == end.at.isoformat(timespec="milliseconds")


@pytest.mark.parametrize("state", ["ringing", "answered"])
async def test_whether_a_call_was_abandoned_the_living_know_of_their_own_calls(bench: Bench, state: str) -> None:
    """Who answers when their worker is dead hears nobody; what that one had said before it died, nobody knows."""
    campaign = await bench.started([ANSWERED], carrier={"talk_seconds": 5})
    order = await abandoned(bench, placed=True)
    answered_at = bench.now if state == "answered" else None
    async with bench.app.database.connection() as connection:
        await connection.execute(
            "UPDATE attempt SET state = $2, answered_at = $3 WHERE id = $1", order.attempt_id, state, answered_at
        )

    await bench.run(campaign)

    (row,) = await attempts(bench)
    assert (row["disposition"], row["abandoned"]) == ("answered", True if state == "ringing" else None)


async def test_a_call_of_which_nobody_can_tell_is_unknown_and_not_dialled_again(bench: Bench) -> None:
    campaign = await bench.started([NO_TRACE])
    await abandoned(bench, placed=False)

    await bench.run(campaign)

    assert await bench.placed(campaign) == []
    (row,) = await bench.report(campaign)
    assert (row["disposition"], row["contact_state"]) == ("unknown", "exhausted")
    assert (await bench.contact(campaign, NO_TRACE))["spent"] == 1


@pytest.mark.parametrize("command", ["pause", "do_not_call", "remove"])
async def test_a_call_never_placed_is_not_sent_again_once_it_may_not_go_out(bench: Bench, command: str) -> None:
    campaign = await bench.started([ANSWERED], keep_open=True)
    await abandoned(bench, placed=False)
    app = bench.app
    await {
        "pause": lambda: app.campaigns.pause(campaign),
        "remove": lambda: app.contacts.remove(campaign, [ANSWERED]),
        "do_not_call": lambda: app.contacts.do_not_call([ANSWERED], source="hand"),
    }[command]()

    other = await bench.draft(numbers(1), carrier=ALL_ANSWER)
    await app.campaigns.start(other)
    await bench.run(campaign, other, until=START + timedelta(minutes=10))

    assert await bench.placed(campaign) == []
    (row, *_) = await attempts(bench)
    assert (row["disposition"], row["spent"]) == ("canceled", False)
    states = {"pause": "waiting", "remove": "removed", "do_not_call": "skipped"}
    assert (await bench.contact(campaign, ANSWERED))["state"] == states[command]


async def test_a_call_never_placed_is_not_sent_again_outside_its_window(bench: Bench) -> None:
    from dialplane.core.window import CallingWindow

    campaign = await bench.started([ANSWERED])
    await abandoned(bench, placed=False)
    record = await bench.get(campaign)
    evening = CallingWindow.parse("daily 20:00-21:00", "UTC")
    await bench.app.campaigns.change(campaign, replace(record.policies, window=evening))

    await bench.run(campaign)

    first = next(line for line in await bench.log(campaign) if line.event == "place")
    assert first.at == START.replace(hour=20)
    assert (await bench.contact(campaign, ANSWERED))["spent"] == 1


async def test_an_intent_of_a_dead_worker_is_taken_back_and_its_contact_called(bench: Bench) -> None:
    campaign = await bench.started(numbers(3), carrier=ALL_ANSWER | {"cps": None})
    assert len(await Hand(bench, DEAD).intends(2)) == 2

    await bench.run(campaign)

    assert sorted(await bench.placed(campaign)) == numbers(3)
    assert [row["number"] for row in await attempts(bench)] == [1, 1, 1]
    assert DEAD not in {row["worker_id"] for row in await attempts(bench)}


async def test_a_worker_that_goes_silent_in_real_time_loses_its_calls_to_another(live: Bench) -> None:
    """The dead one's heartbeat is set back by hand; its call is on the line in the carrier's log."""
    carrier = {"ring_seconds": 0.1, "talk_seconds": 0.5}
    campaign = await live.started([ANSWERED], carrier=carrier)
    order = await abandoned(live, placed=True)
    async with live.app.database.connection() as connection:
        await sql.beat(connection, worker_id=DEAD, host="h", pid=1, address=None, now=START)
        assert DEAD not in {r["id"] for r in await rows(sql.live_workers(connection, silent=timedelta(seconds=5)))}

    async with live.working():
        await live.wait_until_ended(campaign)

    assert await live.placed(campaign) == [ANSWERED]
    (row,) = await live.report(campaign)
    assert (row["attempt_id"], row["disposition"]) == (str(order.attempt_uuid), "answered")


async def test_a_call_with_which_nothing_can_be_done_does_not_hold_up_the_others(live: Bench) -> None:
    campaign = await live.started([ANSWERED, *numbers(1)], carrier={**ALL_ANSWER, "talk_seconds": 0.1})
    hand = Hand(live, DEAD)
    first, second = sorted(await hand.intends(2), key=lambda order: order.attempt_id)
    await hand.orders._guard(live.app.organization_id, [first.attempt_id, second.attempt_id])
    async with live.app.database.connection() as connection:
        await connection.execute(
            "UPDATE attempt SET sent_at = NULL, deadline_at = created_at WHERE id = $1", first.attempt_id
        )

    async def reached() -> bool:
        return (await live.contact(campaign, second.to_number))["state"] == "reached"

    with structlog.testing.capture_logs() as entries:
        async with live.working():
            await live.wait_for(reached)
            assert (await live.contact(campaign, first.to_number))["state"] == "dialing"

    failures = [entry for entry in entries if entry["log_level"] == "error"]
    assert {(entry["event"], entry["attempt_id"]) for entry in failures} == {
        ("attempt.not_reconciled", first.attempt_id)
    }


async def test_a_worker_that_lives_keeps_its_calls(live: Bench) -> None:
    campaign = await live.started([ANSWERED], carrier={"ring_seconds": 1, "talk_seconds": 1})
    await abandoned(live, placed=True)
    async with live.app.database.connection() as connection:
        await sql.beat(connection, worker_id=DEAD, host="h", pid=1, address=None, now=None)

    async with live.working():
        await asyncio.sleep(1.5)

    assert not [line for line in await live.log(campaign) if line.event == "lookup"]
    (row,) = await attempts(live)
    assert row["worker_id"] == DEAD


async def test_stopping_a_worker_ends_its_calls_first_and_leaves_the_rest(live: Bench) -> None:
    carrier = ALL_ANSWER | {"ring_seconds": 0.1, "talk_seconds": 0.3, "cps": None}
    campaign = await live.started(numbers(20), carrier=carrier, max_lines=5)

    async with live.working():

        async def begun() -> bool:
            return len(await live.placed(campaign)) >= 5

        await live.wait_for(begun)

    log = await live.log(campaign)
    every_place_has_one_end(log)
    progress = await live.progress(campaign)
    assert progress.dialing == 0
    assert progress.reached == progress.attempts == sum(line.event == "place" for line in log)
    assert await live.state(campaign) == "running"

    async with live.working():
        await live.wait_until_ended(campaign)
    assert sorted(await live.placed(campaign)) == numbers(20)


async def test_the_server_looks_again_at_tables_that_have_grown_under_its_plans(bench: Bench) -> None:
    async with bench.app.database.connection() as connection:
        await connection.execute("ANALYZE attempt")
        assert await sql.attempts_estimated(connection) == 0

    await bench.completed(numbers(150), carrier=ALL_ANSWER)

    async with bench.app.database.connection() as connection:
        assert await sql.attempts_estimated(connection) >= 100
