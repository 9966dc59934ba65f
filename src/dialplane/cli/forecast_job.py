"""`python -m dialplane.cli.forecast_job ORGANIZATION CAMPAIGN ANSWERS`: a forecast as JSON, for who carries out jobs.

It ends when its standard input does: whoever wanted the forecast has left.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Mapping
from typing import Any

from dialplane.cli import output
from dialplane.cli.children import when_parent_leaves
from dialplane.cli.errors import tell
from dialplane.cli.forecast_view import assumptions, forecast_json
from dialplane.cli.session import perform, say_waiting, settings
from dialplane.virtual import open_copy


async def make(organization_id: int, campaign_id: int, answers: Mapping[str, Any]) -> None:
    output.log_to(output.say, as_json=True)
    ours = asyncio.current_task()
    assert ours is not None

    def stop() -> None:
        ours.cancel()

    leaving = asyncio.create_task(when_parent_leaves(stop))
    async with open_copy(settings(), organization_id, campaign_id, answers or None, on_wait=say_waiting) as app:
        found = await app.forecast(campaign_id)
        output.print_json(forecast_json(found, await assumptions(app, campaign_id)))
    leaving.cancel()


if __name__ == "__main__":
    try:
        perform(make(int(sys.argv[1]), int(sys.argv[2]), json.loads(sys.argv[3])))
    except (Exception, asyncio.CancelledError) as error:
        sys.exit(tell(error))
