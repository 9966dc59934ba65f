"""Workflows over HTTP: made, changed, archived, and called with; Dograh's own client on them."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from dograh_sdk import DograhClient
from dograh_sdk._generated_models import CreateToolRequest, CreateWorkflowRequest, UpdateWorkflowRequest
from dograh_sdk.errors import ApiError, SpecMismatchError
from published import conforms
from site_of import CALLS, Site

from dialplane.core.campaign import Policies
from dialplane.engine.keys import Role
from dialplane.errors import Invalid

pytestmark = pytest.mark.asyncio

PATIENT = CALLS | {"talk_seconds": [0.4, 0.5]}  # people who hear a greeting out

SCRIPT = {"name": "mine", "greeting": "Hello {{first_name}}.", "steps": [{"say": "Well?", "gather": "mood"}]}


def graph(**data: Any) -> dict[str, Any]:
    node = {"id": "1", "type": "startCall", "position": {"x": 0, "y": 0}, "data": {"name": "Start", **data}}
    return {"nodes": [node], "edges": [], "viewport": {"x": 0, "y": 0, "zoom": 1}}


async def made(site: Site, definition: Any = None, *, name: str = "agent", of: str = "default") -> dict[str, Any]:
    body = {"name": name, "workflow_definition": SCRIPT if definition is None else definition}
    answer: dict[str, Any] = await site.call("POST", "/workflow/create/definition", json=body, of=of)
    return answer


# --- make and look -------------------------------------------------------------------------------


async def test_a_script_is_in_force_at_once(site: Site) -> None:
    new = conforms(await made(site, name="reminder"), "WorkflowResponse")

    assert (new["name"], new["status"], new["version_number"], new["version_status"], new["kind"]) == (
        "reminder", "active", 1, "published", "scripted",
    )  # fmt: skip
    assert new["workflow_definition"] == SCRIPT
    assert new["current_definition_id"] is not None
    assert new["template_context_variables"] == {"first_name": ""}
    assert (new["total_runs"], new["warnings"]) == (0, [])
    assert await site.call("GET", f"/workflow/fetch/{new['id']}") == new


async def test_a_graph_tells_what_of_it_has_no_effect(site: Site) -> None:
    new = conforms(await made(site, graph(greeting="Hi {{name}}.", prompt="Ask for {{city}}.")), "WorkflowResponse")

    assert (new["kind"], new["version_status"]) == ("workflow", "published")
    assert new["template_context_variables"] == {"city": "", "name": ""}
    assert new["warnings"] == [
        "node '1' (startCall): without voice services only the greeting is spoken; it does not follow prompt"
    ]


async def test_unknown_fields_of_a_request_are_told_back(site: Site) -> None:
    body = {"name": "a", "workflow_definition": SCRIPT, "workflow_definitions": {}, "folder": 7}

    new = await site.call("POST", "/workflow/create/definition", json=body)

    assert new["warnings"] == [
        "unknown field 'workflow_definitions': did you mean 'workflow_definition'?",
        "unknown field 'folder' was ignored",
    ]


async def test_lists_are_newest_first_and_know_the_archived_ones(site: Site) -> None:
    first, second, third = [(await made(site, name=name))["id"] for name in ("a", "b", "c")]
    await site.call("PUT", f"/workflow/{second}/status", json={"status": "archived"})

    async def listed(query: str = "") -> list[int]:
        found = await site.call("GET", f"/workflow/fetch{query}")
        return [conforms(each, "WorkflowListResponse")["id"] for each in found]

    assert await listed() == [third, second, first]
    assert await listed("?status=active") == [third, first]
    assert await listed("?status=archived") == [second]
    assert await listed("?status=active,archived") == [third, second, first]
    assert await listed("?limit=2") == [third, second]
    assert await listed(f"?limit=2&before={second}") == [first]
    summary = await site.call("GET", "/workflow/summary?status=active")
    assert [conforms(each, "WorkflowSummaryResponse") for each in summary] == [
        {"id": third, "name": "c"},
        {"id": first, "name": "a"},
    ]
    assert await site.call("GET", "/workflow/count") == {"total": 3, "active": 2, "archived": 1}


async def test_a_status_that_is_none_is_refused(site: Site) -> None:
    answer = await site.call("GET", "/workflow/fetch?status=gone,active", status=422)

    assert (
        "Invalid workflow status filter: ['gone']. Allowed values: ['active', 'archived']."
        in answer["detail"][0]["msg"]
    )


async def test_archiving_can_be_undone(site: Site) -> None:
    workflow_id = (await made(site))["id"]

    assert (await site.call("POST", f"/workflow/{workflow_id}/archive"))["status"] == "archived"
    assert (await site.call("POST", f"/workflow/{workflow_id}/unarchive"))["status"] == "active"
    assert (await site.call("PUT", f"/workflow/{workflow_id}/status", json={"status": "archived"}))[
        "status"
    ] == "archived"
    assert (await site.call("PUT", f"/workflow/{workflow_id}/status", json={"status": "active"}))["status"] == "active"


# --- change --------------------------------------------------------------------------------------


async def test_only_a_changed_definition_is_a_new_version(site: Site) -> None:
    new = await made(site)
    path = f"/workflow/{new['id']}"

    named = await site.call("PUT", path, json={"name": "other"})
    same = await site.call("PUT", path, json={"workflow_definition": SCRIPT})
    changed = conforms(
        await site.call("PUT", path, json={"workflow_definition": {"greeting": "Hi."}}), "WorkflowResponse"
    )

    assert (named["name"], named["version_number"]) == ("other", 1)
    assert (same["name"], same["version_number"], same["current_definition_id"]) == (
        "other", 1, new["current_definition_id"],
    )  # fmt: skip
    assert (changed["version_number"], changed["name"]) == (2, "other")
    assert changed["current_definition_id"] != new["current_definition_id"]
    versions = await site.call("GET", f"{path}/versions")
    assert [(each["version_number"], each["status"], each["workflow_json"]) for each in versions] == [
        (2, "published", {"greeting": "Hi."}),
        (1, "archived", SCRIPT),
    ]
    assert [each["id"] for each in versions] == [changed["current_definition_id"], new["current_definition_id"]]
    assert [each["version_number"] for each in await site.call("GET", f"{path}/versions?before=2&limit=5")] == [1]


async def test_a_script_may_become_a_graph_and_old_versions_stay_scripts(site: Site) -> None:
    workflow_id = (await made(site))["id"]
    app = site.server.of(site.organizations["default"])

    changed = await site.call("PUT", f"/workflow/{workflow_id}", json={"workflow_definition": graph(greeting="Hi.")})

    assert (changed["kind"], changed["version_number"]) == ("workflow", 2)
    assert (await app.agents.get(app.organization_id, workflow_id, 1)).fields() == ("mood",)
    assert (await app.agents.get(app.organization_id, workflow_id, 2)).fields() == ()


async def test_ten_changes_at_once_are_ten_versions(site: Site) -> None:
    path = f"/workflow/{(await made(site))['id']}"

    await asyncio.gather(
        *(site.call("PUT", path, json={"workflow_definition": {"greeting": f"Hi {i}."}}) for i in range(10))
    )

    numbers = [each["version_number"] for each in await site.call("GET", f"{path}/versions")]
    assert numbers == [11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1]


async def test_a_graph_without_words_stays_a_draft_that_nobody_is_called_with(site: Site) -> None:
    new = conforms(await made(site, graph(prompt="Be kind.")), "WorkflowResponse")
    app = site.server.of(site.organizations["default"])

    assert (new["version_status"], new["version_number"], new["current_definition_id"]) == ("draft", 1, None)
    assert new["warnings"][0] == (
        "version 1 is a draft: it has nothing to say without voice services and a prompt; set them up, or give its "
        "startCall node a `greeting`; until then no campaign can be made with it"
    )
    with pytest.raises(Invalid, match=f"workflow {new['id']} is a draft that has nothing to say"):
        await app.agents.get(app.organization_id, new["id"], (await app.library.get(new["id"])).version)
    refused = await site.call("POST", f"/workflow/{new['id']}/publish", status=400)
    assert refused["detail"].startswith("version 1 stays a draft: it has nothing to say")

    spoken = await site.call("PUT", f"/workflow/{new['id']}", json={"workflow_definition": graph(greeting="Hi.")})

    assert (spoken["version_status"], spoken["version_number"]) == ("published", 2)
    published = await site.call("POST", f"/workflow/{new['id']}/publish")
    assert (published["id"], published["version_number"]) == (spoken["current_definition_id"], 2)


async def test_calls_go_on_with_the_last_version_that_could_speak(site: Site) -> None:
    new = await made(site, graph(greeting="Hi."))

    silent = await site.call("PUT", f"/workflow/{new['id']}", json={"workflow_definition": graph(prompt="Talk.")})

    assert (silent["version_status"], silent["version_number"]) == ("draft", 2)
    assert silent["current_definition_id"] == new["current_definition_id"]
    assert silent["warnings"][0].endswith("until then calls are made with version 1")
    versions = await site.call("GET", f"/workflow/{new['id']}/versions")
    assert [(each["version_number"], each["status"]) for each in versions] == [(2, "draft"), (1, "published")]
    record = await site.server.of(site.organizations["default"]).library.get(new["id"])
    assert (record.version, record.newest_version) == (1, 2)


async def test_a_malformed_definition_is_refused_by_name(site: Site) -> None:
    malformed: list[tuple[dict[str, Any], str]] = [
        ({"greetings": "Hi."}, "agent: unknown field 'greetings'; did you mean 'greeting'?"),
        ({"greeting": "Hi {{name}"}, "agent: `greeting` has a broken template; write a column as {{first_name}}"),
        (
            {"nodes": [{"id": "9", "type": "startCall", "data": {"greeting": 5}}]},
            "node '9' (startCall): `greeting` must be text, not 5",
        ),
        (
            {"nodes": [{"id": "9", "type": "startCall"}], "edges": [{"id": "e", "source": "9", "target": "8"}]},
            "edge 'e': its `target` is '8', which is no node",
        ),
        (
            {"nodes": [], "edges": [], "notes": "x" * 1_000_001},
            "a workflow's definition may have 1,000,000 bytes of JSON",
        ),
    ]
    good = await made(site)
    for definition, detail in malformed:
        body = {"name": "x", "workflow_definition": definition}
        assert await site.call("POST", "/workflow/create/definition", json=body, status=400) == {"detail": detail}
        body = {"workflow_definition": definition}
        assert await site.call("PUT", f"/workflow/{good['id']}", json=body, status=400) == {"detail": detail}
    assert await site.call("GET", f"/workflow/fetch/{good['id']}") == good
    assert len(await site.call("GET", "/workflow/fetch")) == 1


async def test_a_misshapen_request_is_422(site: Site) -> None:
    misshapen: list[tuple[dict[str, Any], list[str]]] = [
        ({"workflow_definition": {}}, ["body", "name"]),
        ({"name": "", "workflow_definition": {}}, ["body", "name"]),
        ({"name": "n" * 256, "workflow_definition": {}}, ["body", "name"]),
        ({"name": "x"}, ["body", "workflow_definition"]),
        ({"name": "x", "workflow_definition": []}, ["body", "workflow_definition"]),
    ]
    for body, loc in misshapen:
        answer = await site.call("POST", "/workflow/create/definition", json=body, status=422)
        assert [each["loc"] for each in answer["detail"]] == [loc]


async def test_a_name_of_spaces_is_refused(site: Site) -> None:
    body = {"name": "  ", "workflow_definition": SCRIPT}

    refused = await site.call("POST", "/workflow/create/definition", json=body, status=400)

    assert refused["detail"] == "a workflow needs a name"


# --- whose it is ---------------------------------------------------------------------------------


async def test_another_organizations_workflow_is_not_there(site: Site) -> None:
    theirs = await made(site, of="other")
    requests: list[tuple[str, str, Any]] = [
        ("GET", "/workflow/fetch/{}", None),
        ("GET", "/workflow/{}/versions", None),
        ("PUT", "/workflow/{}", {"name": "stolen"}),
        ("PUT", "/workflow/{}", {"workflow_definition": {"greeting": "stolen"}}),
        ("PUT", "/workflow/{}/status", {"status": "archived"}),
        ("POST", "/workflow/{}/archive", None),
        ("POST", "/workflow/{}/unarchive", None),
        ("POST", "/workflow/{}/publish", None),
    ]
    for method, path, body in requests:
        for workflow_id in (theirs["id"], 999_999, 2**63 - 1):
            answer = await site.call(method, path.format(workflow_id), json=body, status=404)
            assert answer == {"detail": "Workflow not found"}, path
    assert await site.call("GET", f"/workflow/fetch/{theirs['id']}", of="other") == theirs
    assert await site.call("GET", "/workflow/fetch") == []
    assert await site.call("GET", "/workflow/count") == {"total": 0, "active": 0, "archived": 0}


async def test_an_id_that_cannot_be_one_is_422(site: Site) -> None:
    for workflow_id in ("0", "-1", str(2**63), "x"):
        await site.call("GET", f"/workflow/fetch/{workflow_id}", status=422)


async def test_a_viewer_looks_and_changes_nothing(site: Site) -> None:
    new = await made(site)
    viewer = await site.join("default", Role.VIEWER)

    assert await site.call("GET", f"/workflow/fetch/{new['id']}", key=viewer) == new
    body = {"name": "x", "workflow_definition": SCRIPT}
    refused = await site.call("POST", "/workflow/create/definition", json=body, key=viewer, status=403)
    assert refused == {"detail": "this key's role is viewer; it takes operator to do this"}


# --- calls ---------------------------------------------------------------------------------------


async def called_with(site: Site, workflow_id: int, folder: Path, *numbers: str, columns: str = "name") -> int:
    """A started campaign over these numbers."""
    app = site.server.of(site.organizations["default"])
    file = folder / "contacts.csv"
    file.write_text(f"phone_number,{columns}\n" + "".join(f"{number},Ana\n" for number in numbers))
    campaign_id = await app.campaigns.create(
        name="calls", agent_id=workflow_id, carrier_id=await app.add_carrier(PATIENT), policies=Policies()
    )
    await app.intake.store(campaign_id, file, None)
    await app.intake.run(campaign_id, await app.columns_of(campaign_id))
    await app.campaigns.start(campaign_id)
    return campaign_id


async def transcripts(site: Site, campaign_id: int) -> list[tuple[int, list[str]]]:
    """(agent's version, what was said), in the order of the calls."""
    async with site.server.database.connection() as connection:
        rows = await connection.fetch(
            "SELECT agent_version, transcript FROM attempt WHERE campaign_id = $1 ORDER BY id", campaign_id
        )
    return [(row["agent_version"], [said["text"] for said in row["transcript"]]) for row in rows]


async def completed(site: Site, campaign_id: int) -> None:
    app = site.server.of(site.organizations["default"])
    async with asyncio.timeout(20):
        while (await app.campaigns.get(campaign_id)).state != "completed":
            await asyncio.sleep(0.02)


async def test_a_graphs_greeting_is_what_people_hear(site: Site, tmp_path: Path) -> None:
    new = await made(site, graph(greeting="Good day, {{name}}.", prompt="Sell."))
    campaign_id = await called_with(site, new["id"], tmp_path, "+14155550101", "+14155550102")

    async with site.working():
        await completed(site, campaign_id)

    assert await transcripts(site, campaign_id) == [(1, ["Good day, Ana."]), (1, ["Good day, Ana."])]
    assert (await site.call("GET", f"/workflow/fetch/{new['id']}"))["total_runs"] == 2
    assert [each["total_runs"] for each in await site.call("GET", "/workflow/fetch")] == [2]


async def test_a_definition_that_contacts_have_no_columns_for_is_refused_while_they_wait(
    site: Site, tmp_path: Path
) -> None:
    new = await made(site, graph(greeting="Hi {{name}}."))
    campaign_id = await called_with(site, new["id"], tmp_path, "+14155550101")
    path = f"/workflow/{new['id']}"
    city = {"workflow_definition": graph(greeting="Hi {{city}}.")}
    known = {"workflow_definition": graph(greeting="Hello {{Name}} on {{phone_number}}.")}

    refused = await site.call("PUT", path, json=city, status=400)

    assert refused["detail"] == (
        f"campaign {campaign_id}, 'calls', is running and its contacts have no city: end it first, "
        "or make another workflow"
    )
    assert (await site.call("PUT", path, json=known))["version_number"] == 2
    async with site.working():
        await completed(site, campaign_id)
    assert await transcripts(site, campaign_id) == [(2, ["Hello Ana on +14155550101."])]
    assert (await site.call("PUT", path, json=city))["version_number"] == 3


# --- Dograh's client and editor ------------------------------------------------------------------


async def test_dograhs_own_client_works_with_workflows(site: Site) -> None:
    def speak() -> None:
        with DograhClient(base_url=site.url, api_key=site.keys["default"]) as client:
            assert client.list_workflows() == []
            new = client.create_workflow(
                body=CreateWorkflowRequest(name="sdk", workflow_definition=graph(greeting="Hi."))
            )
            assert (new.name, new.status, new.version_status) == ("sdk", "active", "published")
            changed = client.update_workflow(new.id, body=UpdateWorkflowRequest(name="renamed"))
            assert (changed.name, changed.version_number) == ("renamed", 1)
            assert client.get_workflow(new.id).workflow_definition == graph(greeting="Hi.")
            assert [(each.id, each.total_runs) for each in client.list_workflows(status="active")] == [(new.id, 0)]
            with pytest.raises(ApiError) as missing:
                client.get_workflow(new.id + 1)
            assert str(missing.value) == "[404] Workflow not found"

    await asyncio.to_thread(speak)


async def test_dograhs_own_client_lists_what_its_editor_needs(site: Site) -> None:
    def speak() -> None:
        with DograhClient(base_url=site.url, api_key=site.keys["default"]) as client:
            assert client.list_tools(status="active") == []
            assert client.list_credentials() == []
            documents = client.list_documents(limit=5)
            assert (documents.documents, documents.total, documents.limit, documents.offset) == ([], 0, 5, 0)
            assert client.list_recordings(workflow_id=3).recordings == []
            assert client.list_node_types().node_types == []
            with pytest.raises(SpecMismatchError):
                client.get_node_type("startCall")
            tool = CreateToolRequest.model_validate(
                {"name": "t", "category": "calculator", "definition": {"type": "calculator"}}
            )
            with pytest.raises(ApiError) as refused:
                client.create_tool(body=tool)
            assert refused.value.status_code == 400
            assert "this version has no tools" in str(refused.value)

    await asyncio.to_thread(speak)


async def test_other_lists_of_the_editor_are_empty(site: Site) -> None:
    assert await site.call("GET", "/folder/") == []
    assert await site.call("GET", "/workflow/templates") == []
    assert (await site.call("GET", "/node-types/startCall", status=404))["detail"] == "Unknown node type: 'startCall'"
    assert "no folders" in (await site.call("POST", "/folder", json={"name": "x"}, status=400))["detail"]
    assert "no credentials" in (await site.call("POST", "/credentials", json={"name": "x"}, status=400))["detail"]
