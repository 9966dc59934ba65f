"""Signalling over TLS, to trunks that we have reason to believe and others; and sound that nobody else hears."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from tempfile import NamedTemporaryFile
from typing import Any

import pytest
from callees import HOST, needs_programs
from calls import until
from person import linear
from recordings import loudness
from secure import Identity, names_server, sealed_offer, secure_person
from trunks import PERSON, Stage

from dialplane.carriers.sip import trust
from dialplane.carriers.sip.options import answers_options
from dialplane.carriers.sip.trunk import Trunk
from dialplane.core.disposition import Disposition

pytestmark = needs_programs
TrunkTo = Callable[..., Stage]
CAUGHT = 500
AUTHORITY = Identity("authority.test")
SERVER = Identity(HOST, AUTHORITY)
ITSELF = Identity(HOST)


@pytest.mark.asyncio
@pytest.mark.parametrize(("server", "believed"), [(SERVER, AUTHORITY), (ITSELF, ITSELF)], ids=["authority", "itself"])
async def test_a_call_over_tls_has_sound(trunk_to: TrunkTo, server: Identity, believed: Identity) -> None:
    async with secure_person(server) as person:
        stage = trunk_to(person.trunk | {"ca_certificates": believed.certificate})
        assert await stage.carrier.probe() is None

        order, line = await stage.answered()
        await line.say("Hello, this is the clinic.")
        await line.hang_up()
        await stage.end(order)

        assert person.invite is not None and person.invite["via"].startswith("SIP/2.0/TLS ")
        assert loudness(linear(bytes(person.ear.heard))) > CAUGHT


@pytest.mark.parametrize("settings", [{}, {"outbound_proxy": "{here}", "host": "trunk.invalid", "port": 5061}])
@pytest.mark.asyncio
async def test_nothing_is_said_to_a_trunk_whose_certificate_nobody_has_signed(
    trunk_to: TrunkTo, settings: dict[str, Any]
) -> None:
    async with secure_person(ITSELF) as person:
        named = {
            name: value.format(here=f"{HOST}:{person.port}") if isinstance(value, str) else value
            for name, value in settings.items()
        }
        stage = trunk_to(person.trunk | named | {"ca_certificates": AUTHORITY.certificate, "password": "s3cret"})

        fault = await stage.carrier.probe()
        end = await stage.ended()

        assert fault is not None and fault.startswith(f"the certificate of {HOST}:{person.port} is not trusted: self")
        assert (end.disposition, end.cause) == (Disposition.UNKNOWN, "TLS failed: see the trunk's certificate")
        assert person.received == []


@pytest.mark.asyncio
async def test_an_outbound_proxy_is_spoken_to_over_tls_as_the_trunk_would_be(trunk_to: TrunkTo) -> None:
    async with secure_person(SERVER) as person:
        proxy = {"host": "trunk.invalid", "port": 5061, "outbound_proxy": f"{HOST}:{person.port}"}
        stage = trunk_to(person.trunk | proxy | {"ca_certificates": AUTHORITY.certificate})
        assert await stage.carrier.probe() is None

        await stage.answered()

        assert person.invite is not None
        assert person.invite.start.startswith("INVITE sip:+14155550101@trunk.invalid:5061")


@pytest.mark.asyncio
async def test_a_certificate_for_another_name_is_refused() -> None:
    async with secure_person(Identity("other.test", AUTHORITY)) as person:
        settings = person.trunk | {"host": "localhost", "ca_certificates": AUTHORITY.certificate}

        fault = await answers_options(Trunk.from_settings(settings))

        assert fault is not None and "is not trusted: Hostname mismatch" in fault


@pytest.mark.parametrize(("name", "is_called"), [("sbc.test", True), ("other.test", False)])
@pytest.mark.asyncio
async def test_the_stack_too_wants_the_name_in_the_certificate(name: str, is_called: bool) -> None:
    """It finds names by DNS alone, so that this takes a server of names and the stack itself."""
    from baresip import Account, Config, Event, Runtime, UserAgent

    async with secure_person(Identity(name, AUTHORITY)) as person, names_server() as names_port:
        settings = person.trunk | {"host": "sbc.test", "ca_certificates": AUTHORITY.certificate}
        trunk = Trunk.from_settings(settings)
        runtime, ended = Runtime(), asyncio.Event()
        runtime.subscribe(lambda event: ended.set() if event.event is Event.CALL_CLOSED else None)
        with NamedTemporaryFile() as authorities:
            lines = trust.directives(trunk, authorities) + f"dns_server {HOST}:{names_port}\n"
            await runtime.start(Config(net_interface=HOST, extra_config_text=lines))
            domain = f"{trunk.host}:{trunk.port}"
            account = Account(user="us", domain=domain, password="", reg_interval=0, transport="tls")
            try:
                await (await UserAgent.create(runtime, account)).dial(trunk.address(PERSON))
                await until(lambda: person.received != [] or ended.is_set())
            finally:
                await runtime.close()

        assert (person.count("INVITE") == 1) is is_called


def test_without_authorities_of_its_own_the_stack_has_those_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    with NamedTemporaryFile() as machines, NamedTemporaryFile() as unused:
        monkeypatch.setenv("SSL_CERT_FILE", machines.name)
        trunk = Trunk.from_settings({"host": "sbc.test", "transport": "tls"})

        lines = trust.directives(trunk, unused).splitlines()

        assert lines[:2] == ["sip_verify_server yes", f"sip_cafile {machines.name}"]


@pytest.mark.asyncio
async def test_what_is_said_and_heard_is_encrypted(trunk_to: TrunkTo) -> None:
    async with secure_person(SERVER, is_sealed=True) as person:
        stage = trunk_to(person.trunk | {"ca_certificates": AUTHORITY.certificate, "media_encryption": "srtp"})
        order, line = await stage.answered()

        await line.say("Can you come?")
        speaking = asyncio.create_task(person.speak("yes please"))
        heard = await line.hear(("yes", "no"))
        await speaking
        await line.hang_up()
        await stage.end(order)

        assert person.invite is not None and sealed_offer(person.invite)
        assert heard is not None and "yes" in heard[0]
        assert loudness(linear(bytes(person.ear.heard))) > CAUGHT


@pytest.mark.asyncio
async def test_a_trunk_that_answers_without_encryption_is_not_talked_to(trunk_to: TrunkTo) -> None:
    async with secure_person(SERVER) as person:
        stage = trunk_to(person.trunk | {"ca_certificates": AUTHORITY.certificate, "media_encryption": "srtp"})
        order = await stage.placed()
        end = await stage.end(order)

        assert end.disposition is Disposition.CARRIER_FAILED
        assert person.ear.heard == b""
        await until(person.ended.is_set)
