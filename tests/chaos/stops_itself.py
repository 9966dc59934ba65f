"""`stops_itself.py turn|command`: takes the organization's lock as the engine does, and stops in the middle."""

from __future__ import annotations

import asyncio
import os
import signal
import sys

from dialplane.config import Settings
from dialplane.store.turn import open_command, open_turn
from dialplane.wiring import open_app


async def stop(kind: str) -> None:
    async with open_app(Settings.from_env(os.environ)) as app:
        if kind == "command":
            async with open_command(app.database, app.organization_id, None):
                stop_here()
        while kind == "turn":
            async with open_turn(app.database, app.organization_id, None) as turn:
                if turn is not None:
                    stop_here()


def stop_here() -> None:
    print("holds the lock", flush=True)
    os.kill(os.getpid(), signal.SIGSTOP)


if __name__ == "__main__":
    asyncio.run(stop(sys.argv[1]))
