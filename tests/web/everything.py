"""One of everything in the first organization, with something hostile in every text that people may write."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

from people import app_of, draft
from site_of import CALLS, Site

from dialplane.core.campaign import CampaignState
from dialplane.engine.keys import Role

HOSTILE = "<script>window.owned=1</script><img src=x onerror=window.owned=1>{{7*7}}"
NUMBER = "+12125550142"
CSV = f'phone_number,Name\n{NUMBER},"{HOSTILE}"\n+12125550143,"{HOSTILE}"\n"{HOSTILE}",nobody\n'
AGENT = {"name": HOSTILE, "greeting": "Hello {{Name}}.", "steps": [{"say": "Well?", "gather": "said"}]}


async def furnished(site: Site) -> dict[str, Any]:
    """What stands for each name in the paths of pages."""
    app = app_of(site)
    upload = await site.call(
        "POST", "/s3/presigned-upload-url", json={"file_name": "<img src=x>.csv", "file_size": len(CSV.encode())}
    )
    assert (await site.http.put(upload["upload_url"], content=CSV.encode())).status_code == 200
    agent_id = await app.add_agent(AGENT)
    carrier_id = await app.add_carrier({**CALLS, "name": HOSTILE})
    body = {"name": HOSTILE, "workflow_id": agent_id, "telephony_configuration_id": carrier_id}
    async with site.working():
        ran = await site.call(
            "POST", "/campaign/create", json={**body, "source_type": "csv", "source_id": upload["file_key"]}
        )
        await site.call("POST", f"/campaign/{ran['id']}/start")
        await site.until(f"/campaign/{ran['id']}", {"state": "completed"})
    async with site.server.database.connection() as connection:  # as an agent in sound would have left it
        await connection.execute(
            "UPDATE attempt SET summary = $1, label = $1, usage = $2 WHERE ended_at IS NOT NULL",
            HOSTILE,
            {"cost": 0.5, "turns": [{"total_ms": 800}]},
        )
    waiting = await draft(site, CSV, agent=AGENT)
    assert (await app.campaigns.get(waiting)).state is CampaignState.DRAFT
    (contact, *_) = (await site.call("GET", f"/campaign/{ran['id']}/contacts"))["contacts"]
    (run, *_) = (await site.call("GET", f"/campaign/{ran['id']}/runs"))["runs"]
    (number, *_) = (await site.call("GET", f"/organizations/telephony-configs/{carrier_id}/phone-numbers"))[
        "phone_numbers"
    ]
    webhook = await site.call("POST", "/webhooks", json={"url": f"{site.url}/<script>"})
    delivery = await site.call("POST", f"/webhooks/{webhook['id']}/test")
    key = await site.call("POST", "/user/api-keys", json={"name": HOSTILE})
    await site.call("POST", "/dnc", json={"phone_numbers": ["+12125550199"], "note": HOSTILE})
    token = await site.server.people.invite(app.organization_id, Role.OPERATOR)
    person = await site.server.people.join(token, "hostile@example.org", "correct horse battery", HOSTILE)
    rejects = (await site.call("GET", f"/campaign/{ran['id']}/rejects"))["rejects"]
    assert HOSTILE in rejects[0]["value"]
    return {
        "campaign_id": ran["id"],
        "draft_id": waiting,
        "contact_id": contact["id"],
        "call_id": run["id"],
        "attempt_id": run["id"],
        "agent_id": agent_id,
        "carrier_id": carrier_id,
        "number_id": number["id"],
        "webhook_id": webhook["id"],
        "delivery_id": delivery["id"],
        "key_id": key["id"],
        "person_id": person.id,
        "file_uuid": _uuid_of(upload["file_key"]),
        "file_id": 1,
        "row_number": rejects[0]["row"],
    }


def _uuid_of(key: str) -> UUID:
    name = key.rpartition("/")[2].partition("_")[0]
    try:
        return UUID(name)
    except ValueError:
        return uuid4()
