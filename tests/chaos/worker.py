"""One worker process without the command line: `worker.py`, or `worker.py ID` for one campaign until it has ended.

What breaks the engine on purpose is in `broken.py`; this file changes nothing.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys

from dialplane.config import Settings
from dialplane.core.campaign import CampaignState
from dialplane.wiring import open_app

MOVING = (CampaignState.RUNNING, CampaignState.SCHEDULED)


async def work(campaign_id: int | None) -> None:
    async with open_app(Settings.from_env(os.environ)) as app:

        async def finished() -> bool:
            return campaign_id is not None and (await app.campaigns.get(campaign_id)).state not in MOVING

        worker = app.worker(campaign_id=campaign_id, finished=finished)
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, worker.stop)
        print("ready", flush=True)
        await worker.run()


if __name__ == "__main__":
    asyncio.run(work(int(sys.argv[1]) if len(sys.argv) > 1 else None))
