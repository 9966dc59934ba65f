"""Settings of a trunk: what is understood, and which field a complaint names; and whether anybody is there."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

import pytest
import yaml
from callees import HOST, callee, free_port, needs_programs

from dialplane.carriers.sip.carrier import SipCarrier
from dialplane.carriers.sip.options import answers_options
from dialplane.carriers.sip.trunk import Trunk
from dialplane.clocks import RealClock
from dialplane.core.disposition import Disposition
from dialplane.errors import Invalid
from dialplane.files import LocalFiles

EXAMPLE = Path(__file__).parents[2] / "examples" / "sip.yaml"


def trunk(**settings: Any) -> Trunk:
    return Trunk.from_settings({"provider": "sip", "host": "trunk.example", **settings})


def test_a_host_is_enough() -> None:
    assert trunk() == Trunk(host="trunk.example")
    assert trunk().limits().ring_timeout_seconds == 45


def test_everything_that_can_be_set_is_understood() -> None:
    given = trunk(
        port=5081, transport="tls", media_encryption="srtp", user="alice", password="s3 cret;", auth_user="alice-1",
        outbound_proxy="sbc.example", from_user="account7", display_name="The clinic", headers={"X-Account": "17"},
        asserted_identity=True, codecs=["PCMA"], number_format="digits", dial="9{number}@{host}", register=True,
        probe=False, record=False, dispositions={404: "no_answer", "503": "capacity"}, local_address="192.0.2.7",
        cps=2, max_lines=10, ring_timeout_seconds=20, max_call_seconds=600, slow_start=False,
        speech={"engine": "http", "url": "http://tts.example/v1/audio/speech", "model": "m", "voice": "v"},
        hearing={"silence_seconds": 3},
    )  # fmt: skip

    assert (given.codecs, given.dispositions[503]) == (("pcma",), Disposition.CAPACITY)
    assert (given.speech.engine, given.hearing.silence_seconds) == ("http", 3.0)
    assert (given.limits().cps, given.limits().max_lines, given.limits().max_call_seconds) == (2, 10, 600)
    assert given.address("+14155550101") == "sip:914155550101@trunk.example"


@pytest.mark.parametrize(
    ("settings", "hop", "route"),
    [
        ({}, ("trunk.example", 5060, "udp"), None),
        ({"transport": "tls"}, ("trunk.example", 5061, "tls"), None),
        ({"transport": "tls", "port": 5060}, ("trunk.example", 5060, "tls"), None),
        ({"outbound_proxy": "sbc.example"}, ("sbc.example", 5060, "udp"), "sip:sbc.example;transport=udp"),
        (
            {"outbound_proxy": "sbc.example:5070;lr", "transport": "tls"},
            ("sbc.example", 5070, "tls"),
            "sip:sbc.example:5070;lr;transport=tls",
        ),
        (
            {"outbound_proxy": "sip:sbc.example;transport=tls"},
            ("sbc.example", 5061, "tls"),
            "sip:sbc.example;transport=tls",
        ),
    ],
)
def test_packets_go_to_the_proxy_where_there_is_one_and_never_in_the_clear_by_omission(
    settings: dict[str, Any], hop: tuple[str, int, str], route: str | None
) -> None:
    made = trunk(**settings)

    assert made.hop == hop
    assert made.route == route


@pytest.mark.parametrize(
    ("format", "expected"),
    [
        ("e164", "sip:+14155550101@trunk.example:5060"),
        ("digits", "sip:14155550101@trunk.example:5060"),
        ("double_zero", "sip:0014155550101@trunk.example:5060"),
    ],
)
def test_numbers_are_written_as_the_trunk_wants_them(format: str, expected: str) -> None:
    assert trunk(number_format=format).address("+14155550101") == expected


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ({"host": "a b"}, "host: must be a host name"),
        ({"host": 7}, "host: must be a host name"),
        ({"port": 0}, "port: must be a whole number"),
        ({"port": "5060"}, "port: must be a whole number"),
        ({"transport": "ws"}, "transport: must be one of udp, tcp, tls"),
        ({"user": "a@b"}, "user: must be a name without spaces"),
        ({"password": 'a"b'}, "password: must be text on one line"),
        ({"password": 1234}, "password: must be text .* a number is written in quotes"),
        ({"auth_user": ""}, "auth_user: must be a name"),
        ({"outbound_proxy": "a\nb"}, "outbound_proxy: must be such as sbc.example:5060"),
        ({"outbound_proxy": "sbc.example;transport=sctp"}, "outbound_proxy: must be such as sbc.example:5060"),
        ({"register": True}, "register: wants `user` as well"),
        ({"media_encryption": "srtp"}, "media_encryption: has its keys in the signalling"),
        ({"media_encryption": "zrtp"}, "media_encryption: must be one of none, srtp"),
        ({"transport": "tls", "host": "192.0.2.7"}, "host: must be a name over TLS"),
        ({"transport": "tls", "outbound_proxy": "192.0.2.7"}, "outbound_proxy: must be a name over TLS"),
        ({"ca_certificates": "/etc/ssl/ca.pem"}, "ca_certificates: must be the text of certificates"),
        ({"from_user": "a b"}, "from_user: must be a name"),
        ({"display_name": 'the "clinic"'}, "display_name: must be text"),
        ({"headers": ["X-A"]}, "headers: must be a mapping"),
        ({"headers": {"X A": "1"}}, "headers: must be the name of a header"),
        ({"headers": {"X-A": 1}}, "headers.X-A: must be text"),
        ({"headers": {"X-A": "1\r\nVia: x"}}, "headers.X-A: must be text on one line"),
        ({"asserted_identity": "yes"}, "asserted_identity: must be true or false"),
        ({"codecs": ["g729"]}, "codecs: must be one of pcmu, pcma"),
        ({"codecs": []}, "codecs: must be a list"),
        ({"number_format": "local"}, "number_format: must be one of e164, digits, double_zero"),
        ({"dial": "{phone}@{host}"}, "dial: must hold {number}"),
        ({"dial": "12@{host}"}, "dial: must hold {number}"),
        ({"dial": "{number} @{host}"}, "dial: must hold {number}"),
        ({"register": 1}, "register: must be true or false"),
        ({"probe": None}, "probe: must be true or false"),
        ({"record": "no"}, "record: must be true or false"),
        ({"dispositions": [404]}, "dispositions: must be a mapping"),
        ({"dispositions": {200: "busy"}}, "dispositions: must name SIP statuses"),
        ({"dispositions": {404: "gone"}}, "dispositions.404: must be one of"),
        ({"local_address": "eth 0"}, "local_address: must be an address"),
        ({"cps": 0}, "cps: must lie between"),
        ({"max_lines": 0}, "max_lines: must be a whole number"),
        ({"ring_timeout_seconds": 10}, "ring_timeout_seconds: must lie between 15 and 600"),
        ({"max_call_seconds": 1}, "max_call_seconds: must lie between"),
        ({"slow_start": "no"}, "slow_start: must be true or false"),
        ({"prot": 5060}, "unknown field 'prot'; did you mean 'port'"),
        ({"speech": "flite"}, "speech: must be a mapping"),
        ({"speech": {"engine": "say"}}, "speech.engine: must be flite or http"),
        ({"speech": {"engine": "http"}}, "speech.url: http needs the address"),
        ({"speech": {"url": "http://tts.example"}}, "speech.url: .* flite has none"),
        ({"speech": {"voice": 7}}, "speech.voice: must be text"),
        ({"hearing": {"engine": "whisper"}}, "hearing.engine: must be pocketsphinx or http"),
        ({"hearing": {"engine": "http", "url": "stt.example"}}, "hearing.url: http needs the address"),
        ({"hearing": {"silence_seconds": 0}}, "hearing.silence_seconds: must be a number from 1 to 60"),
        ({"hearing": {"silence": 3}}, "hearing: must be a mapping with any of"),
    ],
)
def test_a_wrong_setting_is_named(settings: dict[str, Any], complaint: str) -> None:
    with pytest.raises(Invalid, match=f"carrier settings, .*{complaint}"):
        trunk(**settings)


def test_a_trunk_without_a_host_is_refused() -> None:
    with pytest.raises(Invalid, match="host: is missing"):
        Trunk.from_settings({"provider": "sip"})


def test_the_example_is_understood() -> None:
    settings = yaml.safe_load(EXAMPLE.read_text())
    assert (settings.pop("name"), settings.pop("numbers")) == ("callees", ["+14155550100"])

    assert Trunk.from_settings(settings).port == 5080


# --- whether anybody is there ---------------------------------------------------------------------


@needs_programs
@pytest.mark.asyncio
async def test_whoever_answers_options_is_there() -> None:
    with callee("answer") as called:
        assert await answers_options(Trunk.from_settings(called.trunk)) is None
        assert called.invites() == {}


@needs_programs
@pytest.mark.asyncio
async def test_over_tcp_a_connection_is_enough() -> None:
    with callee("answer", transport="t1") as called:
        assert await answers_options(Trunk.from_settings(called.trunk | {"transport": "tcp"})) is None


@pytest.mark.asyncio
@pytest.mark.parametrize("transport", ["udp", "tcp"])
async def test_a_closed_port_is_named(transport: str) -> None:
    port = free_port()

    fault = await answers_options(trunk(host=HOST, port=port, transport=transport))

    assert fault is not None and f"{HOST}:{port}" in fault


@pytest.mark.asyncio
async def test_a_silent_host_is_named() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind((HOST, 0))
        fault = await answers_options(trunk(host=HOST, port=silent.getsockname()[1]))

    assert fault is not None and "does not answer" in fault and "probe: false" in fault


@pytest.mark.asyncio
async def test_an_unknown_host_is_named() -> None:
    assert await answers_options(trunk(host="no-such-host.invalid")) == "there is no host no-such-host.invalid"


@pytest.mark.asyncio
async def test_what_is_not_installed_is_said_before_anybody_is_called(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("dialplane.carriers.call_settings.find_spec", lambda module: module)
    carrier = SipCarrier(trunk(probe=False), {}, RealClock(), LocalFiles(tmp_path))

    assert "flite is not installed" in (await carrier.probe() or "")
    monkeypatch.setattr("dialplane.carriers.call_settings.find_spec", lambda _: None)
    assert "baresip and pocketsphinx" in (trunk().missing() or "")
    by_http = trunk(hearing={"engine": "http", "url": "http://127.0.0.1:1/transcribe"})
    assert "pocketsphinx" in (by_http.missing() or ""), "it finds where speech ends, whoever understands it"
