"""A campaign's server -> the webhook that tells it what happens, and the check that it makes before each call."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from dialplane.api.contracts.vapi.requests import MESSAGES, CreateCampaign, PredialPlan, as_json
from dialplane.api.contracts.vapi.shapes import ServerSettings
from dialplane.api.contracts.vapi.showing import told
from dialplane.core.screening import MAX_TIMEOUT_SECONDS
from dialplane.engine.sealing import MASK
from dialplane.engine.views import CampaignRecord
from dialplane.engine.webhooks import Webhooks
from dialplane.errors import Invalid
from dialplane.wiring import Server

FORMAT: Final = "vapi"
DEFAULT_TIMEOUT_SECONDS = 20.0
SEALED = "sealedServer"  # in a campaign's extras: the whole of it, encrypted, for a duplicate


@dataclass(frozen=True, slots=True, kw_only=True)
class Listener:
    """What goes where. settings: None where nobody listens. kinds: of Vapi's messages."""

    settings: ServerSettings | None
    kinds: Sequence[str]
    screening: Mapping[str, Any] | None
    extras: dict[str, Any]
    warnings: Sequence[str]

    async def listen(self, webhooks: Webhooks, campaign_id: int) -> None:
        """Once, however often. Raises Invalid."""
        if self.settings is None or self.settings.url is None or not self.kinds:
            return
        await webhooks.create_for_campaign(
            campaign_id,
            self.settings.url,
            self.kinds,
            format=FORMAT,
            secret=self.settings.secret,
            headers=self.settings.headers,
            timeout_seconds=self.settings.timeout_seconds,
        )


def listener_of(server: Server, body: CreateCampaign, source: CampaignRecord | None) -> Listener:
    """What is left out of a duplicate is as in its source. Raises Invalid for an address that cannot be used."""
    settings = body.server or _server_of(server, source)
    kept = {} if source is None else told(source)
    kinds = body.server_messages if body.server_messages is not None else kept.get("serverMessages")
    plan = body.predial_plan or (PredialPlan.model_validate(kept["predialPlan"]) if "predialPlan" in kept else None)
    if settings is not None and settings.url is not None and (why := server.sender.objection(settings.url)) is not None:
        raise Invalid(f"server.url cannot be used: {why}")
    return Listener(
        settings=settings,
        kinds=list(MESSAGES if kinds is None else dict.fromkeys(kinds)),
        screening=_screening(server, settings) if plan is not None and plan.enabled else None,
        extras={} if settings is None else _extras(server, settings),
        warnings=_warnings(settings, body.server_messages),
    )


def _server_of(server: Server, source: CampaignRecord | None) -> ServerSettings | None:
    sealed = None if source is None else told(source).get(SEALED)
    return None if sealed is None else ServerSettings.model_validate_json(server.secrets.decrypt(sealed))


def _screening(server: Server, settings: ServerSettings | None) -> dict[str, Any]:
    if settings is None or not settings.url:
        raise Invalid("predialPlan needs server.url: the check before each call is sent there")
    return server.screening.settings(
        settings.url,
        timeout_seconds=min(settings.timeout_seconds or DEFAULT_TIMEOUT_SECONDS, MAX_TIMEOUT_SECONDS),
        format=FORMAT,
        secret=settings.secret,
        headers=settings.headers,
    )


def _extras(server: Server, settings: ServerSettings) -> dict[str, Any]:
    shown: dict[str, Any] = as_json(settings)
    whole = server.secrets.encrypt(json.dumps(shown))
    if settings.secret:
        shown["secret"] = MASK
    if settings.headers:
        shown["headers"] = dict.fromkeys(settings.headers, MASK)
    return {"server": shown, SEALED: whole}


def _warnings(settings: ServerSettings | None, messages: Sequence[str] | None) -> list[str]:
    if settings is None or settings.url is None:
        return ["serverMessages without server.url are sent nowhere"] if messages else []
    unheard = [*settings.unknown()]
    if settings.credential_id is not None:
        unheard.append("server.credentialId has no effect: give the headers themselves")
    return unheard
