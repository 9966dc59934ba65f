"""Who speaks to us: Telnyx's signature of what it tells, and the token with which it opens streams."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Mapping
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

TOLERANCE_SECONDS: Final = 300.0  # between our clocks; what was signed longer ago is brought by somebody else
STREAM_HEADER: Final = "x-telnyx-streaming-auth-token"


def is_signed(public_key: str, body: str, headers: Mapping[str, str], now_seconds: float) -> bool:
    """Ed25519 over the time and the body. It does not say for which of our addresses they are."""
    signed_at = headers.get("telnyx-timestamp", "")
    if not signed_at.isdecimal() or abs(now_seconds - int(signed_at)) > TOLERANCE_SECONDS:
        return False
    try:
        signature = base64.b64decode(headers.get("telnyx-signature-ed25519", ""), validate=True)
        _key(public_key).verify(signature, f"{signed_at}|{body}".encode())
    except (ValueError, InvalidSignature):
        return False
    return True


def is_public_key(text: str) -> bool:
    try:
        _key(text)
    except ValueError:
        return False
    return True


def _key(text: str) -> Ed25519PublicKey:
    """Raises ValueError."""
    return Ed25519PublicKey.from_public_bytes(base64.b64decode(text, validate=True))


def stream_token(api_key: str, attempt: str) -> str:
    """What opens the stream of one attempt: Telnyx gets it with the call, and brings it along."""
    return hmac.new(api_key.encode(), f"stream {attempt}".encode(), hashlib.sha256).hexdigest()


def opens_stream(api_key: str, attempt: str, headers: Mapping[str, str]) -> bool:
    given = headers.get(STREAM_HEADER, "")
    return hmac.compare_digest(stream_token(api_key, attempt).encode(), given.encode(errors="replace"))
