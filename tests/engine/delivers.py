"""`delivers.py ARGUMENTS SCHEMA`: delivers to the own network until it is killed, with leases of two seconds."""

from __future__ import annotations

import asyncio
import json
import sys
from datetime import timedelta

from dialplane.engine.deliveries import Bounds, Deliveries
from dialplane.secrets import Secrets
from dialplane.store.postgres import Database
from dialplane.webhooks import HttpSender

BOUNDS = Bounds(poll_seconds=0.02, lease=timedelta(seconds=2), margin=timedelta(seconds=1))


async def deliver(arguments: str, schema: str) -> None:
    database = await Database.open(json.loads(arguments), schema=schema)
    sender = HttpSender(own_network=True)
    await Deliveries(database, Secrets("a secret for the tests"), sender, bounds=BOUNDS).run(asyncio.Event())


if __name__ == "__main__":
    asyncio.run(deliver(*sys.argv[1:]))
