"""A call is handed over by REFER: to a trunk that does it, one that reaches nobody, and one that does not want to."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
from callees import HOST, callee, header, needs_programs
from trunks import Stage

from dialplane.agents.scripted import ScriptedAgent
from dialplane.core.disposition import Disposition
from dialplane.ports import HungUp

pytestmark = [needs_programs, pytest.mark.asyncio]

DESK = "+14155550177"
AGENT = ScriptedAgent.from_definition(
    {
        "greeting": "Hello.",
        "steps": [{"say": "One moment.", "transfer": DESK, "failed": "Nobody is there."}],
        "goodbye": "Goodbye.",
    }
)
TrunkTo = Callable[..., Stage]


async def test_the_trunk_takes_the_call_over_and_ours_ends(trunk_to: TrunkTo) -> None:
    with callee("transfer", outcome="200 OK") as called:
        stage = trunk_to(called.trunk | {"number_format": "digits"})
        order, line = await stage.answered()

        conversation = await AGENT.talk(line, {})
        end = await stage.end(order, seconds=5)

        assert [each.text for each in conversation.transcript] == [
            "Hello.", "One moment.", f"[transferred to {DESK}]",
        ]  # fmt: skip
        assert (end.disposition, end.cause) == (Disposition.ANSWERED, "transferred to another number")
        assert end.recording
        (refer,) = called.received("REFER")
        assert header(refer, "Refer-To").strip("<>") == f"sip:{DESK[1:]}@{HOST}:{called.port}"
        assert len(called.wait_for("BYE")) == 1
        with pytest.raises(HungUp):
            await line.transfer(DESK)


@pytest.mark.parametrize(
    ("scenario", "keys"),
    [
        ("refuse_transfer", {"status": "603 Decline"}),
        ("refuse_transfer", {"status": "405 Method Not Allowed"}),
        ("transfer", {"outcome": "486 Busy Here"}),
    ],
)
async def test_where_that_fails_the_conversation_goes_on(
    trunk_to: TrunkTo, scenario: str, keys: dict[str, str]
) -> None:
    with callee(scenario, **keys) as called:
        stage = trunk_to(called.trunk)
        order, line = await stage.answered()

        conversation = await AGENT.talk(line, {})
        end = await stage.end(order)

        said = [each.text for each in conversation.transcript]
        assert said == ["Hello.", "One moment.", "Nobody is there.", "Goodbye."]
        assert (end.disposition, end.cause) == (Disposition.ANSWERED, "hung up by us")
        assert len(called.received("REFER")) == 1


async def test_who_hangs_up_before_has_not_been_handed_over(trunk_to: TrunkTo) -> None:
    with callee("hang_up", pause_ms=300) as called:
        stage = trunk_to(called.trunk)
        order, line = await stage.answered()
        await stage.end(order)
        began = time.monotonic()

        with pytest.raises(HungUp):
            await line.transfer(DESK)

        assert time.monotonic() - began < 1
        assert called.received("REFER") == []
