"""Settings of a carrier -> what may be read in the database and shown, and the secrets among them, encrypted."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from dialplane.errors import Invalid
from dialplane.secrets import Secrets

MASK: Final = "••••"
SHOWN_CHARACTERS: Final = 4  # the last ones of a secret, for people to recognise it by
FEWEST_TO_SHOW: Final = 12  # of a shorter one they would give too much away

# When in doubt it is a secret. Parts of a name, wherever they stand in it; and words, which stand in others too.
_PARTS = re.compile(r"token|secret|passw|passphrase|private|credential|auth|bearer|signature|key|cert|cookie|login")
_WORDS = frozenset({"pass", "pwd", "pin", "sid", "jwt", "pem", "hash", "salt"})
_BREAKS = re.compile(r"[^A-Za-z0-9]+|(?<=[a-z0-9])(?=[A-Z])")
# Whatever its name: an address with a password in it, a key in PEM.
_CONTENT = re.compile(r"://[^/\s]*@|-----BEGIN ")

Settings = Mapping[str, Any]


class Sealer:
    """Takes secrets out of settings and puts them back. The installation's key is only loaded where there are any."""

    def __init__(self, secrets: Callable[[], Secrets]) -> None:
        self._secrets = secrets

    def seal(self, settings: Settings) -> tuple[dict[str, Any], str]:
        """(open settings, the others as one encrypted text; '' where there are none). Raises EnvironmentFault."""
        plain, secret = split(settings)
        return plain, self._secrets().encrypt(json.dumps(secret)) if secret else ""

    def opened(self, plain: Settings, sealed: str) -> dict[str, Any]:
        """The settings as they were given. Raises EnvironmentFault where they were sealed with another key."""
        return _merged(plain, json.loads(self._secrets().decrypt(sealed)) if sealed else {})


def is_secret(name: str, value: Any) -> bool:
    """Whether a setting is kept from people.

    >>> [is_secret(name, "x") for name in ("auth_token", "apiKey", "account_sid", "app_name", "ring_seconds")]
    [True, True, True, False, False]
    """
    words = {word.lower() for word in _BREAKS.split(name)}
    return bool(_PARTS.search(name.lower()) or words & _WORDS or (isinstance(value, str) and _CONTENT.search(value)))


def split(settings: Settings) -> tuple[dict[str, Any], dict[str, Any]]:
    """(open ones, secret ones), nested as they were. A list is secret as a whole if anything in it is."""
    plain: dict[str, Any] = {}
    secret: dict[str, Any] = {}
    for name, value in settings.items():
        if value is None:
            plain[name] = value
        elif is_secret(name, value) or (isinstance(value, list) and any(_holds_secrets(each) for each in value)):
            secret[name] = value
        elif isinstance(value, Mapping):
            inner_plain, inner_secret = split(value)
            plain[name] = inner_plain
            if inner_secret:
                secret[name] = inner_secret
        else:
            plain[name] = value
    return plain, secret


def masked(settings: Settings) -> dict[str, Any]:
    """The settings for people: of a secret, the last characters.

    >>> masked({"account": "home", "auth_token": "0123456789abcdef"})
    {'account': 'home', 'auth_token': '••••cdef'}
    """
    plain, secret = split(settings)
    return _merged(plain, _covered(secret))


def unmasked(given: Settings, before: Callable[[], Settings]) -> dict[str, Any]:
    """Settings in which a mask stands for the secret that was there before; that is only opened where there is one.

    Raises Invalid for a mask of anything else.
    """
    if not _has_mask(given):
        return dict(given)
    return _restored(given, before(), "")


def _restored(given: Settings, before: Settings, path: str) -> dict[str, Any]:
    restored: dict[str, Any] = {}
    shown = masked(before)
    for name, value in given.items():
        if isinstance(value, Mapping):
            inner = before.get(name)
            restored[name] = _restored(value, inner if isinstance(inner, Mapping) else {}, f"{path}{name}.")
        elif not _has_mask(value):
            restored[name] = value
        elif value == shown.get(name):
            restored[name] = before[name]
        else:
            raise Invalid(f"{path}{name} is a mask and not the value that is stored: give the value itself")
    return restored


def _has_mask(value: Any) -> bool:
    if isinstance(value, str):
        return value.startswith(MASK)
    if isinstance(value, Mapping):
        return any(_has_mask(each) for each in value.values())
    return isinstance(value, list) and any(_has_mask(each) for each in value)


def _holds_secrets(value: Any) -> bool:
    if isinstance(value, Mapping):
        return bool(split(value)[1])
    if isinstance(value, list):
        return any(_holds_secrets(each) for each in value)
    return is_secret("", value)


def _covered(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _covered(each) for name, each in value.items()}
    if isinstance(value, str) and len(value) >= FEWEST_TO_SHOW:
        return MASK + value[-SHOWN_CHARACTERS:]
    return MASK


def _merged(plain: Settings, secret: Settings) -> dict[str, Any]:
    merged = dict(plain)
    for name, value in secret.items():
        inner = plain.get(name)
        merged[name] = _merged(inner, value) if isinstance(inner, Mapping) else value
    return merged
