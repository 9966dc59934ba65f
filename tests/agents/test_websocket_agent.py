"""The WebSocket agent against voice servers of every kind: what it tells them, what it takes, when it gives up."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from http import HTTPStatus
from pathlib import Path
from typing import Any

import pytest
import websockets
import yaml
from secure import Identity
from tones import MELODY, melody, tones_in
from twilio.request_validator import RequestValidator
from websockets.asyncio.server import Request, Response, ServerConnection, serve
from wired import FROM, TO, Wired, wired

from dialplane.agents.hosted import Talked
from dialplane.agents.websocket.definition import read
from dialplane.agents.websocket.talk import talk
from dialplane.errors import Invalid
from dialplane.voice.ulaw import from_ulaw, to_ulaw

EXAMPLES = Path(__file__).parents[2] / "examples"
Holds = Callable[[ServerConnection], Awaitable[None]]
SECOND = b"\x20" * 8000  # of a loud hum, μ-law
TUNE = to_ulaw(melody()[44:])
PATIENT_SECONDS = 20


@asynccontextmanager
async def voice_server(hold: Holds, **more: Any) -> AsyncIterator[str]:
    async with serve(hold, "127.0.0.1", 0, **more) as server:
        yield f"ws://127.0.0.1:{next(iter(server.sockets)).getsockname()[1]}/media"


async def held(made: Wired, url: str, **more: Any) -> Talked:
    async with asyncio.timeout(PATIENT_SECONDS):
        return await talk(read({"kind": "websocket", "url": url, **more}).kept, made.call)


def media(ulaw: bytes) -> str:
    return json.dumps({"event": "media", "streamSid": "MZ", "media": {"payload": base64.b64encode(ulaw).decode()}})


async def events(socket: ServerConnection, until: str) -> list[dict[str, Any]]:
    """Up to the first one of this kind."""
    came = []
    async for message in socket:
        came.append(json.loads(message))
        if came[-1]["event"] == until:
            break
    return came


# --- what a server is told ---------------------------------------------------------------------------------


@pytest.mark.asyncio
async def test_a_server_is_told_of_a_call_as_twilio_tells_it() -> None:
    came: list[dict[str, Any]] = []

    async def hold(socket: ServerConnection) -> None:
        await socket.send(media(SECOND))
        await socket.send(json.dumps({"event": "mark", "streamSid": "MZ", "mark": {"name": "greeting"}}))
        async for message in socket:
            came.append(json.loads(message))

    async with voice_server(hold) as url, wired() as made:
        made.handset.says += from_ulaw(TUNE)
        talking = asyncio.create_task(held(made, url, account_sid="AC7", parameters={"name": "Dr {{first_name}}"}))
        await made.pass_seconds(2.5)
        made.sound.press("5")
        await made.pass_seconds(0.5)
        made.sound.close()
        assert await talking == Talked()
        call_sid = "CA" + made.call.attempt.replace("-", "")

    connected, start, *rest = came
    stream_sid = start["streamSid"]
    assert connected == {"event": "connected", "protocol": "Call", "version": "1.0.0"}
    assert start == {
        "event": "start",
        "sequenceNumber": "1",
        "start": {
            "accountSid": "AC7",
            "streamSid": stream_sid,
            "callSid": call_sid,
            "tracks": ["inbound"],
            "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1},
            "customParameters": {
                "attempt_id": made.call.attempt, "to_number": TO, "from_number": FROM, "name": "Dr Ana",
            },
        },
        "streamSid": stream_sid,
    }  # fmt: skip
    assert len(stream_sid) == 34 and stream_sid.startswith("MZ")
    assert [int(each["sequenceNumber"]) for each in came[1:]] == list(range(1, len(came)))
    sound = [each for each in rest if each["event"] == "media"]
    assert sound[1] == {
        "event": "media",
        "sequenceNumber": sound[1]["sequenceNumber"],
        "media": {"track": "inbound", "chunk": "2", "timestamp": "20", "payload": sound[1]["media"]["payload"]},
        "streamSid": stream_sid,
    }
    heard = b"".join(base64.b64decode(each["media"]["payload"]) for each in sound)
    assert tones_in(from_ulaw(heard))[-3:] == list(MELODY)[-3:]
    assert {len(base64.b64decode(each["media"]["payload"])) for each in sound} == {160}
    (pressed,) = (each for each in rest if each["event"] == "dtmf")
    assert pressed["dtmf"] == {"track": "inbound_track", "digit": "5"}
    (mark,) = (each for each in rest if each["event"] == "mark")
    assert (mark["mark"], mark["streamSid"]) == ({"name": "greeting"}, stream_sid)
    assert int(mark["sequenceNumber"]) > 45, "not before that second has been heard"
    assert rest[-1]["stop"] == {"accountSid": "AC7", "callSid": call_sid}


@pytest.mark.asyncio
async def test_without_parameters_all_columns_are_told() -> None:
    told: list[dict[str, Any]] = []

    async def hold(socket: ServerConnection) -> None:
        told.extend(await events(socket, "start"))
        await socket.send(media(SECOND))

    async with voice_server(hold) as url, wired({"phone_number": TO, "first_name": "Ana", "city": "Bern"}) as made:
        await held(made, url)

    parameters = told[-1]["start"]["customParameters"]
    assert {"first_name": "Ana", "city": "Bern", "to_number": TO, "attempt_id": made.call.attempt}.items() <= (
        parameters.items()
    )


@pytest.mark.asyncio
async def test_the_request_has_the_headers_and_twilios_signature() -> None:
    asked: list[Request] = []

    async def hold(socket: ServerConnection) -> None:
        assert socket.request is not None
        asked.append(socket.request)
        await socket.send(media(SECOND))

    async with voice_server(hold) as url, wired() as made:
        await held(made, url, auth_token="0a1b2c", headers={"Authorization": "Bearer s3cret"})

    headers = asked[0].headers
    assert headers["Authorization"] == "Bearer s3cret"
    assert RequestValidator("0a1b2c").validate(url, {}, headers["X-Twilio-Signature"])
    assert not RequestValidator("another").validate(url, {}, headers["X-Twilio-Signature"])


# --- what a server does with a call ------------------------------------------------------------------------


@pytest.mark.asyncio
async def test_a_server_that_closes_has_its_last_word_heard_before_the_call_is_hung_up() -> None:
    async def hold(socket: ServerConnection) -> None:
        await socket.send(media(SECOND * 3))

    async with voice_server(hold) as url, wired() as made:
        assert await held(made, url) == Talked()

    assert made.hung_up
    assert made.heard_at_end == 3 * 16_000


@pytest.mark.asyncio
async def test_clear_takes_back_what_has_not_been_said_and_gives_its_marks_back() -> None:
    came: list[dict[str, Any]] = []

    async def hold(socket: ServerConnection) -> None:
        await socket.send(media(SECOND * 60))
        await socket.send(json.dumps({"event": "mark", "mark": {"name": "never said"}}))
        await socket.send(json.dumps({"event": "mark", "mark": {"name": "nor this"}}))
        for _ in range(50):
            await events(socket, "media")
        await socket.send(json.dumps({"event": "clear"}))
        came.extend(await events(socket, "mark"))
        came.extend(await events(socket, "mark"))
        await socket.send(media(TUNE))

    async with voice_server(hold) as url, wired() as made:
        assert await held(made, url) == Talked()

    assert [each["mark"]["name"] for each in came if each["event"] == "mark"] == ["never said", "nor this"]
    assert made.handset.cleared >= 1
    assert made.heard_at_end < 16_000 * 5, "not the minute that was taken back"
    assert tones_in(bytes(made.handset.heard))[-4:] == list(MELODY)


@pytest.mark.asyncio
async def test_a_server_may_report_what_was_said_and_gathered() -> None:
    async def hold(socket: ServerConnection) -> None:
        await socket.send(media(SECOND))
        await socket.send(json.dumps({"event": "transcript", "speaker": "agent", "text": "Can you come?"}))
        await socket.send(json.dumps({"event": "transcript", "speaker": "contact", "text": "Yes."}))
        await socket.send(json.dumps({"event": "gathered", "values": {"confirmed": "yes"}}))
        await socket.send(json.dumps({"event": "gathered", "values": {"note": None}}))
        await socket.send(json.dumps({"event": "opt_out"}))
        await socket.send(json.dumps({"event": "of tomorrow"}))

    async with voice_server(hold) as url, wired() as made:
        talked = await held(made, url, fields=["confirmed", "note"])

    assert talked == Talked(gathered={"confirmed": "yes", "note": None}, opted_out=True)
    assert [each[:2] for each in made.said] == [("agent", "Can you come?"), ("contact", "Yes.")]
    assert read({"kind": "websocket", "url": url, "fields": ["confirmed", "note"]}).fields == ("confirmed", "note")


@pytest.mark.asyncio
@pytest.mark.parametrize("waits", [True, False])
async def test_a_call_is_handed_over_once_its_words_have_been_heard(waits: bool) -> None:
    stopped = asyncio.Event()

    async def hold(socket: ServerConnection) -> None:
        await socket.send(media(SECOND * 2))
        await socket.send(json.dumps({"event": "transfer", "to": "+14155550177"}))
        if waits:
            await events(socket, "stop")
        stopped.set()

    async with voice_server(hold) as url, wired() as made:
        assert await held(made, url) == Talked()
        await asyncio.wait_for(stopped.wait(), 5)

    assert made.transferred == ["+14155550177"]
    assert len(made.handset.heard) == 2 * 16_000
    assert not made.hung_up


@pytest.mark.parametrize(("to", "tried"), [("+14155550177", ["+14155550177"]), ("the desk", [])])
@pytest.mark.asyncio
async def test_a_server_hears_that_a_call_could_not_be_handed_over(to: str, tried: list[str]) -> None:
    told: list[dict[str, Any]] = []

    async def hold(socket: ServerConnection) -> None:
        await socket.send(media(SECOND))
        await socket.send(json.dumps({"event": "transfer", "to": to}))
        told.extend(await events(socket, "transfer"))
        await socket.send(media(TUNE))

    async with voice_server(hold) as url, wired() as made:
        made.refuses = True
        assert await held(made, url) == Talked()

    assert told[-1]["transfer"] == {"to": to, "done": False}
    assert made.transferred == tried
    assert tones_in(bytes(made.handset.heard))[-4:] == list(MELODY) and made.hung_up


@pytest.mark.asyncio
async def test_who_hangs_up_is_told_to_the_server_which_may_send_on() -> None:
    sent_after = asyncio.Event()

    async def hold(socket: ServerConnection) -> None:
        await socket.send(media(SECOND))
        await events(socket, "stop")
        with pytest.raises(websockets.ConnectionClosed):
            while True:
                await socket.send(media(SECOND))
                await asyncio.sleep(0)
        sent_after.set()

    async with voice_server(hold) as url, wired() as made:
        talking = asyncio.create_task(held(made, url))
        await made.pass_seconds(1)
        made.sound.close()
        assert await talking == Talked()
        await asyncio.wait_for(sent_after.wait(), 5)


# --- what goes wrong ---------------------------------------------------------------------------------------


async def _closes(socket: ServerConnection) -> None:
    pass


async def _listens(socket: ServerConnection) -> None:
    async for _ in socket:
        pass


async def _silent(socket: ServerConnection) -> None:
    await _listens(socket)


async def _chats(socket: ServerConnection) -> None:
    await socket.send(json.dumps({"event": "mark", "mark": {"name": "no sound"}}))
    await _listens(socket)


async def _breaks(socket: ServerConnection) -> None:
    await socket.send(media(SECOND))
    await socket.close(1011, "out of memory")


async def _vanishes(socket: ServerConnection) -> None:
    await socket.send(media(SECOND))
    socket.transport.abort()


async def _falls_silent(socket: ServerConnection) -> None:
    await socket.send(media(SECOND))
    await _listens(socket)


def _sends(*messages: str | bytes) -> Holds:
    async def hold(socket: ServerConnection) -> None:
        for message in messages:
            await socket.send(message)
        await _listens(socket)

    return hold


@pytest.mark.parametrize(
    ("hold", "why"),
    [
        (_closes, "closed the socket before it had sent any sound"),
        (_silent, "has sent no sound within 5 s"),
        (_chats, "has sent no sound within 5 s"),
        (_falls_silent, "has sent nothing for 6 s"),
        (_breaks, "broke off: 1011 (internal error) out of memory"),
        (_vanishes, "broke off without a word"),
        (_sends("hello"), "sent what is no JSON: 'hello'"),
        (_sends(b"\xff\xfe"), "sent what is no JSON: b'\\xff\\xfe'"),
        (_sends("[" * 100_000), "sent what is no JSON: '[[["),
        (_sends('"media"'), "sent a message without `event`"),
        (_sends('{"event": "media", "media": {"payload": "€"}}'), "sent media that is no base64: '€'"),
        (_sends('{"event": "media"}'), "sent a message 'media' without what belongs to it"),
        (_sends('{"event": "transcript", "speaker": "cat", "text": "miaow"}'), "sent a message 'transcript' without"),
        (
            _sends(r'{"event": "transcript", "speaker": "agent", "text": "\u0000"}'),
            "sent a message 'transcript' without",
        ),
        (_sends(r'{"event": "gathered", "values": {"a": "\ud83d"}}'), "sent a message 'gathered' without"),
        (_sends('{"event": "gathered", "values": {"a": NaN}}'), "sent a message 'gathered' without"),
        (_sends(json.dumps({"event": "gathered", "values": {"a": "b" * 64_000}})), "sent a message 'gathered' without"),
        (_sends(*['{"event": "mark", "mark": {"name": "m"}}'] * 3000), "has sent no sound within 5 s"),
        (_sends("x" * (1 << 21)), "broke off: 1009 (message too big)"),
    ],
)
@pytest.mark.asyncio
async def test_a_server_that_does_not_do_its_part_has_failed_and_it_is_said_how(hold: Holds, why: str) -> None:
    async with voice_server(hold) as url, wired() as made:
        talked = await held(made, url, max_silence_seconds=6)

    assert talked.failure.startswith(f"the agent's server {why}"), talked.failure
    assert not made.hung_up, "the engine does that, with the failure"


@pytest.mark.asyncio
async def test_a_server_that_floods_is_stopped_and_its_memory_is_its_own() -> None:
    sent = 0

    async def hold(socket: ServerConnection) -> None:
        nonlocal sent
        while True:
            await socket.send(media(SECOND * 10))
            sent += 10

    async with voice_server(hold) as url, wired() as made:
        talked = await held(made, url)

    assert talked.failure == "the agent's server sent more than ten minutes of sound that nobody has heard yet"
    assert 600 <= sent < 1500, "seconds: ten minutes, and what fits into sockets"


@pytest.mark.asyncio
async def test_a_server_that_refuses_has_failed() -> None:
    async with (
        voice_server(_silent, process_request=lambda socket, _: socket.respond(HTTPStatus.FORBIDDEN, "no\n")) as url,
        wired() as made,
    ):
        assert (await held(made, url)).failure == "the agent's server refused: HTTP 403"


@pytest.mark.asyncio
async def test_over_tls_a_server_is_believed_whose_certificate_this_machine_trusts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def hold(socket: ServerConnection) -> None:
        await socket.send(media(SECOND))

    authority = Identity("an authority")
    (tmp_path / "authority.pem").write_text(authority.certificate)
    async with voice_server(hold, ssl=Identity("127.0.0.1", authority).context()) as plain_url:
        url = plain_url.replace("ws://", "wss://")
        async with wired() as made:
            talked = await held(made, url, auth_token="0a1b2c")
            assert talked.failure.startswith("the agent's server has a certificate that is not trusted: ")
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "authority.pem"))
        async with wired() as made:
            assert await held(made, url, auth_token="0a1b2c") == Talked()


@pytest.mark.asyncio
async def test_a_server_that_sends_us_elsewhere_has_failed_as_the_headers_are_for_it_alone() -> None:
    asked: list[str] = []

    def elsewhere(socket: ServerConnection, request: Request) -> Response:
        asked.append(request.path)
        moved = socket.respond(HTTPStatus.FOUND, "")
        moved.headers["Location"] = "/elsewhere"
        return moved

    async with voice_server(_silent, process_request=elsewhere) as url, wired() as made:
        assert (await held(made, url)).failure == "the agent's server refused: HTTP 302"
    assert asked == ["/media"]


@pytest.mark.asyncio
async def test_a_server_that_does_not_listen_or_not_answer_has_failed() -> None:
    async def nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    mute = await asyncio.start_server(nothing, "127.0.0.1", 0)
    port = mute.sockets[0].getsockname()[1]
    async with mute, wired() as made:
        talked = await held(made, f"ws://127.0.0.1:{port}", connect_seconds=1)
        assert talked.failure == "the agent's server did not answer within 1 s"
    async with wired() as made:
        talked = await held(made, f"ws://127.0.0.1:{port}")
        assert talked.failure.startswith("the agent's server cannot be reached: ")
    async with wired() as made:
        made.sound.close()
        assert await held(made, f"ws://127.0.0.1:{port}") in (Talked(), talked), "who hung up waits for nobody"


# --- definitions -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        ({}, "agent, url: must be such as wss://"),
        ({"url": "https://bot.example.org"}, "agent, url: must be such as wss://"),
        ({"url": "wss://"}, "agent, url: must be such as wss://"),
        ({"url": "wss://bot.example.org:port"}, "agent, url: must be such as wss://"),
        ({"url": "wss://{{host}}/media"}, "agent, url: must be such as wss://"),
        ({"url": "wss://key@bot.example.org"}, "agent, url: is shown to everybody"),
        ({"url": "ws://bot.example.org"}, "agent, url: must begin with wss://"),
        ({"url": "ws://8.8.8.8"}, "agent, url: must begin with wss://"),
        ({"url": "ws://10.0.0.7", "headers": {"Authorization": "k"}}, "agent, headers: would cross the network"),
        ({"url": "ws://bot", "headers": {"Authorization": "k"}}, "agent, headers: would cross the network"),
        ({"headers": {"Sec-WebSocket-Key": "k"}}, "agent, headers.Sec-WebSocket-Key: is no header that may be set"),
        ({"headers": {"Authorization": "a\nb"}}, "agent, headers.Authorization: must be text on one line"),
        ({"headers": {"X-Id": "{{id}}"}}, "agent, headers.X-Id: must be plain ASCII and the same for everybody"),
        ({"headers": ["k"]}, "agent, headers: must be a mapping"),
        ({"parameters": {"n": 7}}, "agent, parameters.n: must be text on one line"),
        ({"parameters": {"n": "{{first name"}}, "agent, parameters.n: has a broken template"),
        ({"account_sid": "7"}, "agent, account_sid: must be such as AC"),
        ({"fields": ["a b"]}, "agent, fields 1: a name must be of letters"),
        ({"first_audio_seconds": 0}, "agent, first_audio_seconds: must lie between 1 and 60 seconds, not 0"),
        ({"conect_seconds": 3}, "agent: unknown field 'conect_seconds'; did you mean 'connect_seconds'?"),
    ],
)
def test_a_definition_that_cannot_work_is_refused_with_its_fix(given: dict[str, Any], complaint: str) -> None:
    base = {} if given == {} else {"url": "wss://bot.example.org/media"}
    with pytest.raises(Invalid) as refusal:
        read({"kind": "websocket", **base, **given})
    assert str(refusal.value).startswith(complaint)


def test_the_example_goes_with_the_example_of_contacts() -> None:
    example = yaml.safe_load((EXAMPLES / "websocket.yaml").read_text(encoding="utf-8"))
    columns = (EXAMPLES / "contacts.csv").read_text(encoding="utf-8").splitlines()[0].split(",")
    assert read(example).variables <= set(columns)


@pytest.mark.parametrize(
    "url",
    [
        "wss://bot.example.org/media?a=b",
        "wss://[2001:db8::7]:8443",
        "ws://localhost:7860/ws",
        "ws://10.0.0.7",
        "ws://bot/ws",
    ],
)
def test_a_definition_says_which_columns_it_needs(url: str) -> None:
    described = read({"kind": "websocket", "url": url, "parameters": {"who": "{{first_name}} of {{ city }}"}})
    assert described.variables == {"first_name", "city"}
