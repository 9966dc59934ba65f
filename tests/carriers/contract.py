"""What every carrier promises the engine. A suite subclasses CarrierContract and says how to arrange a call."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol
from uuid import UUID, uuid4

import pytest

from dialplane.core.attempt import Order
from dialplane.core.disposition import Disposition
from dialplane.errors import CarrierRefused
from dialplane.ports import Answered, CallEvent, Carrier, Ended, Lookup, Ringing


@dataclass
class Heard:
    """Everything a carrier told its listener, in the order in which it was told."""

    events: list[CallEvent] = field(default_factory=list)

    def __call__(self, event: CallEvent) -> None:
        self.events.append(event)

    def of(self, order: Order) -> list[CallEvent]:
        return [event for event in self.events if event.attempt_uuid == order.attempt_uuid]

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


class Stage(Protocol):
    """One carrier with its listener, and calls arranged by what becomes of them."""

    carrier: Carrier
    heard: Heard

    def order(self, outcome: Disposition) -> Order:
        """An order that ends that way; refusals included."""

    async def run(self, seconds: float) -> None:
        """Let that much of the carrier's time pass."""

    async def run_until_over(self) -> None:
        """Let time pass until every call of this stage has ended."""


class CarrierContract:
    """Subclasses give a fixture `stage`."""

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
        await stage.run(0.01)

        assert stage.heard.end(order).disposition is Disposition.BUSY

    @pytest.mark.asyncio
    async def test_a_call_that_was_not_placed_is_not_known(self, stage: Stage) -> None:
        assert await stage.carrier.lookup(stage.order(Disposition.BUSY)) is not Lookup.KNOWN

    @pytest.mark.asyncio
    async def test_hanging_up_before_the_answer_cancels(self, stage: Stage) -> None:
        order = stage.order(Disposition.ANSWERED)
        await stage.carrier.place(order)

        await stage.carrier.hang_up(order.attempt_uuid)
        await stage.run(0.01)

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
        await stage.run(0.3)
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
        await stage.run(0.01)

        ends = {event for event in stage.heard.of(order) if isinstance(event, Ended)}
        assert len(ends) == 1

    @pytest.mark.asyncio
    async def test_a_carrier_may_be_closed_with_a_call_in_progress_and_then_tells_nothing(self, stage: Stage) -> None:
        order = stage.order(Disposition.ANSWERED)
        await stage.carrier.place(order)
        await stage.carrier.close()
        stage.heard.events.clear()

        await stage.run_until_over()

        assert stage.heard.of(order) == []
