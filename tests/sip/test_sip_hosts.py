"""Workers on hosts of their own, each with an address of its own: what two of them carry of one campaign."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from callees import Callee, callee, header, needs_programs
from executable import Cli
from namespaces import NEEDS_NAMESPACES
from recordings import loudness, sides
from test_sip_campaign import report

from benchmarks.network import Machine, Network, ip
from dialplane.config import Settings
from dialplane.core.campaign import CampaignState, Policies
from dialplane.wiring import App, open_app

pytestmark = [needs_programs, NEEDS_NAMESPACES]

CAPACITY, PEOPLE = 5, 10
AGENT = "greeting: This is the clinic, and we call about tomorrow.\nsteps: []\ngoodbye: Goodbye.\n"
TRUNK = {"provider": "sip", "name": "trunk", "numbers": ["+14155550100"], "slow_start": False}
MASQUERADE = """
table ip nat {{
    chain postrouting {{ type nat hook postrouting priority 100; ip saddr {address} masquerade; }}
}}
"""
CAUGHT = 500  # of 32,767, as a root mean square: speech, and not silence


@pytest.fixture
def network() -> Iterator[Network]:
    made = Network()
    try:
        made.open()
        yield made
    finally:
        made.close()


@pytest.mark.asyncio
async def test_two_workers_on_hosts_of_their_own_carry_twice_the_calls_of_one(
    cli: Cli, home: Path, network: Network
) -> None:
    trunk, *hosts = [network.machine(name) for name in ("trunk", "host1", "host2")]
    with callee("answer", host=trunk.address, through=trunk.through, echoes=True) as called:
        async with open_app(Settings(home=home)) as app:
            with workers(cli, hosts[:1]):
                alone = await dialled(cli, app, called, "+14155551", lines=100)
            with workers(cli, hosts):
                together = await dialled(cli, app, called, "+14155552", lines=100)
                capped = await dialled(cli, app, called, "+14155553", lines=CAPACITY + 2)

        assert most_at_once(called, alone) == CAPACITY
        assert most_at_once(called, together) == 2 * CAPACITY
        assert most_at_once(called, capped) == CAPACITY + 2
        assert placed_from(called, alone) == {hosts[0].address}
        assert placed_from(called, together) == placed_from(called, capped) == {host.address for host in hosts}
        assert set(called.invites().values()) == {1} and called.invites().keys() == alone | together | capped

    for attempt in alone | together | capped:
        assert min(map(loudness, sides(home / "files" / "recordings" / "1" / f"{attempt}.wav"))) > CAUGHT


def test_calls_from_behind_nat_have_sound_and_are_ended_by_either_side(cli: Cli, network: Network) -> None:
    """The trunk knows no way to our address, and answers to where our packets come from."""
    trunk, host = [network.machine(name) for name in ("trunk", "host")]
    network.firewall(MASQUERADE.format(address=host.address))
    ip(trunk.namespace, "route", "delete", "default")
    for scenario, cause in (("answer", "hung up by us"), ("hang_up", "hung up by the person called")):
        with callee(scenario, host=trunk.address, through=trunk.through, echoes=True, pause_ms=1200) as called:
            settings = TRUNK | {"host": called.host, "port": called.port}
            done = replace(cli, through=host.through)(
                "run", cli.contacts("+14155550101"), "--agent", cli.file("agent.yaml", AGENT),
                "--carrier", cli.file("trunk.yaml", yaml.safe_dump(settings)), "--max-retries", "0",
            )  # fmt: skip

            assert done.code == 0
            (row,) = report(cli.folder / "report.csv")
            assert (row["disposition"], row["cause"]) == ("answered", cause)
            assert set(called.invites().values()) == {1}
            assert min(map(loudness, sides(Path(cli.env["DIALPLANE_HOME"]) / "files" / row["recording"]))) > CAUGHT


@contextmanager
def workers(cli: Cli, hosts: Sequence[Machine]) -> Iterator[None]:
    started = [replace(cli, through=host.through).start("worker", "--capacity", str(CAPACITY)) for host in hosts]
    try:
        for worker in started:
            assert worker.stderr is not None and "worker.started" in worker.stderr.readline()
        yield
    finally:
        for worker in started:
            worker.terminate()
            worker.communicate(timeout=30)


async def dialled(cli: Cli, app: App, called: Callee, prefix: str, *, lines: int) -> set[str]:
    """The attempts of a whole campaign, of which each contact was answered."""
    settings = TRUNK | {"host": called.host, "port": called.port, "probe": False}  # the trunk is not on our network
    campaign = await app.campaigns.create(
        name=prefix,
        agent_id=await app.add_agent(yaml.safe_load(AGENT)),
        carrier_id=await app.add_carrier(settings),
        policies=Policies(max_lines=lines),
    )
    await app.intake.store(campaign, cli.contacts(*(f"{prefix}{number:03}" for number in range(PEOPLE))), None)
    await app.intake.run(campaign, await app.columns_of(campaign))
    await app.campaigns.start(campaign)
    async with asyncio.timeout(60):
        while (await app.campaigns.get(campaign)).state is not CampaignState.COMPLETED:
            await asyncio.sleep(0.1)
    assert (await app.campaigns.progress([campaign]))[campaign].dispositions == {"answered": PEOPLE}
    return {
        header(invite, "X-Dialplane-Attempt") for invite in called.received("INVITE") if prefix in header(invite, "To")
    }


def most_at_once(called: Callee, attempts: set[str]) -> int:
    """Calls that were answered and not yet over, as the callee has seen them."""
    calls = {
        header(invite, "Call-ID")
        for invite in called.received("INVITE")
        if header(invite, "X-Dialplane-Attempt") in attempts
    }
    talking: set[str] = set()
    most = 0
    for request in called.received("ACK", "BYE"):
        call = header(request, "Call-ID")
        if call in calls:
            (talking.add if request.startswith("ACK") else talking.discard)(call)
            most = max(most, len(talking))
    return most


def placed_from(called: Callee, attempts: set[str]) -> set[str]:
    """Addresses of the hosts."""
    return {
        header(invite, "Contact").partition("@")[2].partition(":")[0]
        for invite in called.received("INVITE")
        if header(invite, "X-Dialplane-Attempt") in attempts
    }
