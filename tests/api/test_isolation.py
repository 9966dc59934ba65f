"""Two organizations: every route of the OpenAPI document, with one's key and the other's ids."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import pytest
from people import app_of, started
from site_of import CALLS, Site

from dialplane.core.campaign import CampaignState

pytestmark = pytest.mark.asyncio

SECRET = "Marmalade"  # in every name and variable of the first organization
NUMBER, THEIR_NUMBER = "+12125550142", "+12125550777"
CONTACTS = f"phone_number,Name\n{NUMBER},{SECRET}\n+12125550143,{SECRET}\n"
STREAMS = {"campaign_events", "organization_events"}
# What is nobody's: no key is needed, or the answer is made of the request alone.
OPEN = {"health", "metrics", "sign_up", "sign_in"}
# Columns that a request with a valid key may move anywhere: when a key was used last.
MOVING = {"api_key.last_used_at", "worker", "event", "schema_migration"}


async def furnished(site: Site) -> dict[str, Any]:
    """One of everything in the first organization: path parameter -> its value, and ids for bodies."""
    size = {"file_name": "list.csv", "file_size": len(CONTACTS)}
    upload = await site.call("POST", "/s3/presigned-upload-url", json=size)
    assert (await site.http.put(upload["upload_url"], content=CONTACTS)).status_code == 200
    workflow = await site.call(
        "POST", "/workflow/create/definition", json={"name": SECRET, "workflow_definition": {"greeting": SECRET}}
    )
    carrier_id = await app_of(site).add_carrier({**CALLS, "name": SECRET})
    (number,) = (await site.call("GET", f"/organizations/telephony-configs/{carrier_id}/phone-numbers"))[
        "phone_numbers"
    ]
    body = {"name": SECRET, "workflow_id": workflow["id"], "telephony_configuration_id": carrier_id}
    async with site.working():
        ran = await site.call(
            "POST", "/campaign/create", json={**body, "source_type": "csv", "source_id": upload["file_key"]}
        )
        await site.call("POST", f"/campaign/{ran['id']}/start")
        await site.until(f"/campaign/{ran['id']}", {"state": "completed"})
    (run, *_) = (await site.call("GET", f"/campaign/{ran['id']}/runs"))["runs"]
    detail = await site.call("GET", f"/workflow/{workflow['id']}/runs/{run['id']}")
    paused = await started(site, CONTACTS)
    await app_of(site).campaigns.pause(paused)
    (contact, *_) = (await site.call("GET", f"/campaign/{paused}/contacts"))["contacts"]
    webhook = await site.call("POST", "/webhooks", json={"url": f"{site.url}/{SECRET}"})
    delivery = await site.call("POST", f"/webhooks/{webhook['id']}/test")
    key = await site.call("POST", "/user/api-keys", json={"name": SECRET})
    await site.call("POST", "/dnc", json={"phone_numbers": ["+12125550199"], "note": SECRET})
    llm = {"service": "openai", "model": "gpt-4.1", "api_key": SECRET}
    services = {"llm": llm, "stt": {"service": "pocketsphinx"}, "tts": {"service": "flite"}}
    voice = await site.call("PUT", "/voice", json=services)
    return {
        "campaign_id": paused,
        "ran_id": ran["id"],
        "contact_id": contact["id"],
        "workflow_id": workflow["id"],
        "workflow_uuid": workflow["workflow_uuid"],
        "uuid": workflow["workflow_uuid"],
        "run_id": run["id"],
        "call_id": run["id"],
        "config_id": carrier_id,
        "number_id": number["id"],
        "trunk_id": 1,
        "webhook_id": webhook["id"],
        "delivery_id": delivery["id"],
        "api_key_id": key["id"],
        "key": upload["file_key"],
        "token": detail["public_access_token"],
        "artifact_type": "transcript",
        "phone_number": "+12125550199",
        "name": "startCall",
        "sealed": voice["services"]["llm"],
    }


async def held(site: Site, organization: str) -> dict[str, list[str]]:
    """All rows of an organization, but for what any request moves."""
    async with site.server.database.connection() as connection:
        tables = await connection.fetch(
            "SELECT table_name FROM information_schema.columns"
            " WHERE table_schema = current_schema() AND column_name = 'organization_id' ORDER BY 1"
        )
        found = {}
        for (table,) in tables:
            rows = await connection.fetch(
                f'SELECT to_jsonb(t) - $2::text[] FROM "{table}" t WHERE organization_id = $1 ORDER BY 1',
                site.organizations[organization],
                [name.partition(".")[2] for name in MOVING if name.startswith(f"{table}.")],
            )
            found[table] = [json.dumps(row[0], sort_keys=True) for row in rows]
    return {table: rows for table, rows in found.items() if table not in MOVING}


def bodies(operation: str, ids: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What the second organization sends: bodies that name things of the first."""
    own_call = {"workflow_id": ids["own_workflow_id"], "phone_number": THEIR_NUMBER}
    campaign = {"name": "theirs", "source_type": "csv", "source_id": ids["key"], "workflow_id": ids["workflow_id"]}
    made = {
        "create_campaign": [campaign, {**campaign, "telephony_configuration_id": ids["config_id"]}],
        "redial_campaign": [{}, {"redial_statuses": ["busy"]}],
        "initiate_call": [
            {"workflow_id": ids["workflow_id"], "phone_number": THEIR_NUMBER},
            {**own_call, "workflow_run_id": ids["run_id"]},
            {**own_call, "telephony_configuration_id": ids["config_id"]},
            {**own_call, "from_phone_number_id": ids["number_id"]},
        ],
        "add_contacts": [{"contacts": [{"phone_number": THEIR_NUMBER}]}],
        "remove_contacts": [{"contact_ids": [ids["contact_id"]]}],
        "restore_contacts": [{"contact_ids": [ids["contact_id"]]}],
        "set_voice_services": [{"llm": ids["sealed"], "stt": {"service": "pocketsphinx"}, "tts": {"service": "flite"}}],
        "remove_do_not_call": [{"phone_numbers": ["+12125550199"]}],
        "update_telephony_configuration": [{"name": "theirs"}],
        "set_workflow_status": [{"status": "archived"}],
        "schedule_campaign": [{"starts_at": "2030-01-01T09:00:00Z"}],
    }
    return made.get(operation, [{"phone_number": THEIR_NUMBER, "name": "theirs"}])


async def test_no_route_tells_or_touches_what_is_anothers(site: Site) -> None:
    ids = await furnished(site)
    ids["own_workflow_id"] = await app_of(site, "other").add_agent(None)
    before = await held(site, "default")
    document = (await site.http.get("/openapi.json")).json()
    walked, leaked, answered = 0, [], {}

    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            name = operation["operationId"]
            if name in OPEN | STREAMS or path.startswith("/api/v1/public/download"):
                continue
            campaigns = [ids["campaign_id"], ids["ran_id"]] if "{campaign_id}" in path else [0]
            for campaign_id in campaigns:
                filled = re.sub(
                    r"\{(\w+)\}",
                    lambda match, own=campaign_id: quote(str({**ids, "campaign_id": own}[match[1]])),
                    path,
                )
                query = {"key": ids["key"]} if "/s3/" in path else {}
                for body in bodies(name, ids) if "requestBody" in operation else [None]:
                    answer = await site.http.request(
                        method.upper(),
                        filled,
                        params=query,
                        json=body,
                        headers={"X-API-Key": site.keys["other"]},
                    )
                    walked += 1
                    answered[f"{method} {filled}"] = answer.status_code
                    if SECRET in answer.text or NUMBER in answer.text:
                        leaked.append(f"{method} {filled}: {answer.text[:300]}")
                    if "{" in path and answer.status_code < 400 and name != "remove_do_not_call_number":
                        leaked.append(f"{method} {filled}: {answer.status_code} {answer.text[:300]}")

    assert walked > 100
    assert not [path for path, status in answered.items() if status >= 500]
    assert not leaked
    assert await held(site, "default") == before


async def test_events_of_another_organization_are_not_told(site: Site) -> None:
    ids = await furnished(site)

    for path in (f"/campaign/{ids['campaign_id']}/events", f"/campaign/{ids['ran_id']}/events"):
        await site.call("GET", path, status=404, of="other")
        await site.call("GET", f"{path}?last_event_id=1-1", status=404, of="other")


async def test_a_contacts_file_of_another_organization_is_not_accepted(site: Site) -> None:
    ids = await furnished(site)
    workflow_id = await app_of(site, "other").add_agent(None)
    await app_of(site, "other").add_carrier(None)
    other = str(site.organizations["other"])
    keys = [
        ids["key"],
        ids["key"].replace("campaigns/", "./campaigns/"),
        f"campaigns/{other}/../{site.organizations['default']}/{ids['key'].rpartition('/')[2]}",
        f"/{ids['key']}",
    ]

    for key in keys:
        for spelling in ({"source_type": "csv", "source_id": key}, {"contacts_file_key": key}, {"source_url": key}):
            answer = await site.call(
                "POST",
                "/campaign/create",
                status=404,
                of="other",
                json={"name": "theirs", "workflow_id": workflow_id, **spelling},
            )
            assert SECRET not in answer["detail"]


async def test_a_link_is_for_the_one_file_that_it_was_made_for(site: Site) -> None:
    ids = await furnished(site)
    own = await site.call("GET", f"/s3/signed-url?key={quote(ids['key'])}")
    assert (await site.http.get(own["url"])).text == CONTACTS

    for changed in (
        own["url"].replace(f"campaigns/{site.organizations['default']}/", f"campaigns/{site.organizations['other']}/"),
        own["url"].replace("organization=1", f"organization={site.organizations['other']}"),
        own["url"][:-1],
    ):
        answer = await site.http.get(changed)
        assert answer.status_code == 403, changed
        assert SECRET not in answer.text


async def test_the_campaigns_of_both_go_on_beside_each_other(site: Site) -> None:
    """One number in two organizations: each calls it, and neither learns of the other."""
    ours = await started(site, [NUMBER])
    theirs = await started(site, [NUMBER], of="other")

    async with site.working():
        for campaign_id, of in ((ours, "default"), (theirs, "other")):
            await site.until(f"/campaign/{campaign_id}", {"state": "completed"}, of=of)

    assert (await app_of(site).campaigns.get(ours)).state is CampaignState.COMPLETED
    assert len((await site.call("GET", f"/campaign/{ours}/runs"))["runs"]) == 1
    assert len((await site.call("GET", f"/campaign/{theirs}/runs", of="other"))["runs"]) == 1
