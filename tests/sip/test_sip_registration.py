"""A trunk that takes calls from registered devices only."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
import yaml
from callees import needs_programs
from calls import until
from executable import Cli
from person import person
from registrar import Registrar
from trunks import Stage

from dialplane.core.disposition import Disposition
from dialplane.errors import CarrierUnavailable

pytestmark = [needs_programs, pytest.mark.asyncio]
TrunkTo = Callable[..., Stage]
ALICE = {"register": True, "user": "alice", "password": "s3cret"}


async def test_who_is_registered_may_call_and_says_the_number_that_calls(trunk_to: TrunkTo) -> None:
    async with person(Registrar) as registrar:
        stage = trunk_to(registrar.trunk | ALICE)
        assert await stage.carrier.probe() is None

        order, line = await stage.answered()
        await line.say("Hello.")
        await line.hang_up()
        await stage.end(order)

        assert [name.partition("@")[0] for name in registrar.registered] == ["<sip:alice"]
        assert registrar.invite is not None and registrar.invite["from"].startswith("<sip:+14155550000@")
        assert len(registrar.ear.heard) > 1000

        await stage.carrier.close()
        assert registrar.bindings == {}, "it has said that it goes"


async def test_who_is_not_registered_is_refused(trunk_to: TrunkTo) -> None:
    async with person(Registrar) as registrar:
        end = await trunk_to(registrar.trunk | ALICE | {"register": False}).ended()

        assert (end.disposition, end.sip_status) == (Disposition.CARRIER_FAILED, 403)


async def test_a_registration_is_renewed_before_it_ends(trunk_to: TrunkTo) -> None:
    async with person(Registrar, expires_seconds=2) as registrar:
        stage = trunk_to(registrar.trunk | ALICE)
        assert await stage.carrier.probe() is None
        await until(lambda: len(registrar.registered) == 3)

        await stage.answered()


async def test_a_wrong_password_is_told_before_the_first_call(trunk_to: TrunkTo) -> None:
    async with person(Registrar) as registrar:
        stage = trunk_to(registrar.trunk | ALICE | {"password": "wrong"})

        fault = await stage.carrier.probe()

        assert fault is not None and "does not register alice" in fault and "403 Wrong password" in fault
        with pytest.raises(CarrierUnavailable, match="403 Wrong password"):
            await stage.placed()
        assert registrar.count("INVITE") == 0


async def test_run_says_so_and_calls_nobody(cli: Cli) -> None:
    async with person(Registrar) as registrar:
        settings = registrar.trunk | ALICE | {"name": "pbx", "numbers": ["+14155550100"], "password": "wrong"}
        carrier = cli.file("trunk.yaml", yaml.safe_dump(settings))

        done = await asyncio.to_thread(cli, "run", cli.contacts("+14155550101"), "--carrier", carrier)

        assert done.code != 0 and "does not register alice" in done.err and "403 Wrong password" in done.err
        assert registrar.count("INVITE") == 0
