"""What an organization has besides its campaigns: agents, carriers, numbers, do not call, webhooks, keys, people."""

from __future__ import annotations

import asyncio
import io
import math
import struct
import wave
from datetime import timedelta
from pathlib import Path

import pytest
from browsing import PASSWORD, Surfer
from people import app_of, draft, started
from playwright.async_api import Page, expect
from receiver import receiving
from site_of import Site
from visitors import OWNER, person, visitor

from dialplane.engine.keys import Role

pytestmark = pytest.mark.asyncio

GOODBYE = """\
greeting: Hello {{first_name}}.
steps:
  - say: Do you still want the flat?
    gather: wants
    expect: [yes, no]
    keys: {1: yes}
    no_match: Sorry?
goodbye: Goodbye.
opt_out: {phrases: [stop calling], say: We will not call again.}
"""


async def confirm(tab: Page, label: str) -> None:
    await tab.locator("#confirm-yes", has_text=label).click()


async def said(tab: Page, text: str) -> None:
    await expect(tab.get_by_text(text)).to_be_visible()


def tone() -> bytes:
    held = io.BytesIO()
    with wave.open(held, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(b"".join(struct.pack("<h", int(8000 * math.sin(i / 5))) for i in range(4000)))
    return held.getvalue()


async def test_an_agent_is_made_mended_published_and_archived(
    site: Site, tab: Page, surfer: Surfer, tmp_path: Path
) -> None:
    surfer.expected = ("400",)
    await tab.goto(f"{site.url}/agents/new")
    await tab.get_by_label("Name").fill("Flats")
    await tab.get_by_label("Definition").fill("greeting: [")
    await tab.get_by_role("button", name="Make it").click()
    await expect(tab.get_by_role("alert")).to_contain_text("the definition, line 1, column 12: this is no YAML")
    await tab.get_by_label("Definition").fill("steps:\n  - sya: Hello\n")
    await tab.get_by_role("button", name="Make it").click()
    await expect(tab.get_by_role("alert")).to_contain_text("agent, step 1: unknown field 'sya'; did you mean 'say'?")
    assert await tab.get_by_label("Name").input_value() == "Flats"  # kept, as the definition is
    await tab.get_by_label("Definition").fill(GOODBYE)
    await tab.get_by_role("button", name="Make it").click()
    await said(tab, "The agent is made.")

    talk = tab.locator(".talk")
    assert [await line.inner_text() for line in await talk.locator("li").all()] == [
        "Agent\nHello first_name.",
        "Agent\nDo you still want the flat?",
        "Person\nanswers wants: “yes”, “no”, key 1: yes",
        "Agent · when not understood; asked 2 times at most\nSorry?",
        "Person · at any time\nwants no more calls: “stop calling”",
        "Agent · then, and the number goes to the do-not-call list\nWe will not call again.",
        "Agent · at the end\nGoodbye.",
    ]
    facts = await tab.locator("dl.facts").inner_text()
    assert "first_name" in facts and "wants" in facts
    written = await tab.get_by_label("Definition").input_value()
    assert written.index("greeting") < written.index("steps") < written.index("goodbye")  # as people write it

    await tab.get_by_label("Definition").fill(written.replace("Goodbye.", "Bye."))
    await tab.get_by_role("button", name="Publish as version 2").click()
    await said(tab, "Version 2 is published.")
    await tab.get_by_role("link", name="1", exact=True).click()
    assert "Goodbye." in await tab.get_by_label("Definition").input_value()
    await said(tab, "This is version 1.")

    await tab.get_by_role("button", name="Archive").click()
    await confirm(tab, "Archive")
    await said(tab, "The agent is archived")
    await tab.goto(f"{site.url}/agents")
    assert "Flats" not in await tab.locator("main").inner_text()
    await tab.get_by_role("link", name="Show the archived ones (1)").click()
    await expect(tab.get_by_role("link", name="Flats")).to_be_visible()

    sound, text = tmp_path / "hello.wav", tmp_path / "text.wav"
    sound.write_bytes(tone())
    text.write_text("no sound")
    await tab.goto(f"{site.url}/agents/sounds")
    await tab.get_by_label("Add a WAV file").set_input_files(text)
    await tab.get_by_role("button", name="Add it").click()
    await expect(tab.locator("#kept")).to_contain_text("text.wav")
    await tab.get_by_label("Add a WAV file").set_input_files(sound)
    await tab.get_by_role("button", name="Add it").click()
    await expect(tab.locator("#kept")).to_contain_text("“hello.wav” is kept, 0.5 s")
    await tab.get_by_role("link", name="Show it in the list").click()
    await expect(tab.get_by_role("cell", name="hello.wav", exact=True)).to_be_visible()


async def test_an_agent_shows_the_campaigns_that_use_it(site: Site, tab: Page) -> None:
    campaign_id = await draft(site, ["+12125550142"])
    agent_id = (await app_of(site).campaigns.get(campaign_id)).agent_id
    await draft(site, ["+12125550777"], of="other")
    await tab.goto(f"{site.url}/agents/{agent_id}")
    links = tab.locator("a[href^='/campaigns/']")
    assert [await link.get_attribute("href") for link in await links.all()] == [f"/campaigns/{campaign_id}"]


async def test_a_trunk_keeps_its_password_and_says_why_it_is_not_ready(site: Site, tab: Page, surfer: Surfer) -> None:
    surfer.expected = ("400",)
    telephony = app_of(site).telephony
    await tab.goto(f"{site.url}/carriers/new")
    await tab.get_by_label("Name", exact=True).fill("Main trunk")
    await tab.get_by_label("Host").fill("127.0.0.1")
    await tab.get_by_label("Port", exact=True).fill("many")
    await tab.get_by_label("User", exact=True).fill("dialplane")
    await tab.get_by_label("Password").fill("a very long secret")
    await tab.get_by_label("G.711 A-law").uncheck()
    await tab.get_by_label("Calls at once").fill("30")
    await tab.get_by_label("Other settings").fill("max_call_seconds: 600\nhost: twice.example")
    await tab.get_by_role("button", name="Make it").click()
    await expect(tab.get_by_role("alert")).to_contain_text("'host' has a field of its own above")
    await tab.get_by_label("Other settings").fill("max_call_seconds: 600\nheaders: {X-Token: hush hush hush}")
    await tab.get_by_role("button", name="Make it").click()
    await expect(tab.get_by_role("alert")).to_contain_text("Port must be a whole number from 1 to 65,535, not 'many'")
    assert await tab.get_by_label("Host").input_value() == "127.0.0.1"
    await tab.get_by_label("Port", exact=True).fill("9")
    await tab.get_by_role("button", name="Make it").click()
    await said(tab, "The carrier is made.")
    carrier_id = int(tab.url.rpartition("/")[2])
    made = {
        "host": "127.0.0.1",
        "port": 9,
        "transport": "udp",
        "user": "dialplane",
        "password": "a very long secret",
        "number_format": "e164",
        "codecs": ["pcmu"],
        "max_call_seconds": 600,
        "headers": {"X-Token": "hush hush hush"},
    }
    assert telephony._settings(await telephony.get(carrier_id)) == made
    await expect(tab.locator("#probe")).to_contain_text("it has no active number to call from")

    assert "a very long" not in await tab.content() and "hush hush" not in await tab.locator("main").inner_text()
    assert await tab.get_by_label("Password").input_value() == "••••cret"
    assert "X-Token: ••••hush" in await tab.get_by_label("Other settings").input_value()
    await tab.get_by_label("Name", exact=True).fill("Old trunk")
    await tab.get_by_label("Calls at once").fill("")
    await tab.get_by_label("Calls started per second").fill("2.5")
    await tab.get_by_role("button", name="Save").click()
    await said(tab, "Saved.")
    carrier = await telephony.get(carrier_id)
    assert telephony._settings(carrier) == made
    assert (carrier.name, carrier.limits.max_lines, carrier.limits.cps) == ("Old trunk", None, 2.5)

    await tab.get_by_role("link", name="Add a number").click()
    assert await tab.get_by_label("Carrier").input_value() == str(carrier_id)
    await tab.get_by_label("Number", exact=True).fill("no number")
    await tab.get_by_label("Label").fill("Sales")
    await tab.get_by_role("button", name="Add it").click()
    await expect(tab.get_by_role("alert")).to_contain_text("'no number'")
    assert await tab.get_by_label("Label").input_value() == "Sales"
    await tab.get_by_label("Number", exact=True).fill("(212) 555-0142")
    await tab.get_by_label("Country").fill("US")
    await tab.get_by_role("button", name="Add it").click()
    await expect(tab.get_by_role("link", name="+12125550142")).to_be_visible()

    await tab.goto(f"{site.url}/carriers/{carrier_id}")
    await expect(tab.locator("#probe")).to_contain_text("127.0.0.1:9 does not listen")
    await tab.get_by_label("Why").fill("it is being moved")
    await tab.get_by_role("button", name="Switch it off").first.click()
    await confirm(tab, "Switch it off")
    await said(tab, "Nothing more is placed through it.")
    assert (await telephony.get(carrier_id)).inactive_reason == "it is being moved"
    await tab.get_by_role("button", name="Switch it on").click()
    await said(tab, "The carrier is on")
    await tab.get_by_role("button", name="Make it the default").click()
    await said(tab, "A campaign that names no carrier gets this one.")
    assert (await telephony.get(carrier_id)).is_default

    await tab.get_by_role("link", name="+12125550142").click()
    await tab.get_by_label("Calls at once").fill("3")
    await tab.get_by_role("button", name="Save").click()
    await said(tab, "0 of 3")
    await tab.get_by_role("button", name="Switch it off").click()
    await confirm(tab, "Switch it off")
    await said(tab, "Nothing more is placed from it.")
    (number,) = await app_of(site).caller_numbers.page(carrier_id)
    assert (number.active, number.max_lines, number.label) == (False, 3, "Sales")
    await tab.get_by_role("button", name="Delete").click()
    await confirm(tab, "Delete")
    await said(tab, "The number is deleted")


@pytest.mark.parametrize(
    ("provider", "typed", "missing"),
    [
        ("Twilio", {"Account SID": "AC" + "0" * 32, "Auth token": "0123456789abcdef"}, "DIALPLANE_PUBLIC_URL"),
        ("Telnyx", {"API key": "KEY0123456789abcdef", "Voice API application": "1684641123"}, "webhook_public_key"),
    ],
)
async def test_an_account_is_made_and_says_what_it_lacks(
    site: Site, tab: Page, provider: str, typed: dict[str, str], missing: str
) -> None:
    telephony, secret = app_of(site).telephony, next(each for each in typed.values() if "abcdef" in each)
    await tab.goto(f"{site.url}/carriers/new")
    await tab.get_by_role("link", name=provider).click()
    await tab.get_by_label("Name", exact=True).fill("Ours")
    for label, value in typed.items():
        await tab.get_by_label(label, exact=True).fill(value)
    await tab.get_by_label("Listen for machines").check()
    await tab.get_by_label("Other settings").fill("max_call_seconds: 600")
    await tab.get_by_role("button", name="Make it").click()
    await said(tab, "The carrier is made.")
    carrier_id = int(tab.url.rpartition("/")[2])

    made = telephony._settings(await telephony.get(carrier_id))
    assert sorted(made.values(), key=str) == sorted([*typed.values(), True, 600], key=str)
    assert (await telephony.get(carrier_id)).limits.cps == 1.0
    assert secret not in await tab.content()
    assert await tab.get_by_label("Listen for machines").is_checked()

    await tab.get_by_label("Listen for machines").uncheck()
    await tab.get_by_role("button", name="Save").click()
    await said(tab, "Saved.")
    kept = telephony._settings(await telephony.get(carrier_id))
    assert kept == {name: value for name, value in made.items() if name != "machine_detection"}
    assert missing in str(await telephony.readiness(carrier_id))


async def test_carriers_and_numbers_show_their_calls_and_that_a_carrier_rests(site: Site) -> None:
    session = await visitor(site, "vic@example.org", Role.VIEWER)
    app = app_of(site)
    trunk = {"name": "Slow", "outcomes": {"answered": 1}, "ring_seconds": 0.01, "talk_seconds": 4, "max_lines": 5}
    campaign_id = await started(site, ["+12125550142"], carrier=trunk)
    carrier_id = (await app.campaigns.get(campaign_id)).carrier_id
    (number,) = await app.caller_numbers.page(carrier_id)
    async with site.working(), asyncio.timeout(30):
        while not (await app.telephony.lines()).get(carrier_id):
            await asyncio.sleep(0.05)
        carrier = (await site.http.get(f"/carriers/{carrier_id}", headers=session)).text
        listed = (await site.http.get("/carriers", headers=session)).text
        of_number = (await site.http.get(f"/carriers/{carrier_id}/numbers/{number.id}", headers=session)).text
    assert "<dd>1 of 5</dd>" in carrier and ">1 of 5<" in listed and "1 of any number" in of_number
    assert "rests until" not in carrier
    async with site.server.database.connection() as connection:
        later = app.clock.now() + timedelta(seconds=60)
        await connection.execute("UPDATE carrier SET suspended_until = $1 WHERE id = $2", later, carrier_id)
    assert "rests until" in (await site.http.get(f"/carriers/{carrier_id}", headers=session)).text


async def test_the_do_not_call_list_is_kept_by_hand_and_by_file(
    site: Site, tab: Page, surfer: Surfer, tmp_path: Path
) -> None:
    surfer.expected = ("400",)
    contacts = app_of(site).contacts
    await tab.goto(f"{site.url}/do-not-call")
    await tab.get_by_text("Add numbers").click()
    await tab.get_by_role("textbox", name="Numbers").fill("+12125550142\n555 nobody\n")
    await tab.get_by_label("Note").first.fill("=they asked")
    await tab.get_by_role("button", name="Add them").click()
    await expect(tab.get_by_role("alert")).to_contain_text("1 number is entered. Not entered: '555 nobody'")
    assert await tab.get_by_role("textbox", name="Numbers").input_value() == "555 nobody"
    (entry,) = await contacts.do_not_call_page()
    assert (entry["to_number"], entry["source"], entry["note"]) == ("+12125550142", "hand", "=they asked")

    file = tmp_path / "list.csv"
    file.write_text("phone\n" + "".join(f"+1212555{number:04}\n" for number in range(1000, 1120)) + "nonsense\n")
    await tab.get_by_text("Import a file").click()
    await tab.get_by_label("File", exact=True).set_input_files(file)
    await tab.get_by_role("button", name="Import it").click()
    await expect(tab.locator("#imported")).to_contain_text("Entered: 120.")
    await expect(tab.locator("#imported")).to_contain_text("nonsense")
    await tab.get_by_role("link", name="Show the list").click()
    await expect(tab.locator("tbody tr")).to_have_count(100)
    await tab.get_by_role("link", name="More").click()
    await expect(tab.locator("tbody tr")).to_have_count(21)

    await tab.get_by_role("searchbox").fill("+1 212 555 0142")
    await tab.get_by_role("button", name="Look it up").click()
    await expect(tab.locator("tbody tr")).to_have_count(1)
    await tab.get_by_role("button", name="Take +12125550142 off the list").click()
    await confirm(tab, "Take it off")
    await said(tab, "+12125550142 may be called again.")
    async with tab.expect_download() as download:
        await tab.get_by_role("link", name="Export").click()
    lines = Path(await (await download.value).path()).read_text().splitlines()
    assert lines[0] == "phone_number,source,note,entered_at"
    assert len(lines) == 121 and lines[1].startswith("+12125551000,file,,20")


async def test_a_webhook_is_tried_and_what_failed_is_sent_again(site: Site, tab: Page, surfer: Surfer) -> None:
    surfer.expected = ("400",)
    async with receiving() as receiver, site.working():
        await tab.goto(f"{site.url}/webhooks/new")
        await tab.get_by_label("URL").fill("ftp://example.org")
        await tab.get_by_label("attempt.ended").check()
        await tab.get_by_role("button", name="Make it").click()
        await expect(tab.get_by_role("alert")).to_contain_text("the URL cannot be used")
        assert await tab.get_by_label("attempt.ended").is_checked()
        await tab.get_by_label("URL").fill(receiver.url)
        await tab.get_by_role("button", name="Make it").click()
        assert (await tab.get_by_label("Secret").input_value()).startswith("whsec_")
        await tab.get_by_role("link", name="I have kept it").click()
        await tab.get_by_role("button", name="Send a test message").click()
        await receiver.got(1)
        await expect(tab.locator("#deliveries")).to_contain_text("204", timeout=10_000)  # by itself
        await tab.get_by_role("link", name="webhook.test").click()
        await tab.get_by_role("button", name="Send it again").click()
        await receiver.got(2)
        assert receiver.requests[0].body == receiver.requests[1].body
    await tab.get_by_role("link", name="Webhook 1").click()
    await tab.get_by_role("button", name="Pause").click()
    await confirm(tab, "Pause")
    await said(tab, "Nothing is sent: switched off.")
    (webhook,) = await site.server.webhooks(site.organizations["default"]).page()
    assert (webhook["active"], list(webhook["kinds"])) == (False, ["attempt.ended"])
    await tab.get_by_role("button", name="Delete").click()
    await confirm(tab, "Delete")
    await said(tab, "The webhook is deleted")


async def test_a_key_is_shown_once_and_revoked(site: Site, tab: Page) -> None:
    await tab.context.grant_permissions(["clipboard-read", "clipboard-write"])
    await tab.goto(f"{site.url}/keys")
    await tab.get_by_text("New key").click()
    await tab.get_by_label("Name").fill("importer")
    await tab.get_by_label("Role").select_option("viewer")
    await tab.get_by_label("Ends").select_option("in 30 days")
    await tab.get_by_role("button", name="Make it").click()
    key = await tab.get_by_label("The new key").input_value()
    await tab.get_by_role("button", name="Copy").click()
    await expect(tab.get_by_role("button", name="Copied")).to_be_visible()
    assert await tab.evaluate("navigator.clipboard.readText()") == key
    await site.call("GET", "/campaign/", key=key)
    await site.call("POST", "/dnc", key=key, json={"phone_numbers": ["+12125550142"]}, status=403)
    await tab.goto(f"{site.url}/keys")
    assert key not in await tab.content()
    await tab.get_by_role("button", name="Revoke importer").click()
    await confirm(tab, "Revoke it")
    await said(tab, "The key opens nothing any more.")
    await site.call("GET", "/campaign/", key=key, status=401)
    await tab.get_by_role("button", name="Reactivate importer").click()
    await said(tab, "The key works again.")
    await site.call("GET", "/campaign/", key=key)


async def test_people_come_by_a_link_change_and_go(site: Site, tab: Page, surfer: Surfer) -> None:
    await tab.goto(f"{site.url}/people")
    await tab.get_by_role("radio", name="viewer").check()
    await tab.get_by_role("button", name="Make a link").click()
    link = await tab.get_by_label("Invitation as viewer").input_value()
    assert link.startswith(f"{site.url}/welcome?token=")
    await site.server.people.join(link.partition("token=")[2], "ben@example.org", PASSWORD, "Ben")
    answer = await site.http.post("/sign-in", data={"email": "ben@example.org", "password": PASSWORD})
    session = {"Cookie": answer.headers["set-cookie"].partition(";")[0]}
    for path in ("/webhooks", "/keys", "/people", "/settings", "/audit", "/agents/new", "/carriers/new"):
        assert (await site.http.get(path, headers=session)).status_code == 403, path
    for path in ("/agents", "/carriers", "/numbers", "/do-not-call", "/system"):
        assert (await site.http.get(path, headers=session)).status_code == 200, path

    await tab.goto(f"{site.url}/people")
    await tab.get_by_label(f"Remove {OWNER}").click()
    await confirm(tab, "Remove them")
    await said(tab, "This is the only owner: make somebody else an owner first.")
    await tab.get_by_label("Role of ben@example.org", exact=True).select_option("operator")
    await tab.get_by_label("Change the role of ben@example.org").click()
    await said(tab, "The role is operator from now on.")
    assert (await site.http.get("/agents/new", headers=session)).status_code == 200
    await tab.get_by_label("Remove ben@example.org").click()
    await confirm(tab, "Remove them")
    await said(tab, "They are removed, and signed out everywhere.")
    assert (await site.http.get("/agents", headers=session)).status_code == 303
    await tab.goto(f"{site.url}/audit")
    acts = [await cell.inner_text() for cell in await tab.locator("tbody td:nth-child(3)").all()]
    assert acts == ["remove person", "change role", "remove person", "invite person"]


async def test_limits_are_set_and_secrets_of_the_installation_are_not_told(
    site: Site, tab: Page, surfer: Surfer
) -> None:
    surfer.expected = ("400",)
    await tab.goto(f"{site.url}/settings")
    assert await tab.get_by_label("Name").get_attribute("readonly") is not None
    await tab.get_by_label("Calls at once").fill("many")
    await tab.get_by_label("Calls started per second").fill("7.5")
    await tab.get_by_role("button", name="Save").click()
    await expect(tab.get_by_role("alert")).to_contain_text("Calls at once must be a whole number")
    assert await tab.get_by_label("Calls started per second").input_value() == "7.5"
    await tab.get_by_label("Calls at once").fill("40")
    await tab.get_by_role("button", name="Save").click()
    await said(tab, "Saved.")
    text = await tab.locator("main").inner_text()
    assert "DIALPLANE_SECRET_KEY" in text and "a secret for the tests" not in await tab.content()
    limits = await site.call("GET", "/organizations/limits")
    assert (limits["max_lines"], limits["cps"]) == (40, 7.5)

    ada = await visitor(site, "ada@example.org")
    kept = await site.http.post("/settings", headers=ada, data={"name": "mine", "max_lines": "5", "cps": ""})
    assert kept.status_code == 400 and "the first organization keeps its name" in kept.text

    session = await visitor(site, "eve@example.org", of="other")
    theirs = await site.http.get("/settings", headers=session)
    assert "DIALPLANE_HOME" not in theirs.text and str(site.server.settings.home) not in theirs.text
    for name, status, said_of_it in (("default", 400, "is called"), ("Eve & Co", 303, "")):
        form = {"name": name, "max_lines": "10", "cps": ""}
        answer = await site.http.post("/settings", headers=session, data=form)
        assert answer.status_code == status and said_of_it in answer.text, name
    assert "Eve &amp; Co" in (await site.http.get("/settings", headers=session)).text


async def test_what_is_anothers_is_not_found(site: Site) -> None:
    """Each address that names something, asked for by another organization's owner."""
    app = app_of(site)
    carrier_id = await app.add_carrier(None)
    (number,) = await app.caller_numbers.page(carrier_id)
    agent_id = await app.add_agent(None)
    webhooks = site.server.webhooks(app.organization_id)
    webhook_id = (await webhooks.create(f"{site.url}/health")).webhook["id"]
    delivery_id = (await webhooks.test(webhook_id))["id"]
    await person(site)
    (ana,) = await site.server.people.page(app.organization_id)
    key_id = (await site.call("POST", "/user/api-keys", json={"name": "theirs"}))["id"]
    session = await visitor(site, "eve@example.org", of="other")
    agent, carrier, webhook = f"/agents/{agent_id}", f"/carriers/{carrier_id}", f"/webhooks/{webhook_id}"
    of_number, delivery = f"{carrier}/numbers/{number.id}", f"{webhook}/deliveries/{delivery_id}"
    looks = [agent, carrier, f"{carrier}/probe", of_number, webhook, delivery]
    acts = [agent, f"{agent}/archive", f"{agent}/unarchive", carrier, webhook, of_number, f"{delivery}/redeliver"]
    acts += [f"{carrier}/{act}" for act in ("default", "switch-off", "switch-on", "delete")]
    acts += [f"{of_number}/{act}" for act in ("default", "switch-off", "switch-on", "delete")]
    acts += [f"{webhook}/{act}" for act in ("pause", "resume", "delete", "rotate-secret", "test", "redeliver-dead")]
    acts += [f"/keys/{key_id}/{act}" for act in ("revoke", "reactivate")]
    acts += [f"/people/{ana['id']}/{act}" for act in ("role", "remove")]
    form = {"name": "theirs", "definition": "greeting: theirs", "url": site.url, "role": "viewer"}
    answers = {path: await site.http.get(path, headers=session) for path in looks}
    answers |= {f"POST {path}": await site.http.post(path, headers=session, data=form) for path in acts}
    number_form = {"carrier_id": str(carrier_id), "number": "+12125550142"}
    answers["POST /numbers"] = await site.http.post("/numbers", headers=session, data=number_form)
    assert {path: answer.status_code for path, answer in answers.items() if answer.status_code != 404} == {}
    assert (await app.telephony.get(carrier_id)).inactive_since is None
    assert (await app.library.get(agent_id)).newest_version == 1
