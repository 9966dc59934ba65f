"""Somebody who is called over TLS, and whose sound may be SRTP (RFC 3711, with its keys in the SDP: RFC 4568)."""

from __future__ import annotations

import asyncio
import hmac
import re
import ssl
import tempfile
from base64 import b64decode, b64encode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from os import urandom
from typing import Any

from callees import HOST
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from person import Ear, Message, Person

SUITE = "AES_CM_128_HMAC_SHA1_80"
TAG_BYTES = 10


# --- certificates ---------------------------------------------------------------------------------


class Identity:
    """A certificate with its key: of this issuer, or self-signed."""

    def __init__(self, name: str, issuer: Identity | None = None) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        now = datetime.now(UTC)
        signer = issuer or self
        named = x509.IPAddress(ip_address(name)) if name == HOST else x509.DNSName(name)
        self._certificate = (
            x509.CertificateBuilder()
            .subject_name(self._name)
            .issuer_name(signer._name)
            .public_key(self._key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + timedelta(days=1))
            .add_extension(x509.SubjectAlternativeName([named]), critical=False)
            .add_extension(x509.BasicConstraints(ca=issuer is None, path_length=None), critical=True)
            .sign(signer._key, hashes.SHA256())
        )

    @property
    def certificate(self) -> str:
        return self._certificate.public_bytes(Encoding.PEM).decode()

    def context(self) -> ssl.SSLContext:
        made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        with tempfile.NamedTemporaryFile() as file:
            key = self._key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
            file.write(self.certificate.encode() + key)
            file.flush()
            made.load_cert_chain(file.name)
        return made


# --- sound ----------------------------------------------------------------------------------------


class Sealing:
    """One direction, by its master key and salt; for less than 65,536 packets."""

    def __init__(self, master: bytes) -> None:
        key, self._master_salt = master[:16], master[16:30]
        self._cipher_key, self._tag_key, self._salt = [
            _stream(key, int.from_bytes(self._master_salt) ^ label << 48, size)
            for label, size in ((0, 16), (1, 20), (2, 14))
        ]

    def sealed(self, packet: bytes) -> bytes:
        done = packet[:12] + self._crossed(packet)
        return done + self._tag(done)

    def unsealed(self, packet: bytes) -> bytes:
        body, tag = packet[:-TAG_BYTES], packet[-TAG_BYTES:]
        assert tag == self._tag(body), "sealed with another key"
        return body[:12] + self._crossed(body)

    def _crossed(self, packet: bytes) -> bytes:
        source, sequence = int.from_bytes(packet[8:12]), int.from_bytes(packet[2:4])
        start = int.from_bytes(self._salt) ^ source << 48 ^ sequence
        stream = _stream(self._cipher_key, start, len(packet) - 12)
        return bytes(one ^ other for one, other in zip(packet[12:], stream, strict=True))

    def _tag(self, packet: bytes) -> bytes:
        return hmac.digest(self._tag_key, packet + bytes(4), "sha1")[:TAG_BYTES]


def _stream(key: bytes, start: int, size: int) -> bytes:
    """start: of 112 bits; the block counter is the 16 bits after it."""
    made = Cipher(algorithms.AES(key), modes.CTR(start.to_bytes(14) + bytes(2))).encryptor()
    return made.update(bytes(size))


class SecureEar(Ear):
    """ours, theirs: which keys each side seals with; theirs is in their SDP."""

    def __init__(self) -> None:
        super().__init__()
        self.master = urandom(30)
        self._ours = Sealing(self.master)
        self.theirs: Sealing | None = None

    def sealed(self, packet: bytes) -> bytes:
        return self._ours.sealed(packet)

    def unsealed(self, packet: bytes) -> bytes:
        assert self.theirs is not None
        return self.theirs.unsealed(packet)


# --- the person -----------------------------------------------------------------------------------


@dataclass
class SecurePerson(Person):
    """Whatever comes over one connection at a time."""

    is_sealed: bool = False

    @property
    def trunk(self) -> dict[str, Any]:
        return super().trunk | {"transport": "tls"}

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._transport.writer = writer
        while not reader.at_eof():
            try:
                head = await reader.readuntil(b"\r\n\r\n")
                length = re.search(rb"content-length: *(\d+)", head, re.IGNORECASE)
                body = await reader.readexactly(int(length[1]) if length else 0)
            except (OSError, asyncio.IncompleteReadError):
                return
            if head.strip():
                self.datagram_received(head.lstrip() + body, None)

    def _sdp(self, port: int, version: int) -> str:
        plain = super()._sdp(port, version)
        if not self.is_sealed:
            return plain
        assert self.invite is not None and isinstance(self.ear, SecureEar)
        their_keys = re.search(rf"a=crypto:(\d+) {SUITE} inline:([\w+/=]+)", self.invite.body)
        assert their_keys is not None
        self.ear.theirs = Sealing(b64decode(their_keys[2]))
        ours = f"a=crypto:{their_keys[1]} {SUITE} inline:{b64encode(self.ear.master).decode()}\r\n"
        return plain.replace("RTP/AVP", "RTP/SAVP") + ours


class Connection:
    """As a datagram transport, of the latest connection."""

    def __init__(self, server: asyncio.Server) -> None:
        self._server = server
        self.writer: asyncio.StreamWriter | None = None

    def get_extra_info(self, name: str) -> Any:
        return self._server.sockets[0].getsockname()

    def sendto(self, data: bytes, addr: Any) -> None:
        assert self.writer is not None
        self.writer.write(data)

    def close(self) -> None:
        self._server.close()


@asynccontextmanager
async def secure_person(identity: Identity, *, is_sealed: bool = False) -> AsyncIterator[SecurePerson]:
    ear = await (SecureEar if is_sealed else Ear).opened()
    made = SecurePerson(ear, is_sealed=is_sealed)
    server = await asyncio.start_server(made.talk, HOST, 0, ssl=identity.context())
    made.connection_made(Connection(server))
    try:
        yield made
    finally:
        made.close()
        ear.transport.close()


def sealed_offer(message: Message) -> bool:
    return "RTP/SAVP " in message.body and SUITE in message.body


class _Names(asyncio.DatagramProtocol):
    """Every name is here (RFC 1035, 4)."""

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def datagram_received(self, data: bytes, addr: Any) -> None:
        question = data[12 : data.index(0, 12) + 5]
        is_address = question[-4:-2] == b"\0\1"
        header = data[:2] + b"\x81\x80" + b"\0\1" + (b"\0\1" if is_address else b"\0\0") + bytes(4)
        record = b"\xc0\x0c" + b"\0\1\0\1" + b"\0\0\0\x3c" + b"\0\4" + ip_address(HOST).packed
        self._transport.sendto(header + question + (record if is_address else b""), addr)


@asynccontextmanager
async def names_server() -> AsyncIterator[int]:
    transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(_Names, local_addr=(HOST, 0))
    try:
        yield transport.get_extra_info("sockname")[1]
    finally:
        transport.close()
