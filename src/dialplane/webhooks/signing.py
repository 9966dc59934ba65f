"""How a receiver can tell that a message is ours: its headers, by the format of the message."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Mapping

from standardwebhooks import Webhook

from dialplane.ports import Message
from dialplane.webhooks.posting import Headers


def signed(message: Message) -> Headers:
    """The headers that its receiver asked for, and those that prove who sends it."""
    return [*message.headers.items(), ("webhook-id", str(message.id)), *_SIGNATURES[message.format](message)]


def _standard(message: Message) -> Headers:
    """Source: Standard Webhooks, https://www.standardwebhooks.com: one signature for each secret that is valid."""
    signatures = [Webhook(secret).sign(str(message.id), message.sent_at, message.body) for secret in message.secrets]
    return [
        ("webhook-timestamp", str(int(message.sent_at.timestamp()))),
        ("webhook-signature", " ".join(signatures)),
    ]


def _vapi(message: Message) -> Headers:
    """The secret itself, as Vapi sends it."""
    return [("X-Vapi-Secret", secret) for secret in message.secrets[:1] if secret]


def _dialnexa(message: Message) -> Headers:
    """Source: DialNexa's documents: over the raw body. It has room for one signature, that of the newest secret."""
    digest = hmac.new(message.secrets[0].encode(), message.body.encode(), hashlib.sha256).hexdigest()
    return [("X-DialNexa-Signature", f"sha256={digest}")]


_SIGNATURES: Mapping[str, Callable[[Message], Headers]] = {
    "standard": _standard,
    "vapi": _vapi,
    "dialnexa": _dialnexa,
}
