"""DialNexa's clients: the Bearer key, its paths, campaigns and leads in a line."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from people import app_of
from site_of import CALLS, Site

from dialplane.api.contracts.dialnexa import ids


class Nexa:
    """One client of a site, of one organization."""

    def __init__(self, site: Site, *, of: str = "default", key: str | None = None) -> None:
        self.site = site
        self._of = of
        self._key = key or site.keys[of]

    async def answer(self, method: str, path: str, **request: Any) -> Any:
        headers = {"Authorization": f"Bearer {self._key}", **request.pop("headers", {})}
        return await self.site.http.request(method, f"/dialnexa/v1{path}", headers=headers, **request)

    async def call(self, method: str, path: str, *, status: int = 200, **request: Any) -> Any:
        """The JSON of the answer, which must have this status."""
        answer = await self.answer(method, path, **request)
        assert answer.status_code == status, f"{method} {path}: {answer.status_code} {answer.text}"
        return answer.json()

    async def refused(self, method: str, path: str, status: int, **request: Any) -> Any:
        """The message of the answer; its body must be of the contract's shape."""
        body = await self.call(method, path, status=status, **request)
        assert set(body) == {"statusCode", "message", "error"}
        assert body["statusCode"] == status
        return body["message"]

    async def agent(self, definition: Mapping[str, Any] | None = None) -> str:
        """The id of an agent; the organization can call from then on."""
        app = app_of(self.site, self._of)
        await app.add_carrier(CALLS)
        record = await app.library.get(await app.add_agent(definition))
        return ids.shown(ids.AGENT, record.uuid)

    async def campaign(self, agent: Mapping[str, Any] | None = None, **fields: Any) -> Any:
        body = {"name": "Spring", "agent_id": await self.agent(agent), **fields}
        return await self.call("POST", "/campaigns", json=body, status=201)

    async def lead(self, campaign: Mapping[str, Any], number: str, **fields: Any) -> Any:
        body = {"campaignId": campaign["id"], "phoneNumber": number, **fields}
        return await self.call("POST", "/campaigns-leads", json=body, status=201)

    async def upload(self, campaign: Mapping[str, Any], content: bytes | str, **options: Any) -> Any:
        """name: of the file; status: 201 unless given; the message where it is refused."""
        name, status = options.pop("name", "people.csv"), options.pop("status", 201)
        data = content.encode() if isinstance(content, str) else content
        path = f"/campaigns-leads/upload-file/{campaign['id']}"
        request = {"files": {"file": (name, data)}, **options}
        if status != 201:
            return await self.refused("POST", path, status, **request)
        return await self.call("POST", path, status=201, **request)

    async def until(self, path: str, seconds: float = 30, **wanted: Any) -> Any:
        """Ask until the answer has these values."""
        async with asyncio.timeout(seconds):
            while True:
                answer = await self.call("GET", path)
                if all(answer[name] == value for name, value in wanted.items()):
                    return answer
                await asyncio.sleep(0.02)
