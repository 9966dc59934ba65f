"""Campaigns over Vapi's contract: made, called, stopped, shown; also those of other doors."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from people import draft, numbers, started
from receiver import Request, receiving
from site_of import CALLS, OpenSite, Site
from vapi_of import (
    ANSWERED,
    BUSY,
    CARRIER_FAILED,
    DECLINED,
    INVALID,
    NO_ANSWER,
    VOICEMAIL,
    Vapi,
    names,
    statuses,
)

from dialplane.core.campaign import CampaignState, Policies
from dialplane.engine import catalog
from dialplane.engine.keys import Role

pytestmark = pytest.mark.asyncio

HOUR = timedelta(hours=1)
TALKS = {**CALLS, "talk_seconds": [1, 1]}  # long enough for a sentence
SLOW = {**CALLS, "talk_seconds": [2, 2]}


def later(**delta: float) -> str:
    return (datetime.now(UTC) + timedelta(**delta)).isoformat().replace("+00:00", "Z")


def answer_json(status: int, body: Any) -> bytes:
    text = json.dumps(body).encode()
    return f"HTTP/1.1 {status} Words\r\nContent-Length: {len(text)}\r\n\r\n".encode() + text


def greeting(text: str) -> dict[str, Any]:
    return {"name": "greeter", "greeting": text}


# --- create ---------------------------------------------------------------------------------------


async def test_a_new_campaign_calls_at_once_and_is_shown_whole(site: Site) -> None:
    vapi = Vapi(site)

    campaign = await vapi.created(ANSWERED, BUSY)

    wanted = {
        "name": "Q2", "status": "in-progress", "maxConcurrency": 10, "calls": {}, "callsCounterScheduled": 0,
        "callsCounterQueued": 2, "callsCounterInProgress": 0, "callsCounterEnded": 0, "callsCounterEndedVoicemail": 0,
        "customers": [{"number": ANSWERED}, {"number": BUSY}],
        "assistantId": await vapi.assistant(), "phoneNumberId": (await vapi.numbers())[0],
        "orgId": str(await vapi.app.directory.organization()),
    }  # fmt: skip
    assert {name: campaign[name] for name in wanted} == wanted
    assert campaign == await vapi.get(campaign["id"])
    assert "endedReason" not in campaign
    record = await vapi.record(campaign["id"])
    assert record.ends_at - record.created_at < HOUR + timedelta(seconds=5)
    assert record.ends_at - record.created_at > HOUR - timedelta(seconds=5)
    assert record.policies.retry.max_retries == 0


async def test_every_outcome_has_its_word_and_nobody_is_called_twice(site: Site) -> None:
    vapi = Vapi(site)
    called = (ANSWERED, BUSY, NO_ANSWER, VOICEMAIL, DECLINED, INVALID, CARRIER_FAILED)

    campaign = await vapi.ended(*called)

    assert campaign["endedReason"] == "campaign.ended.success"
    assert {call["customer"]["number"]: call["endedReason"] for call in campaign["calls"].values()} == {
        ANSWERED: "assistant-ended-call",
        BUSY: "customer-busy",
        NO_ANSWER: "customer-did-not-answer",
        VOICEMAIL: "voicemail",
        DECLINED: "customer-ended-call",
        INVALID: "twilio-reported-customer-misdialed",
        CARRIER_FAILED: "twilio-failed-to-connect-call",
    }
    assert (campaign["callsCounterEnded"], campaign["callsCounterEndedVoicemail"]) == (7, 1)
    assert campaign["callsCounterQueued"] == campaign["callsCounterInProgress"] == 0
    contacts = (await vapi.contacts(campaign["id"]))["results"]
    assert [contact["number"] for contact in contacts] == list(called)
    assert statuses(contacts) == dict.fromkeys(called, "contact.completed") | {
        INVALID: "contact.failed",
        CARRIER_FAILED: "contact.failed",
    }
    assert {contact["callId"] for contact in contacts} == set(campaign["calls"])
    summary = await vapi.summary(campaign["id"])
    assert summary["contactCounters"] == {
        "pending": 0, "dispatched": 0, "completed": 5, "failed": 2, "skipped": 0, "predialFailed": 0,
    }  # fmt: skip
    assert summary["callMetrics"] == {"dialed": 5, "connected": 1}


async def test_counters_are_shown_where_they_are_asked_for(site: Site) -> None:
    vapi = Vapi(site)
    campaign = await vapi.created(ANSWERED)

    plain = await vapi.summary(campaign["id"], counters=False)
    listed = await vapi.call("GET", "/v2/campaign?includeCounters=true", "CampaignSummaryPaginatedResponse")

    assert "contactCounters" not in plain
    assert "callMetrics" not in plain
    assert listed["results"][0]["contactCounters"]["pending"] == 1
    assert "calls" not in plain


async def test_a_scheduled_campaign_starts_at_its_hour(site: Site) -> None:
    vapi = Vapi(site)
    plan = {"earliestAt": later(seconds=1.5), "latestAt": later(hours=3)}

    campaign = await vapi.created(ANSWERED, path="/v2/campaign", schedulePlan=plan)

    assert campaign["status"] == "scheduled"
    assert (campaign["callsCounterScheduled"], campaign["callsCounterQueued"]) == (1, 0)
    assert datetime.fromisoformat(campaign["schedulePlan"]["earliestAt"]) == datetime.fromisoformat(plan["earliestAt"])
    record = await vapi.record(campaign["id"])
    assert record.ends_at == datetime.fromisoformat(plan["earliestAt"]) + HOUR, "three hours are more than one"
    async with site.working():
        ended = await vapi.until(campaign["id"], status="ended")
    call = next(iter(ended["calls"].values()))
    assert datetime.fromisoformat(call["createdAt"]) >= datetime.fromisoformat(plan["earliestAt"])


async def test_an_earliest_instant_that_is_over_is_now(site: Site) -> None:
    vapi = Vapi(site)

    campaign = await vapi.created(ANSWERED, schedulePlan={"earliestAt": "2025-01-02T09:00:00Z"})

    assert campaign["status"] == "in-progress"
    assert (await vapi.record(campaign["id"])).ends_at > datetime.now(UTC) + HOUR - timedelta(minutes=1)


async def test_who_could_not_be_called_by_the_latest_instant_is_skipped(site: Site) -> None:
    vapi = Vapi(site)
    carrier = {**CALLS, "talk_seconds": [2.5, 2.5]}
    await vapi.least(carrier=carrier)
    plan = {"earliestAt": later(), "latestAt": later(seconds=2)}

    async with site.working():
        campaign = await vapi.created(*numbers(3), schedulePlan=plan, maxConcurrency=1, carrier=carrier)
        ended = await vapi.until(campaign["id"], status="ended")

    assert ended["endedReason"] == "campaign.ended.success"
    contacts = (await vapi.contacts(campaign["id"]))["results"]
    assert [contact["status"] for contact in contacts] == ["contact.completed", "contact.skipped", "contact.skipped"]
    assert "callId" not in contacts[2]
    counters = (await vapi.summary(campaign["id"]))["contactCounters"]
    assert (counters["completed"], counters["skipped"], counters["pending"]) == (1, 2, 0)


async def test_a_dial_plan_calls_each_customer_from_the_number_that_it_names(site: Site) -> None:
    vapi = Vapi(site)
    first, second = await vapi.numbers("+15005550100", "+15005550101")
    a, b, c = numbers(3)
    plan = [
        {"phoneNumberId": first, "customers": [{"number": a, "name": "Ana"}, {"number": b}]},
        {"phoneNumberId": second, "customers": [{"number": c, "externalId": "crm-3"}]},
    ]
    body = await vapi.least(phoneNumberId=None, customers=None, dialPlan=plan)

    campaign = await vapi.call("POST", "/campaign", "Campaign", status=201, json=body)

    assert campaign["dialPlan"] == plan
    assert not {"customers", "phoneNumberId"} & set(campaign)
    async with site.working():
        await vapi.until(campaign["id"], status="ended")
    calls = await site.call("GET", f"/campaign/{(await vapi.record(campaign['id'])).id}/contacts")
    assert len(calls["contacts"]) == 3
    assert await vapi.called_from(campaign["id"]) == {a: "+15005550100", b: "+15005550100", c: "+15005550101"}


async def test_variables_of_the_campaign_and_of_each_customer_reach_the_agent(site: Site) -> None:
    vapi = Vapi(site)
    a, b = numbers(2)
    customers = [
        {"number": a, "name": "Ana", "assistantOverrides": {"variableValues": {"plan": "gold", "seats": 3}}},
        {"number": b, "name": "Ben", "email": "ben@example.com", "externalId": "crm-2"},
    ]
    overrides = {"variableValues": {"plan": "basic", "seats": "1"}}

    campaign = await vapi.ended(
        agent=greeting("{{name}}: {{plan}} for {{seats}}"),
        customers=customers,
        assistantOverrides=overrides,
        carrier=TALKS,
    )

    assert await vapi.said(campaign["id"]) == {a: "Ana: gold for 3", b: "Ben: basic for 1"}
    assert campaign["assistantOverrides"] == overrides
    assert campaign["customers"] == [
        {"number": a, "name": "Ana", "assistantOverrides": {"variableValues": {"plan": "gold", "seats": "3"}}},
        {
            "number": b, "name": "Ben", "email": "ben@example.com", "externalId": "crm-2",
            "assistantOverrides": {"variableValues": {"plan": "basic", "seats": "1"}},
        },
    ]  # fmt: skip


async def test_a_customer_without_a_variable_of_the_agent_is_named(site: Site) -> None:
    vapi = Vapi(site)
    a, b = numbers(2)

    message = await vapi.create_refused(
        agent=greeting("Hello {{name}}"), customers=[{"number": a, "name": "Ana"}, {"number": b}]
    )

    reason = f"the agent's text uses {{{{name}}}} and {b} has no value for it; give it a value"
    assert message == [f"customers.1.variables: 'name': {reason}"]


async def test_without_the_check_a_number_is_read_as_in_the_country_of_the_number_that_calls(site: Site) -> None:
    vapi = Vapi(site)
    german = (await vapi.numbers("+493023125000"))[0]
    customers = [{"number": "03023125001", "numberE164CheckEnabled": False}]

    campaign = await vapi.created(phoneNumberId=german, customers=customers)

    assert campaign["customers"] == [{"number": "+493023125001"}]


CUSTOMERS: list[Any] = [
    ({"number": "12"}, "customers.0.number: String should have at least 3 characters"),
    ({"number": "2125550100"}, "customers.0: number '2125550100' must be in the E.164 format, like +14155550100"),
    ({}, "customers.0: number is missing"),
    (
        {"sipUri": "sip:ana@example.com"},
        "customers.0.sipUri: calls to SIP addresses cannot be made yet; give a number",
    ),
    ({"number": "+12", "numberE164CheckEnabled": False}, "customers.0.number: '+12': this is not a phone number; "),
    ({"number": "abc", "numberE164CheckEnabled": False}, "customers.0.number: 'abc': this is not a phone number; "),
    ({"number": "+1999999999999"}, "customers.0.number: '+1999999999999': the number is too long; "),
    ({"number": ANSWERED, "name": "x" * 41}, "customers.0.name: String should have at most 40 characters"),
    ({"number": ANSWERED, "email": "x" * 41}, "customers.0.email: String should have at most 40 characters"),
    ({"number": ANSWERED, "externalId": "x" * 41}, "customers.0.externalId: String should have at most 40"),
    ({"number": ANSWERED, "extension": "1" * 11}, "customers.0.extension: String should have at most 10"),
    (
        {"number": ANSWERED, "assistantOverrides": {"variableValues": []}},
        "customers.0.assistantOverrides: variableValues must be an object",
    ),
]


async def test_a_customer_who_cannot_be_called_is_named(site: Site) -> None:
    vapi = Vapi(site)
    for customer, message in CUSTOMERS:
        refused = await vapi.create_refused(customers=[customer])

        assert len(refused) == 1
        assert refused[0].startswith(message)


async def test_all_customers_who_cannot_be_called_are_named_at_once(site: Site) -> None:
    refused = await Vapi(site).create_refused(ANSWERED, *["nonsense"] * 60)

    assert len(refused) == 51
    assert refused[0].startswith("customers.1: ")
    assert refused[50] == "and 10 more"


SHAPES: list[Any] = [
    ({"assistantId": None}, "one of assistantId, workflowId and squadId must be given"),
    ({"squadId": str(uuid4())}, "only one of assistantId and squadId can be given"),
    ({"assistantId": "a1"}, "assistantId: Input should be a valid UUID"),
    ({"phoneNumberId": None}, "phoneNumberId or dialPlan must be given"),
    ({"customers": None}, "customers must be given, one or more, unless a dialPlan has them"),
    ({"customers": []}, "customers must be given, one or more, unless a dialPlan has them"),
    ({"dialPlan": [{"phoneNumberId": str(uuid4()), "customers": []}]}, "only one of phoneNumberId and dialPlan"),
    (
        {"phoneNumberId": None, "dialPlan": [{"phoneNumberId": str(uuid4()), "customers": []}]},
        "dialPlan must have 1 to 10,000 customers, not 0",
    ),
    (
        {"phoneNumberId": None, "dialPlan": [{"phoneNumberId": str(uuid4()), "customers": [{"number": BUSY}]}]},
        "customers belong into the entries of dialPlan: give one of them",
    ),
    ({"customers": [{"number": ANSWERED}] * 10_001}, "customers: List should have at most 10000 items"),
    ({"name": ""}, "name: String should have at least 1 character"),
    ({"name": None}, "name: Field required"),
    ({"maxConcurrency": 0}, "maxConcurrency: Input should be greater than or equal to 1"),
    ({"maxConcurrency": 501}, "maxConcurrency: Input should be less than or equal to 500"),
    (
        {"schedulePlan": {"earliestAt": "2099-01-02T09:00:00Z", "latestAt": "2099-01-02T08:00:00Z"}},
        "schedulePlan: latestAt must be after earliestAt",
    ),
    ({"schedulePlan": {}}, "schedulePlan.earliestAt: Field required"),
    ({"schedulePlan": {"earliestAt": "soon"}}, "schedulePlan.earliestAt: must be a valid ISO 8601 date string"),
    ({"schedulePlan": {"earliestAt": "2099-01-02T09:00:00"}}, "schedulePlan.earliestAt: must have a time zone"),
    ({"schedulePlan": {"earliestAt": 7}}, "schedulePlan.earliestAt: must be a valid ISO 8601 date string"),
    ({"schedulePlan": {"earliestAt": "9999-12-31T23:59:00Z"}}, "schedulePlan.earliestAt: the year must be between"),
    (
        {"schedulePlan": {"earliestAt": "2099-01-02T09:00:00Z", "latestat": "2099-01-02T10:00:00Z"}},
        "schedulePlan: unknown field 'latestat'; did you mean 'latestAt'?",
    ),
    ({"schedulePlans": {}}, "unknown field 'schedulePlans'; did you mean 'schedulePlan'?"),
    ({"serverMessages": ["campaign.begun"]}, "serverMessages.0: Input should be 'campaign.started', "),
    ({"assistantOverrides": {"a": "x" * 70_000}}, "assistantOverrides: must not be longer than 65,536 characters"),
]


async def test_a_request_of_the_wrong_shape_is_told_where(site: Site) -> None:
    vapi = Vapi(site)
    for change, message in SHAPES:
        refused = await vapi.create_refused(ANSWERED, **change)

        assert len(refused) == 1
        assert refused[0].startswith(message)


REQUESTS: list[Any] = [
    (
        {"schedulePlan": {"earliestAt": "2025-01-02T09:00:00Z", "latestAt": "2025-01-02T17:00:00Z"}},
        400,
        "schedulePlan.latestAt 2025-01-02T17:00:00+00:00 is over: nobody would be called",
    ),
    ({"predialPlan": {}}, 400, "predialPlan needs server.url: the check before each call is sent there"),
    (
        {"server": {"url": "nonsense"}},
        400,
        "server.url cannot be used: it must look like https://example.org/hooks",
    ),
    ({"duplicateFromCampaignId": str(uuid4())}, 404, "duplicateFromCampaignId: Campaign not found"),
]


async def test_a_request_that_cannot_be_met_is_told_why(site: Site) -> None:
    vapi = Vapi(site)
    for change, status, message in REQUESTS:
        assert await vapi.create_refused(ANSWERED, status=status, **change) == message


async def test_who_calls_must_be_of_this_organization(site: Site) -> None:
    vapi, other = Vapi(site), Vapi(site, of="other")
    assistant, number, nobody = await other.assistant(), (await other.numbers())[0], str(uuid4())

    for foreign in (assistant, nobody):
        message = await vapi.create_refused(ANSWERED, status=404, assistantId=foreign)
        assert message == f"assistantId: there is no assistant {foreign}"
    for foreign in (number, nobody):
        message = await vapi.create_refused(ANSWERED, status=404, phoneNumberId=foreign)
        assert message == f"phoneNumberId: there is no phone number {foreign}"


async def test_a_number_that_is_switched_off_and_numbers_of_two_carriers_are_refused(site: Site) -> None:
    vapi = Vapi(site)
    off, on = await vapi.numbers("+15005550100", "+15005550101")
    foreign = (await vapi.numbers("+15005550102", carrier={**CALLS, "name": "second"}))[0]
    number = (await vapi.app.directory.numbers_by_uuid([UUID(off)]))[UUID(off)]
    await vapi.app.caller_numbers.change(number.carrier_id, number.id, {"active": False})
    plan = [{"phoneNumberId": each, "customers": [{"number": ANSWERED}]} for each in (on, foreign)]

    assert await vapi.create_refused(ANSWERED, phoneNumberId=off) == "phoneNumberId: +15005550100 is switched off"
    refused = await vapi.create_refused(phoneNumberId=None, customers=None, dialPlan=plan)
    assert refused == "dialPlan: the numbers of one campaign must be of one provider's account"


async def test_a_campaign_that_cannot_start_leaves_nothing_behind(site: Site) -> None:
    vapi = Vapi(site)
    number = await vapi.app.directory.numbers_by_uuid([UUID(each) for each in await vapi.numbers()])
    await vapi.app.telephony.deactivate(next(iter(number.values())).carrier_id)

    message = await vapi.create_refused(ANSWERED)

    assert message.startswith("'simulated' is not ready for outbound calls.")


async def test_the_cap_of_the_organization_counts(site: Site) -> None:
    vapi = Vapi(site)
    await catalog.set_limits(site.server.database, site.organizations["default"], max_lines=4, cps=None)

    refused = await vapi.create_refused(ANSWERED, maxConcurrency=5)
    campaign = await vapi.created(ANSWERED)

    assert refused == "maxConcurrency (5) must not be greater than the organization's limit (4)"
    assert campaign["maxConcurrency"] == 4


async def test_what_may_not_be_as_it_was_meant_is_told(site: Site) -> None:
    vapi = Vapi(site)
    a, b, c = numbers(3)

    campaign = await vapi.created(
        customers=[{"number": a, "externalId": "crm"}, {"number": a, "name": "again"}, {"number": b, "extension": "7"},
                   {"number": c, "externalId": "crm"}],
        assistantOverrides={"firstMessage": "Hi"}, colour="blue", serverMessages=["campaign.started"],
    )  # fmt: skip

    assert campaign["warnings"] == [
        "unknown field 'colour' was ignored",
        "assistantOverrides.firstMessage is kept and has no effect: calls are made as the agent is defined",
        "an extension is a variable, and is not dialled; customers with one: 1",
        "customers.1: the number is there before; it is called once, as the first customer",
        "serverMessages without server.url are sent nowhere",
    ]
    assert [customer["number"] for customer in campaign["customers"]] == [a, b, c]
    assert campaign["customers"][1]["extension"] == "7"
    assert "warnings" not in await vapi.get(campaign["id"])


async def test_the_secrets_of_a_server_are_kept_sealed_and_shown_to_nobody(site: Site) -> None:
    vapi = Vapi(site)
    server = {"url": "https://example.com/hook", "secret": "s3cret-word", "headers": {"Authorization": "Bearer t0ken"}}

    campaign = await vapi.created(ANSWERED, server=server, serverMessages=[])

    assert campaign["server"] == {
        "url": "https://example.com/hook", "secret": "••••", "headers": {"Authorization": "••••"},
    }  # fmt: skip
    kept = str((await vapi.record(campaign["id"])).extras)
    assert "s3cret" not in kept
    assert "t0ken" not in kept


async def test_each_call_is_checked_before_it_goes_out(site: Site) -> None:
    vapi = Vapi(site)
    a, b = numbers(2)

    async def check(request: Request) -> bytes:
        eligible = request.message["message"]["contact"]["number"] == a
        return answer_json(200, {"eligible": eligible})

    async with receiving(check) as receiver, site.working():
        server = {"url": receiver.url, "secret": "s3cret-word"}
        campaign = await vapi.created(a, b, server=server, serverMessages=[], predialPlan={"enabled": True})
        await vapi.until(campaign["id"], status="ended")

    contacts = (await vapi.contacts(campaign["id"]))["results"]
    assert statuses(contacts) == {a: "contact.completed", b: "contact.predial-failed"}
    assert (await vapi.contacts(campaign["id"], status="contact.predial-failed"))["metadata"]["totalItems"] == 1
    counters = (await vapi.summary(campaign["id"]))["contactCounters"]
    assert (counters["completed"], counters["predialFailed"], counters["skipped"]) == (1, 1, 0)
    asked = {request.message["message"]["contact"]["number"]: request for request in receiver.requests}
    assert set(asked) == {a, b}
    assert asked[a].headers["x-vapi-secret"] == "s3cret-word"
    assert asked[a].message["message"]["type"] == "campaign.predial"
    assert asked[a].message["message"]["campaignId"] == campaign["id"]


async def test_a_plan_that_is_off_is_kept_and_checks_nothing(site: Site) -> None:
    campaign = await Vapi(site).created(ANSWERED, predialPlan={"enabled": False})

    assert campaign["predialPlan"] == {"enabled": False}
    assert (await Vapi(site).record(campaign["id"])).screening is None


async def test_its_server_hears_of_this_campaign_alone(site: Site) -> None:
    vapi = Vapi(site)
    a, b = numbers(2)

    async with receiving() as receiver, site.working():
        server = {"url": receiver.url}
        heard = await vapi.created(a, server=server, serverMessages=["campaign.started", "campaign.ended"])
        other = await vapi.created(b)
        await vapi.until(heard["id"], status="ended")
        await vapi.until(other["id"], status="ended")
        await receiver.got(2)

    assert {message["message"]["type"] for message in receiver.messages} == {"campaign.started", "campaign.ended"}
    assert {message["message"]["campaignId"] for message in receiver.messages} == {heard["id"]}
    assert (await site.call("GET", "/webhooks"))["webhooks"] == []


# --- repeated -------------------------------------------------------------------------------------


async def test_the_same_request_within_some_minutes_makes_one_campaign(site: Site) -> None:
    vapi = Vapi(site)
    body = await vapi.least(ANSWERED, BUSY)

    answers = await asyncio.gather(*(vapi.call("POST", "/campaign", status=201, json=body) for _ in range(6)))
    again = await vapi.call("POST", "/campaign", status=201, json=body)

    assert len({answer["id"] for answer in [*answers, again]}) == 1
    assert (await vapi.list())["metadata"]["totalItems"] == 1
    async with site.working():
        ended = await vapi.until(again["id"], status="ended")
    assert ended["callsCounterEnded"] == 2
    assert (await vapi.call("POST", "/campaign", status=201, json=body))["status"] == "ended"


async def test_the_same_request_later_is_meant(site: Site) -> None:
    vapi = Vapi(site)
    body = await vapi.least(ANSWERED)
    made = [(await vapi.call("POST", "/campaign", status=201, json=body))["id"]]
    for _ in range(2):
        await vapi.grow_older(minutes=5)
        made += [(await vapi.call("POST", "/campaign", status=201, json=body))["id"] for _ in range(2)]

    assert len(set(made)) == 3
    assert made[1] == made[2] != made[3] == made[4]


async def test_what_differs_makes_campaigns_of_their_own(site: Site) -> None:
    vapi = Vapi(site)
    colleague = Vapi(site, key=await site.join("default"))
    body = await vapi.least(ANSWERED)

    made = {
        (await client.call("POST", "/campaign", status=201, json=body | change, headers=headers))["id"]
        for client, change, headers in (
            (vapi, {}, {}),
            (vapi, {"name": "Q3"}, {}),
            (colleague, {}, {}),
            (vapi, {}, {"Idempotency-Key": "one"}),
            (vapi, {}, {"Idempotency-Key": "two"}),
            (vapi, {}, {"Idempotency-Key": "two"}),
        )
    }

    assert len(made) == 5


async def test_a_repetition_finishes_what_a_crash_has_left_half_made(site: Site) -> None:
    vapi = Vapi(site)
    body = await vapi.least(*numbers(3), schedulePlan={"earliestAt": later(days=1)})
    campaign = await vapi.call("POST", "/campaign", status=201, json=body)
    record = await vapi.record(campaign["id"])
    await vapi.app.campaigns.unschedule(record.id)  # the last step is undone
    assert (await vapi.record(campaign["id"])).state is CampaignState.DRAFT

    again = await vapi.call("POST", "/campaign", status=201, json=body)

    assert again["id"] == campaign["id"]
    assert again["callsCounterScheduled"] == 3
    assert (await vapi.record(campaign["id"])).state is CampaignState.SCHEDULED


# --- look -----------------------------------------------------------------------------------------


async def test_a_list_is_filtered_sorted_and_paged(site: Site) -> None:
    vapi = Vapi(site)
    running = await vapi.created(ANSWERED, name="running")
    scheduled = await vapi.created(ANSWERED, name="scheduled", schedulePlan={"earliestAt": later(days=1)})
    stopped = await vapi.created(ANSWERED, name="stopped")
    await vapi.call("PATCH", f"/campaign/{stopped['id']}", json={"status": "ended"})

    async def listed(path: str = "/campaign", **filters: Any) -> list[str]:
        schema = "CampaignSummaryPaginatedResponse" if "v2" in path else "CampaignPaginatedResponse"
        return names((await vapi.call("GET", path, schema, params=filters))["results"])

    assert await listed() == ["stopped", "scheduled", "running"]
    assert await listed(sortOrder="ASC") == ["running", "scheduled", "stopped"]
    assert await listed(status="in-progress") == ["running"]
    assert await listed(status="scheduled") == ["scheduled"]
    assert await listed(status="ended") == ["stopped"], "the first version knows no other word for it"
    assert await listed(status="cancelled") == ["stopped"]
    assert await listed("/v2/campaign", status="ended") == []
    assert await listed("/v2/campaign", status="cancelled") == ["stopped"]
    assert await listed(status="archived") == []
    assert await listed(id=scheduled["id"]) == ["scheduled"]
    assert await listed(id=scheduled["id"], status="ended") == []
    assert await listed(id="c1") == await listed(id=str(uuid4())) == []
    assert await listed(createdAtGt=running["createdAt"]) == ["stopped", "scheduled"]
    assert await listed(createdAtGe=running["createdAt"], createdAtLt=stopped["createdAt"]) == ["scheduled", "running"]
    assert await listed(createdAtLe=running["createdAt"]) == ["running"]
    assert await listed(updatedAtGt=stopped["updatedAt"]) == ["stopped"]
    assert await listed(sortBy="cost", limit=2, page=2) == ["running"]
    page = await vapi.list(limit=2)
    assert page["metadata"] == {
        "itemsPerPage": 2, "totalItems": 3, "currentPage": 1, "totalPages": 2, "hasNextPage": True, "sortOrder": "DESC",
    }  # fmt: skip
    assert (await vapi.list(limit=2, page=2))["metadata"]["hasNextPage"] is False
    assert (await vapi.list(limit=0)) == {
        "results": [],
        "metadata": {
            "itemsPerPage": 0, "totalItems": 3, "currentPage": 1, "totalPages": 0, "hasNextPage": False,
            "sortOrder": "DESC",
        },
    }  # fmt: skip


async def test_campaigns_are_sorted_by_how_long_they_took(site: Site) -> None:
    vapi = Vapi(site)
    quick = await vapi.ended(ANSWERED, name="quick")
    lasting = await vapi.ended(ANSWERED, name="lasting", carrier={**CALLS, "talk_seconds": [1, 1]})

    assert names((await vapi.list(sortBy="duration"))["results"]) == ["lasting", "quick"]
    assert names((await vapi.list(sortBy="duration", sortOrder="ASC"))["results"]) == ["quick", "lasting"]
    assert quick["status"] == lasting["status"] == "ended"


QUERIES: list[Any] = [
    ("limit=1001", "limit: Input should be less than or equal to 1000"),
    ("limit=-1", "limit: Input should be greater than or equal to 0"),
    ("page=0", "page: Input should be greater than or equal to 1"),
    ("status=running", "status: Input should be 'scheduled', 'in-progress', 'ended', 'cancelled' or 'archived'"),
    ("sortBy=name", "sortBy: Input should be 'createdAt', 'duration' or 'cost'"),
    ("sortOrder=up", "sortOrder: Input should be 'ASC' or 'DESC'"),
    ("createdAtGt=soon", "createdAtGt: write an ISO 8601 date or instant, such as 2026-04-01 or "),
]


async def test_a_list_of_no_sense_is_refused(site: Site) -> None:
    vapi = Vapi(site)
    for path in ("/campaign", "/v2/campaign"):
        for query, message in QUERIES:
            refused = await vapi.refused("GET", f"{path}?{query}", 400)

            assert len(refused) == 1
            assert refused[0].startswith(message)


async def test_contacts_are_filtered_by_several_statuses_sorted_and_paged(site: Site) -> None:
    vapi = Vapi(site)
    campaign = await vapi.ended(BUSY, INVALID, ANSWERED, CARRIER_FAILED)

    async def listed(**filters: Any) -> list[str]:
        return [contact["number"] for contact in (await vapi.contacts(campaign["id"], **filters))["results"]]

    assert await listed(sortBy="status") == [BUSY, ANSWERED, INVALID, CARRIER_FAILED]
    assert await listed(status="contact.failed") == [INVALID, CARRIER_FAILED]
    assert await listed(status=["contact.failed", "contact.completed"]) == [BUSY, INVALID, ANSWERED, CARRIER_FAILED]
    assert await listed(status=["contact.pending", "contact.dispatched", "contact.predial-failed"]) == []
    assert await listed(limit=3) == [BUSY, INVALID, ANSWERED]
    assert await listed(limit=3, page=2) == [CARRIER_FAILED]
    assert await listed(limit=3, page=3, status="contact.failed") == []
    page = await vapi.contacts(campaign["id"], status="contact.failed", limit=1)
    assert page["metadata"] == {
        "itemsPerPage": 1, "totalItems": 2, "currentPage": 1, "totalPages": 2, "hasNextPage": True,
    }  # fmt: skip
    for query in ("status=pending", "limit=0", "limit=1001", "sortBy=number"):
        await vapi.refused("GET", f"/v2/campaign/{campaign['id']}/contacts?{query}", 400)


async def test_calls_in_progress_are_counted_and_shown(site: Site) -> None:
    vapi = Vapi(site)
    a, b, c = numbers(3)
    campaign = await vapi.created(a, b, c, maxConcurrency=2, carrier=SLOW)

    async with site.working():
        shown = await vapi.until(campaign["id"], callsCounterInProgress=2)
        contacts = (await vapi.contacts(campaign["id"]))["results"]
        await vapi.call("DELETE", f"/campaign/{campaign['id']}")

    assert shown["callsCounterQueued"] == 1
    assert {call["status"] for call in shown["calls"].values()} <= {"queued", "ringing", "in-progress"}
    assert statuses(contacts) == {a: "contact.dispatched", b: "contact.dispatched", c: "contact.pending"}


# --- change and stop ------------------------------------------------------------------------------


async def test_stopped_by_its_old_word_and_by_its_new_one(site: Site) -> None:
    vapi = Vapi(site)
    first, second = await vapi.created(ANSWERED, name="first"), await vapi.created(ANSWERED, name="second")

    ended = await vapi.call("PATCH", f"/campaign/{first['id']}", "Campaign", json={"status": "ended"})
    cancelled = await vapi.call("PATCH", f"/v2/campaign/{second['id']}", "Campaign", json={"status": "cancelled"})

    assert (ended["status"], ended["endedReason"]) == ("ended", "campaign.in-progress.ended-by-user")
    assert (cancelled["status"], cancelled["endedReason"]) == ("cancelled", "campaign.in-progress.ended-by-user")
    assert (await vapi.summary(first["id"]))["status"] == "cancelled"
    contacts = (await vapi.contacts(first["id"]))["results"]
    assert [contact["status"] for contact in contacts] == ["contact.skipped"]
    assert (await vapi.summary(first["id"]))["contactCounters"]["skipped"] == 1
    again = await vapi.call("PATCH", f"/v2/campaign/{second['id']}", "Campaign", json={"status": "cancelled"})
    assert again["status"] == "cancelled", "clients repeat what was not answered"


async def test_a_stopped_campaign_lets_its_calls_end_and_begins_no_other(site: Site) -> None:
    vapi = Vapi(site)
    a, b = numbers(2)
    campaign = await vapi.created(a, b, maxConcurrency=1, carrier={**CALLS, "talk_seconds": [1, 1]})

    async with site.working():
        await vapi.until(campaign["id"], callsCounterInProgress=1)
        await vapi.call("PATCH", f"/campaign/{campaign['id']}", json={"status": "ended"})
        ended = await vapi.until(campaign["id"], callsCounterEnded=1)

    assert statuses((await vapi.contacts(campaign["id"]))["results"]) == {a: "contact.completed", b: "contact.skipped"}
    assert [call["endedReason"] for call in ended["calls"].values()] == ["assistant-ended-call"]


async def test_stopped_before_it_began(site: Site) -> None:
    vapi = Vapi(site)
    campaign = await vapi.created(ANSWERED, schedulePlan={"earliestAt": later(days=1)})

    stopped = await vapi.call("PATCH", f"/v2/campaign/{campaign['id']}", "Campaign", json={"status": "cancelled"})

    assert (stopped["status"], stopped["endedReason"]) == ("cancelled", "campaign.scheduled.ended-by-user")


async def test_what_has_ended_cannot_be_changed(site: Site) -> None:
    vapi = Vapi(site)
    campaign = await vapi.ended(ANSWERED)

    for body in ({"status": "cancelled"}, {"name": "Q3"}, {"schedulePlan": {"earliestAt": later(days=1)}}):
        message = await vapi.refused("PATCH", f"/campaign/{campaign['id']}", 400, json=body)
        assert message == "Campaign has ended: nothing of it can be changed any more"


async def test_before_it_starts_all_of_it_can_be_changed(site: Site) -> None:
    vapi = Vapi(site)
    _, number = await vapi.numbers("+15005550100", "+15005550101", carrier=TALKS)
    assistant = await vapi.assistant(greeting("Good day"))
    campaign = await vapi.created(ANSWERED, schedulePlan={"earliestAt": later(days=1)}, carrier=TALKS)
    plan = {"earliestAt": "2099-01-02T09:00:00Z", "latestAt": "2099-01-02T09:30:00Z"}
    body = {"name": "Q3", "squadId": assistant, "phoneNumberId": number, "schedulePlan": plan}

    changed = await vapi.call("PATCH", f"/campaign/{campaign['id']}", "Campaign", json=body)

    assert {name: changed[name] for name in body} == body
    assert changed["status"] == "scheduled"
    assert "assistantId" not in changed
    record = await vapi.record(campaign["id"])
    assert (record.starts_at, record.ends_at) == (
        datetime(2099, 1, 2, 9, tzinfo=UTC),
        datetime(2099, 1, 2, 9, 30, tzinfo=UTC),
    )
    now = await vapi.call("PATCH", f"/campaign/{campaign['id']}", json={"schedulePlan": {"earliestAt": later()}})
    assert now["status"] == "in-progress"
    async with site.working():
        await vapi.until(campaign["id"], status="ended")
    assert await vapi.said(campaign["id"]) == {ANSWERED: "Good day"}
    assert await vapi.called_from(campaign["id"]) == {ANSWERED: "+15005550101"}


async def test_before_it_starts_a_dial_plan_can_take_the_place_of_its_customers_and_go_again(site: Site) -> None:
    vapi = Vapi(site)
    first, second = await vapi.numbers("+15005550100", "+15005550101")
    a, b, c = numbers(3)
    campaign = await vapi.created(
        a, b, schedulePlan={"earliestAt": later(days=1)}, assistantOverrides={"variableValues": {"offer": "spring"}}
    )
    path = f"/campaign/{campaign['id']}"
    plan = [
        {"phoneNumberId": first, "customers": [{"number": b, "name": "Ben"}]},
        {"phoneNumberId": second, "customers": [{"number": c}]},
    ]

    planned = await vapi.call("PATCH", path, "Campaign", json={"dialPlan": plan})
    again = await vapi.call("PATCH", path, "Campaign", json={"phoneNumberId": second})

    offer = {"assistantOverrides": {"variableValues": {"offer": "spring"}}}
    assert [entry["phoneNumberId"] for entry in planned["dialPlan"]] == [first, second]
    assert [entry["customers"] for entry in planned["dialPlan"]] == [
        [{"number": b, "name": "Ben", **offer}], [{"number": c, **offer}],
    ]  # fmt: skip
    assert not {"customers", "phoneNumberId"} & set(planned)
    assert planned["callsCounterScheduled"] == 2
    assert again["phoneNumberId"] == second
    assert [customer["number"] for customer in again["customers"]] == [b, c]
    await vapi.call("PATCH", path, json={"schedulePlan": {"earliestAt": later()}})
    async with site.working():
        await vapi.until(campaign["id"], status="ended")
    assert await vapi.called_from(campaign["id"]) == {b: "+15005550101", c: "+15005550101"}


async def test_once_it_has_started_its_name_alone_can_be_changed(site: Site) -> None:
    vapi = Vapi(site)
    campaign = await vapi.created(ANSWERED)
    path = f"/v2/campaign/{campaign['id']}"

    renamed = await vapi.call("PATCH", path, "Campaign", json={"name": "Q3"})

    assert renamed["name"] == "Q3"
    for change in (
        {"assistantId": await vapi.assistant(greeting("Hi"))},
        {"phoneNumberId": (await vapi.numbers())[0]},
        {"schedulePlan": {"earliestAt": later(days=1)}},
    ):
        message = await vapi.refused("PATCH", path, 400, json=change)
        assert message == "Campaign has started: only its name and its status can be changed"


CHANGES: list[Any] = [
    ({"status": "paused"}, ["status: Input should be 'ended' or 'cancelled'"]),
    ({"assistantId": str(uuid4()), "squadId": str(uuid4())}, ["only one of assistantId and squadId can be given"]),
    ([], ["Input should be a valid dictionary or object to extract fields from"]),
]


async def test_a_change_of_the_wrong_shape_is_refused(site: Site) -> None:
    vapi = Vapi(site)
    campaign = await vapi.created(ANSWERED)
    for body, message in CHANGES:
        assert await vapi.refused("PATCH", f"/campaign/{campaign['id']}", 400, json=body) == message


async def test_a_changed_agent_finds_its_variables_with_every_customer(site: Site) -> None:
    vapi = Vapi(site)
    campaign = await vapi.created(ANSWERED, schedulePlan={"earliestAt": later(days=1)})
    assistant = await vapi.assistant(greeting("Hello {{first_name}}"))

    message = await vapi.refused("PATCH", f"/campaign/{campaign['id']}", 400, json={"assistantId": assistant})

    assert message == "the agent's text uses first_name, which the campaign's contacts do not have"


# --- delete ---------------------------------------------------------------------------------------


async def test_a_campaign_that_called_nobody_is_deleted_for_good(site: Site) -> None:
    vapi = Vapi(site)
    campaign = await vapi.created(ANSWERED, schedulePlan={"earliestAt": later(days=1)})

    deleted = await vapi.call("DELETE", f"/campaign/{campaign['id']}", "Campaign")

    assert deleted == campaign
    assert await vapi.refused("GET", f"/campaign/{campaign['id']}", 404) == "Campaign not found"
    assert await vapi.refused("DELETE", f"/campaign/{campaign['id']}", 404) == "Campaign not found"


async def test_a_campaign_that_has_run_is_archived_and_its_calls_stay(site: Site) -> None:
    vapi = Vapi(site)
    campaign = await vapi.ended(ANSWERED)

    for _ in range(2):
        deleted = await vapi.call("DELETE", f"/v2/campaign/{campaign['id']}", "Campaign")

        assert deleted["status"] == "archived"
        assert deleted["calls"] == campaign["calls"]
    assert (await vapi.list())["results"] == []
    assert names((await vapi.list(status="archived"))["results"]) == ["Q2"]
    assert (await vapi.get(campaign["id"]))["status"] == "archived"


async def test_a_running_campaign_that_is_deleted_stops(site: Site) -> None:
    vapi = Vapi(site)
    campaign = await vapi.created(*numbers(2))

    deleted = await vapi.call("DELETE", f"/campaign/{campaign['id']}", "Campaign")

    assert (deleted["status"], deleted["callsCounterQueued"]) == ("archived", 0)
    assert (await vapi.record(campaign["id"])).state is CampaignState.CANCELLED


# --- duplicates -----------------------------------------------------------------------------------


async def test_a_duplicate_is_as_its_source_where_nothing_else_is_said(site: Site) -> None:
    vapi = Vapi(site)
    a, b = numbers(2)
    customers = [{"number": a, "name": "Ana", "externalId": "crm-1"}, {"number": b, "name": "Ben"}]
    source = await vapi.created(
        agent=greeting("{{name}}, {{offer}}"),
        customers=customers,
        maxConcurrency=3,
        assistantOverrides={"variableValues": {"offer": "spring"}},
        server={"url": "https://example.com/hook", "secret": "s3cret"},
        serverMessages=[],
        carrier=TALKS,
    )
    await vapi.call("PATCH", f"/campaign/{source['id']}", json={"status": "ended"})
    other = {"assistantOverrides": {"variableValues": {"offer": "autumn"}}}
    copy = {"name": "copy", "duplicateFromCampaignId": source["id"]}

    async with site.working():
        same = await vapi.call("POST", "/campaign", "Campaign", status=201, json=copy)
        await vapi.until(same["id"], status="ended")
        varied = await vapi.call(
            "POST", "/v2/campaign", "Campaign", status=201, json=copy | other | {"maxConcurrency": 1}
        )
        await vapi.until(varied["id"], status="ended")

    for name in ("assistantId", "phoneNumberId", "maxConcurrency", "assistantOverrides", "server", "customers"):
        assert same[name] == source[name]
    assert len({source["id"], same["id"], varied["id"]}) == 3
    assert varied["maxConcurrency"] == 1
    assert await vapi.said(same["id"]) == {a: "Ana, spring", b: "Ben, spring"}
    assert await vapi.said(varied["id"]) == {a: "Ana, autumn", b: "Ben, autumn"}


async def test_a_duplicate_calls_other_customers_where_they_are_given(site: Site) -> None:
    vapi = Vapi(site)
    source = await vapi.created(ANSWERED, schedulePlan={"earliestAt": later(days=1)})
    body = {"name": "copy", "duplicateFromCampaignId": source["id"], "customers": [{"number": BUSY}]}

    copy = await vapi.call("POST", "/campaign", "Campaign", status=201, json=body)

    assert copy["customers"] == [{"number": BUSY}]
    assert copy["assistantId"] == source["assistantId"]
    assert (copy["status"], copy["schedulePlan"]) == ("scheduled", source["schedulePlan"]), "its hour is still to come"


# --- other doors, other organizations ---------------------------------------------------------------


async def test_campaigns_of_other_doors_are_shown_and_stopped_here(site: Site) -> None:
    vapi = Vapi(site)
    waiting = await site.server.of(site.organizations["default"]).campaigns.get(await draft(site, numbers(2)))
    going = await site.server.of(site.organizations["default"]).campaigns.get(await started(site, numbers(2)))
    await site.call("POST", f"/campaign/{going.id}/pause")

    shown = {campaign["id"]: campaign for campaign in (await vapi.list())["results"]}
    stopped = await vapi.call("PATCH", f"/campaign/{going.uuid}", "Campaign", json={"status": "ended"})

    assert set(shown) == {str(waiting.uuid), str(going.uuid)}
    first, second = shown[str(waiting.uuid)], shown[str(going.uuid)]
    assert (first["status"], first["callsCounterScheduled"], first["assistantId"]) == (
        "scheduled", 2, await vapi.assistant(),
    )  # fmt: skip
    assert (second["status"], second["callsCounterQueued"]) == ("in-progress", 2)
    assert stopped["status"] == "ended"
    assert (await site.call("GET", f"/campaign/{going.id}"))["status"] == "cancelled"
    contacts = (await vapi.contacts(str(waiting.uuid)))["results"]
    assert [contact["status"] for contact in contacts] == ["contact.pending"] * 2


async def test_a_campaign_of_this_door_is_moved_through_others(site: Site) -> None:
    vapi = Vapi(site)
    campaign = await vapi.created(ANSWERED)
    record = await vapi.record(campaign["id"])

    await site.call("POST", f"/campaign/{record.id}/pause")
    paused = await vapi.get(campaign["id"])
    await site.call("POST", f"/campaign/{record.id}/resume")
    async with site.working():
        await vapi.until(campaign["id"], status="ended")

    assert paused["status"] == "in-progress"
    shown = await site.call("GET", f"/campaign/{record.id}")
    assert (shown["status"], shown["retry_config"]["max_retries"], shown["max_concurrency"]) == ("completed", 0, 10)


async def test_nothing_of_another_organization_is_found(site: Site) -> None:
    campaign = await Vapi(site).created(ANSWERED)
    other = Vapi(site, of="other")

    for campaign_id in (campaign["id"], str(uuid4()), "c1"):
        for path in (f"/campaign/{campaign_id}", f"/v2/campaign/{campaign_id}"):
            for method, body in (("GET", None), ("PATCH", {"status": "ended"}), ("DELETE", None)):
                assert await other.refused(method, path, 404, json=body) == "Campaign not found"
        assert await other.refused("GET", f"/v2/campaign/{campaign_id}/contacts", 404) == "Campaign not found"
    assert (await other.list())["results"] == []
    copy = {"name": "copy", "duplicateFromCampaignId": campaign["id"]}
    assert await other.refused("POST", "/campaign", 404, json=copy) == "duplicateFromCampaignId: Campaign not found"


async def test_single_calls_are_no_campaigns_here(site: Site) -> None:
    vapi = Vapi(site)
    await vapi.numbers()
    hidden = await vapi.app.campaigns.create(
        name="Single calls",
        agent_id=await vapi.app.add_agent(None),
        carrier_id=await vapi.app.add_carrier(CALLS),
        policies=Policies(),
        hidden=True,
    )
    uuid = (await vapi.app.campaigns.get(hidden)).uuid

    assert (await vapi.list())["results"] == (await vapi.list(id=str(uuid)))["results"] == []
    await vapi.refused("GET", f"/campaign/{uuid}", 404)


# --- errors ---------------------------------------------------------------------------------------


async def test_a_key_is_needed_and_its_role_counts(site: Site) -> None:
    viewer = Vapi(site, key=await site.join("default", Role.VIEWER))
    stranger = Vapi(site, key="nonsense")
    body = await Vapi(site).least(ANSWERED)

    assert await stranger.refused("GET", "/campaign", 401) == "Invalid or expired token"
    assert (await site.http.get("/vapi/campaign")).json() == {
        "message": "Authorization header required", "error": "Unauthorized", "statusCode": 401,
    }  # fmt: skip
    assert (await viewer.list())["results"] == []
    message = await viewer.refused("POST", "/campaign", 403, json=body)
    assert message == "this key's role is viewer; it takes operator to do this"


async def test_what_no_route_answers_is_told_as_the_contract_does(site: Site) -> None:
    vapi = Vapi(site)

    assert await vapi.refused("GET", "/campaigns", 404) == "Cannot GET /vapi/campaigns"
    assert await vapi.refused("PUT", "/campaign", 405, json={}) == "Method Not Allowed"
    message = await vapi.refused("POST", "/campaign", 400, content=b"{", headers={"Content-Type": "application/json"})
    assert message == ["1: JSON decode error"]
    message = await vapi.refused("POST", "/campaign", 400, json={"name": "a\0b"})
    assert message == "a text holds a NUL character, which cannot be stored; remove it"


async def test_the_door_has_a_document_of_its_own(site: Site) -> None:
    document = (await site.http.get("/vapi/openapi.json")).json()

    operations = [operation for path in document["paths"].values() for operation in path.values()]
    assert {"/campaign", "/campaign/{id}", "/v2/campaign", "/v2/campaign/{id}", "/v2/campaign/{id}/contacts"} <= set(
        document["paths"]
    )
    assert len({operation["operationId"] for operation in operations}) == len(operations)
    assert all("400" in operation["responses"] for operation in operations)


async def test_a_repeated_key_of_another_request_is_refused(site: Site) -> None:
    vapi = Vapi(site)
    body = await vapi.least(ANSWERED)
    headers = {"Idempotency-Key": "one"}
    await vapi.call("POST", "/campaign", status=201, json=body, headers=headers)

    message = await vapi.refused("POST", "/campaign", 422, json=body | {"name": "Q3"}, headers=headers)

    assert message == "this Idempotency-Key was used for another request within the last 24 hours"


async def test_the_pace_of_a_key_counts_here(open_site: OpenSite) -> None:
    vapi = Vapi(await open_site(requests_per_second=0.01))
    await vapi.call("GET", "/campaign")

    refused = await vapi.answer("GET", "/campaign")

    assert refused.status_code == 429
    assert int(refused.headers["Retry-After"]) > 1
    assert refused.json()["error"] == "Too Many Requests"
