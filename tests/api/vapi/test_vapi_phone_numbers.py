"""Numbers to call from: of the usual carrier, of Twilio, of a telephony configuration that is named."""

from __future__ import annotations

from typing import Any

import pytest
from site_of import CALLS, Site
from vapi_of import ANSWERED, Vapi

from dialplane.engine.keys import Role

pytestmark = pytest.mark.asyncio

TWILIO = {
    "provider": "twilio",
    "number": "+14155550123",
    "twilioAccountSid": "AC00000000000000000000000000001234",
    "twilioAuthToken": "a-very-secret-token",
    "name": "Main",
}


async def vapi_with_carrier(site: Site) -> Vapi:
    vapi = Vapi(site)
    await vapi.app.telephony.set_default(await vapi.app.add_carrier(CALLS))
    return vapi


async def created(vapi: Vapi, **body: Any) -> Any:
    return await vapi.call("POST", "/phone-number", status=201, json=body)


async def test_a_number_of_the_usual_carrier_makes_calls(site: Site) -> None:
    vapi = await vapi_with_carrier(site)

    number = await created(vapi, provider="vapi", name="Desk", numberDesiredAreaCode="415")

    assert (number["provider"], number["number"], number["name"]) == ("vapi", "+14155550100", "Desk")
    assert number["status"] == "active"
    assert {"id", "orgId", "createdAt", "updatedAt"} <= set(number)
    assert await vapi.call("GET", f"/phone-number/{number['id']}") == number
    campaign = await vapi.created(ANSWERED, phoneNumberId=number["id"])
    async with site.working():
        ended = await vapi.until(campaign["id"], status="ended")
    assert (await vapi.call("GET", f"/call/{next(iter(ended['calls']))}"))["phoneNumberId"] == number["id"]


async def test_an_area_code_gives_another_number_each_time(site: Site) -> None:
    vapi = await vapi_with_carrier(site)

    numbers = [(await created(vapi, provider="vapi"))["number"] for _ in range(3)]

    assert numbers == ["+15005550101", "+15005550102", "+15005550103"]  # 0100 is the carrier's own
    again = await vapi.refused("POST", "/phone-number", 400, json={"provider": "vapi", "number": "+15005550102"})
    assert again == "number: +15005550102 exists already"


async def test_a_twilio_number_is_kept_with_its_credentials_masked(site: Site) -> None:
    vapi = await vapi_with_carrier(site)

    number = await created(vapi, **TWILIO)

    assert number["provider"] == "twilio"
    assert number["twilioAccountSid"] == "••••1234"
    assert "twilioAuthToken" not in number
    assert number["warnings"] == [
        "no call can be placed from it yet: calls through Twilio need DIALPLANE_PUBLIC_URL, https://…: "
        "where Twilio reaches `dialplane serve`"
    ]
    second = await created(vapi, **TWILIO | {"number": "+14155550124"})
    assert second["credentialId"] == number["credentialId"], "one carrier for one account"
    message = await vapi.refused("POST", "/campaign", 400, json=await vapi.least(ANSWERED, phoneNumberId=number["id"]))
    assert "calls through Twilio need DIALPLANE_PUBLIC_URL" in message
    carriers = (await site.call("GET", "/organizations/telephony-configs"))["configurations"]
    assert [(carrier["name"], carrier["provider"]) for carrier in carriers][1:] == [("Twilio 1234", "twilio")]


async def test_other_providers_name_a_telephony_configuration(site: Site) -> None:
    vapi = await vapi_with_carrier(site)
    config = {"provider": "plivo", "auth_id": "MA123456789012345678", "auth_token": "secret-of-plivo"}
    made = await site.call("POST", "/organizations/telephony-configs", json={"name": "Trunk", "config": config})
    given = {"provider": "byo-phone-number", "number": "+442071838750", "credentialId": made["uuid"]}

    number = await created(vapi, **given)

    assert (number["provider"], number["credentialId"]) == ("byo-phone-number", made["uuid"])
    unknown = given | {"credentialId": number["id"]}
    assert (await vapi.refused("POST", "/phone-number", 400, json=unknown)).startswith(
        f"credentialId: there is no telephony configuration {number['id']}"
    )


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"provider": "twilio", "number": "+14155550123"}, "twilioAccountSid must be given"),
        (TWILIO | {"twilioAuthToken": None}, "twilioAuthToken, or twilioApiKey and twilioApiSecret, must be given"),
        ({"provider": "telnyx", "number": "+14155550123"}, "credentialId must be given for provider 'telnyx'"),
        ({"provider": "byo-phone-number"}, "number must be given for provider 'byo-phone-number'"),
        ({"provider": "pigeon"}, "provider: Input should be"),
        ({}, "provider: Field required"),
        ({"provider": "vapi", "numberDesiredAreaCode": "4x"}, "numberDesiredAreaCode: "),
    ],
)
async def test_what_is_missing_is_named(site: Site, body: dict[str, Any], message: str) -> None:
    vapi = await vapi_with_carrier(site)

    assert (await vapi.refused("POST", "/phone-number", 400, json=body))[0].startswith(message)


async def test_no_number_is_made_up_for_a_carrier_that_sells_none(site: Site) -> None:
    vapi = Vapi(site)
    assert (await vapi.refused("POST", "/phone-number", 400, json={"provider": "vapi"})).startswith("there is no tele")
    await created(vapi, **TWILIO)

    message = await vapi.refused("POST", "/phone-number", 400, json={"provider": "vapi"})

    assert message == "number must be given: 'Twilio 1234' sells none here"
    wrong = await vapi.refused("POST", "/phone-number", 400, json={"provider": "vapi", "number": "+1415"})
    assert wrong.startswith("'+1415': ")


async def test_a_number_is_renamed_and_deleted(site: Site) -> None:
    vapi = await vapi_with_carrier(site)
    number = await created(vapi, provider="vapi", assistantId=await vapi.assistant())
    assert number["warnings"] == ["calls to the number are not answered: it is called from"]

    renamed = await vapi.call("PATCH", f"/phone-number/{number['id']}", json={"name": "New"})

    assert renamed["name"] == "New"
    assert renamed["assistantId"] == number["assistantId"]
    gone = await vapi.call("DELETE", f"/phone-number/{number['id']}")
    assert gone["id"] == number["id"]
    assert await vapi.refused("GET", f"/phone-number/{number['id']}", 404) == "Phone number not found"
    assert await vapi.refused("DELETE", f"/phone-number/{number['id']}", 404) == "Phone number not found"


async def test_a_number_in_use_stays(site: Site) -> None:
    vapi = await vapi_with_carrier(site)
    number = await created(vapi, provider="vapi")
    await vapi.created(ANSWERED, phoneNumberId=number["id"])

    message = await vapi.refused("DELETE", f"/phone-number/{number['id']}", 400)

    assert message.endswith("calls from this number alone: cancel it, or wait until it has ended")


async def test_lists_of_both_versions(site: Site) -> None:
    vapi = await vapi_with_carrier(site)
    desk = await created(vapi, provider="vapi", name="Desk")
    cellar = await created(vapi, provider="vapi", name="Cellar")

    plain = await vapi.call("GET", "/phone-number", params={"limit": 2})
    page = await vapi.call("GET", "/v2/phone-number", params={"limit": 2, "page": 2, "sortOrder": "ASC"})
    found = await vapi.call("GET", "/v2/phone-number", params={"search": "desk"})

    assert [each["name"] for each in plain] == ["Cellar", "Desk"]
    assert [each["id"] for each in page["results"]] == [cellar["id"]]
    assert page["metadata"] == {
        "itemsPerPage": 2,
        "totalItems": 3,
        "currentPage": 2,
        "totalPages": 2,
        "hasNextPage": False,
        "sortOrder": "ASC",
    }
    assert [each["id"] for each in found["results"]] == [desk["id"]]
    after = {"createdAtGt": desk["createdAt"]}
    assert [each["id"] for each in await vapi.call("GET", "/phone-number", params=after)] == [cellar["id"]]


async def test_they_are_one_organizations_and_an_owners_to_change(site: Site) -> None:
    vapi = await vapi_with_carrier(site)
    other = Vapi(site, of="other")
    operator = Vapi(site, key=await site.join("default", Role.OPERATOR))
    number = await created(vapi, provider="vapi")

    for method in ("GET", "PATCH", "DELETE"):
        assert await other.refused(method, f"/phone-number/{number['id']}", 404, json={}) == "Phone number not found"
    assert await other.call("GET", "/phone-number") == []
    assert (await other.call("GET", "/v2/phone-number"))["metadata"]["totalItems"] == 0
    assert (await operator.call("GET", "/phone-number"))[0]["id"] == number["id"]
    assert "takes owner" in await operator.refused("POST", "/phone-number", 403, json={"provider": "vapi"})
