"""Telephony configurations and numbers: made, masked, changed, switched off, deleted; and who may see them."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from published import conforms
from site_of import CALLS, Site

from dialplane.core.campaign import Policies
from dialplane.engine.contacts import LateContact
from dialplane.engine.keys import Role
from dialplane.errors import Conflict, Invalid

pytestmark = pytest.mark.asyncio

CONFIGS = "/organizations/telephony-configs"
NO_ADDRESS = "calls through Twilio need DIALPLANE_PUBLIC_URL, https://…: where Twilio reaches `dialplane serve`"
TWILIO = {"provider": "twilio", "account_sid": "AC0123456789abcdef", "auth_token": "0123456789abcdef"}


async def made(site: Site, name: str = "Main", *, number: str | None = "+14155550100", **more: Any) -> dict[str, Any]:
    """A simulated configuration, with a number unless told otherwise."""
    body = {"name": name, "config": {"provider": "simulated", **CALLS}} | more
    config = conforms(await site.call("POST", CONFIGS, json=body), "TelephonyConfigurationDetail")
    if number is not None:
        await site.call("POST", f"{CONFIGS}/{config['id']}/phone-numbers", json={"address": number})
    return await site.call("GET", f"{CONFIGS}/{config['id']}")  # type: ignore[no-any-return]


async def campaign_on(site: Site, config: dict[str, Any], contacts: list[str] | None = None, **more: Any) -> int:
    """A running campaign on this configuration that stays open."""
    app = site.server.of(site.organizations["default"])
    campaign_id = await app.campaigns.create(
        name="Reminders",
        agent_id=await app.add_agent(None),
        carrier_id=config["id"],
        policies=Policies(),
        keep_open=True,
        **more,
    )
    await app.campaigns.start(campaign_id)
    return campaign_id


# --- configurations --------------------------------------------------------------------------------------


async def test_a_simulated_configuration_with_a_number_is_ready(site: Site) -> None:
    config = await made(site, number=None)

    assert config["setup_checklist"]["ready_for_outbound"] is False
    assert config["outbound_blocked_reason"] == "it has no active number to call from"

    number = await site.call("POST", f"{CONFIGS}/{config['id']}/phone-numbers", json={"address": "+1 (415) 555-0100"})
    listed = conforms(await site.call("GET", CONFIGS), "TelephonyConfigurationListResponse")["configurations"]

    assert conforms(number, "PhoneNumberResponse")["address_normalized"] == "+14155550100"
    assert number["country_code"] == "US"
    assert [(item["name"], item["phone_number_count"], item["is_ready_for_outbound"]) for item in listed] == [
        ("Main", 1, True)
    ]
    assert listed[0]["outbound_blocked_reason"] is None


async def test_another_provider_is_kept_and_is_not_ready(site: Site) -> None:
    config = await site.call("POST", CONFIGS, json={"name": "Twilio", "config": TWILIO})

    assert conforms(config, "TelephonyConfigurationDetail")["is_ready_for_outbound"] is False
    assert config["outbound_blocked_reason"] == NO_ADDRESS


OTHERS = [
    {"provider": "plivo", "auth_id": "MA123456789012", "auth_token": "secret-secret-1"},
    {"provider": "vobiz", "auth_id": "MA123456789012", "auth_token": "secret-secret-1"},
    {"provider": "telnyx", "api_key": "KEY0123456789", "connection_id": "1"},
    {"provider": "cloudonix", "bearer_token": "secret-secret-1", "domain_id": "d"},
    {
        "provider": "vonage",
        "api_key": "k123456789012",
        "api_secret": "secret-secret-1",
        "application_id": "a",
        "private_key": "-----BEGIN PRIVATE KEY-----\nMIIE\n-----END PRIVATE KEY-----",
    },
    {"provider": "ari", "ari_endpoint": "http://pbx:8088", "app_name": "dial", "app_password": "secret-secret-1"},
]


async def test_every_provider_of_the_contract_can_be_stored(site: Site) -> None:
    for config in OTHERS:
        stored = await site.call("POST", CONFIGS, json={"name": config["provider"], "config": config})

        assert stored["provider"] == config["provider"]
        assert "secret-secret" not in json.dumps(stored)
        assert "MIIE" not in json.dumps(stored)


async def test_an_unknown_provider_or_field_is_refused_with_the_nearest_known_one(site: Site) -> None:
    unknown = await site.call("POST", CONFIGS, json={"name": "X", "config": {"provider": "twillio"}}, status=422)
    field = TWILIO | {"auth_tokn": "x"}
    misspelled = await site.call("POST", CONFIGS, json={"name": "X", "config": field}, status=422)
    missing = await site.call("POST", CONFIGS, json={"name": "X", "config": {"provider": "twilio"}}, status=422)
    profile = {"name": "X", "config": {"provider": "simulated", "ring_second": 1}}
    simulated = await site.call("POST", CONFIGS, json=profile, status=400)

    assert "'twilio'" in unknown["detail"][0]["msg"]
    assert "unknown field 'auth_tokn'; did you mean 'auth_token'?" in misspelled["detail"][0]["msg"]
    assert {detail["loc"][-1] for detail in missing["detail"]} == {"account_sid", "auth_token"}
    assert "did you mean 'ring_seconds'?" in simulated["detail"]
    assert (await site.call("GET", CONFIGS))["configurations"] == []


async def test_an_unknown_field_beside_the_configuration_is_a_warning(site: Site) -> None:
    body = {"name": "X", "config": TWILIO, "is_default": True}

    answer = await site.call("POST", CONFIGS, json=body)

    assert answer["warnings"] == ["unknown field 'is_default': did you mean 'is_default_outbound'?"]


async def test_a_name_must_be_one(site: Site) -> None:
    for name in ("", "   ", "x" * 65):
        await site.call("POST", CONFIGS, json={"name": name, "config": TWILIO}, status=422)


async def test_a_name_is_given_once(site: Site) -> None:
    await made(site, "Main")
    second = await made(site, "Second", number=None)

    again = await site.call("POST", CONFIGS, json={"name": "Main", "config": TWILIO}, status=400)
    renamed = await site.call("PUT", f"{CONFIGS}/{second['id']}", json={"name": "Main"}, status=400)

    assert again["detail"] == "A telephony configuration named 'Main' already exists in this organization."
    assert renamed == again


# --- secrets ---------------------------------------------------------------------------------------------


async def test_secrets_are_masked_for_people_and_encrypted_in_the_database(site: Site) -> None:
    pbx = {
        "provider": "ari",
        "ari_endpoint": "http://me:hunter22hunter22@pbx:8088",
        "app_name": "dial",
        "app_password": "correct-horse-battery",
        "external_pbx": {"agent_api": {"url": "http://v/api", "username": "6666", "password": "short"}},
    }
    created = await site.call("POST", CONFIGS, json={"name": "PBX", "config": pbx})

    assert created["credentials"] == {
        "ari_endpoint": "••••8088",
        "app_name": "dial",
        "app_password": "••••tery",
        "ws_client_name": "",
        "external_pbx": {
            "type": "vicidial",
            "agent_api": {"url": "http://v/api", "username": "6666", "password": "••••", "source": "dograh"},
            "timeout_seconds": 8,
        },
    }
    async with site.server.database.connection() as connection:
        row = await connection.fetchrow("SELECT settings, sealed FROM carrier")
    stored = json.dumps(row["settings"]) + row["sealed"]
    assert not any(secret in stored for secret in ("correct-horse", "hunter22", "short", 'password": "'))
    app = site.server.of(site.organizations["default"])
    assert app.telephony._settings(await app.telephony.get(created["id"]))["app_password"] == "correct-horse-battery"


async def test_a_mask_that_is_sent_back_keeps_the_secret(site: Site) -> None:
    config = await site.call("POST", CONFIGS, json={"name": "Twilio", "config": TWILIO})
    back = {"provider": "twilio", **config["credentials"], "amd_enabled": True}

    changed = await site.call("PUT", f"{CONFIGS}/{config['id']}", json={"config": back})

    assert changed["credentials"]["amd_enabled"] is True
    app = site.server.of(site.organizations["default"])
    kept = app.telephony._settings(await app.telephony.get(config["id"]))
    assert kept["auth_token"] == "0123456789abcdef"
    assert kept["account_sid"] == "AC0123456789abcdef"

    rotated = await site.call(
        "PUT", f"{CONFIGS}/{config['id']}", json={"config": back | {"auth_token": "fedcba9876543210"}}
    )

    assert rotated["credentials"]["auth_token"] == "••••3210"


async def test_a_mask_of_something_else_is_refused(site: Site) -> None:
    config = await site.call("POST", CONFIGS, json={"name": "Twilio", "config": TWILIO})
    wrong = TWILIO | {"auth_token": "••••9999"}

    changed = await site.call("PUT", f"{CONFIGS}/{config['id']}", json={"config": wrong}, status=400)
    new = await site.call("POST", CONFIGS, json={"name": "Other", "config": wrong}, status=400)

    assert changed["detail"] == "auth_token is a mask and not the value that is stored: give the value itself"
    assert new == changed


async def test_a_carrier_described_twice_with_the_same_secret_is_one(site: Site) -> None:
    app = site.server.of(site.organizations["default"])
    one = await app.telephony.ensure("trunk", "twilio", {"auth_token": "0123456789abcdef"}, ["+14155550100"])

    again = await app.telephony.ensure("trunk", "twilio", {"auth_token": "0123456789abcdef"}, ["+14155550101"])
    other = await app.telephony.ensure("trunk", "twilio", {"auth_token": "another-password"}, [])

    assert again == one
    assert other != one
    assert [number.e164 for number in await app.caller_numbers.page(one)] == ["+14155550100", "+14155550101"]


# --- change ----------------------------------------------------------------------------------------------


async def test_the_provider_of_a_configuration_stays(site: Site) -> None:
    config = await made(site)

    answer = await site.call("PUT", f"{CONFIGS}/{config['id']}", json={"config": TWILIO}, status=400)

    assert answer["detail"] == "Provider cannot be changed; create a new configuration instead."


async def test_limits_follow_the_settings_unless_they_were_set_by_hand(site: Site) -> None:
    config = await made(site)
    path = f"{CONFIGS}/{config['id']}"
    assert (config["max_lines"], config["cps"]) == (None, 100)

    realistic = await site.call("PUT", path, json={"config": {"provider": "simulated", "profile": "realistic"}})
    assert realistic["cps"] == 5

    by_hand = await site.call("PUT", path, json={"cps": 2, "max_lines": 3})
    assert (by_hand["max_lines"], by_hand["cps"]) == (3, 2)

    kept = await site.call("PUT", path, json={"config": {"provider": "simulated"}, "name": "Renamed"})
    assert (kept["max_lines"], kept["cps"], kept["name"]) == (3, 2, "Renamed")

    lifted = await site.call("PUT", path, json={"cps": None})
    assert (lifted["max_lines"], lifted["cps"]) == (3, None)


async def test_a_limit_must_be_one(site: Site) -> None:
    config = await made(site)

    for limits in ({"cps": 0}, {"cps": -1}, {"max_lines": 0}, {"max_lines": 1.5}, {"cps": "fast"}):
        await site.call("PUT", f"{CONFIGS}/{config['id']}", json=limits, status=422)


async def test_a_pace_below_one_call_a_day_is_refused_with_words(site: Site) -> None:
    config = await made(site)

    answer = await site.call("PUT", f"{CONFIGS}/{config['id']}", json={"cps": 0.000001}, status=400)

    assert answer["detail"].startswith("cps must be above 0 (0.00002 is about one call a day)")


# --- default ---------------------------------------------------------------------------------------------


async def test_one_configuration_at_most_is_the_default(site: Site) -> None:
    first = await made(site, "First", is_default_outbound=True)
    second = await made(site, "Second", is_default_outbound=True)

    moved = await site.call("GET", CONFIGS)
    back = await site.call("POST", f"{CONFIGS}/{first['id']}/set-default-outbound")
    listed = await site.call("GET", CONFIGS)

    assert [item["is_default_outbound"] for item in moved["configurations"]] == [False, True]
    assert conforms(back, "TelephonyConfigurationDetail")["is_default_outbound"] is True
    assert [item["is_default_outbound"] for item in listed["configurations"]] == [True, False]
    await site.call("DELETE", f"{CONFIGS}/{first['id']}")
    left = await site.call("GET", f"{CONFIGS}/{second['id']}")
    assert left["is_default_outbound"] is False


async def test_a_campaign_gets_the_one_it_names_else_the_default_else_the_first_that_is_ready(site: Site) -> None:
    telephony = site.server.of(site.organizations["default"]).telephony
    await made(site, "Empty", number=None)
    ready = await made(site, "Ready")
    default = await made(site, "Default", is_default_outbound=True)

    assert await telephony.choose(ready["id"]) == ready["id"]
    assert await telephony.choose(None) == default["id"]
    await site.call("POST", f"{CONFIGS}/{default['id']}/deactivate")
    assert await telephony.choose(None) == ready["id"]


async def test_there_is_nothing_to_choose_without_a_configuration(site: Site) -> None:
    telephony = site.server.of(site.organizations["default"]).telephony

    for given in (None, 999_999):
        with pytest.raises(Invalid, match="^telephony_configuration_not_found$"):
            await telephony.choose(given)


async def test_what_is_not_ready_is_not_chosen_and_says_why(site: Site) -> None:
    telephony = site.server.of(site.organizations["default"]).telephony
    twilio = await site.call("POST", CONFIGS, json={"name": "Tw", "config": TWILIO})
    text = f"^'Tw' is not ready for outbound calls. {NO_ADDRESS}$"

    with pytest.raises(Conflict, match=text):
        await telephony.choose(twilio["id"])
    with pytest.raises(Conflict, match=text):
        await telephony.choose(None)


# --- switch off, delete ----------------------------------------------------------------------------------


async def test_nothing_is_placed_through_a_configuration_that_was_switched_off(site: Site) -> None:
    config = await made(site)
    campaign_id = await campaign_on(site, config)
    app = site.server.of(site.organizations["default"])

    off = await site.call("POST", f"{CONFIGS}/{config['id']}/deactivate", json={"reason": "the trunk is being moved"})
    async with site.working():
        await app.contacts.add(campaign_id, [late("+12125550101")])
        await turns(site, 3)
        waiting = (await app.campaigns.progress([campaign_id]))[campaign_id]
        on = await site.call("POST", f"{CONFIGS}/{config['id']}/reactivate")
        await until_reached(site, campaign_id, 1)

    assert off["inactive"] is True
    assert off["outbound_blocked_reason"] == "it was switched off: the trunk is being moved"
    assert conforms(off, "TelephonyConfigurationDetail")["inactive_since"] is not None
    assert (waiting.waiting, waiting.attempts) == (1, 0)
    assert on["inactive"] is False
    events = [entry.event for entry in await app.campaigns.log(campaign_id)]
    assert events[:3] == ["carrier.reactivated", "contacts.added", "carrier.deactivated"]


async def test_a_configuration_in_use_cannot_be_deleted(site: Site) -> None:
    config = await made(site)
    campaign_id = await campaign_on(site, config)
    app = site.server.of(site.organizations["default"])

    running = await site.call("DELETE", f"{CONFIGS}/{config['id']}", status=400)
    await app.campaigns.pause(campaign_id)
    paused = await site.call("DELETE", f"{CONFIGS}/{config['id']}", status=400)
    await app.campaigns.cancel(campaign_id)
    deleted = await site.call("DELETE", f"{CONFIGS}/{config['id']}")

    assert running["detail"] == (
        f"'Main' is used by campaign {campaign_id} 'Reminders', which is running: cancel it, or wait until it has ended"
    )
    assert "which is paused" in paused["detail"]
    assert deleted == {"message": "Telephony configuration deleted"}
    assert (await site.call("GET", CONFIGS))["configurations"] == []
    gone = await site.call("GET", f"{CONFIGS}/{config['id']}", status=404)
    assert gone["detail"] == "Telephony configuration not found"
    assert (await app.campaigns.get(campaign_id)).carrier_name == "Main"


async def test_a_draft_cannot_start_on_a_configuration_that_was_deleted(site: Site) -> None:
    config = await made(site)
    app = site.server.of(site.organizations["default"])
    campaign_id = await app.campaigns.create(
        name="Late",
        agent_id=await app.add_agent(None),
        carrier_id=config["id"],
        policies=Policies(),
        keep_open=True,
    )
    await site.call("DELETE", f"{CONFIGS}/{config['id']}")

    with pytest.raises(Conflict, match="no active number|it was deleted"):
        await app.campaigns.start(campaign_id)


async def test_changed_settings_reach_calls_of_a_worker_that_runs(site: Site) -> None:
    config = await made(site)
    campaign_id = await campaign_on(site, config)
    app = site.server.of(site.organizations["default"])
    async with site.working():
        await app.contacts.add(campaign_id, [late("+12125550101")])
        await until_reached(site, campaign_id, 1)
        busy = {"provider": "simulated", **CALLS, "outcomes": {"busy": 1}}
        await site.call("PUT", f"{CONFIGS}/{config['id']}", json={"config": busy})
        await app.contacts.add(campaign_id, [late("+12125550102")])
        await until_attempts(site, campaign_id, 2)

    dispositions = (await app.campaigns.progress([campaign_id]))[campaign_id].dispositions
    assert dispositions == {"answered": 1, "busy": 1}


# --- numbers ---------------------------------------------------------------------------------------------


async def test_numbers_are_added_listed_changed_and_deleted(site: Site) -> None:
    config = await made(site, number=None)
    path = f"{CONFIGS}/{config['id']}/phone-numbers"

    first = await site.call("POST", path, json={"address": "+14155550100", "label": "Sales", "max_lines": 2})
    berlin = await site.call(
        "POST",
        path,
        json={
            "address": "030 23125000",
            "country_code": "de",
            "is_default_caller_id": True,
            "extra_metadata": {"a": 1},
        },
    )
    listed = conforms(await site.call("GET", path), "PhoneNumberListResponse")["phone_numbers"]

    assert [number["address"] for number in listed] == ["+14155550100", "+493023125000"]
    assert [number["is_default_caller_id"] for number in listed] == [False, True]
    assert (first["label"], first["max_lines"]) == ("Sales", 2)
    assert (berlin["country_code"], berlin["label"], berlin["extra_metadata"]) == ("DE", None, {"a": 1})

    changed = await site.call("PUT", f"{path}/{first['id']}", json={"label": "Support", "is_active": False})
    assert (changed["label"], changed["is_active"], changed["max_lines"]) == ("Support", False, 2)
    moved = await site.call("POST", f"{path}/{first['id']}/set-default-caller")
    assert conforms(moved, "PhoneNumberResponse")["is_default_caller_id"] is True
    assert (await site.call("GET", f"{path}/{berlin['id']}"))["is_default_caller_id"] is False
    assert await site.call("DELETE", f"{path}/{first['id']}") == {"message": "Phone number deleted"}
    gone = await site.call("GET", f"{path}/{first['id']}", status=404)
    assert gone["detail"] == "Phone number not found"


NO_NUMBERS = [
    ({"address": "call me"}, 400, "'call me': this is not a phone number"),
    ({"address": "030 23125000"}, 400, "'030 23125000':"),
    ({"address": "+14155550100"}, 400, "this configuration has the number +14155550100 already"),
    ({"address": "030 23125000", "country_code": "XX"}, 400, "there is no region 'XX'"),
    ({"address": "+14155550101", "inbound_workflow_id": 1}, 400, "this version answers no incoming calls"),
    ({"address": "+14155550101", "telephony_trunk_id": 1}, 400, "there are no trunks"),
    ({"address": ""}, 422, ""),
    ({"address": "+14155550101", "inbound_workflow_id": 2**63}, 422, ""),
    ({"address": "+14155550101", "max_lines": 0}, 422, ""),
    ({}, 422, ""),
]


async def test_what_is_no_number_is_refused(site: Site) -> None:
    config = await made(site)

    for body, status, words in NO_NUMBERS:
        answer = await site.call("POST", f"{CONFIGS}/{config['id']}/phone-numbers", json=body, status=status)
        assert words in str(answer["detail"])


async def test_a_campaign_calls_from_its_own_numbers_alone(site: Site) -> None:
    config = await made(site)
    path = f"{CONFIGS}/{config['id']}/phone-numbers"
    second = await site.call("POST", path, json={"address": "+14155550199"})
    campaign_id = await campaign_on(site, config, number_ids=[second["id"]])
    app = site.server.of(site.organizations["default"])

    async with site.working():
        await app.contacts.add(campaign_id, [late(f"+1212555010{i}") for i in range(4)])
        await until_reached(site, campaign_id, 4)

    assert await from_numbers(site, campaign_id) == {"+14155550199"}


async def test_a_campaign_whose_only_number_is_switched_off_waits(site: Site) -> None:
    config = await made(site)
    path = f"{CONFIGS}/{config['id']}/phone-numbers"
    only = await site.call("POST", path, json={"address": "+14155550199"})
    campaign_id = await campaign_on(site, config, number_ids=[only["id"]])
    app = site.server.of(site.organizations["default"])

    kept = await site.call("DELETE", f"{path}/{only['id']}", status=400)
    await site.call("PUT", f"{path}/{only['id']}", json={"is_active": False})
    async with site.working():
        await app.contacts.add(campaign_id, [late("+12125550101")])
        await turns(site, 3)

    assert "calls from this number alone" in kept["detail"]
    assert (await app.campaigns.progress([campaign_id]))[campaign_id].attempts == 0
    await app.campaigns.pause(campaign_id)
    await app.campaigns.cancel(campaign_id)
    again = await app.campaigns.create(
        name="Again",
        agent_id=await app.add_agent(None),
        carrier_id=config["id"],
        policies=Policies(),
        keep_open=True,
        number_ids=[only["id"]],
    )
    with pytest.raises(Conflict, match="no active number|it was deleted"):
        await app.campaigns.start(again)


# --- trunks, organizations, roles ------------------------------------------------------------------------


async def test_there_are_no_trunks(site: Site) -> None:
    config = await made(site)
    path = f"{CONFIGS}/{config['id']}/trunks"

    assert conforms(await site.call("GET", path), "TrunkListResponse") == {"trunks": []}
    refused = await site.call("POST", path, json={"name": "T"}, status=400)
    assert refused["detail"] == "This provider has no trunks: numbers belong to the configuration itself"
    await site.call("PUT", f"{path}/1", json={}, status=400)
    await site.call("DELETE", f"{path}/1", status=400)


async def test_another_organization_sees_nothing_of_a_configuration(site: Site) -> None:
    config = await made(site)
    number = (await site.call("GET", f"{CONFIGS}/{config['id']}/phone-numbers"))["phone_numbers"][0]
    path = f"{CONFIGS}/{config['id']}"
    other = await site.call("POST", CONFIGS, json={"name": "Ours", "config": {"provider": "simulated"}}, of="other")
    requests = [
        ("GET", path, None),
        ("PUT", path, {"name": "Stolen"}),
        ("DELETE", path, None),
        ("POST", f"{path}/set-default-outbound", None),
        ("POST", f"{path}/deactivate", None),
        ("POST", f"{path}/reactivate", None),
        ("GET", f"{path}/trunks", None),
        ("GET", f"{path}/phone-numbers", None),
        ("POST", f"{path}/phone-numbers", {"address": "+14155550111"}),
        ("GET", f"{path}/phone-numbers/{number['id']}", None),
        ("PUT", f"{path}/phone-numbers/{number['id']}", {"is_active": False}),
        ("DELETE", f"{path}/phone-numbers/{number['id']}", None),
        ("POST", f"{path}/phone-numbers/{number['id']}/set-default-caller", None),
    ]

    for method, where, body in requests:
        answer = await site.call(method, where, of="other", status=404, **({"json": body} if body else {}))
        assert answer["detail"] == "Telephony configuration not found", where
    under_own = await site.call("GET", f"{CONFIGS}/{other['id']}/phone-numbers/{number['id']}", of="other", status=404)
    assert under_own["detail"] == "Phone number not found"
    assert [item["id"] for item in (await site.call("GET", CONFIGS, of="other"))["configurations"]] == [other["id"]]
    assert (await site.call("GET", path))["name"] == "Main"


async def test_only_owners_change_configurations_and_viewers_see_them_masked(site: Site) -> None:
    config = await site.call("POST", CONFIGS, json={"name": "Twilio", "config": TWILIO})
    viewer, operator = await site.join("default", Role.VIEWER), await site.join("default", Role.OPERATOR)
    path = f"{CONFIGS}/{config['id']}"

    seen = await site.call("GET", path, key=viewer)
    refused = await site.call("PUT", path, json={"name": "Mine"}, key=operator, status=403)
    await site.call("POST", CONFIGS, json={"name": "Y", "config": TWILIO}, key=operator, status=403)
    await site.call("DELETE", path, key=operator, status=403)
    await site.call("POST", f"{path}/phone-numbers", json={"address": "+14155550100"}, key=operator, status=403)

    assert seen["credentials"]["auth_token"] == "••••cdef"
    assert refused["detail"] == "this key's role is operator; it takes owner to do this"


async def test_an_id_that_no_database_can_hold_is_refused(site: Site) -> None:
    await site.call("GET", f"{CONFIGS}/{2**63}", status=422)
    await site.call("GET", f"{CONFIGS}/0", status=422)
    await site.call("GET", f"{CONFIGS}/{2**63 - 1}", status=404)


async def test_the_list_comes_in_pages(site: Site) -> None:
    ids = [(await made(site, f"C{i}", number=None))["id"] for i in range(3)]

    first = await site.call("GET", f"{CONFIGS}?limit=2")
    rest = await site.call("GET", f"{CONFIGS}?limit=2&after={first['next']}")

    assert [item["id"] for item in first["configurations"]] == ids[:2]
    assert [item["id"] for item in rest["configurations"]] == ids[2:]
    assert rest["next"] is None


# --- parts -----------------------------------------------------------------------------------------------


def late(number: str) -> Any:
    return LateContact(phone_number=number)


async def until_attempts(site: Site, campaign_id: int, attempts: int) -> None:
    await _until(site, campaign_id, "attempts", attempts)


async def until_reached(site: Site, campaign_id: int, reached: int) -> None:
    await _until(site, campaign_id, "reached", reached)


async def _until(site: Site, campaign_id: int, measure: str, value: int) -> None:
    campaigns = site.server.of(site.organizations["default"]).campaigns
    async with asyncio.timeout(20):
        while getattr((await campaigns.progress([campaign_id]))[campaign_id], measure) != value:
            await asyncio.sleep(0.02)


async def turns(site: Site, count: int) -> None:
    """Until the worker has had that many turns since."""
    async with asyncio.timeout(20):
        for _ in range(count):
            async with site.server.database.connection() as connection:
                await connection.execute("UPDATE organization SET next_turn_at = now() - interval '1 hour'")
                while await connection.fetchval(
                    "SELECT count(*) FROM organization WHERE next_turn_at < now() - interval '30 minutes'"
                ):
                    await asyncio.sleep(0.01)


async def from_numbers(site: Site, campaign_id: int) -> set[str]:
    async with site.server.database.connection() as connection:
        rows = await connection.fetch("SELECT DISTINCT from_number FROM attempt WHERE campaign_id = $1", campaign_id)
    return {row["from_number"] for row in rows}
