"""Whether a request for a campaign is a repetition of one that has been answered: the same campaign comes of both.

Vapi's clients repeat a POST whose answer was 408, 409, 429 or 5xx, or was cut off: up to twice, each time after a
minute at most, with the same bytes and without an Idempotency-Key. So the uuid of a campaign is derived from its
request: of organization, key and body, and of how many campaigns have come of such a request before. A request like an
earlier one is a repetition for REPEATED_WITHIN; after that it is meant, and makes the next campaign. Two at once, and
one that comes after a crash, derive the same uuid, of which the database takes one.
"""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta
from typing import Final
from uuid import NAMESPACE_URL, UUID, uuid5

from fastapi import Request

from dialplane.api.route import IDEMPOTENCY_KEY
from dialplane.engine.directory import Directory
from dialplane.engine.keys import Caller

REPEATED_WITHIN: Final = timedelta(minutes=5)  # more than two waits of a minute each and three slow answers
LOOKED_UP_AT_ONCE = 32


async def campaign_uuid(request: Request, caller: Caller, directory: Directory, now: datetime) -> UUID:
    """Of the campaign that this request makes, or has made: it may be there."""
    body = hashlib.sha256(await request.body()).hexdigest()
    asked = f"dialplane:vapi:{caller.organization_id}:{caller.key_id}:{body}"
    key = request.headers.get(IDEMPOTENCY_KEY)
    if key is not None:
        return uuid5(NAMESPACE_URL, f"{asked}:{key}")
    generation = 0
    while True:
        uuids = [uuid5(NAMESPACE_URL, f"{asked}/{generation + n}") for n in range(LOOKED_UP_AT_ONCE)]
        born = await directory.born(uuids)
        for uuid in reversed(uuids):
            if uuid in born and now - born[uuid].created_at < REPEATED_WITHIN:
                return uuid
        free = next((uuid for uuid in uuids if uuid not in born), None)
        if free is not None:
            return free
        generation += LOOKED_UP_AT_ONCE
