"""A call whose sound an agent takes, without the telephone network: our end of the wire, a mouth and an ear.

Its clock runs faster than real time: 20 ms pass every 2 ms, and agents count by it.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

from handset import Handset

from dialplane.agents.hosted import HostedCall
from dialplane.voice.sound import CallSound
from dialplane.voice.wire import Wire

TICK_SECONDS = 0.002
TO, FROM = "+14155550101", "+14155550100"


@dataclass
class Wired:
    """refuses: transfers fail. heard_at_end: how much had been heard when the agent hung up."""

    handset: Handset
    sound: CallSound
    call: HostedCall = field(init=False)
    said: list[tuple[str, str, float]] = field(default_factory=list)
    transferred: list[str] = field(default_factory=list)
    refuses: bool = False
    hung_up: bool = False
    heard_at_end: int = 0

    async def transfer(self, to: str) -> bool:
        self.transferred.append(to)
        if not self.refuses:
            self.sound.close()
        return not self.refuses

    async def hang_up(self) -> bool:
        self.hung_up, self.heard_at_end = True, len(self.handset.heard)
        self.sound.close()
        return True

    async def pass_seconds(self, seconds: float) -> None:
        """Of the call."""
        until = self.sound.seconds + seconds
        while self.sound.seconds < until:
            await asyncio.sleep(TICK_SECONDS)


@asynccontextmanager
async def wired(variables: Mapping[str, str] | None = None) -> AsyncIterator[Wired]:
    handset = Handset()
    made = Wired(handset, CallSound(handset, None))
    ticking = asyncio.create_task(_tick(made.sound))
    with tempfile.TemporaryDirectory(prefix="dp-", dir="/tmp") as folder:
        path, since = await made.sound.open(Path(folder))
        wire = await Wire.connect(str(path))
        made.call = HostedCall(
            attempt=str(uuid4()),
            campaign_id=7,
            to_number=TO,
            from_number=FROM,
            variables=variables or {"phone_number": TO, "first_name": "Ana"},
            wire=wire,
            since_seconds=since,
            said=lambda speaker, text, at: made.said.append((speaker, text, at)),
            transfer=made.transfer,
            hang_up=made.hang_up,
        )
        try:
            yield made
        finally:
            ticking.cancel()
            made.sound.close()
            await wire.close()


async def _tick(sound: CallSound) -> None:
    while True:
        sound.tick()
        await asyncio.sleep(TICK_SECONDS)
