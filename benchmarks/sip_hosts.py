"""Calls at once over SIP, with sound: two workers on hosts of their own (network namespaces) against one of them."""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from benchmarks.figures import Figure, figure, quantile
from benchmarks.network import Machine, Network, possible
from benchmarks.sip import SCENARIO, TEXT, heard_back
from benchmarks.stage import fresh_app, write_numbers
from dialplane.core.campaign import Policies
from dialplane.wiring import App

CAPACITY = 100  # lines of a worker
CONTACTS = 2 * CAPACITY
AGENT = {"greeting": 3 * TEXT, "steps": [], "goodbye": "Goodbye."}  # some 15 s
DEADLINE_SECONDS = 300


async def measure() -> list[Figure]:
    missing = [program for program in ("sipp", "flite") if shutil.which(program) is None]
    if missing or not possible():
        why = f"not installed: {', '.join(missing)}" if missing else "no network namespaces: they need root"
        return [figure("sip_hosts_2", 0, "calls at once", target=why, met=False)]
    network = Network()
    try:
        network.open()
        trunk, *hosts = [network.machine(name) for name in ("trunk", "host1", "host2")]
        async with fresh_app(max_lines=10 * CAPACITY) as app, running(_sipp(trunk), ready_seconds=0.5):
            alone = await _most_at_once(app, trunk, hosts[:1])
            together = await _most_at_once(app, trunk, hosts)
            recordings = sorted(app.settings.home.glob("files/recordings/*/*.wav"))
            heard = [heard_back(recording) for recording in recordings]
    finally:
        network.close()
    return [
        figure("sip_hosts_1", alone, "calls at once", baseline=CAPACITY, target="its capacity", met=alone == CAPACITY),
        figure(
            "sip_hosts_2", together, "calls at once", baseline=alone, target="twice one", met=together == 2 * alone
        ),
        figure("sip_hosts_heard_back", quantile(heard, 0.01) * 100, "% of what was said, worst hundredth",
               target=">= 95 %", met=len(heard) == 2 * CONTACTS and quantile(heard, 0.01) >= 0.95),
    ]  # fmt: skip


async def _most_at_once(app: App, trunk: Machine, hosts: Sequence[Machine]) -> int:
    """Of a campaign that these hosts dial, the most calls that were answered and not yet over."""
    name = f"hosts-{len(hosts)}"
    campaign_id = await app.campaigns.create(
        name=name,
        agent_id=await app.add_agent(AGENT),
        carrier_id=await app.add_carrier(
            {
                "provider": "sip",
                "name": name,
                "numbers": ["+12125550100"],
                "host": trunk.address,
                "slow_start": False,
                "probe": False,
            }  # by the workers alone can the trunk be reached
        ),
        policies=Policies(),
    )
    await app.import_now(campaign_id, write_numbers(app.settings.home / f"{name}.csv", CONTACTS), None)
    async with AsyncExitStack() as stack:
        for host in hosts:
            worker = (*host.through, sys.executable, "-m", "dialplane.cli.main", "worker", f"--capacity={CAPACITY}")
            await stack.enter_async_context(running(worker, ready_seconds=3, home=app.settings.home))
        await app.campaigns.start(campaign_id)
        async with asyncio.timeout(DEADLINE_SECONDS):
            while (await app.campaigns.get(campaign_id)).state != "completed":
                await asyncio.sleep(0.2)
    async with app.database.connection() as connection:
        most: int = await connection.fetchval(
            "SELECT max(open) FROM (SELECT sum(change) OVER (ORDER BY at, change) AS open FROM ("
            " SELECT answered_at AS at, 1 AS change FROM attempt WHERE organization_id = $1 AND campaign_id = $2"
            " UNION ALL SELECT ended_at, -1 FROM attempt WHERE organization_id = $1 AND campaign_id = $2) c) o",
            app.organization_id,
            campaign_id,
        )
    return most


def _sipp(trunk: Machine) -> Sequence[str]:
    """Whoever is called: says what it hears, until it is hung up."""
    return (
        *trunk.through, "sipp", "-sf", str(SCENARIO), "-i", trunk.address, "-mi", trunk.address, "-rtp_echo",
        "-nostdin", "-key", "contact", "",
    )  # fmt: skip


@asynccontextmanager
async def running(command: Sequence[str], *, ready_seconds: float, home: Path | None = None) -> AsyncIterator[None]:
    environment = os.environ | ({"DIALPLANE_HOME": str(home)} if home else {})
    quiet = asyncio.subprocess.DEVNULL
    process = await asyncio.create_subprocess_exec(*command, env=environment, stdout=quiet, stderr=quiet)
    try:
        await asyncio.sleep(ready_seconds)
        yield
    finally:
        process.terminate()
        await process.wait()
