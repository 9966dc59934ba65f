"""Who speaks to us: Twilio's signature of its requests, and ours of the streams that it opens."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Sequence
from urllib.parse import urlsplit

Form = Sequence[tuple[str, str]]


def signature(auth_token: str, url: str, form: Form) -> str:
    """X-Twilio-Signature: of the URL and the form's fields by name, under the account's token."""
    signed = url + "".join(name + value for name, value in sorted(set(form)))
    return base64.b64encode(hmac.new(auth_token.encode(), signed.encode(), hashlib.sha1).digest()).decode()


def is_signed(auth_token: str, url: str, form: Form, given: str) -> bool:
    """Twilio signs the URL with its port or without, as it likes."""
    return any(_same(signature(auth_token, each, form), given) for each in (url, _without_port(url), _with_port(url)))


def stream_token(auth_token: str, attempt: str) -> str:
    """What opens the stream of one attempt: Twilio gets it with the call, and brings it along."""
    return hmac.new(auth_token.encode(), f"stream {attempt}".encode(), hashlib.sha256).hexdigest()


def is_stream_token(auth_token: str, attempt: str, given: str) -> bool:
    return _same(stream_token(auth_token, attempt), given)


def _same(ours: str, given: str) -> bool:
    return hmac.compare_digest(ours.encode(), given.encode(errors="replace"))


def _without_port(url: str) -> str:
    parts = urlsplit(url)
    return parts._replace(netloc=parts.hostname or "").geturl()


def _with_port(url: str) -> str:
    parts = urlsplit(url)
    return parts._replace(netloc=f"{parts.hostname}:{parts.port or 443}").geturl()
