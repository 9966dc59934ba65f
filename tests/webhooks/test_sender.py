"""One try: where it goes and where it never goes, how it is signed, how long it may take."""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from receiver import Request, answer, receiving
from standardwebhooks import Webhook, WebhookVerificationError

from dialplane.ports import Message
from dialplane.webhooks import HttpSender
from dialplane.webhooks.addresses import refusal

SECRET = "whsec_" + "c2VjcmV0IG9mIHRoZSB0ZXN0cyBvZiBkaWFscGxhbmU="
OLD_SECRET = "whsec_" + "b2xkIHNlY3JldCBvZiB0aGUgdGVzdHMsIHJvdGF0ZWQ="
UNROUTED = "11.0.0.1"  # public by the registries, and nobody answers there


class Names:
    """A resolver that gives these answers, one after the other; the last one for ever."""

    def __init__(self, *answers: Sequence[str]) -> None:
        self._answers = list(answers)
        self.asked: list[str] = []

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        self.asked.append(host)
        return self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]


@asynccontextmanager
async def sending(**options: Any) -> AsyncIterator[HttpSender]:
    sender = HttpSender(**{"own_network": True, **options})
    try:
        yield sender
    finally:
        await sender.close()


def message(url: str, *secrets: str) -> Message:
    return Message(
        url=url,
        id=UUID("0192a5f0-0000-7000-8000-000000000007"),
        body='{"type":"attempt.ended","data":{"name":"Zoë"}}',
        sent_at=datetime.now(UTC),
        secrets=secrets or [SECRET],
    )


# --- what is sent ------------------------------------------------------------------------------------


@pytest.mark.asyncio
async def test_a_message_is_signed_by_the_standard() -> None:
    async with receiving() as receiver, sending() as sender:
        result = await sender.send(message(receiver.url))

    assert (result.status, result.fault) == (204, "")
    request = receiver.requests[0]
    assert request.path == "/hooks?of=dialplane"
    assert request.headers["content-type"] == "application/json"
    assert request.headers["webhook-id"] == "0192a5f0-0000-7000-8000-000000000007"
    assert request.headers["host"] == f"127.0.0.1:{receiver.port}"
    assert Webhook(SECRET).verify(request.body, request.headers)["data"] == {"name": "Zoë"}
    with pytest.raises(WebhookVerificationError):
        Webhook(OLD_SECRET).verify(request.body, request.headers)


@pytest.mark.asyncio
async def test_each_of_two_secrets_verifies_it() -> None:
    async with receiving() as receiver, sending() as sender:
        await sender.send(message(receiver.url, SECRET, OLD_SECRET))

    request = receiver.requests[0]
    assert Webhook(SECRET).verify(request.body, request.headers) == Webhook(OLD_SECRET).verify(
        request.body, request.headers
    )


@pytest.mark.asyncio
async def test_a_connection_is_used_again() -> None:
    async with receiving() as receiver, sending() as sender:
        for _ in range(3):
            await sender.send(message(receiver.url))

        assert len(receiver.requests) == 3
        assert receiver.most_connections == 1


# --- what comes back ---------------------------------------------------------------------------------


@pytest.mark.asyncio
@pytest.mark.parametrize("status", [400, 404, 410, 500, 503])
async def test_any_other_answer_than_success_is_a_fault(status: int) -> None:
    async def reply(_: Request) -> bytes:
        return answer(status)

    async with receiving(reply) as receiver, sending() as sender:
        result = await sender.send(message(receiver.url))

    assert (result.status, result.fault) == (status, f"answered {status}")


@pytest.mark.asyncio
async def test_a_redirect_is_a_fault_and_is_not_followed() -> None:
    async with receiving() as hidden, sending() as sender:

        async def reply(_: Request) -> bytes:
            return answer(307, location=hidden.url)

        async with receiving(reply) as receiver:
            result = await sender.send(message(receiver.url))

    assert result.status == 307
    assert result.fault == "answered 307: redirects are not followed, so give the webhook the final URL"
    assert hidden.requests == []


@pytest.mark.asyncio
async def test_nobody_there_and_no_http_are_faults() -> None:
    async def reply(_: Request) -> bytes:
        return b"SSH-2.0-OpenSSH\r\n\r\n"

    async with receiving(reply) as receiver, sending() as sender:
        assert (await sender.send(message(receiver.url))).fault.startswith("RemoteProtocolError")
        closed = receiver.url.replace(str(receiver.port), "1")
        assert (await sender.send(message(closed))).fault.startswith("ConnectError: 127.0.0.1: ")


@pytest.mark.asyncio
async def test_a_name_that_does_not_exist_is_a_fault() -> None:
    async with sending() as sender:
        result = await sender.send(message("http://nowhere.invalid/hooks"))

    assert result.status is None
    assert result.fault.startswith("gaierror: ")


@pytest.mark.asyncio
async def test_the_deadline_is_for_all_of_it() -> None:
    """Bytes that come one by one never let a read time out."""
    stop = asyncio.Event()

    async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nX-Slow: ")
        while not stop.is_set():
            writer.write(b"z")
            try:
                await asyncio.wait_for(stop.wait(), 0.05)
            except TimeoutError:
                continue
        writer.close()

    server = await asyncio.start_server(drip, "127.0.0.1", 0)
    began = time.monotonic()
    async with sending(deadline_seconds=0.4) as sender:
        result = await sender.send(message(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"))
    taken = time.monotonic() - began
    stop.set()
    server.close()

    assert (result.status, result.fault) == (None, "no answer within 0.4 seconds")
    assert 0.4 <= taken < 2


@pytest.mark.asyncio
async def test_of_an_endless_answer_64_kilobytes_are_read() -> None:
    sent = 0

    async def pour(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        try:
            while True:
                writer.write(b"2710\r\n" + b"x" * 10_000 + b"\r\n")
                await writer.drain()
                sent += 10_000
        except ConnectionError:
            writer.close()

    server = await asyncio.start_server(pour, "127.0.0.1", 0)
    async with sending(deadline_seconds=5) as sender:
        result = await sender.send(message(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"))
    server.close()

    assert (result.status, result.fault) == (200, "")
    assert sent < 20_000_000  # what fits between the sockets


# --- where it never goes -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("address", "why"),
    [
        ("127.0.0.1", "loopback"),
        ("127.8.9.10", "loopback"),
        ("::1", "loopback"),
        ("10.0.0.7", "private"),
        ("172.16.0.1", "private"),
        ("172.31.255.255", "private"),
        ("192.168.1.1", "private"),
        ("fd12::1", "private"),
        ("100.64.0.1", "shared by a provider's customers"),
        ("169.254.0.9", "link-local"),
        ("169.254.169.254", "link-local"),
        ("fe80::1", "link-local"),
        ("fe80::1%eth0", "link-local"),
        ("0.0.0.0", "unspecified"),
        ("::", "unspecified"),
        ("224.0.0.1", "multicast"),
        ("255.255.255.255", "reserved"),
        ("ff02::1", "multicast"),
        ("192.0.2.1", "for documentation"),
        ("168.63.129.16", "a metadata service"),
        ("100.100.100.200", "a metadata service"),
        ("fd00:ec2::254", "a metadata service"),
        ("::ffff:127.0.0.1", "loopback"),
        ("::ffff:169.254.169.254", "link-local"),
        ("::7f00:1", "loopback"),
        ("64:ff9b::a00:7", "private"),
        ("64:ff9b:1::a00:7", "a local translation"),
        ("2002:a00:7::1", "a relay"),
        ("2001:0:4136:e378::1", "reserved"),
    ],
)
def test_addresses_that_are_refused(address: str, why: str) -> None:
    found = refusal(address, own_network=False)

    assert found is not None
    assert found.startswith(f"it is {why} (")


@pytest.mark.parametrize(
    "address", ["8.8.8.8", "172.32.0.1", "100.128.0.1", "192.169.0.1", "2606:4700::1111", "64:ff9b::808:808"]
)
def test_addresses_that_are_fine(address: str) -> None:
    assert refusal(address, own_network=False) is None


def test_the_own_network_may_be_allowed_but_not_the_machines_credentials() -> None:
    for address in ("127.0.0.1", "::1", "10.0.0.7", "192.168.1.1", "100.64.0.1", "fd12::1", "::ffff:10.0.0.7"):
        assert refusal(address, own_network=True) is None
    for address in ("169.254.169.254", "fd00:ec2::254", "100.100.100.200", "224.0.0.1", "0.0.0.0"):
        assert refusal(address, own_network=True) is not None


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]", "2130706433", "0x7f.1", "127.1", "0"]
)
async def test_no_spelling_reaches_the_own_machine(host: str) -> None:
    async with receiving() as receiver, sending(own_network=False) as sender:
        result = await sender.send(message(f"http://{host}:{receiver.port}/"))

    assert result.status is None
    assert "not allowed" in result.fault
    assert receiver.requests == []
    assert receiver.most_connections == 0


@pytest.mark.asyncio
async def test_a_name_with_one_private_address_is_refused_whole() -> None:
    names = Names([UNROUTED, "10.0.0.7"])

    async with sending(own_network=False, resolver=names) as sender:
        result = await sender.send(message("http://hooks.test/"))

    assert result.fault == "its address is not allowed: hooks.test: it is private (10.0.0.7)"


@pytest.mark.asyncio
async def test_the_address_that_was_looked_at_is_the_one_that_is_called() -> None:
    """A name server that answers with our own machine the second time is never asked a second time."""
    names = Names([UNROUTED], ["127.0.0.1"])

    async with receiving() as receiver, sending(own_network=False, resolver=names, deadline_seconds=0.4) as sender:
        first = await sender.send(message(f"http://hooks.test:{receiver.port}/"))
        asked = list(names.asked)
        second = await sender.send(message(f"http://hooks.test:{receiver.port}/"))

    assert asked == ["hooks.test"]
    assert first.status is None
    assert second.fault == "its address is not allowed: hooks.test: it is loopback (127.0.0.1)"
    assert receiver.most_connections == 0


@pytest.mark.asyncio
async def test_the_next_address_is_tried_where_one_does_not_answer() -> None:
    names = Names(["127.0.0.2", "127.0.0.1"])

    async with receiving() as receiver, sending(resolver=names) as sender:
        result = await sender.send(message(f"http://hooks.test:{receiver.port}/"))

    assert result.status == 204
    assert receiver.requests[0].headers["host"] == f"hooks.test:{receiver.port}"


@pytest.mark.asyncio
async def test_tls_is_verified_against_the_name(tmp_path: Path) -> None:
    server_side, client_side = certified("hooks.test", tmp_path)
    names = Names(["127.0.0.1"])

    async with (
        receiving(tls=server_side) as receiver,
        sending(resolver=names, tls=client_side) as sender,
        sending(resolver=names) as stranger,
    ):
        right = await sender.send(message(f"https://hooks.test:{receiver.port}/"))
        wrong = await sender.send(message(f"https://other.test:{receiver.port}/"))
        unknown = await stranger.send(message(f"https://hooks.test:{receiver.port}/"))

    assert right.status == 204
    assert "certificate" in wrong.fault.lower()
    assert "certificate" in unknown.fault.lower()
    assert len(receiver.requests) == 1


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("ftp://example.org/", "it must look like https://example.org/hooks"),
        ("file:///etc/passwd", "it must look like https://example.org/hooks"),
        ("example.org/hooks", "it must look like https://example.org/hooks"),
        ("https://", "it must look like https://example.org/hooks"),
        ("https://ana:secret@example.org/", "it must hold no user name and no password"),
        ("https://example.org/#here", "it must hold no '#': that part is never sent"),
        ("https://example.org:port/", "it is no URL: Invalid port: 'port'"),
        ("http://10.0.0.7/", "its address is not allowed: it is private (10.0.0.7)"),
        ("http://[::ffff:10.0.0.7]/", "its address is not allowed: it is private (10.0.0.7)"),
    ],
)
def test_urls_that_can_never_work(url: str, why: str) -> None:
    assert HttpSender().objection(url) == why


def test_urls_that_may_work() -> None:
    for url in ("https://example.org", "http://example.org:8080/hooks?key=7", "https://münchen.example/", "http://a"):
        assert HttpSender().objection(url) is None


def certified(name: str, folder: Path) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """A server's and a client's side of TLS, for that one name."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(7)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = folder / "receiver.pem"
    path.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    server_side = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server_side.load_cert_chain(path)
    return server_side, ssl.create_default_context(cafile=str(path))
