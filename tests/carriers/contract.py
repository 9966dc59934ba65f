"""What every carrier promises the engine. A suite subclasses CarrierContract and says how to arrange a call."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar, Protocol
from uuid import UUID, uuid4

import pytest

from dialplane.core.attempt import Order
from dialplane.core.disposition import Disposition
from dialplane.errors import CarrierRefused, CarrierUnavailable, PlacementUnknown
from dialplane.ports import Answered, CallEvent, Carrier, Ended, Lookup, Ringing

PAGE = Path(__file__).parents[2] / "docs" / "carriers.md"
# Rows of its table: what each carrier declares.
ACCEPTED, UNANSWERED, NEVER_SENT, SENT_TWICE = (
    "a call that was accepted",
    "a call of which no answer came",
    "a call that was never placed",
    "the same call, asked for by two workers",
)


@dataclass
class Heard:
    """Everything a carrier told its listener, in the order in which it was told."""

    events: list[CallEvent] = field(default_factory=list)

    def __call__(self, event: CallEvent) -> None:
        self.events.append(event)

    def of(self, order: Order) -> list[CallEvent]:
        return [event for event in self.events if event.attempt_uuid == order.attempt_uuid]

    def once(self, order: Order) -> list[CallEvent]:
        """Without what was said before in the same words."""
        return list(dict.fromkeys(self.of(order)))

    def kinds(self, order: Order) -> list[str]:
        return [type(event).__name__ for event in self.of(order)]

    def end(self, order: Order) -> Ended:
        ends = [event for event in self.of(order) if isinstance(event, Ended)]
        assert ends, f"no end was told of {order.to_number}"
        return ends[0]


def order_to(to_number: str, *, at: datetime, number: int = 1, campaign_id: int = 7, uuid: UUID | None = None) -> Order:
    return Order(
        organization_id=1,
        campaign_id=campaign_id,
        attempt_id=1,
        attempt_uuid=uuid or uuid4(),
        contact_id=42,
        number=number,
        carrier_id=3,
        to_number=to_number,
        from_number="+14155550000",
        agent_id=1,
        agent_version=1,
        variables={},
        send_at=at,
        send_before=at + timedelta(days=1),
    )


def declared(provider: str, row: str) -> str:
    """What docs/carriers.md says in the column of this carrier, up to the first comma or semicolon.

    "known, from its log" -> "known"
    """
    lines = PAGE.read_text(encoding="utf-8").splitlines()
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    (column,) = [cells.index(f"`{provider}`") for cells in rows if f"`{provider}`" in cells[1:]]
    (found,) = [cells[column] for cells in rows if cells[0] == row]
    return found.replace(";", ",").partition(",")[0]


def declared_lookup(provider: str, row: str) -> Lookup:
    return Lookup(declared(provider, row).replace(" ", "_"))


class Stage(Protocol):
    """One carrier of one worker with its listener, and calls arranged by what becomes of them."""

    carrier: Carrier
    heard: Heard

    def order(self, outcome: Disposition) -> Order:
        """An order that ends that way; refusals included."""

    def unanswered(self) -> Order:
        """One that the carrier accepts, whereupon its answer is lost on the way. The person takes the call."""

    def told_twice(self) -> Order:
        """One that a person takes, and of which everything is told twice."""

    def told_backwards(self) -> Order:
        """One that nobody takes, and whose end is told first, then what was before it."""

    def accepted(self, order: Order) -> int:
        """How many calls there are of it, by the carrier's own account."""

    async def vanish(self) -> None:
        """From now on nobody reaches the carrier."""

    async def successor(self) -> Stage:
        """Of another worker, who is told of calls from now on; ours has died, with everything that it had started."""

    async def run(self, seconds: float) -> None:
        """Let that much of the carrier's time pass."""

    async def run_until_over(self) -> None:
        """Let time pass until every call of this stage has ended."""


class Live:
    """The part of a Stage whose time is the machine's. It hangs up on whoever answers.

    made: orders of this stage, placed or not. A while of the contract's is one in which all on this machine happens.
    """

    made: list[Order]
    heard: Heard

    def accepted(self, order: Order) -> int:
        raise NotImplementedError

    async def run(self, seconds: float) -> None:
        await asyncio.sleep(min(seconds, 0.3))

    async def run_until_over(self) -> None:
        left = {order.attempt_uuid: order for order in self.made if self.accepted(order)}
        give_up_at = time.monotonic() + 15
        while left := {uuid: order for uuid, order in left.items() if "Ended" not in self.heard.kinds(order)}:
            assert time.monotonic() < give_up_at, f"no end was told of {[order.to_number for order in left.values()]}"
            lines = {event.attempt_uuid: event.line for event in self.heard.events if isinstance(event, Answered)}
            for line in [lines[uuid] for uuid in left if lines.get(uuid) is not None]:
                assert line is not None
                await line.hang_up()
            await asyncio.sleep(0.02)


class CarrierContract:
    """Subclasses give a fixture `stage`, and what their carrier declares.

    leaves_out: names of tests that cannot be arranged for it, and why. no_doubt: why a lost answer leaves none about
    whether the call was placed. hands_on: why the listener hears what the carrier tells as it comes, and as often.
    """

    provider: ClassVar[str]  # its column in docs/carriers.md
    leaves_out: ClassVar[Mapping[str, str]] = {}
    no_doubt: ClassVar[str] = ""
    hands_on: ClassVar[str] = ""

    def __init_subclass__(cls, **more: Any) -> None:
        super().__init_subclass__(**more)
        for name, why in cls.leaves_out.items():
            assert name in vars(CarrierContract) and why, f"{name} is no test of the contract, or there is no reason"
            setattr(cls, name, None)

    @pytest.mark.asyncio
    async def test_a_carrier_that_can_be_reached_passes_its_probe(self, stage: Stage) -> None:
        assert await stage.carrier.probe() is None

    @pytest.mark.asyncio
    async def test_an_accepted_call_gets_an_id_of_its_own(self, stage: Stage) -> None:
        ids = {await stage.carrier.place(stage.order(Disposition.BUSY)) for _ in range(3)}

        assert len(ids) == 3 and all(ids)

    @pytest.mark.asyncio
    async def test_busy_is_a_result_and_no_error(self, stage: Stage) -> None:
        order = stage.order(Disposition.BUSY)

        await stage.carrier.place(order)
        await stage.run_until_over()

        end = stage.heard.end(order)
        assert (end.disposition, end.sip_status, end.answered_at) == (Disposition.BUSY, 486, None)

    @pytest.mark.asyncio
    async def test_nothing_is_told_before_place_has_returned(self, stage: Stage) -> None:
        order = stage.order(Disposition.ANSWERED)

        await stage.carrier.place(order)

        assert stage.heard.of(order) == []

    @pytest.mark.asyncio
    async def test_the_end_of_an_answered_call_repeats_its_instants(self, stage: Stage) -> None:
        order = stage.order(Disposition.ANSWERED)

        await stage.carrier.place(order)
        await stage.run_until_over()

        ringing, answered, end = stage.heard.of(order)
        assert isinstance(ringing, Ringing) and isinstance(answered, Answered) and isinstance(end, Ended)
        assert end.disposition is Disposition.ANSWERED
        assert end.placed_at is not None and end.placed_at <= ringing.at <= answered.at <= end.at
        assert (end.ringing_at, end.answered_at) == (ringing.at, answered.at)

    @pytest.mark.asyncio
    async def test_a_person_comes_with_a_line_and_a_machine_without(self, stage: Stage) -> None:
        person, machine = stage.order(Disposition.ANSWERED), stage.order(Disposition.VOICEMAIL)

        await stage.carrier.place(person)
        await stage.carrier.place(machine)
        await stage.run_until_over()

        lines = {event.attempt_uuid: event.line for event in stage.heard.events if isinstance(event, Answered)}
        assert lines[person.attempt_uuid] is not None
        assert lines[machine.attempt_uuid] is None
        assert stage.heard.end(machine).disposition is Disposition.VOICEMAIL

    @pytest.mark.asyncio
    @pytest.mark.parametrize("refusal", [Disposition.RATE_LIMITED, Disposition.CAPACITY])
    async def test_a_refused_call_names_its_reason_and_has_no_events(self, stage: Stage, refusal: Disposition) -> None:
        order = stage.order(refusal)

        with pytest.raises(CarrierRefused) as refused:
            await stage.carrier.place(order)
        await stage.run(60)

        assert refused.value.disposition is refusal
        assert stage.heard.of(order) == []

    @pytest.mark.asyncio
    async def test_a_call_that_was_looked_up_tells_its_past_again(self, stage: Stage) -> None:
        order = stage.order(Disposition.BUSY)
        await stage.carrier.place(order)
        await stage.run_until_over()
        stage.heard.events.clear()

        assert await stage.carrier.lookup(order) is Lookup.KNOWN
        await stage.run_until_over()

        assert stage.heard.end(order).disposition is Disposition.BUSY

    @pytest.mark.asyncio
    async def test_hanging_up_before_the_answer_cancels(self, stage: Stage) -> None:
        order = stage.order(Disposition.ANSWERED)
        await stage.carrier.place(order)

        await stage.carrier.hang_up(order.attempt_uuid)
        await stage.run_until_over()

        assert stage.heard.end(order).disposition is Disposition.CANCELED

    @pytest.mark.asyncio
    async def test_hanging_up_a_call_that_nobody_knows_is_ignored(self, stage: Stage) -> None:
        await stage.carrier.hang_up(uuid4())

    @pytest.mark.asyncio
    async def test_who_asks_about_a_call_in_progress_is_told_of_it_from_then_on(self, stage: Stage) -> None:
        order = stage.order(Disposition.ANSWERED)
        await stage.carrier.place(order)

        assert await stage.carrier.lookup(order) is Lookup.KNOWN
        await stage.run_until_over()

        assert stage.heard.end(order).disposition is Disposition.ANSWERED

    @pytest.mark.asyncio
    async def test_a_call_that_is_hung_up_twice_and_after_its_end_ends_once(self, stage: Stage) -> None:
        order = stage.order(Disposition.ANSWERED)
        await stage.carrier.place(order)

        await stage.carrier.hang_up(order.attempt_uuid)
        await stage.carrier.hang_up(order.attempt_uuid)
        await stage.run_until_over()
        await stage.carrier.hang_up(order.attempt_uuid)
        await stage.run(0.3)

        assert stage.heard.kinds(order).count("Ended") == 1

    @pytest.mark.asyncio
    async def test_an_end_that_is_told_again_is_the_same(self, stage: Stage) -> None:
        order = stage.order(Disposition.BUSY)
        await stage.carrier.place(order)
        await stage.run_until_over()

        for _ in range(2):
            assert await stage.carrier.lookup(order) is Lookup.KNOWN
        await stage.run(0.3)

        ends = {event for event in stage.heard.of(order) if isinstance(event, Ended)}
        assert len(ends) == 1

    @pytest.mark.asyncio
    async def test_a_carrier_may_be_closed_with_a_call_in_progress_and_then_tells_nothing(self, stage: Stage) -> None:
        order = stage.order(Disposition.ANSWERED)
        await stage.carrier.place(order)
        await stage.carrier.close()
        stage.heard.events.clear()

        await stage.run(60)

        assert stage.heard.of(order) == []

    # --- the carrier is not there ----------------------------------------------------------------------------

    @pytest.mark.asyncio
    async def test_where_nobody_is_there_nothing_is_placed_and_nothing_told(self, stage: Stage) -> None:
        await stage.vanish()
        order = stage.order(Disposition.ANSWERED)

        with pytest.raises(CarrierUnavailable):
            await stage.carrier.place(order)
        await stage.run(60)

        assert stage.accepted(order) == 0 and stage.heard.of(order) == []

    @pytest.mark.asyncio
    async def test_where_nobody_is_there_to_be_asked_nothing_is_said(self, stage: Stage) -> None:
        order = await placed(stage, Disposition.BUSY)
        await stage.vanish()
        second = await stage.successor()

        with pytest.raises(CarrierUnavailable):
            await second.carrier.lookup(order)

    # --- nobody knows, for a while ---------------------------------------------------------------------------

    @pytest.mark.asyncio
    async def test_a_call_of_which_no_answer_came_is_one_call_and_its_end_is_told(self, stage: Stage) -> None:
        order = stage.unanswered()

        with in_doubt(self.no_doubt):
            await stage.carrier.place(order)
        answer = await stage.carrier.lookup(order)
        await stage.run_until_over()

        assert answer in (Lookup.KNOWN, Lookup.CANNOT_TELL)
        assert stage.heard.end(order).disposition is Disposition.ANSWERED
        assert stage.accepted(order) == 1

    @pytest.mark.asyncio
    async def test_an_order_that_comes_too_late_is_not_placed(self, stage: Stage) -> None:
        """Its sender was frozen on the way, and another worker may have sent it again."""
        order = stage.order(Disposition.ANSWERED)
        late = timedelta(seconds=order.limits.send_timeout_seconds + 1)

        with pytest.raises(CarrierUnavailable, match="too late"):
            await stage.carrier.place(replace(order, send_before=order.send_at - late))
        await stage.run(60)

        assert stage.accepted(order) == 0 and stage.heard.of(order) == []
        assert await stage.carrier.lookup(order) is declared_lookup(self.provider, NEVER_SENT)

    # --- what is told comes as it likes ----------------------------------------------------------------------

    @pytest.mark.asyncio
    async def test_what_is_told_twice_is_one_call_with_one_end(self, stage: Stage) -> None:
        order = stage.told_twice()

        await stage.carrier.place(order)
        await stage.run_until_over()
        await stage.run(0.3)

        told = stage.heard.once(order) if self.hands_on else stage.heard.of(order)
        assert [type(event) for event in told] == [Ringing, Answered, Ended]
        assert [event.at for event in told] == sorted(event.at for event in told)

    @pytest.mark.asyncio
    async def test_what_is_told_backwards_is_one_call_with_one_end(self, stage: Stage) -> None:
        order = stage.told_backwards()

        await stage.carrier.place(order)
        await stage.run_until_over()
        await stage.run(0.3)

        kinds, end = stage.heard.kinds(order), stage.heard.end(order)
        assert kinds.count("Ended") == 1 and kinds.count("Ringing") <= 1 and "Answered" not in kinds
        assert end.disposition in (Disposition.BUSY, Disposition.NO_ANSWER) and end.answered_at is None
        assert self.hands_on or kinds[-1] == "Ended"

    # --- another worker asks, after the death of the first ---------------------------------------------------

    @pytest.mark.asyncio
    async def test_of_an_accepted_call_another_worker_hears_what_is_declared(self, stage: Stage) -> None:
        order = await placed(stage, Disposition.ANSWERED)
        second = await stage.successor()

        answer = await second.carrier.lookup(order)

        assert answer is declared_lookup(self.provider, ACCEPTED)
        if answer is Lookup.KNOWN:
            await second.run_until_over()
            assert second.heard.kinds(order).count("Ended") == 1
        else:
            assert second.heard.of(order) == []

    @pytest.mark.asyncio
    async def test_of_a_call_without_an_answer_another_worker_hears_what_is_declared(self, stage: Stage) -> None:
        order = stage.unanswered()
        with in_doubt(self.no_doubt):
            await stage.carrier.place(order)
        second = await stage.successor()

        assert await second.carrier.lookup(order) is declared_lookup(self.provider, UNANSWERED)

    @pytest.mark.asyncio
    async def test_of_a_call_that_was_never_placed_another_worker_hears_what_is_declared(self, stage: Stage) -> None:
        second = await stage.successor()
        order = stage.order(Disposition.BUSY)

        assert await second.carrier.lookup(order) is declared_lookup(self.provider, NEVER_SENT)

    @pytest.mark.asyncio
    async def test_two_workers_with_the_same_order_make_as_many_calls_as_declared(self, stage: Stage) -> None:
        order = await placed(stage, Disposition.ANSWERED)
        second = await stage.successor()

        await second.carrier.place(order)
        await stage.run(0.3)

        assert stage.accepted(order) == {"one call": 1, "two calls": 2}[declared(self.provider, SENT_TWICE)]


async def placed(stage: Stage, outcome: Disposition) -> Order:
    """The order as other workers read it: with the carrier's own name of the call."""
    order = stage.order(outcome)
    return replace(order, carrier_call_id=await stage.carrier.place(order))


@contextmanager
def in_doubt(no_doubt: str) -> Iterator[None]:
    """A carrier that does not know whether it has placed a call says so, unless it has a reason why it does."""
    if no_doubt:
        yield
    else:
        with pytest.raises(PlacementUnknown):
            yield
