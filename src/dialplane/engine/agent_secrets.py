"""Secrets in what an agent is made of -> tokens that only the agent that talks gets opened."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from dialplane.errors import EnvironmentFault, Invalid
from dialplane.secrets import Secrets

TOKEN: Final = "sealed:"
HEADERS: Final = "headers"  # all values of a mapping that is called so, except those with {{columns}}
# By the end of a field's name: `max_tokens` and `token_url` are none.
SECRET: Final = re.compile(
    r"(secret|token|passw(or)?d|pass|pwd|passphrase|api_?key|private_?key|credentials?|authorization)$", re.IGNORECASE
)
REFERENCE: Final = re.compile(r"\$\{(\w+)\}")

Definition = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class AgentSecrets:
    """Of one organization: a token is worth nothing in another one. The key is only loaded where there are any."""

    secrets: Callable[[], Secrets]
    organization_id: int

    def sealed(self, definition: Definition) -> dict[str, Any]:
        """The same with a token for each secret; a token that is one already stays.

        Raises Invalid for a token of others and for `${NAME}`, EnvironmentFault.
        """
        return replaced(definition, self._seal)

    def opened(self, definition: Definition) -> dict[str, Any]:
        """As it was given. Raises Invalid for tokens that were made with another key."""
        return replaced(definition, self._open)

    def same(self, sealed: Definition, kept: Definition) -> bool:
        """Whether both hold the same: no two encryptions of a text are alike."""
        try:
            return self.opened(sealed) == self.opened(kept)
        except Invalid:
            return sealed == kept  # what is kept cannot be opened any more: whatever is new replaces it

    def _seal(self, place: str, text: str) -> str:
        if (reference := REFERENCE.search(text)) is not None:
            raise Invalid(
                f"{place}: {reference[0]} is read from the environment by the command line alone; give the value"
            )
        if text.startswith(TOKEN):
            self._open(place, text)
            return text
        return TOKEN + self.secrets().encrypt(f"{self.organization_id}:{text}")

    def _open(self, place: str, text: str) -> str:
        if not text.startswith(TOKEN):
            return text
        try:
            owner, _, secret = self.secrets().decrypt(text.removeprefix(TOKEN)).partition(":")
        except EnvironmentFault:
            owner, secret = "", ""
        if owner != str(self.organization_id):
            raise Invalid(
                f"{place}: this sealed value is not of this organization, or was sealed with another "
                "DIALPLANE_SECRET_KEY; give the value itself"
            )
        return secret


def from_environment(definition: Definition, environment: Mapping[str, str]) -> dict[str, Any]:
    """The same where `${NAME}` in a secret stands for what the environment says. Raises Invalid."""

    def look_up(place: str, text: str) -> str:
        for name in REFERENCE.findall(text):
            if not environment.get(name):
                raise Invalid(f"{place}: the environment has no {name}; set it, or give the value itself")
        return REFERENCE.sub(lambda reference: environment[reference[1]], text)

    return replaced(definition, look_up)


def replaced(definition: Definition, change: Callable[[str, str], str]) -> dict[str, Any]:
    """The same with each secret changed: (where it stands, what it is) -> what is to stand there.

    >>> told = {"llm": {"api_key": "k", "max_tokens": 9}, "tools": [{"headers": {"X-Id": "7"}}], "token": ""}
    >>> replaced(told, lambda place, text: f"<{place}>")["llm"]
    {'api_key': '<llm.api_key>', 'max_tokens': 9}
    >>> replaced(told, lambda place, text: f"<{place}>")["tools"]
    [{'headers': {'X-Id': '<tools[0].headers.X-Id>'}}]
    """
    found: dict[str, Any] = _replaced(definition, "", change, secret=False, headers=False)
    return found


def _is_template(value: Any) -> bool:
    """Filled in for each contact: what the agent needs of them is read without opening anything."""
    return isinstance(value, str) and "{{" in value


def _replaced(value: Any, place: str, change: Callable[[str, str], str], *, secret: bool, headers: bool) -> Any:
    if isinstance(value, Mapping):
        return {
            name: _replaced(
                inner,
                f"{place}.{name}" if place else str(name),
                change,
                secret=bool(SECRET.search(str(name))) or (headers and not _is_template(inner)),
                headers=str(name).lower() == HEADERS,
            )
            for name, inner in value.items()
        }
    if isinstance(value, list):
        return [_replaced(each, f"{place}[{n}]", change, secret=secret, headers=False) for n, each in enumerate(value)]
    if secret and isinstance(value, str | int) and not isinstance(value, bool) and value != "":
        return change(place, str(value))
    return value
