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
from dialplane.providers import ARI, SIMULATED, SIP, TELNYX, TWILIO
from dialplane.web.forms import decimal, whole

PROVIDERS = {SIP: "SIP trunk", TWILIO: "Twilio", TELNYX: "Telnyx", ARI: "Asterisk", SIMULATED: "Simulated"}
LIMITS = ("max_lines", "cps")


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One setting that has an input of its own; the others are written as YAML. flag: it is ticked or not."""

    name: str
    label: str
    hint: str = ""
    options: tuple[str, ...] = ()
    read: Callable[[str], Any] = str
    secret: bool = False
    flag: bool = False
    required: bool = False

    @property
    def options_shown(self) -> list[tuple[str, str]]:
        return [(each, each) for each in self.options]


SIP_FIELDS = (
    Field(name="host", label="Host", hint="Name or address of the trunk, such as sip.example.org.", required=True),
    Field(
        name="port", label="Port", hint="Usually 5060, or 5061 over TLS.", read=lambda t: whole(t, "Port", most=65535)
    ),
    Field(name="transport", label="Transport", options=TRANSPORTS),
    Field(name="number_format", label="Numbers are written", options=FORMATS),
    Field(name="user", label="User", hint="Empty: the trunk knows us by our address."),
    Field(name="password", label="Password", hint="Empty: the trunk asks for none.", secret=True),
    Field(name="from_user", label="From", hint="Empty: the number that the call comes from."),
    Field(name="outbound_proxy", label="Outbound proxy", hint="Such as sbc.example:5060;transport=tcp. Empty: none."),
    Field(
        name="register", label="Register with the trunk", hint="Only where the trunk asks for it. It wants a user.",
        flag=True,
    ),
)  # fmt: skip
MACHINES = Field(
    name="machine_detection", label="Listen for machines", flag=True,
    hint="By the carrier, which has a price for it. A machine is hung up on, unless the campaign says otherwise.",
)  # fmt: skip
FIELDS: Mapping[str, tuple[Field, ...]] = {
    SIP: SIP_FIELDS,
    TWILIO: (
        Field(name="account_sid", label="Account SID", hint="AC…, on the first page of the console.", required=True),
        Field(
            name="auth_token",
            label="Auth token",
            hint="Of the account: also with an API key.",
            secret=True,
            required=True,
        ),
        Field(name="api_key", label="API key", hint="Empty: the account itself, with its token."),
        Field(name="api_secret", label="Secret of the API key", hint="Empty: as above.", secret=True),
        MACHINES,
    ),
    TELNYX: (
        Field(name="api_key", label="API key", hint="KEY…, in the portal under API Keys.", secret=True, required=True),
        Field(
            name="connection_id",
            label="Voice API application",
            hint="Its id, in the portal under Voice.",
            required=True,
        ),
        Field(
            name="webhook_public_key",
            label="Public key",
            hint="In the portal under Keys & Credentials. Without it no call is placed.",
        ),
        MACHINES,
    ),
    ARI: (
        Field(name="url", label="Address", hint="Of http.conf, such as http://10.0.0.5:8088.", required=True),
        Field(name="user", label="User", hint="Of ari.conf.", required=True),
        Field(name="password", label="Password", hint="Of ari.conf.", secret=True, required=True),
        Field(name="endpoint", label="Endpoint", hint="What is dialled: PJSIP/{number}@trunk.", required=True),
        Field(name="number_format", label="Numbers are written", options=FORMATS),
        Field(name="transfer_context", label="Context for transfers", hint="Of the dialplan. Empty: there are none."),
    ),
}
SHOWN_FORMATS = {"e164": "+14155550100", "digits": "14155550100", "double_zero": "0014155550100"}


@dataclass(frozen=True, slots=True, kw_only=True)
class CarrierForm:
    """values: by the names of inputs; ticked: of flags. codecs: () is all. more: the other settings, as YAML."""

    provider: str
    name: str = ""
    values: Mapping[str, str]
    ticked: frozenset[str] = frozenset()
    codecs: tuple[str, ...] = ()
    more: str = ""
    is_default: bool = False

    @classmethod
    def new(cls, provider: str) -> Self:
        return cls(provider=provider, name="", values={"transport": "udp", "number_format": "e164"}, codecs=CODECS)

    @classmethod
    def of(cls, carrier: CarrierRecord, settings: Mapping[str, Any]) -> Self:
        """settings: as people may see them."""
        own, flags = _own(carrier.provider), _flags(carrier.provider)
        limits = {name: getattr(carrier.limits, name) for name in LIMITS}
        values = {name: settings[name] for name in own - flags if name in settings} | limits
        shown = {name: _shown(value) for name, value in values.items() if value is not None}
        rest = {name: value for name, value in settings.items() if name not in (*own, *LIMITS)}
        return cls(
            provider=carrier.provider,
            name=carrier.name,
            values={"transport": "udp", "number_format": "e164"} | shown,
            ticked=frozenset(name for name in flags if settings.get(name)),
            codecs=tuple(settings.get("codecs", CODECS)),
            more=write_definition(rest),
        )

    @classmethod
    def typed(cls, form: FormData, provider: str) -> Self:
        texts = {name: value.replace("\0", "") for name, value in form.items() if isinstance(value, str)}
        flags = _flags(provider)
        return cls(
            provider=provider,
            name=texts.get("name", "").strip(),
            values={name: texts.get(name, "").strip() for name in (*(_own(provider) - flags), *LIMITS)},
            ticked=frozenset(flags & texts.keys()),
            codecs=tuple(each for each in form.getlist("codecs") if isinstance(each, str)),
            more=texts.get("more", ""),
            is_default="is_default" in texts,
        )

    @property
    def fields(self) -> tuple[Field, ...]:
        return FIELDS.get(self.provider, ())

    def settings(self) -> dict[str, Any]:
        """Without the limits. Raises Invalid."""
        more = dict(read_definition(self.more, "the other settings")) if self.more.strip() else {}
        own = _own(self.provider)
        if twice := [name for name in more if name in (*LIMITS, *own)]:
            raise Invalid(f"the other settings: '{twice[0]}' has a field of its own above; write it there")
        typed = {field.name: field.read(text) for field in self.fields if (text := self.values.get(field.name))}
        if "codecs" in own and self.codecs and set(self.codecs) != set(CODECS):
            typed["codecs"] = list(self.codecs)
        return typed | dict.fromkeys(self.ticked, True) | more

    def limits(self) -> dict[str, Any]:
        """Raises Invalid."""
        return {
            "max_lines": whole(self.values.get("max_lines", ""), "Calls at once"),
            "cps": decimal(self.values.get("cps", ""), "Calls started per second"),
        }


def _shown(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _own(provider: str) -> frozenset[str]:
    """Names of settings that have inputs of their own."""
    names = frozenset(field.name for field in FIELDS.get(provider, ()))
    return names | {"codecs"} if provider == SIP else names


def _flags(provider: str) -> frozenset[str]:
    return frozenset(field.name for field in FIELDS.get(provider, ()) if field.flag)
