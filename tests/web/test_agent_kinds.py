"""Agents of each kind, made from the example that their page begins with; the organization's voice services."""

from __future__ import annotations

import html
import re

import pytest
from site_of import Site
from visitors import visitor

from dialplane.web.agent_kinds import KINDS

pytestmark = pytest.mark.asyncio

SECRETS = ("write your key here", "write your token here", "write your password here")
SERVICES = (
    "llm: {service: openai, model: gpt-4.1, api_key: sk-1}\nstt: {service: pocketsphinx}\ntts: {service: flite}\n"
)


def typed(page: str) -> str:
    found = re.search(r"<textarea[^>]*>(.*?)</textarea>", page, re.DOTALL)
    assert found is not None
    return html.unescape(found[1]).lstrip("\n")


async def test_the_example_of_each_kind_makes_an_agent_of_it_whose_secrets_nobody_sees_again(site: Site) -> None:
    session = await visitor(site)
    for kind in KINDS:
        form = await site.http.get(f"/agents/new?kind={kind.name}", headers=session)
        assert typed(form.text).strip() == kind.example.strip()

        made = await site.http.post(
            f"/agents/new?kind={kind.name}", data={"name": kind.title, "definition": kind.example}, headers=session
        )
        assert made.status_code == 303, typed(made.text)
        shown = await site.http.get(made.headers["location"], headers=session)

        assert f"<dt>Kind</dt><dd>{kind.name}</dd>" in shown.text
        assert not any(secret in shown.text for secret in SECRETS)
        again = await site.http.post(
            made.headers["location"].partition("?")[0],
            data={"name": kind.title, "definition": typed(shown.text)},
            headers=session,
        )
        assert again.status_code == 303
    found = await site.server.of(site.organizations["default"]).library.page()
    assert {(row["kind"], row["version"]) for row in found[: len(KINDS)]} == {(kind.name, 1) for kind in KINDS}


async def test_voice_services_are_set_and_taken_away_on_their_page(site: Site) -> None:
    session = await visitor(site)
    app = site.server.of(site.organizations["default"])

    refused = await site.http.post("/settings/voice", data={"services": "llm: {model: x}"}, headers=session)
    assert refused.status_code == 400 and "llm.service" in refused.text
    await site.http.post("/settings/voice", data={"services": SERVICES}, headers=session)

    page = (await site.http.get("/settings/voice", headers=session)).text
    assert "sk-1" not in page and "sealed:" in typed(page)
    assert "openai, pocketsphinx, flite" in (await site.http.get("/settings", headers=session)).text
    before = await app.voice.get()
    await site.http.post("/settings/voice", data={"services": typed(page)}, headers=session)
    assert await app.voice.get() == before
    await site.http.post("/settings/voice/clear", headers=session)
    assert await app.voice.get() is None


async def test_a_kind_that_there_is_not_is_refused_with_those_that_there_are(site: Site) -> None:
    session = await visitor(site)
    refused = await site.http.post(
        "/agents/new", data={"name": "Typo", "definition": "kind: pipline\nprompt: Be brief."}, headers=session
    )
    assert refused.status_code == 400
    assert "must be one of scripted, pipeline, websocket, sip, not 'pipline'" in html.unescape(refused.text)
