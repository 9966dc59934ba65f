"""Whether anybody is there: an OPTIONS over UDP, a connection over TCP and TLS."""

from __future__ import annotations

import asyncio
import socket
import ssl
from contextlib import suppress
from uuid import uuid4

from dialplane.carriers.sip import trust
from dialplane.carriers.sip.trunk import Hop, Trunk

TRIES, WAIT_SECONDS = 3, 0.7


async def answers_options(trunk: Trunk) -> str | None:
    """None where the trunk answers, whatever it says; else what is wrong, for the operator."""
    hop = trunk.hop
    where = f"{hop.host}:{hop.port}"
    if hop.transport != "udp":
        return await _connects(hop, trust.context(trunk) if hop.transport == "tls" else None, where)
    loop = asyncio.get_running_loop()
    answered = loop.create_future()
    try:
        transport, _ = await loop.create_datagram_endpoint(lambda: _Answers(answered), remote_addr=(hop.host, hop.port))
    except socket.gaierror:
        return f"there is no host {hop.host}"
    except OSError as fault:
        return f"{where} cannot be reached: {fault.strerror or fault}"
    try:
        here = transport.get_extra_info("sockname")
        for _ in range(TRIES):
            transport.sendto(_request(trunk, f"{here[0]}:{here[1]}"))
            with suppress(TimeoutError):
                await asyncio.wait_for(asyncio.shield(answered), WAIT_SECONDS)
            if answered.done():
                refused = answered.result()
                return None if refused is None else f"{where} does not listen: {refused}"
    finally:
        transport.close()
    return f"{where} does not answer: is it the right address, and does it know ours? `probe: false` asks no more"


async def _connects(hop: Hop, context: ssl.SSLContext | None, where: str) -> str | None:
    try:
        async with asyncio.timeout(TRIES * WAIT_SECONDS):
            _, writer = await asyncio.open_connection(hop.host, hop.port, ssl=context)
    except socket.gaierror:
        return f"there is no host {hop.host}"
    except ssl.SSLCertVerificationError as fault:
        return f"the certificate of {where} is not trusted: {fault.verify_message}; see `ca_certificates`"
    except (OSError, TimeoutError) as fault:
        return f"{where} cannot be reached: {fault or type(fault).__name__}"
    writer.close()
    return None


class _Answers(asyncio.DatagramProtocol):
    def __init__(self, answered: asyncio.Future[str | None]) -> None:
        self._answered = answered

    def datagram_received(self, data: bytes, addr: object) -> None:  # noqa: ARG002
        if data.startswith(b"SIP/2.0 ") and not self._answered.done():
            self._answered.set_result(None)

    def error_received(self, exc: Exception) -> None:
        if not self._answered.done():
            self._answered.set_result(str(getattr(exc, "strerror", None) or exc))


def _request(trunk: Trunk, here: str) -> bytes:
    mark = uuid4().hex
    lines = (
        f"OPTIONS sip:{trunk.host}:{trunk.port} SIP/2.0",
        f"Via: SIP/2.0/UDP {here};branch=z9hG4bK{mark};rport",
        "Max-Forwards: 70",
        f"To: <sip:{trunk.host}:{trunk.port}>",
        f"From: <sip:{trunk.user or 'dialplane'}@{trunk.host}>;tag={mark[:8]}",
        f"Call-ID: {mark}",
        "CSeq: 1 OPTIONS",
        f"Contact: <sip:dialplane@{here}>",
        "Accept: application/sdp",
        "Content-Length: 0",
    )
    return "\r\n".join((*lines, "", "")).encode()
