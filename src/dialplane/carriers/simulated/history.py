"""logs of a carrier -> the calls that it accepted, in their order"""

from __future__ import annotations

import heapq
import re
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from uuid import UUID

from dialplane.carriers.simulated.log import LogEvent, parsed
from dialplane.errors import EnvironmentFault
from dialplane.ports import PastCall


def accepted_since(folder: Path, carrier_id: int, since: datetime) -> Iterator[PastCall]:
    """Line by line, over the logs of all campaigns. Raises EnvironmentFault."""
    name = re.compile(rf"carrier-{carrier_id}-campaign-(\d+)\.jsonl(?:\.1)?")
    found = [(path, name.fullmatch(path.name)) for path in folder.glob(f"carrier-{carrier_id}-campaign-*")]
    logs = [_calls(path, int(match[1]), since) for path, match in found if match is not None]
    return heapq.merge(*logs, key=lambda call: call.placed_at)


def _calls(path: Path, campaign_id: int, since: datetime) -> Iterator[PastCall]:
    try:
        with path.open("rb") as lines:
            for line in lines:
                if b'"place"' not in line or (told := parsed(line)) is None or told["event"] != LogEvent.PLACE:
                    continue
                placed_at = datetime.fromisoformat(told["at"])
                if placed_at >= since:
                    yield PastCall(
                        attempt_uuid=UUID(told["attempt_id"]),
                        campaign_id=campaign_id,
                        to_number=told["to"],
                        from_number=told["from"],
                        placed_at=placed_at,
                    )
    except OSError as fault:
        raise EnvironmentFault(f"the simulated carrier's log {path} cannot be read: {fault.strerror}") from fault
