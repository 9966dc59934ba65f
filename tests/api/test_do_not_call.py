"""The do-not-call list over HTTP."""

from __future__ import annotations

import asyncio

import pytest
from people import draft, numbers, started
from site_of import CALLS, OpenSite, Site

from dialplane.engine.keys import Role

pytestmark = pytest.mark.asyncio

ANA, BEN, CLEO = numbers(3)


async def listed(site: Site, *, of: str = "default") -> list[str]:
    return [entry["phone_number"] for entry in (await site.call("GET", "/dnc", of=of))["numbers"]]


async def test_numbers_in_any_spelling_are_entered_and_each_has_its_result(site: Site) -> None:
    body = {
        "phone_numbers": ["(212) 200-0000", BEN, "+1 212 200 0000", "12", "nonsense"],
        "default_region": "us",
        "note": "by mail",
    }

    answer = await site.call("POST", "/dnc", json=body)
    again = await site.call("POST", "/dnc", json={"phone_number": BEN})

    assert (answer["added"], answer["exists"], answer["rejected"], answer["warnings"]) == (2, 1, 2, [])
    assert [(r["index"], r["result"], r["phone_number"]) for r in answer["results"]] == [
        (0, "added", ANA), (1, "added", BEN), (2, "exists", ANA), (3, "rejected", None), (4, "rejected", None),
    ]  # fmt: skip
    assert (answer["results"][4]["value"], answer["results"][4]["reason"]) == ("nonsense", "this is not a phone number")
    assert answer["results"][4]["fix"]
    assert [r["result"] for r in again["results"]] == ["exists"]
    first, second = (await site.call("GET", "/dnc"))["numbers"]
    assert (first["phone_number"], first["source"], first["note"]) == (ANA, "hand", "by mail")
    assert first["created_at"].endswith(("Z", "+00:00"))
    assert second["phone_number"] == BEN


async def test_pages_go_by_number_and_a_number_is_found(site: Site) -> None:
    await site.call("POST", "/dnc", json={"phone_numbers": numbers(5)})

    first = await site.call("GET", "/dnc", params={"limit": 3})
    second = await site.call("GET", "/dnc", params={"limit": 3, "after": first["next"]})
    unescaped = await site.call("GET", f"/dnc?limit=3&after={first['next']}")
    found = await site.call("GET", "/dnc", params={"phone_number": "+1 212-200-0004"})
    missing = await site.call("GET", "/dnc", params={"phone_number": numbers(6)[5]})

    assert [e["phone_number"] for e in first["numbers"]] == numbers(3)
    assert (second, unescaped) == (second, second)
    assert [e["phone_number"] for e in second["numbers"]] == numbers(5)[3:]
    assert second["next"] is None
    assert [e["phone_number"] for e in found["numbers"]] == [numbers(5)[4]]
    assert missing == {"numbers": [], "next": None}


async def test_once_a_number_is_entered_nobody_calls_it(site: Site) -> None:
    campaign = await started(site, numbers(40), carrier=CALLS | {"cps": 50}, max_lines=2, keep_open=True)

    async with site.working():
        await asyncio.sleep(0.1)
        await site.call("POST", "/dnc", json={"phone_numbers": numbers(40)})
        page = await site.call("GET", f"/campaign/{campaign}/contacts", params={"limit": 1000})
        placed = [c["id"] for c in page["contacts"] if c["attempts"] or c["state"] == "dialing"]
        await site.until(f"/contacts/{page['contacts'][-1]['id']}", {"state": "skipped"})
    page = await site.call("GET", f"/campaign/{campaign}/contacts", params={"limit": 1000})

    assert [c["id"] for c in page["contacts"] if c["attempts"]] == placed
    assert 0 < len(placed) < 40
    assert {c["reason"] for c in page["contacts"] if not c["attempts"]} == {"do_not_call"}


async def test_numbers_come_off_the_list(site: Site) -> None:
    await site.call("POST", "/dnc", json={"phone_numbers": numbers(3)})

    one = await site.call("DELETE", f"/dnc/{ANA}")
    gone = await site.call("DELETE", f"/dnc/{ANA}", status=404)
    some = await site.call("POST", "/dnc/remove", json={"phone_numbers": ["212 200 0001", ANA], "default_region": "US"})
    nonsense = await site.call("POST", "/dnc/remove", json={"phone_numbers": [CLEO, "nonsense"]}, status=400)

    assert one == {"removed": [ANA], "not_listed": [], "warnings": []}
    assert gone["detail"] == f"{ANA} is not on the do-not-call list"
    assert (some["removed"], some["not_listed"]) == ([BEN], [ANA])
    assert nonsense["detail"].startswith("'nonsense': this is not a phone number")
    assert await listed(site) == [CLEO]


async def test_who_is_on_the_list_is_not_called_now(site: Site) -> None:
    campaign = await draft(site, [ANA])
    (ana,) = (await site.call("GET", f"/campaign/{campaign}/contacts"))["contacts"]
    await site.call("POST", "/dnc", json={"phone_number": ANA})

    answer = await site.call("POST", f"/campaign/{campaign}/contacts/{ana['id']}/call-now", status=400)

    assert answer["detail"] == f"{ANA} is on the do-not-call list"


async def test_a_request_without_numbers_is_misshapen(site: Site) -> None:
    bodies: list[dict[str, object]] = [
        {}, {"phone_numbers": []}, {"phone_numbers": [ANA] * 1001}, {"phone_numbers": [7]}, {"numbers": [ANA]},
    ]  # fmt: skip
    for body in bodies:
        await site.call("POST", "/dnc", json=body, status=422)
        await site.call("POST", "/dnc/remove", json=body, status=422)


# --- files ----------------------------------------------------------------------------------------


async def imported(site: Site, content: bytes, *, status: int = 200, **asked: str) -> dict[str, object]:
    headers = {"Content-Type": "text/csv"}
    return await site.call("POST", "/dnc/import", content=content, params=asked, headers=headers, status=status)


async def test_a_file_with_a_phone_column_is_entered_and_its_rejects_are_told(site: Site) -> None:
    text = f"name;Phone Number\nAna;{ANA}\nBen;(212) 200-0001\nNobody;nonsense\nAna;{ANA}\n"

    answer = await imported(site, text.encode(), default_region="US", note="state register")
    again = await imported(site, text.encode(), default_region="US")

    assert (answer["added"], answer["exists"], answer["rejected"]) == (2, 0, 1)
    (reject,) = answer["rejects"]
    assert (reject["row"], reject["field"], reject["value"]) == (4, "Phone Number", "nonsense")
    assert reject["reason"] == "this is not a phone number"
    assert (again["added"], again["exists"]) == (0, 2)
    first, _ = (await site.call("GET", "/dnc"))["numbers"]
    assert (first["source"], first["note"]) == ("file", "state register")


async def test_files_are_read_as_people_save_them(site: Site) -> None:
    plain_list = f"{ANA}\n{BEN}\n".encode()
    utf_16 = f"phone_number,name\n{ANA},Ána\n{BEN},Ben\n".encode("utf-16")
    windows_1252 = f"phone,name\r\n{ANA},Zo\xeb\r\n{CLEO},Ben\r\n".encode("cp1252")

    assert (await imported(site, plain_list))["added"] == 2
    assert (await imported(site, utf_16))["exists"] == 2
    assert (await imported(site, windows_1252))["added"] == 1
    assert await listed(site) == [ANA, BEN, CLEO]


async def test_a_file_that_is_none_is_refused(site: Site) -> None:
    for content, told in (
        (b"", "the file is empty"),
        (b"name\nAna\n", "there is no phone column among name"),
        (b"PK\x03\x04 and so on", "the file is a ZIP archive that is damaged"),
    ):
        assert told in str((await imported(site, content, status=400))["detail"])


async def test_a_form_is_refused_with_what_to_send(site: Site) -> None:
    answer = await site.call("POST", "/dnc/import", files={"file": ("a.csv", b"phone\n")}, status=400)

    assert answer["detail"] == "send the file itself as the body, with Content-Type: text/csv, and not as a form"


async def test_a_file_larger_than_any_json_is_entered(site: Site) -> None:
    filler = "x" * 2000
    rows = "\n".join(f"{number},{filler}" for number in numbers(6000))

    answer = await imported(site, f"phone_number,note\n{rows}\n".encode())

    assert (answer["added"], answer["rejected"]) == (6000, 0)


async def test_a_file_that_is_too_large_enters_nothing(open_site: OpenSite) -> None:
    site = await open_site(max_upload_bytes=100)

    answer = await imported(site, "\n".join(numbers(10)).encode(), status=413)

    assert answer["detail"] == "the file is larger than 100 bytes"
    assert await listed(site) == []


# --- whose ----------------------------------------------------------------------------------------


async def test_the_list_of_one_organization_is_not_anothers(site: Site) -> None:
    await site.call("POST", "/dnc", json={"phone_number": ANA})

    assert await listed(site, of="other") == []
    await site.call("DELETE", f"/dnc/{ANA}", of="other", status=404)
    removed = await site.call("POST", "/dnc/remove", json={"phone_number": ANA}, of="other")
    assert removed["not_listed"] == [ANA]
    assert await listed(site) == [ANA]


async def test_a_viewer_reads_the_list_and_changes_nothing(site: Site) -> None:
    key = await site.join("default", Role.VIEWER)

    await site.call("GET", "/dnc", key=key)
    await site.call("POST", "/dnc", json={"phone_number": ANA}, key=key, status=403)
    await site.call("POST", "/dnc/remove", json={"phone_number": ANA}, key=key, status=403)
    await site.call("POST", "/dnc/import", content=b"phone\n", key=key, status=403)
    await site.call("DELETE", f"/dnc/{ANA}", key=key, status=403)
