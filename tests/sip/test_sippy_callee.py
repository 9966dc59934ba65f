"""Calls to people whom another SIP stack plays: sippy, which knows nothing of ours nor of sipp."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from callees import HOST, needs_programs
from calls import until
from recordings import loudness, sides
from trunks import Stage

from dialplane.core.disposition import Disposition

PYTHON = Path(sys.prefix) / "clients" / "sippy" / "bin" / "python"
pytestmark = [
    needs_programs,
    pytest.mark.asyncio,
    pytest.mark.skipif(not PYTHON.exists(), reason="sippy is not installed: `make .venv/clients/sippy/.made` does it"),
]
TrunkTo = Callable[..., Stage]
CAUGHT = 500


@dataclass
class Callee:
    trunk: dict[str, Any] = field(default_factory=dict)
    told: list[dict[str, str]] = field(default_factory=list)

    def invited(self) -> list[str]:
        """Attempts, once for each INVITE that was no retransmission."""
        return [event["attempt"] for event in self.told if event["told"] == "invite"]


@asynccontextmanager
async def sippy_callee() -> AsyncIterator[Callee]:
    process = await asyncio.create_subprocess_exec(
        PYTHON,
        str(Path(__file__).with_name("sippy_callee.py")),
        HOST,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    assert process.stdout is not None
    made = Callee()
    port = json.loads(await process.stdout.readline())["port"]
    made.trunk = {"provider": "sip", "host": HOST, "port": port, "local_address": HOST, "slow_start": False}
    listening = asyncio.create_task(_listen(process.stdout, made))
    try:
        yield made
    finally:
        process.kill()
        await process.wait()
        await listening


async def _listen(lines: asyncio.StreamReader, callee: Callee) -> None:
    async for line in lines:
        callee.told.append(json.loads(line))


async def test_who_is_busy_and_who_hangs_up(trunk_to: TrunkTo) -> None:
    async with sippy_callee() as called:
        stage = trunk_to(called.trunk)
        assert await stage.carrier.probe() is None

        busy, gone = [await stage.placed(f"+141555501{number}") for number in ("01", "13")]
        ends = [await stage.end(order) for order in (busy, gone)]

        assert [(end.disposition, end.sip_status, end.cause) for end in ends] == [
            (Disposition.BUSY, 486, "486 Busy Here"),
            (Disposition.ANSWERED, None, "hung up by the person called"),
        ]
        assert called.invited() == [str(order.attempt_uuid) for order in (busy, gone)]


async def test_calls_at_once_have_sound_both_ways_and_are_hung_up_by_us(trunk_to: TrunkTo) -> None:
    async with sippy_callee() as called:
        stage = trunk_to(called.trunk)
        answered = await asyncio.gather(*(stage.answered(f"+141555502{number}") for number in range(20, 25)))

        await asyncio.gather(*(line.say("Hello, this is the clinic.") for _, line in answered))
        for _, line in answered:
            await line.hang_up()
        ends = [await stage.end(order) for order, _ in answered]
        await until(lambda: [event["told"] for event in called.told].count("over") == 5)

        assert {(end.disposition, end.cause) for end in ends} == {(Disposition.ANSWERED, "hung up by us")}
        assert sorted(called.invited()) == sorted(str(order.attempt_uuid) for order, _ in answered)
    for end in ends:
        assert min(map(loudness, sides(stage.folder / end.recording))) > CAUGHT
