"""Vapi's clients: the Bearer key, its paths, what a campaign is made of in a line."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

import httpx2
from people import app_of
from published import VAPI, conforms
from site_of import CALLS, Site

from dialplane.engine.attempt_views import AttemptFilter, AttemptRecord, Paging
from dialplane.engine.views import CampaignRecord
from dialplane.wiring import App

BUSY, NO_ANSWER, VOICEMAIL, DECLINED, INVALID, ANSWERED, CARRIER_FAILED = (
    f"+150055500{n}" for n in ("01", "02", "03", "04", "05", "06", "07")
)


class Vapi:
    """One client of a site, of one organization."""

    def __init__(self, site: Site, *, of: str = "default", key: str | None = None) -> None:
        self.site = site
        self._of = of
        self._key = key or site.keys[of]

    @property
    def app(self) -> App:
        return app_of(self.site, self._of)

    async def answer(self, method: str, path: str, **request: Any) -> httpx2.Response:
        headers = {"Authorization": f"Bearer {self._key}", **request.pop("headers", {})}
        return await self.site.http.request(method, f"/vapi{path}", headers=headers, **request)

    async def call(
        self, method: str, path: str, schema: str | None = None, *, status: int = 200, **request: Any
    ) -> Any:
        """The JSON of the answer, which must have this status and be as this schema has it."""
        answer = await self.answer(method, path, **request)
        assert answer.status_code == status, f"{method} {path}: {answer.status_code} {answer.text}"
        body = answer.json()
        if schema is not None:
            conforms(without_messages(body), schema, of=VAPI)
        return body

    async def refused(self, method: str, path: str, status: int, **request: Any) -> Any:
        """The message of the answer; its body must be of the contract's shape."""
        body = await self.call(method, path, status=status, **request)
        assert set(body) == {"statusCode", "message", "error"}
        assert body["statusCode"] == status
        return body["message"]

    # --- make ------------------------------------------------------------------------------------

    async def assistant(self, definition: Mapping[str, Any] | None = None) -> str:
        agent_id = await self.app.add_agent(definition)
        return str((await self.app.library.get(agent_id)).uuid)

    async def numbers(self, *e164: str, carrier: Mapping[str, Any] = CALLS) -> list[str]:
        """The ids of the numbers of a carrier; its only one unless some are given."""
        carrier_id = await self.app.add_carrier({**carrier, "numbers": list(e164)} if e164 else carrier)
        return [str(number.uuid) for number in await self.app.caller_numbers.page(carrier_id)]

    async def least(self, *numbers: str, **more: Any) -> dict[str, Any]:
        """The shortest body for a campaign that calls these."""
        body = {
            "name": "Q2",
            "assistantId": await self.assistant(more.pop("agent", None)),
            "phoneNumberId": (await self.numbers(carrier=more.pop("carrier", CALLS)))[0],
            "customers": [{"number": number} for number in numbers],
        }
        return {name: value for name, value in (body | more).items() if value is not None}

    async def created(self, *numbers: str, path: str = "/campaign", **more: Any) -> Any:
        return await self.call("POST", path, "Campaign", status=201, json=await self.least(*numbers, **more))

    async def create_refused(self, *numbers: str, status: int = 400, **more: Any) -> Any:
        """The message with which a campaign like this is refused; nothing is made."""
        message = await self.refused("POST", "/campaign", status, json=await self.least(*numbers, **more))
        assert (await self.list())["results"] == []
        return message

    async def ended(self, *numbers: str, **more: Any) -> Any:
        """A campaign that has called them all."""
        campaign = await self.created(*numbers, **more)
        async with self.site.working(self._of):
            return await self.until(campaign["id"], status="ended")

    # --- look ------------------------------------------------------------------------------------

    async def get(self, campaign_id: str) -> Any:
        return await self.call("GET", f"/campaign/{campaign_id}", "Campaign")

    async def summary(self, campaign_id: str, *, counters: bool = True) -> Any:
        path = f"/v2/campaign/{campaign_id}?includeCounters={str(counters).lower()}"
        return await self.call("GET", path, "CampaignSummary")

    async def list(self, **filters: Any) -> Any:
        return await self.call("GET", "/campaign", "CampaignPaginatedResponse", params=filters)

    async def contacts(self, campaign_id: str, **filters: Any) -> Any:
        path = f"/v2/campaign/{campaign_id}/contacts"
        return await self.call("GET", path, "CampaignContactPaginatedResponse", params=filters)

    async def record(self, campaign_id: str) -> CampaignRecord:
        """What the engine knows of it."""
        found = await self.app.campaigns.find(UUID(campaign_id))
        assert found is not None
        return await self.app.campaigns.get(found)

    async def called_from(self, campaign_id: str) -> dict[str, str]:
        """number that was called -> ours that called it."""
        return {call.to_number: call.from_number for call in await self._calls(campaign_id)}

    async def said(self, campaign_id: str) -> dict[str, str]:
        """number that was called -> the agent's words."""
        said = {}
        for call in await self._calls(campaign_id):
            _, transcript = await self.app.attempts.get(call.agent_id, call.id)
            said[call.to_number] = next(each["text"] for each in transcript or () if each["speaker"] == "agent")
        return said

    async def _calls(self, campaign_id: str) -> Sequence[AttemptRecord]:
        record = await self.record(campaign_id)
        return (await self.app.attempts.of_campaign(record.id, AttemptFilter(), Paging())).attempts

    async def grow_older(self, **delta: float) -> None:
        """All campaigns were made that much earlier."""
        async with self.site.server.database.connection() as connection:
            await connection.execute("UPDATE campaign SET created_at = created_at - $1::interval", timedelta(**delta))

    async def until(self, campaign_id: str, *, seconds: float = 30, **wanted: Any) -> Any:
        async with asyncio.timeout(seconds):
            while True:
                campaign = await self.get(campaign_id)
                if all(campaign.get(name) == value for name, value in wanted.items()):
                    return campaign
                await asyncio.sleep(0.02)


def without_messages(body: Any) -> Any:
    """The published schema of serverMessages wants a list that is one of its own words; no list is."""
    if isinstance(body, dict):
        return {name: without_messages(value) for name, value in body.items() if name != "serverMessages"}
    return [without_messages(each) for each in body] if isinstance(body, list) else body


def names(campaigns: Sequence[Mapping[str, Any]]) -> list[str]:
    return [campaign["name"] for campaign in campaigns]


def statuses(contacts: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """number -> status."""
    return {contact["number"]: contact["status"] for contact in contacts}
