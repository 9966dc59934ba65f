"""The WebSocket to a voice server, opened as Twilio opens it."""

from __future__ import annotations

import base64
import hashlib
import hmac
import ssl
from collections.abc import Mapping
from typing import Final

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus
from websockets.frames import CloseCode

from dialplane.agents.websocket.definition import VoiceServer

MOST_BYTES: Final = 1 << 20  # of a message: a minute and a half of sound
QUEUED: Final = 16  # messages that have come and were not looked at
CLOSE_SECONDS: Final = 2.0
DONE: Final = frozenset({CloseCode.NORMAL_CLOSURE, CloseCode.GOING_AWAY, CloseCode.NO_STATUS_RCVD})


class Unreachable(Exception):
    """The text says why."""


class _Connect(connect):
    def process_redirect(self, exc: Exception) -> Exception | str:
        """Nowhere else: the headers and the signature are for one address."""
        return exc


async def opened(server: VoiceServer) -> ClientConnection:
    """Raises Unreachable."""
    try:
        return await _Connect(
            server.url,
            additional_headers=_headers(server),
            user_agent_header="Dialplane",
            proxy=None,
            compression=None,
            open_timeout=server.connect_seconds,
            close_timeout=CLOSE_SECONDS,
            max_size=MOST_BYTES,
            max_queue=QUEUED,
        )
    except TimeoutError:
        raise Unreachable(f"did not answer within {server.connect_seconds:g} s") from None
    except InvalidStatus as refusal:
        raise Unreachable(f"refused: HTTP {refusal.response.status_code}") from None
    except InvalidHandshake as fault:
        raise Unreachable(f"does not speak WebSocket: {fault}") from None
    except ssl.SSLCertVerificationError as fault:
        raise Unreachable(f"has a certificate that is not trusted: {fault.verify_message}") from None
    except OSError as fault:
        raise Unreachable(f"cannot be reached: {fault}") from None


def why_closed(fault: ConnectionClosed) -> str:
    """What broke; "" where the server has said that it is done."""
    first = fault.rcvd if fault.sent is None or fault.rcvd_then_sent else fault.sent
    if first is None:
        return "broke off without a word"
    return "" if first.code in DONE else f"broke off: {first}"


def _headers(server: VoiceServer) -> Mapping[str, str]:
    signed = {"X-Twilio-Signature": signature(server.auth_token, server.url)} if server.auth_token else {}
    return {**server.headers, **signed}


def signature(auth_token: str, url: str) -> str:
    """As of every request of Twilio's, here of one without fields: https://www.twilio.com/docs/usage/security"""
    return base64.b64encode(hmac.new(auth_token.encode(), url.encode(), hashlib.sha1).digest()).decode()
