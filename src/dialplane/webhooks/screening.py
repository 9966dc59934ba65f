"""The check before a call: a POST that asks whether somebody may be called, and the answer {"eligible": true}."""

from __future__ import annotations

import json
import ssl
from collections.abc import Callable, Mapping
from typing import Any

from standardwebhooks import Webhook
from standardwebhooks.webhooks import EmptyWebhookSecretError

from dialplane.core.screening import DEFAULT_TIMEOUT_SECONDS, Check
from dialplane.errors import EnvironmentFault, Invalid
from dialplane.ports import Candidate, CheckFailed
from dialplane.webhooks.addresses import Resolver
from dialplane.webhooks.posting import Headers, PostFailed, Posting, Reply


class HttpScreening:
    """seal, opened: encrypt and decrypt what is kept of secrets. own_network: whether its own may be asked."""

    def __init__(
        self,
        seal: Callable[[str], str],
        opened: Callable[[str], str],
        *,
        own_network: bool = False,
        resolver: Resolver | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._seal = seal
        self._opened = opened
        self._posting = Posting(own_network=own_network, resolver=resolver, tls=tls)

    def settings(
        self,
        url: str,
        *,
        timeout_seconds: float = DEFAULT_TIMEOUT_SECONDS,
        format: str = "standard",
        secret: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> dict[str, Any]:
        """What a campaign keeps: `screening` of `Campaigns.create`. Raises Invalid."""
        if (objection := self._posting.objection(url)) is not None:
            raise Invalid(f"screening: nothing can be sent to {url}: {objection}")
        if (objection := self._posting.header_objection(headers or {})) is not None:
            raise Invalid(f"screening: {objection}")
        kept = {"secret": secret, "headers": dict(headers or {})}
        sealed = self._seal(json.dumps(kept)) if secret or headers else ""
        check = Check(url=url, timeout_seconds=timeout_seconds, format=format, sealed=sealed)
        if format == "standard" and secret:
            _webhook(secret)
        return check.to_json()

    async def eligible(self, candidate: Candidate, check: Check) -> bool:
        """Raises CheckFailed for everything that is no clear answer."""
        body = json.dumps(BODIES[check.format](candidate), ensure_ascii=False, separators=(",", ":"))
        try:
            headers = self._headers(candidate, check, body)
            reply = await self._posting.post(check.url, body.encode(), headers, deadline_seconds=check.timeout_seconds)
        except (PostFailed, EnvironmentFault) as failed:
            raise CheckFailed(str(failed)) from failed
        return _verdict(reply)

    async def close(self) -> None:
        await self._posting.close()

    def _headers(self, candidate: Candidate, check: Check, body: str) -> Headers:
        kept = json.loads(self._opened(check.sealed)) if check.sealed else {"secret": None, "headers": {}}
        headers = list(kept["headers"].items())
        if not kept["secret"]:
            return headers
        if check.format == "vapi":
            return [*headers, ("X-Vapi-Secret", kept["secret"])]
        uuid, at = str(candidate.order.attempt_uuid), candidate.asked_at
        return [
            *headers,
            ("webhook-id", uuid),
            ("webhook-timestamp", str(int(at.timestamp()))),
            ("webhook-signature", _webhook(kept["secret"]).sign(uuid, at, body)),
        ]


def _webhook(secret: str) -> Webhook:
    try:
        return Webhook(secret)
    except (ValueError, EmptyWebhookSecretError) as fault:
        raise Invalid(f"screening: the secret must look like whsec_… in base64: {fault}") from fault


def _verdict(reply: Reply) -> bool:
    if not 200 <= reply.status < 300:
        raise CheckFailed(f"it answered {reply.status}")
    try:
        answer = json.loads(reply.body)
    except ValueError:
        raise CheckFailed("its answer is no JSON") from None
    eligible = answer.get("eligible") if isinstance(answer, dict) else None
    if not isinstance(eligible, bool):
        raise CheckFailed('its answer has no "eligible": true or false')
    return eligible


def _standard(candidate: Candidate) -> dict[str, Any]:
    order = candidate.order
    data = {
        "campaign_id": order.campaign_id,
        "campaign_uuid": str(candidate.campaign_uuid),
        "contact_id": order.contact_id,
        "contact_uuid": str(candidate.contact_uuid),
        "uuid": str(order.attempt_uuid),
        "attempt": order.number,
        "external_id": candidate.external_id,
        "to_number": order.to_number,
        "from_number": order.from_number,
        "variables": dict(candidate.variables),
    }
    return {"type": "attempt.check", "timestamp": candidate.asked_at.isoformat(timespec="microseconds"), "data": data}


def _vapi(candidate: Candidate) -> dict[str, Any]:
    """Source: Vapi's documents of the pre-dial webhook."""
    contact = {
        "id": str(candidate.contact_uuid),
        "campaignId": str(candidate.campaign_uuid),
        "orgId": str(candidate.organization_uuid),
        "number": candidate.order.to_number,
        "name": candidate.variables.get("name"),
        "createdAt": candidate.added_at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
    }
    message = {
        "type": "campaign.predial",
        "timestamp": int(candidate.asked_at.timestamp() * 1000),
        "campaignId": str(candidate.campaign_uuid),
        "contact": contact,
    }
    return {"message": message}


BODIES: Mapping[str, Callable[[Candidate], dict[str, Any]]] = {"standard": _standard, "vapi": _vapi}
