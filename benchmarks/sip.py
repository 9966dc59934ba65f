"""300 calls at once with audio for a minute, against sipp, which sends back what it hears: none may be lost."""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
import time
import wave
from array import array
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID, uuid4

from benchmarks.figures import Figure, figure, quantile
from dialplane.carriers.sip.carrier import SipCarrier
from dialplane.carriers.sip.trunk import Trunk
from dialplane.clocks import RealClock
from dialplane.core.attempt import Order
from dialplane.files import open_files
from dialplane.ports import Answered, CallEvent, Ended, HungUp, Line

CALLS, STARTS_PER_SECOND, SECONDS = 300, 25, 60
SCENARIO = Path(__file__).parents[1] / "tests" / "sip" / "scenarios" / "answer.xml"
TEXT = "This is a benchmark, and it goes on for a while, so that there is something to hear. "
PORT, MEDIA_PORT = 15060, 16000
LOUD = 300  # of 32,767: speech, and not the silence between words


async def measure() -> list[Figure]:
    if shutil.which("sipp") is None or shutil.which("flite") is None:
        return [figure("sip_calls", 0, "calls", target=f"{CALLS}: sipp and flite are not installed", met=False)]
    folder = Path(tempfile.mkdtemp(prefix="dp-bench-", dir="/tmp"))
    try:
        async with callees():
            return await Calls(folder).run()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@asynccontextmanager
async def callees() -> AsyncIterator[None]:
    command = (
        "sipp",
        "-sf",
        str(SCENARIO),
        "-i",
        "127.0.0.1",
        "-p",
        str(PORT),
        "-mi",
        "127.0.0.1",
        "-mp",
        str(MEDIA_PORT),
    )
    process = await asyncio.create_subprocess_exec(
        *command,
        "-rtp_echo",
        "-nostdin",
        "-key",
        "contact",
        "",
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        await asyncio.sleep(0.5)
        yield
    finally:
        process.kill()
        await process.wait()


class Calls:
    def __init__(self, folder: Path) -> None:
        self._folder = folder
        settings = {"host": "127.0.0.1", "port": PORT, "local_address": "127.0.0.1", "probe": False}
        self._carrier = SipCarrier(Trunk.from_settings(settings), settings, RealClock(), open_files(None, folder))
        self._carrier.listen(self._hear)
        self._talks: set[asyncio.Task[None]] = set()
        self._answered: dict[UUID, datetime] = {}
        self._ended: dict[UUID, Ended] = {}

    async def run(self) -> list[Figure]:
        setups = []
        for number in range(CALLS):
            began = time.perf_counter()
            placing = asyncio.create_task(self._place(number, setups))
            self._talks.add(placing)
            await asyncio.sleep(max(0.0, 1 / STARTS_PER_SECOND - (time.perf_counter() - began)))
        async with asyncio.timeout(30):
            while len(self._answered) < CALLS:
                await asyncio.sleep(0.1)
        before, at = _processor_seconds(), time.perf_counter()
        await asyncio.sleep(SECONDS)
        busy = (_processor_seconds() - before) / (time.perf_counter() - at)
        phones = len(_phones())
        up = CALLS - len(self._ended)
        for attempt_uuid in list(self._answered):
            await self._carrier.hang_up(attempt_uuid)
        async with asyncio.timeout(60):
            while len(self._ended) < CALLS:
                await asyncio.sleep(0.1)
        await self._carrier.close()
        heard = [heard_back(self._folder / end.recording) for end in self._ended.values() if end.recording]
        return [
            figure("sip_calls", up, "calls", baseline=CALLS, target=f"{CALLS} after {SECONDS} s", met=up == CALLS),
            figure("sip_processes", phones, "processes", target="reported"),
            figure("sip_processor", busy * 100, "% of a core, all SIP processes", target="reported"),
            figure("sip_setup_p99", quantile(setups, 0.99) * 1000, "ms", target="reported"),
            figure("sip_recordings", len(heard), "files", baseline=CALLS, target=f"{CALLS}", met=len(heard) == CALLS),
            figure(
                "sip_heard_back",
                quantile(heard, 0.01) * 100,
                "% of what was said, worst hundredth",
                target=">= 95 %",
                met=quantile(heard, 0.01) >= 0.95,
            ),
        ]

    async def _place(self, number: int, setups: list[float]) -> None:
        now = datetime.now(UTC)
        order = Order(
            organization_id=1, campaign_id=1, attempt_id=number + 1, attempt_uuid=uuid4(), contact_id=1,
            number=1, carrier_id=1, to_number=f"+1212{2_000_000 + number}", from_number="+12125550100", agent_id=1,
            agent_version=1, variables={}, send_at=now, send_before=now + timedelta(seconds=60),
        )  # fmt: skip
        began = time.perf_counter()
        await self._carrier.place(order)
        setups.append(time.perf_counter() - began)

    def _hear(self, event: CallEvent) -> None:
        if isinstance(event, Answered):
            self._answered[event.attempt_uuid] = event.at
            assert event.line is not None
            talk = asyncio.get_running_loop().create_task(_talk(event.line))
            self._talks.add(talk)
        elif isinstance(event, Ended):
            self._ended[event.attempt_uuid] = event


async def _talk(line: Line) -> None:
    try:
        while True:
            await line.say(TEXT)
    except HungUp:
        return


def heard_back(recording: Path) -> float:
    """Of the tenths of a second in which we spoke, those in which it came back within half a second."""
    with wave.open(str(recording)) as file:
        samples = array("h", file.readframes(file.getnframes()))
    ours, theirs = samples[0::2], samples[1::2]
    tenth = 800
    loud = [
        [max(map(abs, side[at : at + tenth]), default=0) > LOUD for at in range(0, len(ours) - tenth, tenth)]
        for side in (ours, theirs)
    ]
    said = [place for place, is_loud in enumerate(loud[0][:-6]) if is_loud]
    return sum(any(loud[1][place : place + 6]) for place in said) / max(1, len(said))


def _phones() -> list[int]:
    """Process ids of the SIP processes that this one has."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and b"carriers.sip.phone" in _read(entry / "cmdline"):
            parent = _read(entry / "stat").rpartition(b")")[2].split()[1:2]
            if parent == [str(os.getpid()).encode()]:
                found.append(int(entry.name))
    return found


def _processor_seconds() -> float:
    ticks = 0
    for pid in _phones():
        fields = _read(Path(f"/proc/{pid}/stat")).rpartition(b")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""
