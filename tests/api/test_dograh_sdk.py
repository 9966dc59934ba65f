"""Dograh's own Python client, unchanged: it has no methods for campaigns, so the flow goes through its `_request`."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import httpx2
import pytest
from dograh_sdk import ApiError, DograhClient
from people import app_of
from published import conforms
from site_of import CALLS, Site

pytestmark = pytest.mark.asyncio

BUSY, ANSWERED = "+15005550001", "+15005550006"
TEXT = f"phone_number,name\n{BUSY},Ana\n{ANSWERED},Ben\n"


async def test_the_client_does_the_whole_flow(site: Site) -> None:
    carrier_id = await app_of(site).add_carrier(CALLS)
    await app_of(site).add_agent(None)

    async with site.working():
        await asyncio.to_thread(whole_flow, site.url, site.keys["default"], carrier_id)


def whole_flow(url: str, key: str, carrier_id: int) -> None:
    with DograhClient(base_url=url, api_key=key) as client:
        (workflow,) = client.list_workflows()
        assert client.get_workflow(workflow.id).name == workflow.name
        given = client._request(
            "POST", "/s3/presigned-upload-url", json={"file_name": "spring.csv", "file_size": len(TEXT)}
        )
        assert httpx2.put(given["upload_url"], content=TEXT, headers={"Content-Type": "text/csv"}).status_code == 200
        body = {
            "name": "Spring",
            "workflow_id": workflow.id,
            "source_type": "csv",
            "source_id": given["file_key"],
            "telephony_configuration_id": carrier_id,
            "retry_config": {"enabled": False},
        }
        campaign = conforms(client._request("POST", "/campaign/create", json=body), "CampaignResponse")
        path = f"/campaign/{campaign['id']}"
        with pytest.raises(ApiError) as refused:
            client._request("POST", f"{path}/pause")
        assert refused.value.status_code == 400
        assert "Campaign must be in 'running' or 'syncing' state to pause, current state: created" in str(refused.value)

        client._request("PATCH", path, json={"name": "Spring, again"})
        client._request("POST", f"{path}/start")
        done = until(client, path, "completed")

        assert (done["name"], done["total_rows"], done["processed_rows"]) == ("Spring, again", 2, 2)
        assert [each["id"] for each in client._request("GET", "/campaign/")["campaigns"]] == [campaign["id"]]
        conforms(client._request("GET", f"{path}/progress"), "CampaignProgressResponse")
        runs = conforms(client._request("GET", f"{path}/runs", params={"limit": 1}), "CampaignRunsResponse")
        assert (runs["total_count"], runs["total_pages"]) == (2, 2)
        source = client._request("GET", f"{path}/source-download-url")
        assert httpx2.get(source["download_url"]).text == TEXT
        assert client._request("GET", f"{path}/report").startswith("Run ID,Campaign ID,")
        child = client._request("POST", f"{path}/redial", json={"retry_on_voicemail": False})
        assert (child["parent_campaign_id"], child["total_rows"]) == (campaign["id"], 1)


def until(client: DograhClient, path: str, state: str) -> dict[str, Any]:
    deadline = time.monotonic() + 30
    while (found := client._request("GET", path))["state"] != state:
        assert time.monotonic() < deadline, found
        time.sleep(0.05)
    return conforms(found, "CampaignResponse")  # type: ignore[no-any-return]
