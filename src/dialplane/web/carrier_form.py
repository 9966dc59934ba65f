"""What is typed of a carrier -> its settings and limits, and back. A mask stands for the secret that is stored."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Self

from starlette.datastructures import FormData

from dialplane.carriers.sip.trunk import CODECS, FORMATS, TRANSPORTS
from dialplane.engine.carriers import CarrierRecord
from dialplane.engine.definitions import read_definition, write_definition
from dialplane.errors import Invalid
from dialplane.providers import SIMULATED, SIP
from dialplane.web.forms import decimal, whole

PROVIDERS = (SIP, SIMULATED)
LIMITS = ("max_lines", "cps")


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One setting of a SIP trunk that has an input of its own; the others are written as YAML."""

    name: str
    label: str
    hint: str = ""
    options: tuple[str, ...] = ()
    read: Callable[[str], Any] = str
    secret: bool = False

    @property
    def options_shown(self) -> list[tuple[str, str]]:
        return [(each, each) for each in self.options]


SIP_FIELDS = (
    Field(name="host", label="Host", hint="Name or address of the trunk, such as sip.example.org."),
    Field(
        name="port", label="Port", hint="Usually 5060, or 5061 over TLS.", read=lambda t: whole(t, "Port", most=65535)
    ),
    Field(name="transport", label="Transport", options=TRANSPORTS),
    Field(name="number_format", label="Numbers are written", options=FORMATS),
    Field(name="user", label="User", hint="Empty: the trunk knows us by our address."),
    Field(name="password", label="Password", hint="As it stands, the stored one is kept.", secret=True),
    Field(name="from_user", label="From", hint="Empty: the number that the call comes from."),
    Field(name="outbound_proxy", label="Outbound proxy", hint="Such as sbc.example:5060;transport=tcp. Empty: none."),
)
OF_FIELDS = (*(field.name for field in SIP_FIELDS), "codecs", "register")
SHOWN_FORMATS = {"e164": "+14155550100", "digits": "14155550100", "double_zero": "0014155550100"}


@dataclass(frozen=True, slots=True, kw_only=True)
class CarrierForm:
    """values: by the names of inputs. codecs: () is all. more: the other settings, as YAML."""

    provider: str
    name: str = ""
    values: Mapping[str, str]
    codecs: tuple[str, ...] = ()
    register: bool = False
    more: str = ""
    is_default: bool = False

    @classmethod
    def new(cls, provider: str) -> Self:
        return cls(provider=provider, name="", values={"transport": "udp", "number_format": "e164"}, codecs=CODECS)

    @classmethod
    def of(cls, carrier: CarrierRecord, settings: Mapping[str, Any]) -> Self:
        """settings: as people may see them."""
        own = OF_FIELDS if carrier.provider == SIP else ()
        limits = {name: getattr(carrier.limits, name) for name in LIMITS}
        values = {name: settings[name] for name in own if name in settings} | limits
        shown = {name: _shown(value) for name, value in values.items() if value is not None}
        rest = {name: value for name, value in settings.items() if name not in (*own, *LIMITS)}
        return cls(
            provider=carrier.provider,
            name=carrier.name,
            values={"transport": "udp", "number_format": "e164"} | shown,
            codecs=tuple(settings.get("codecs", CODECS)),
            register=bool(settings.get("register", False)),
            more=write_definition(rest),
        )

    @classmethod
    def typed(cls, form: FormData, provider: str) -> Self:
        texts = {name: value.replace("\0", "") for name, value in form.items() if isinstance(value, str)}
        return cls(
            provider=provider,
            name=texts.get("name", "").strip(),
            values={name: texts.get(name, "").strip() for name in (*(field.name for field in SIP_FIELDS), *LIMITS)},
            codecs=tuple(each for each in form.getlist("codecs") if isinstance(each, str)),
            register="register" in texts,
            more=texts.get("more", ""),
            is_default="is_default" in texts,
        )

    def settings(self) -> dict[str, Any]:
        """Without the limits. Raises Invalid."""
        more = dict(read_definition(self.more, "the other settings")) if self.more.strip() else {}
        own = (*LIMITS, *(OF_FIELDS if self.provider == SIP else ()))
        if twice := [name for name in more if name in own]:
            raise Invalid(f"the other settings: '{twice[0]}' has a field of its own above; write it there")
        if self.provider != SIP:
            return more
        typed = {field.name: field.read(text) for field in SIP_FIELDS if (text := self.values.get(field.name))}
        if self.codecs and set(self.codecs) != set(CODECS):
            typed["codecs"] = list(self.codecs)
        return typed | ({"register": True} if self.register else {}) | more

    def limits(self) -> dict[str, Any]:
        """Raises Invalid."""
        return {
            "max_lines": whole(self.values.get("max_lines", ""), "Calls at once"),
            "cps": decimal(self.values.get("cps", ""), "Calls started per second"),
        }


def _shown(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
