"""Carriers whose settings change while calls are in progress, by this process or by another one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, cast
from uuid import UUID, uuid4

import pytest
from bench import ALL_ANSWER, ALL_BUSY, Bench, OpenBench

from dialplane.clocks import RealClock
from dialplane.core.attempt import Order
from dialplane.core.disposition import Disposition
from dialplane.engine import adapters
from dialplane.engine.adapters import OpenCarrier
from dialplane.engine.contacts import LateContact
from dialplane.errors import CarrierRefused, PlacementUnknown
from dialplane.ports import CallEvent, CarrierLimits, Ended, Lookup

pytestmark = pytest.mark.asyncio
TALK = {"ring_seconds": [0.01, 0.02], "talk_seconds": [0.6, 0.6], "cps": None}
NOW = datetime(2025, 3, 3, 9, 0, tzinfo=UTC)


async def open_campaign(bench: Bench) -> tuple[int, int]:
    """(campaign, carrier): running, on a carrier on which everybody answers."""
    carrier = {"name": "Main", **TALK, **ALL_ANSWER}
    campaign_id = await bench.started([], carrier=carrier, keep_open=True)
    return campaign_id, (await bench.get(campaign_id)).carrier_id


async def call(bench: Bench, campaign_id: int, number: str) -> None:
    await bench.app.contacts.add(campaign_id, [LateContact(phone_number=number)])


async def test_a_call_in_progress_ends_as_it_began_and_the_next_one_has_the_new_settings(live: Bench) -> None:
    campaign_id, carrier_id = await open_campaign(live)

    async def answered() -> bool:
        return (await live.progress(campaign_id)).calls.get("answered") == 1

    async def both_ended() -> bool:
        return (await live.progress(campaign_id)).attempts == 2

    async with live.working():
        await call(live, campaign_id, "+12125550101")
        await live.wait_for(answered)
        await live.app.telephony.change(carrier_id, settings={**TALK, **ALL_BUSY})
        assert await live.app.telephony.readiness(carrier_id) is None  # looks at once
        await call(live, campaign_id, "+12125550102")
        await live.wait_for(both_ended)

    assert (await live.progress(campaign_id)).dispositions == {"answered": 1, "busy": 1}


async def test_another_process_notices_new_settings(open_bench: OpenBench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(adapters, "LOOK_EVERY_SECONDS", 0.05)
    here, elsewhere = await open_bench(RealClock()), await open_bench(RealClock())
    _, carrier_id = await open_campaign(here)
    key = (elsewhere.app.organization_id, carrier_id)
    opened = cast(OpenCarrier, await elsewhere.app.carriers.get(*key))
    assert opened.revision == 1

    await here.app.telephony.change(carrier_id, settings={**TALK, **ALL_BUSY})

    async def noticed() -> bool:
        return cast(OpenCarrier, await elsewhere.app.carriers.get(*key)).revision == 2

    await elsewhere.wait_for(noticed)


async def test_a_carrier_that_was_not_changed_is_not_opened_again(live: Bench) -> None:
    _, carrier_id = await open_campaign(live)
    opened = cast(OpenCarrier, await live.app.carriers.get(live.app.organization_id, carrier_id))

    await live.app.telephony.change(carrier_id, name="Renamed", limits={"max_lines": 3})
    again = cast(OpenCarrier, await live.app.carriers.get(live.app.organization_id, carrier_id, revision=1))

    assert again is opened
    assert again.revision == 1


# --- one carrier -----------------------------------------------------------------------------------------


@dataclass
class RecordedCarrier:
    """Accepts calls, and remembers what it was asked for."""

    refuses: Exception | None = None
    limits: CarrierLimits = field(default_factory=CarrierLimits)
    heard: list[str] = field(default_factory=list)
    tell: Callable[[CallEvent], None] = lambda _: None

    def listen(self, receive: Callable[[CallEvent], None]) -> None:
        self.tell = receive

    async def probe(self) -> str | None:
        return None

    async def place(self, order: Order) -> str:
        if self.refuses is not None:
            raise self.refuses
        return "call"

    async def lookup(self, order: Order) -> Lookup:
        self.heard.append("lookup")
        return Lookup.KNOWN

    async def hang_up(self, attempt_uuid: UUID) -> None:
        self.heard.append("hang up")

    async def close(self) -> None:
        self.heard.append("close")


def order() -> Order:
    return Order(
        organization_id=1,
        campaign_id=1,
        attempt_id=1,
        attempt_uuid=uuid4(),
        contact_id=1,
        number=1,
        carrier_id=1,
        to_number="+12125550101",
        from_number="+15005550100",
        agent_id=1,
        agent_version=1,
        variables={},
        send_at=NOW,
        send_before=NOW,
        limits=cast(Any, None),
    )


def replaced(old: RecordedCarrier, new: RecordedCarrier) -> tuple[OpenCarrier, list[CallEvent]]:
    events: list[CallEvent] = []
    carrier = OpenCarrier(events.append)
    carrier.replace(old, 1, now=0)
    return carrier, events


async def test_a_replaced_adapter_is_closed_once_its_last_call_has_ended() -> None:
    old, new, calling = RecordedCarrier(), RecordedCarrier(), order()
    carrier, events = replaced(old, new)
    await carrier.place(calling)
    carrier.replace(new, 2, now=0)

    await carrier.close_replaced(now=1)
    assert old.heard == []
    await carrier.hang_up(calling.attempt_uuid)
    await carrier.lookup(calling)
    ended = Ended(attempt_uuid=calling.attempt_uuid, at=NOW, disposition=Disposition.ANSWERED)
    old.tell(ended)
    await carrier.close_replaced(now=1)

    assert events == [ended]
    assert old.heard == ["hang up", "lookup", "close"]
    assert new.heard == ["hang up"]


@pytest.mark.parametrize(
    ("refusal", "closes"), [(CarrierRefused(Disposition.CAPACITY), True), (PlacementUnknown("no answer"), False)]
)
async def test_only_what_may_be_ringing_keeps_a_replaced_adapter_open(refusal: Exception, closes: bool) -> None:
    old, new = RecordedCarrier(refuses=refusal), RecordedCarrier()
    carrier, _ = replaced(old, new)
    with pytest.raises(type(refusal)):
        await carrier.place(order())
    carrier.replace(new, 2, now=0)

    await carrier.close_replaced(now=1)

    assert (old.heard == ["close"]) == closes


async def test_a_call_whose_end_never_comes_keeps_no_adapter_open_for_ever() -> None:
    old, new = RecordedCarrier(), RecordedCarrier()
    carrier, _ = replaced(old, new)
    await carrier.place(order())
    carrier.replace(new, 2, now=100)

    await carrier.close_replaced(now=100 + 5 + 60 + 3600 + 29)
    assert old.heard == []
    await carrier.close_replaced(now=100 + 5 + 60 + 3600 + 31)

    assert old.heard == ["close"]
