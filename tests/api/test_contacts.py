"""Contacts over HTTP: pages, one with its calls, and what is done to them by hand."""

from __future__ import annotations

from typing import Any

import pytest
from people import app_of, draft, numbers, started
from site_of import CALLS, Site

from dialplane.engine import contact_book
from dialplane.engine.keys import Role

pytestmark = pytest.mark.asyncio

ANA, BEN, CLEO = numbers(3)
BUSY = "+15005550001"
PEOPLE = f"""phone_number,external_id,timezone,name
{ANA},a-1,America/New_York,Ana
{BEN},b-2,,Ben
{CLEO},,,Cleo
"""
GREETS = {"name": "greets", "greeting": "Hello {{name}}"}


def results(answer: dict[str, Any]) -> list[str]:
    return [result["result"] for result in answer["results"]]


async def contact_of(site: Site, campaign: int, number: str, *, of: str = "default") -> dict[str, Any]:
    page = await site.call("GET", f"/campaign/{campaign}/contacts", params={"phone_number": number}, of=of)
    (contact,) = page["contacts"]
    return contact


async def until_contact(site: Site, contact: int, **wanted: Any) -> dict[str, Any]:
    return await site.until(f"/contacts/{contact}", wanted)


# --- pages ----------------------------------------------------------------------------------------


async def test_a_page_shows_who_there_is_and_where_they_stand(site: Site) -> None:
    campaign = await draft(site, PEOPLE)

    page = await site.call("GET", f"/campaign/{campaign}/contacts")

    ana, ben, cleo = page["contacts"]
    assert page["next"] is None
    assert ana | {"id": 0, "uuid": ""} == {
        "id": 0, "uuid": "", "campaign_id": campaign, "phone_number": ANA, "external_id": "a-1", "state": "waiting",
        "reason": None, "disposition": None, "cause": "", "sip_status": None, "attempts": 0, "due_at": None,
        "timezone": "America/New_York", "zones": ["America/New_York"], "priority": 0, "variables": {"name": "Ana"},
        "file": "people.csv", "row": 2,
    }  # fmt: skip
    assert (ben["timezone"], ben["zones"], ben["row"]) == ("America/New_York", ["America/New_York"], 3)
    assert (cleo["external_id"], cleo["variables"]) == (None, {"name": "Cleo"})


async def test_pages_follow_each_other_without_gap_or_double(site: Site) -> None:
    campaign = await draft(site, numbers(7))

    seen, after = [], 0
    sizes = []
    while after is not None:
        page = await site.call("GET", f"/campaign/{campaign}/contacts", params={"after": after, "limit": 3})
        seen += [contact["phone_number"] for contact in page["contacts"]]
        sizes.append(len(page["contacts"]))
        after = page["next"]

    assert seen == numbers(7)
    assert sizes == [3, 3, 1]


async def test_a_filter_finds_people_by_number_and_by_their_own_id(site: Site) -> None:
    campaign = await draft(site, PEOPLE)
    path = f"/campaign/{campaign}/contacts"

    async def found(**asked: str) -> list[str]:
        return [c["phone_number"] for c in (await site.call("GET", path, params=asked))["contacts"]]

    assert await found(phone_number=BEN) == [BEN]
    assert await found(phone_number="+1 (212) 200-0001") == [BEN]
    assert await found(phone_number=numbers(4)[3]) == []
    assert await found(external_id="a-1") == [ANA]
    assert await found(external_id="a-1", state="reached") == []
    assert await found(external_id="a-1", phone_number=BEN) == []
    unescaped = await site.call("GET", f"{path}?phone_number={BEN}")
    assert [c["phone_number"] for c in unescaped["contacts"]] == [BEN]
    assert (
        "this is not a phone number"
        in (await site.call("GET", path, params={"phone_number": "nonsense"}, status=400))["detail"]
    )


async def test_a_filter_looks_at_so_many_contacts_at_a_time_and_says_where_to_go_on(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(contact_book, "EXAMINED", 4)
    campaign = await draft(site, numbers(10))
    await app_of(site).contacts.remove(campaign, [numbers(10)[i] for i in (1, 8, 9)])
    path = f"/campaign/{campaign}/contacts"

    pages, after = [], 0
    while after is not None:
        page = await site.call("GET", path, params={"state": "removed", "after": after, "limit": 2})
        pages.append([numbers(10).index(c["phone_number"]) for c in page["contacts"]])
        after = page["next"]

    assert pages == [[1], [], [8, 9], []]


async def test_reasons_say_why_somebody_is_not_called(site: Site) -> None:
    removed, barred, busy, answered = *numbers(2), BUSY, "+15005550006"
    await app_of(site).contacts.do_not_call([barred], source="hand")
    campaign = await draft(site, [removed, barred, busy, answered], keep_open=True)
    await app_of(site).contacts.remove(campaign, [removed])
    await app_of(site).campaigns.start(campaign)

    async with site.working():
        contact = await contact_of(site, campaign, busy)
        await until_contact(site, contact["id"], attempts=1)
        contact = await contact_of(site, campaign, answered)
        await until_contact(site, contact["id"], state="reached")
    page = await site.call("GET", f"/campaign/{campaign}/contacts")

    by_number = {c["phone_number"]: c for c in page["contacts"]}
    assert (by_number[removed]["state"], by_number[removed]["reason"]) == ("removed", "removed")
    assert (by_number[barred]["state"], by_number[barred]["reason"]) == ("skipped", "do_not_call")
    assert (by_number[answered]["state"], by_number[answered]["disposition"]) == ("reached", "answered")
    waits = by_number[busy]
    assert (waits["state"], waits["disposition"], waits["sip_status"]) == ("waiting", "busy", 486)
    assert waits["reason"].startswith("busy")
    assert waits["due_at"] is not None
    only_busy = await site.call("GET", f"/campaign/{campaign}/contacts", params={"disposition": "busy"})
    assert [c["phone_number"] for c in only_busy["contacts"]] == [busy]


async def test_who_waited_in_a_cancelled_campaign_reads_as_skipped(site: Site) -> None:
    campaign = await draft(site, numbers(3))
    await app_of(site).contacts.remove(campaign, numbers(1))
    await app_of(site).campaigns.cancel(campaign)
    path = f"/campaign/{campaign}/contacts"

    skipped = (await site.call("GET", path, params={"state": "skipped"}))["contacts"]
    waiting = (await site.call("GET", path, params={"state": "waiting"}))["contacts"]
    removed = (await site.call("GET", path, params={"state": "removed"}))["contacts"]

    assert [(c["phone_number"], c["state"], c["reason"]) for c in skipped] == [
        (number, "skipped", "cancelled") for number in numbers(3)[1:]
    ]
    assert waiting == []
    assert [c["phone_number"] for c in removed] == numbers(1)


async def test_a_contact_is_shown_with_all_its_calls(site: Site) -> None:
    campaign = await started(site, ["+15005550021"], carrier=CALLS | {"talk_seconds": 0.3}, keep_open=True)
    contact = (await contact_of(site, campaign, "+15005550021"))["id"]

    async with site.working():
        await until_contact(site, contact, attempts=1)
        await site.call("POST", f"/campaign/{campaign}/contacts/{contact}/call-now")
        shown = await until_contact(site, contact, state="reached")

    second, first = shown["history"]
    assert (shown["attempts"], shown["due_at"]) == (2, None)
    assert (first["number"], first["disposition"], first["sip_status"], first["answered_at"]) == (1, "busy", 486, None)
    assert (second["number"], second["disposition"], second["state"]) == (2, "answered", "ended")
    assert second["created_at"] <= second["placed_at"] <= second["answered_at"] <= second["ended_at"]
    assert (second["from_number"], second["to_number"]) == ("+15005550100", "+15005550021")
    assert second["agent_version"] == 1
    assert {said["speaker"] for said in second["transcript"]} >= {"agent"}
    assert await site.call("GET", f"/campaign/{campaign}/contacts/{contact}") == shown


async def test_a_page_that_makes_no_sense_names_the_field(site: Site) -> None:
    campaign = await draft(site, [])

    for field, value in (
        ("limit", "0"),
        ("limit", "1001"),
        ("after", "-1"),
        ("after", str(2**63)),
        ("state", "sleeping"),
        ("disposition", "bored"),
        ("external_id", "x" * 256),
    ):
        answer = await site.call("GET", f"/campaign/{campaign}/contacts", params={field: value}, status=422)
        assert answer["detail"][0]["loc"] == ["query", field]


# --- add ------------------------------------------------------------------------------------------


async def test_contacts_added_while_a_campaign_runs_are_called(site: Site) -> None:
    campaign = await started(site, [], keep_open=True)
    people = [
        {
            "phone_number": "+1 (212) 200-0000",
            "external_id": "a-1",
            "variables": {"name": "Ana", "age": 10**400, "vip": True, "none": None},
        },
        {"phone_number": BEN, "priority": 9, "timezone": "Europe/Berlin"},
    ]

    async with site.working():
        answer = await site.call("POST", f"/campaign/{campaign}/contacts", json={"contacts": people})
        first, second = answer["results"]
        ana = await until_contact(site, first["contact_id"], state="reached")
        ben = await until_contact(site, second["contact_id"], state="reached")

    assert (answer["added"], answer["exists"], answer["rejected"], answer["warnings"]) == (2, 0, 0, [])
    assert (first["index"], first["result"], first["phone_number"]) == (0, "added", ANA)
    assert ana["external_id"] == "a-1"
    assert ana["variables"] == {"name": "Ana", "age": f"1{'0' * 400}", "vip": "true", "none": ""}
    assert (ana["file"], ana["row"]) == (None, None)
    assert (ben["priority"], ben["timezone"]) == (9, "Europe/Berlin")


async def test_the_same_contacts_again_add_nobody(site: Site) -> None:
    campaign = await draft(site, [])
    people = {"contacts": [{"phone_number": ANA, "external_id": "a-1"}, {"phone_number": BEN}]}

    first = await site.call("POST", f"/campaign/{campaign}/contacts", json=people)
    second = await site.call("POST", f"/campaign/{campaign}/contacts", json=people)

    assert results(first) == ["added", "added"]
    assert results(second) == ["exists", "exists"]
    assert [r["contact_id"] for r in second["results"]] == [r["contact_id"] for r in first["results"]]
    page = await site.call("GET", f"/campaign/{campaign}/contacts")
    assert len(page["contacts"]) == 2


async def test_an_external_id_that_belongs_to_another_number_is_rejected_and_named(site: Site) -> None:
    campaign = await draft(site, PEOPLE)
    people = [
        {"phone_number": CLEO, "external_id": "a-1"},
        {"phone_number": ANA, "external_id": "a-1"},
        {"phone_number": numbers(5)[3], "external_id": "new"},
        {"phone_number": numbers(5)[4], "external_id": "new"},
        {"phone_number": numbers(5)[3], "external_id": "new"},
        {"phone_number": BEN, "external_id": "another"},
    ]

    answer = await site.call("POST", f"/campaign/{campaign}/contacts", json={"contacts": people})

    assert results(answer) == ["rejected", "exists", "added", "rejected", "exists", "exists"]
    assert answer["results"][0] == {
        "index": 0, "result": "rejected", "contact_id": None, "phone_number": None, "field": "external_id",
        "value": "a-1", "reason": f"this is {ANA}, and not {CLEO}",
        "fix": "give another external_id, or the number that it has",
    }  # fmt: skip
    assert answer["results"][3]["reason"] == f"this is {numbers(5)[3]}, and not {numbers(5)[4]}"


async def test_an_external_id_is_one_campaigns_and_one_organizations(site: Site) -> None:
    await draft(site, PEOPLE)
    await draft(site, f"phone_number,external_id\n{CLEO},x-9\n", of="other")
    campaign = await draft(site, [])
    people = [{"phone_number": CLEO, "external_id": "a-1"}, {"phone_number": ANA, "external_id": "x-9"}]

    answer = await site.call("POST", f"/campaign/{campaign}/contacts", json={"contacts": people})

    assert results(answer) == ["added", "added"]


async def test_what_is_wrong_with_one_contact_keeps_no_other_from_being_added(site: Site) -> None:
    campaign = await draft(site, [], agent=GREETS)
    named = {"variables": {"name": "Somebody"}}
    people = [
        {"phone_number": "nonsense", **named},
        {"phone_number": ANA, "timezone": "Mars/Base", **named},
        {"phone_number": ANA, "priority": 10, **named},
        {"phone_number": ANA, "variables": {"name": " "}},
        {"phone_number": ANA, "variables": {"name": ["a", "list"]}},
        {"phone_number": 41},
        {"name": "no number"},
        "no object",
        {"phone_number": ANA, "external_id": "x" * 256, **named},
        {"phone_number": BEN, **named},
    ]

    answer = await site.call("POST", f"/campaign/{campaign}/contacts", json={"contacts": people})

    assert results(answer) == ["rejected"] * 9 + ["added"]
    assert [r["field"] for r in answer["results"]] == [
        "phone_number", "timezone", "priority", "variables", "variables.name", "phone_number",
        "phone_number", "contact", "external_id", None,
    ]  # fmt: skip
    assert answer["results"][1]["value"] == "Mars/Base"
    assert answer["results"][4]["reason"] == "write text, a number, true or false"
    assert answer["results"][6]["reason"] == "Field required"
    assert answer["results"][3]["reason"] == f"the agent's text uses {{{{name}}}} and {ANA} has no value for it"
    assert all(r["reason"] and r["fix"] for r in answer["results"][:9])
    page = await site.call("GET", f"/campaign/{campaign}/contacts")
    assert [c["phone_number"] for c in page["contacts"]] == [BEN]


async def test_strict_adds_all_or_none(site: Site) -> None:
    campaign = await draft(site, PEOPLE)
    path = f"/campaign/{campaign}/contacts"

    for bad, told in (
        ({"phone_number": "nonsense"}, "phone_number 'nonsense': this is not a phone number"),
        ({"phone_number": 41}, "phone_number '41': Input should be a valid string"),
        ({"phone_number": BEN, "external_id": "a-1"}, f"external_id 'a-1': this is {ANA}, and not {BEN}"),
    ):
        people = [{"phone_number": numbers(4)[3]}, bad]
        answer = await site.call("POST", path, json={"contacts": people, "strict": True}, status=400)
        assert answer["detail"].startswith(f"contact 2 of 2, {told}; ")

    assert len((await site.call("GET", path))["contacts"]) == 3


async def test_a_single_contact_needs_no_list_and_is_refused_as_one(site: Site) -> None:
    campaign = await draft(site, [])
    path = f"/campaign/{campaign}/contacts"

    added = await site.call("POST", path, json={"phone_number": "(212) 200-0000", "default_region": "us"})
    refused = await site.call("POST", path, json={"phone_number": "(212) 200-0000"}, status=400)

    assert (added["added"], added["results"][0]["phone_number"]) == (1, ANA)
    assert refused["detail"].startswith("phone_number '(212) 200-0000': the number has no country code")


async def test_unknown_fields_are_told_back(site: Site) -> None:
    campaign = await draft(site, [])
    people = [
        {"phone_number": ANA, "name": "Ana"},
        {"phone_number": BEN, "name": "Ben", "time_zone": "Europe/Berlin"},
        {"phone_number": CLEO, "timezon": "Europe/Berlin"},
    ]

    answer = await site.call("POST", f"/campaign/{campaign}/contacts", json={"contacts": people, "stric": True})

    assert answer["warnings"] == [
        "unknown field 'stric': did you mean 'strict'?",
        "2 contacts: unknown field 'name' was ignored; variables go into 'variables'",
    ]
    assert results(answer) == ["added", "added", "rejected"], "hours that went unnoticed would wake people"
    assert answer["results"][2]["fix"] == "did you mean 'timezone'?"
    assert (await contact_of(site, campaign, BEN))["timezone"] == "Europe/Berlin"


async def test_a_campaign_that_has_ended_takes_nobody(site: Site) -> None:
    campaign = await draft(site, numbers(1))
    await app_of(site).campaigns.cancel(campaign)
    person = {"phone_number": BEN}

    answer = await site.call("POST", f"/campaign/{campaign}/contacts", json=person, status=400)

    text = f"campaign {campaign} is cancelled: it takes no contacts; redial it, or make a new one"
    assert answer["detail"] == text
    contact = (await contact_of(site, campaign, ANA))["id"]
    again = await site.call("POST", f"/campaign/{campaign}/contacts/{contact}/call-now", status=400)
    assert again["detail"] == text


async def test_a_request_without_contacts_is_misshapen(site: Site) -> None:
    campaign = await draft(site, [])

    for body in (
        {},
        {"contacts": []},
        {"contacts": [{"phone_number": ANA}] * 1001},
        {"contacts": "+12122000000"},
        [],
        {"contacts": [{"phone_number": ANA}], "strict": "perhaps"},
    ):
        await site.call("POST", f"/campaign/{campaign}/contacts", json=body, status=422)


async def test_a_region_that_does_not_exist_is_refused(site: Site) -> None:
    campaign = await draft(site, [])

    answer = await site.call(
        "POST", f"/campaign/{campaign}/contacts", json={"phone_number": ANA, "default_region": "UK"}, status=400
    )

    assert answer["detail"] == "default region: there is no region 'UK'; for the United Kingdom write GB"


async def test_a_thousand_contacts_go_in_at_once(site: Site) -> None:
    campaign = await draft(site, [])
    people = [{"phone_number": n, "external_id": n[-7:], "variables": {"name": n}} for n in numbers(1000)]

    answer = await site.call("POST", f"/campaign/{campaign}/contacts", json={"contacts": people})

    assert answer["added"] == 1000
    page = await site.call("GET", f"/campaign/{campaign}/contacts", params={"limit": 1000})
    assert [c["phone_number"] for c in page["contacts"]] == numbers(1000)


# --- remove, restore, call now --------------------------------------------------------------------


async def test_people_are_removed_by_id_number_or_their_own_id_and_come_back(site: Site) -> None:
    campaign = await draft(site, PEOPLE)
    path = f"/campaign/{campaign}/contacts"
    ana = (await contact_of(site, campaign, ANA))["id"]

    named = {"contact_ids": [ana], "external_ids": ["b-2"], "phone_numbers": ["(212) 200-0002"], "default_region": "US"}
    removed = await site.call("POST", f"{path}/remove", json=named)
    again = await site.call("POST", f"{path}/remove", json=named)
    states = [c["state"] for c in (await site.call("GET", path))["contacts"]]
    restored = await site.call("POST", f"{path}/restore", json={"external_ids": ["a-1"]})

    assert removed == again == {"campaign_id": campaign, "phone_numbers": [ANA, BEN, CLEO], "warnings": []}
    assert states == ["removed"] * 3
    assert restored["phone_numbers"] == [ANA]
    assert [c["state"] for c in (await site.call("GET", path))["contacts"]] == ["waiting", "removed", "removed"]
    progress = (await app_of(site).campaigns.progress([campaign]))[campaign]
    assert (progress.waiting, progress.removed, progress.total) == (1, 2, 3)


async def test_one_contact_is_deleted_as_often_as_one_likes(site: Site) -> None:
    campaign = await draft(site, PEOPLE)
    ana = (await contact_of(site, campaign, ANA))["id"]

    for _ in range(2):
        answer = await site.call("DELETE", f"/campaign/{campaign}/contacts/{ana}")
        assert (answer["phone_number"], answer["state"], answer["reason"]) == (ANA, "removed", "removed")


async def test_who_cannot_be_removed_keeps_the_others_in(site: Site) -> None:
    campaign = await started(site, [ANA], keep_open=True)
    path = f"/campaign/{campaign}/contacts"
    ana = (await contact_of(site, campaign, ANA))["id"]
    async with site.working():
        await until_contact(site, ana, state="reached")
    await app_of(site).campaigns.pause(campaign)
    await site.call("POST", path, json={"phone_number": BEN})

    ended = await site.call("POST", f"{path}/remove", json={"phone_numbers": [BEN, ANA]}, status=400)
    waits = await site.call("POST", f"{path}/restore", json={"phone_numbers": [BEN]}, status=400)
    missing = await site.call("POST", f"{path}/remove", json={"phone_numbers": [BEN, CLEO]}, status=404)
    unknown = await site.call("POST", f"{path}/remove", json={"external_ids": ["z"]}, status=404)

    assert ended["detail"] == f"{ANA} is reached: only who waits or is called can be removed"
    assert waits["detail"] == f"{BEN} is waiting: only removed and skipped ones can come back"
    assert missing["detail"] == f"campaign {campaign} has no contact {CLEO}"
    assert unknown["detail"] == f"campaign {campaign} has no external_id 'z'"
    assert (await contact_of(site, campaign, BEN))["state"] == "waiting"


async def test_to_remove_nobody_is_misshapen_and_names_the_fields(site: Site) -> None:
    campaign = await draft(site, [])

    answer = await site.call("POST", f"/campaign/{campaign}/contacts/remove", json={"ids": [1]}, status=422)

    assert "contact_ids, phone_numbers or external_ids" in answer["detail"][0]["msg"]
    too_big = {"contact_ids": [2**63]}
    await site.call("POST", f"/campaign/{campaign}/contacts/remove", json=too_big, status=422)


async def test_who_was_reached_is_called_now_and_counted_once(site: Site) -> None:
    campaign = await started(site, [ANA], keep_open=True)
    ana = (await contact_of(site, campaign, ANA))["id"]

    async with site.working():
        await until_contact(site, ana, state="reached")
        await app_of(site).campaigns.pause(campaign)
        answer = await site.call("POST", f"/campaign/{campaign}/contacts/{ana}/call-now")
        await app_of(site).campaigns.resume(campaign)
        shown = await until_contact(site, ana, attempts=2, state="reached")

    assert (answer["state"], answer["disposition"]) == ("waiting", "answered")
    assert answer["due_at"] is not None
    assert [attempt["number"] for attempt in shown["history"]] == [2, 1]
    progress = (await app_of(site).campaigns.progress([campaign]))[campaign]
    assert (progress.reached, progress.waiting, progress.attempts) == (1, 0, 2)


async def test_nobody_is_called_now_during_a_call(site: Site) -> None:
    campaign = await started(site, [ANA], carrier=CALLS | {"talk_seconds": 1}, keep_open=True)
    ana = (await contact_of(site, campaign, ANA))["id"]

    async with site.working():
        shown = await until_contact(site, ana, reason="call in progress (answered)")
        answer = await site.call("POST", f"/campaign/{campaign}/contacts/{ana}/call-now", status=400)

    assert shown["state"] == "dialing"
    assert answer["detail"] == f"{ANA} is being called: wait for the end of the call"


# --- whose ----------------------------------------------------------------------------------------


async def test_contacts_of_another_organization_do_not_exist(site: Site) -> None:
    campaign = await draft(site, [ANA])
    own = await draft(site, [BEN], of="other")
    ana = (await contact_of(site, campaign, ANA))["id"]

    for method, path, body in (
        ("GET", f"/campaign/{campaign}/contacts", None),
        ("GET", f"/campaign/{campaign}/contacts?phone_number={ANA}", None),
        ("GET", f"/campaign/{campaign}/contacts/{ana}", None),
        ("GET", f"/campaign/{own}/contacts/{ana}", None),
        ("GET", f"/contacts/{ana}", None),
        ("POST", f"/campaign/{campaign}/contacts", {"phone_number": CLEO}),
        ("POST", f"/campaign/{campaign}/contacts/remove", {"contact_ids": [ana]}),
        ("POST", f"/campaign/{own}/contacts/remove", {"contact_ids": [ana]}),
        ("POST", f"/campaign/{own}/contacts/restore", {"contact_ids": [ana]}),
        ("POST", f"/campaign/{own}/contacts/{ana}/call-now", None),
        ("DELETE", f"/campaign/{campaign}/contacts/{ana}", None),
        ("DELETE", f"/campaign/{own}/contacts/{ana}", None),
    ):
        await site.call(method, path, of="other", status=404, **({} if body is None else {"json": body}))

    assert (await contact_of(site, campaign, ANA))["state"] == "waiting"
    assert (await site.call("GET", "/contacts/999999", status=404))["detail"] == "there is no contact 999999"
    await site.call("GET", f"/contacts/{2**63}", status=422)


async def test_a_viewer_looks_and_touches_nothing(site: Site) -> None:
    campaign = await draft(site, [ANA])
    ana = (await contact_of(site, campaign, ANA))["id"]
    key = await site.join("default", Role.VIEWER)

    await site.call("GET", f"/campaign/{campaign}/contacts", key=key)
    await site.call("GET", f"/contacts/{ana}", key=key)
    for method, path in (
        ("POST", f"/campaign/{campaign}/contacts"),
        ("POST", f"/campaign/{campaign}/contacts/remove"),
        ("POST", f"/campaign/{campaign}/contacts/restore"),
        ("POST", f"/campaign/{campaign}/contacts/{ana}/call-now"),
        ("DELETE", f"/campaign/{campaign}/contacts/{ana}"),
    ):
        await site.call(method, path, key=key, status=403, **({} if method == "DELETE" else {"json": {}}))


async def test_a_repeated_request_with_its_key_is_carried_out_once(site: Site) -> None:
    campaign = await draft(site, [])
    asked = {"json": {"phone_number": ANA}, "headers": {"Idempotency-Key": "add-ana"}}

    first = await site.call("POST", f"/campaign/{campaign}/contacts", **asked)
    second = await site.call("POST", f"/campaign/{campaign}/contacts", **asked)

    assert results(first) == ["added"]
    assert second == first
