"""The SIP agent: a person on one real SIP call, the agent on another, and what happens between the two."""

from __future__ import annotations

import asyncio
import math
from array import array
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
import yaml
from agent_phone import AgentPhone
from bench import Bench
from callees import HOST, callee, header, needs_programs
from calls import until
from person import linear, person
from recordings import sides
from secure import Identity, names_server, secure_person
from tones import MELODY, melody, tones_in
from trunks import Stage

from dialplane.agents.hosted import HostedAgent
from dialplane.agents.hosts import Hosts
from dialplane.agents.sip.definition import SipAgent, read
from dialplane.agents.sip.tones import PAIRS
from dialplane.clocks import RealClock
from dialplane.config import Settings
from dialplane.core.attempt import Conversation, Order
from dialplane.core.disposition import Disposition
from dialplane.engine import catalog
from dialplane.errors import Invalid
from dialplane.ports import TalkBroken
from dialplane.providers import build_agent
from dialplane.store.postgres import Database
from dialplane.voice.ulaw import to_ulaw
from dialplane.wiring import Server

EXAMPLES = Path(__file__).parents[2] / "examples"
in_one_loop = pytest.mark.asyncio(loop_scope="module")
UP, DOWN = MELODY, tuple(reversed(MELODY))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def hosts() -> AsyncIterator[Hosts]:
    """One process of agents for all."""
    made = Hosts()
    yield made
    await made.close()


def bridge(hosts: Hosts, uri: str, **more: Any) -> HostedAgent:
    definition = {"kind": "sip", "uri": uri, "local_address": HOST, **more}
    made = build_agent("sip", read(definition).kept, hosts)
    assert isinstance(made, HostedAgent)
    return made


class Joined:
    """A person who has been called, and the agent that they are talking with."""

    def __init__(self, stage: Stage, called: AgentPhone, agent: AgentPhone) -> None:
        self.stage, self.called, self.agent = stage, called, agent
        self.order: Order = stage.call()
        self.talking: asyncio.Task[Conversation]

    async def begin(self, talks: HostedAgent, variables: dict[str, str]) -> None:
        self.order, line = await self.stage.answered()
        self.talking = asyncio.create_task(talks.talk(line, variables))

    async def bridged(self) -> None:
        await asyncio.wait_for(self.agent.confirmed.wait(), 10)

    async def done(self) -> Conversation:
        return await asyncio.wait_for(self.talking, 10)


@asynccontextmanager
async def joined(
    tmp_path: Path, hosts: Hosts, *, variables: dict[str, str] | None = None, phone: Any = None, **more: Any
) -> AsyncIterator[Joined]:
    """phone: what is particular about the agent's."""
    async with person(AgentPhone) as called, person(AgentPhone, **(phone or {})) as agent:
        stage = Stage(called.trunk, tmp_path / "files")
        made = Joined(stage, called, agent)
        await made.begin(bridge(hosts, agent.uri, **more), variables or {})
        try:
            yield made
        finally:
            made.talking.cancel()
            await stage.carrier.close()


def tune(tones: tuple[int, ...]) -> bytes:
    return to_ulaw(melody(tones=tones)[44:])


def is_in(sound: bytes, tones: tuple[int, ...]) -> bool:
    """Whether the whole tune is in it, in one piece."""
    found = tones_in(sound)
    return any(tuple(found[at : at + len(tones)]) == tones for at in range(len(found)))


@needs_programs
@in_one_loop
async def test_both_hear_each_other_and_the_agent_knows_of_whom_and_the_recording_has_both(
    tmp_path: Path, hosts: Hosts
) -> None:
    headers = {"X-First-Name": "{{first_name}}", "X-Note": "for {{ note }}"}
    values = {"first_name": "Zoë", "note": "line one\r\nX-Injected: line two"}
    async with joined(tmp_path, hosts, variables=values, headers=headers) as call:
        await call.bridged()
        for _ in range(5):  # a machine that is busy elsewhere loses some of it, and telephones do, too
            await asyncio.gather(
                call.called.ear.speak(tune(UP), call.called.their_port),
                call.agent.ear.speak(tune(DOWN), call.agent.their_port),
            )
            await asyncio.sleep(0.3)  # what is on its way
            by_agent, by_called = linear(bytes(call.agent.ear.heard)), linear(bytes(call.called.ear.heard))
            if is_in(by_agent, UP) and is_in(by_called, DOWN):
                break
        await call.agent.hang_up()
        conversation = await call.done()
        end = await call.stage.end(call.order)

        assert is_in(by_agent, UP) and not is_in(by_agent, DOWN)
        assert is_in(by_called, DOWN) and not is_in(by_called, UP)
        invite = call.agent.invite
        assert invite is not None
        assert invite["x-first-name"] == "Zoë" and invite["x-note"] == "for line one X-Injected: line two"
        assert invite.all("x-injected") == []
        assert invite["x-dialplane-attempt"] == str(call.order.attempt_uuid)
        assert (invite["x-dialplane-to"], invite["x-dialplane-from"]) == (call.order.to_number, call.order.from_number)
        assert conversation == Conversation()
        assert (end.disposition, end.cause) == (Disposition.ANSWERED, "hung up by us")
        ours, theirs = sides(call.stage.folder / end.recording)
        assert is_in(ours, DOWN) and not is_in(ours, UP)
        assert is_in(theirs, UP) and not is_in(theirs, DOWN)


@needs_programs
@in_one_loop
async def test_who_was_called_hangs_up_and_the_agent_is_hung_up_on(tmp_path: Path, hosts: Hosts) -> None:
    async with joined(tmp_path, hosts) as call:
        await call.bridged()
        await call.called.hang_up()
        assert await call.done() == Conversation()
        await asyncio.wait_for(call.agent.ended.wait(), 5)
        end = await call.stage.end(call.order)
        assert (end.disposition, end.cause) == (Disposition.ANSWERED, "hung up by the person called")


@needs_programs
@in_one_loop
async def test_where_the_worker_ends_the_agent_is_hung_up_on(tmp_path: Path) -> None:
    hosts = Hosts()
    async with joined(tmp_path, hosts) as call:
        await call.bridged()
        await hosts.close()
        await asyncio.wait_for(call.agent.ended.wait(), 5)
        with pytest.raises(TalkBroken):
            await call.done()


@needs_programs
@in_one_loop
async def test_who_hangs_up_while_the_agent_rings_waits_for_nobody(tmp_path: Path, hosts: Hosts) -> None:
    async with joined(tmp_path, hosts, phone={"rings": True}) as call:
        await until(lambda: call.agent.invite is not None)
        await call.called.hang_up()
        assert await call.done() == Conversation()
        await asyncio.wait_for(call.agent.cancelled.wait(), 5)


@needs_programs
@in_one_loop
@pytest.mark.parametrize(
    ("phone", "why"),
    [
        ({"refuses": "486 Busy Here"}, "refused the call: 486 Busy Here"),
        ({"refuses": "603 Decline"}, "refused the call: 603 Decline"),
        ({"rings": True}, "did not answer within 1 s"),
        ({"mute": True}, "did not answer within 1 s"),
    ],
)
async def test_an_agent_that_is_not_there_has_failed_and_it_is_said_how(
    tmp_path: Path, hosts: Hosts, phone: dict[str, Any], why: str
) -> None:
    async with joined(tmp_path, hosts, phone=phone, answer_seconds=1) as call:
        with pytest.raises(TalkBroken) as failure:
            await call.done()
        assert str(failure.value) == f"the agent at {call.agent.uri} {why}"
        if "rings" in phone:
            await asyncio.wait_for(call.agent.cancelled.wait(), 5)


@needs_programs
@in_one_loop
@pytest.mark.parametrize(("password", "why"), [("s3cret", ""), ("wrong", "refused the call: 403 Forbidden")])
async def test_an_agent_may_want_a_password(tmp_path: Path, hosts: Hosts, password: str, why: str) -> None:
    async with person() as called:
        stage = Stage(called.trunk, tmp_path / "files")
        _, line = await stage.answered()
        with callee("auth") as agent:
            uri = f"sip:agent@{HOST}:{agent.port}"
            talking = asyncio.create_task(bridge(hosts, uri, user="alice", password=password).talk(line, {}))
            if why:
                with pytest.raises(TalkBroken) as failure:
                    await asyncio.wait_for(talking, 10)
                assert str(failure.value) == f"the agent at {uri} {why}"
            else:
                await asyncio.to_thread(agent.wait_for, "ACK", 2)  # of the challenge, and of the answer
                await called.hang_up()
                await asyncio.wait_for(talking, 10)
        await stage.carrier.close()


@needs_programs
@in_one_loop
async def test_an_agent_may_be_called_over_tcp(tmp_path: Path, hosts: Hosts) -> None:
    async with person() as called:
        stage = Stage(called.trunk, tmp_path / "files")
        _, line = await stage.answered()
        with callee("hang_up", pause_ms=300, transport="t1") as agent:
            talks = bridge(hosts, f"sip:agent@{HOST}:{agent.port}", transport="tcp")
            assert await asyncio.wait_for(talks.talk(line, {}), 10) == Conversation()
            assert "/TCP " in header(agent.received("INVITE")[0], "Via")
        await stage.carrier.close()


@needs_programs
@in_one_loop
@pytest.mark.parametrize(
    ("name", "signed", "is_called"),
    [("agent.test", True, True), ("other.test", True, False), ("agent.test", False, False)],
)
async def test_over_tls_an_agent_is_called_whose_certificate_this_machine_trusts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, signed: bool, is_called: bool
) -> None:
    """The stack finds names by DNS alone, so that this takes a server of names and the stack itself."""
    from baresip import Config, Runtime

    from dialplane.agents.sip.stack import Stack, trusting

    authority = Identity("authority.test")
    (tmp_path / "authority.pem").write_text(authority.certificate)
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "authority.pem"))
    identity = Identity(name, authority) if signed else Identity(name)
    async with secure_person(identity) as agent, names_server() as names_port:
        runtime = Runtime()
        lines = trusting() + f"dns_server {HOST}:{names_port}\n"
        await runtime.start(Config(net_interface=HOST, extra_config_text=lines))
        stack = Stack(runtime, HOST)
        definition = {"uri": f"sip:agent@agent.test:{agent.port}", "transport": "tls"}
        leg = await stack.dial(SipAgent.from_definition(definition), {})
        await asyncio.wait((leg.answered, leg.closed), timeout=10, return_when=asyncio.FIRST_COMPLETED)

        assert (leg.answered.done(), agent.count("INVITE")) == (is_called, int(is_called))
        await stack.close()


@needs_programs
@in_one_loop
async def test_keys_go_both_ways(tmp_path: Path, hosts: Hosts) -> None:
    """To the agent as keys (RFC 4733), to the person as telephones sound."""
    async with joined(tmp_path, hosts) as call:
        await call.bridged()
        call.called.press("7")
        call.agent.press("4")
        await until(lambda: call.agent.pressed == ["7"], 5, "the key that the person pressed")
        await until(lambda: _pair_in(linear(bytes(call.called.ear.heard))) == PAIRS["4"], 5, "the agent's key")


def _pair_in(sound: bytes) -> tuple[int, int] | None:
    """The two tones of a key in it (Goertzel), if there are any."""
    samples = array("h", sound)
    for start in range(0, len(samples) - 400, 200):
        window = samples[start : start + 400]
        power = {}
        for frequency in {each for pair in PAIRS.values() for each in pair}:
            turn = 2 * math.pi * frequency / 8000
            real = sum(value * math.cos(turn * at) for at, value in enumerate(window))
            imaginary = sum(value * math.sin(turn * at) for at, value in enumerate(window))
            power[frequency] = math.hypot(real, imaginary) / len(window)
        low, high = sorted(sorted(power, key=lambda each: -power[each])[:2])
        if power[low] > 2000 and power[high] > 2000:
            return low, high
    return None


@needs_programs
@in_one_loop
@pytest.mark.parametrize(
    ("outcome", "to", "moves", "waits"),
    [
        ("200 OK", "sip:+14155550177@pbx.example.org", True, True),
        ("200 OK", "sip:+14155550177@pbx.example.org", True, False),
        ("486 Busy Here", "tel:+1-415-555-0177", False, True),
        ("200 OK", "sip:desk@pbx.example.org", False, True),
    ],
)
async def test_an_agent_may_hand_the_person_on_to_a_number(
    tmp_path: Path, hosts: Hosts, outcome: str, to: str, moves: bool, waits: bool
) -> None:
    with callee("transfer", outcome=outcome) as called:
        async with person(AgentPhone) as agent:
            stage = Stage(called.trunk, tmp_path / "files")
            order, line = await stage.answered()
            talking = asyncio.create_task(bridge(hosts, agent.uri).talk(line, {}))
            await asyncio.wait_for(agent.confirmed.wait(), 10)
            agent.refer(to)
            if not waits:
                await agent.hang_up()

            if moves:
                await asyncio.wait_for(talking, 10)
                await asyncio.wait_for(agent.ended.wait(), 5)
                end = await stage.end(order)
                assert end.cause == "transferred to another number"
            else:
                while "SIP/2.0 100" in (notified := await asyncio.wait_for(agent.notified.get(), 10)).body:
                    pass
                assert notified.body.startswith("SIP/2.0 404" if "desk" in to else "SIP/2.0 603")
                await agent.hang_up()
                await asyncio.wait_for(talking, 10)
            refers = [header(each, "Refer-To").strip("<>") for each in called.received("REFER")]
            assert refers == ([] if "desk" in to else [f"sip:+14155550177@{HOST}:{called.port}"])
            await stage.carrier.close()


@needs_programs
@pytest.mark.asyncio
async def test_the_agents_calls_take_no_lines_and_are_no_attempts(database: Database, tmp_path: Path) -> None:
    """Two lines, and two people talk at once, though there are four calls."""
    organization_id = await catalog.ensure_organization(database, "default")
    server = Server(Settings(home=tmp_path), database, RealClock(), tmp_path / "carrier-logs")
    live = Bench(server.of(organization_id), tmp_path)
    with callee("answer") as called, callee("hang_up", pause_ms=2500) as agent:
        carrier = {**called.trunk, "numbers": ["+14155550100"], "max_lines": 2}
        definition = {"kind": "sip", "uri": f"sip:agent@{HOST}:{agent.port}", "local_address": HOST}
        campaign = await live.started(["+12122000001", "+12122000002"], carrier=carrier, agent=definition)
        async with live.working():
            await asyncio.to_thread(agent.wait_for, "ACK", 2, seconds=15)
            during = await live.progress(campaign)
            await live.wait_until_ended(campaign)
        rows = await live.report(campaign)

        assert sum(during.calls.values()) == 2
        assert [(row["attempt"], row["disposition"], row["transcript"]) for row in rows] == [("1", "answered", "")] * 2
        assert (len(called.invites()), len(agent.invites())) == (2, 2)
    await server.close()


# --- definitions -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        ({"uri": None}, "agent, uri: must be such as sip:agent@pbx.example.org"),
        ({"uri": "sips:agent@pbx.example.org"}, "agent, uri: must be such as"),
        ({"uri": "sip:pbx.example.org"}, "agent, uri: must be such as"),
        ({"uri": "sip:{{desk}}@pbx.example.org"}, "agent, uri: must be such as"),
        ({"uri": "sip:agent@10.0.0.7", "transport": "tls"}, "agent, uri: must have a name over TLS"),
        ({"transport": "ws"}, "agent, transport: must be one of udp, tcp, tls"),
        ({"password": "x"}, "agent, password: wants `user` as well"),
        ({"user": "u", "password": 'a"b'}, "agent, password: must have no quotes"),
        ({"user": "a b"}, "agent, user: must be a name without spaces"),
        ({"headers": {"Contact": "x"}}, "agent, headers.Contact: is no header that may be set here"),
        ({"headers": {"X-Dialplane-Attempt": "x"}}, "agent, headers.X-Dialplane-Attempt: is no header that may"),
        ({"headers": {"X-A": "{{a"}}, "agent, headers.X-A: has a broken template"),
        ({"codecs": ["opus"]}, "agent, codecs: must have pcmu, pcma alone, not 'opus'"),
        ({"answer_seconds": 600}, "agent, answer_seconds: must lie between 1 and 60 seconds"),
        ({"local_address": "lo"}, "agent, local_address: must be an address of this machine"),
        ({"adress": "lo"}, "agent: unknown field 'adress'; did you mean"),
    ],
)
def test_a_definition_that_cannot_work_is_refused_with_its_fix(given: dict[str, Any], complaint: str) -> None:
    with pytest.raises(Invalid) as refusal:
        read({"kind": "sip", "uri": "sip:agent@pbx.example.org", **given})
    assert str(refusal.value).startswith(complaint)


def test_the_example_goes_with_the_example_of_contacts() -> None:
    example = yaml.safe_load((EXAMPLES / "sip-agent.yaml").read_text(encoding="utf-8"))
    columns = (EXAMPLES / "contacts.csv").read_text(encoding="utf-8").splitlines()[0].split(",")
    assert read(example).variables <= set(columns)


def test_a_definition_says_which_columns_it_needs() -> None:
    described = read({"kind": "sip", "uri": "sip:+1415@pbx.example.org:5080", "headers": {"X-A": "{{ city }}"}})
    assert described.variables == {"city"}
