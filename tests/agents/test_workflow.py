"""Graphs of Dograh's editor: what is spoken of them, which columns they need, and which are refused."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from dialplane.agents.workflow import WorkflowAgent, is_graph, read_graph
from dialplane.carriers.simulated.callee import SimulatedLine
from dialplane.carriers.simulated.profile import Profile
from dialplane.core.attempt import Conversation
from dialplane.errors import Invalid

A_MONDAY = datetime(2026, 12, 7, 15, 4, 5, tzinfo=UTC)


def start(**data: Any) -> dict[str, Any]:
    position = {"x": 0, "y": 0}
    return {"id": "1", "type": "startCall", "position": position, "data": {"name": "Start", "is_start": True, **data}}


def graph(*nodes: Any, edges: Any = ()) -> dict[str, Any]:
    return {"nodes": list(nodes), "edges": list(edges), "viewport": {"x": 0, "y": 0, "zoom": 1}}


async def conversation(greeting: str, *, patience_seconds: float = 60, **variables: str) -> Conversation:
    read = read_graph(graph(start(greeting=greeting)))
    agent = WorkflowAgent(greeting=read.greeting, required=read.variables, now=lambda: A_MONDAY)
    return await agent.talk(SimulatedLine(Profile(), "+14155550100", 1, patience_seconds), variables)


@pytest.mark.asyncio
async def test_the_greeting_is_spoken_and_the_call_ends() -> None:
    line = SimulatedLine(Profile(), "+14155550100", 1, 60.0)
    agent = WorkflowAgent.from_definition(graph(start(greeting="Hello {{first_name}}.", prompt="Be kind to {{city}}.")))

    talk = await agent.talk(line, {"First_Name": "Ana", "city": "Lima"})

    assert [(said.speaker, said.text) for said in talk.transcript] == [("agent", "Hello Ana.")]
    assert talk.gathered == {}
    assert agent.variables() == {"first_name", "city"}
    assert agent.fields() == ()


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("greeting", "variables", "said"),
    [
        ("Hi {{ name | there }}.", {}, "Hi there."),
        ("Hi {{ name | there }}.", {"name": ""}, "Hi there."),
        ("Hi {{ name | there }}.", {"name": "Ana"}, "Hi Ana."),
        ("Hi {{name | fallback:my friend}}.", {}, "Hi my friend."),
        ("Hi {{name | fallback}}.", {}, "Hi Name."),
        ("Hi {{initial_context.name}}.", {"name": "Ana"}, "Hi Ana."),
        ("Hi {{initial_context.name}}.", {}, "Hi ."),
        ("It is {{current_weekday}}, {{current_time}}.", {}, "It is Monday, 2026-12-07 15:04:05 UTC."),
        ("It is {{current_time_Asia/Tokyo}}.", {}, "It is 2026-12-08 00:04:05 JST."),
        ("It is {{current_weekday_Asia/Tokyo}}.", {}, "It is Tuesday."),
        ("Call {{campaign_id}} of {{gathered_context.x}}.", {}, "Call  of ."),
        ("Hi {{name}}.", {"name": "{{other}}", "other": "x"}, "Hi {{other}}."),
    ],
)
async def test_templates_are_filled_in_as_dograh_does(greeting: str, variables: dict[str, str], said: str) -> None:
    assert [each.text for each in (await conversation(greeting, **variables)).transcript] == [said]


@pytest.mark.asyncio
async def test_a_column_that_a_contact_lacks_is_noticed_before_the_first_word() -> None:
    with pytest.raises(Invalid, match=r"says \{\{city\}\}, but the contact has no column 'city'"):
        await conversation("Hello {{city}}", name="Ana")


@pytest.mark.asyncio
async def test_a_person_who_hangs_up_at_once_is_no_failure() -> None:
    assert len((await conversation("Hello " * 200, patience_seconds=0.0001)).transcript) <= 1


def test_columns_are_those_of_all_texts_but_not_what_dograh_fills_in_by_itself() -> None:
    read = read_graph(
        graph(
            start(greeting="Hi {{first_name}} {{nick | friend}}", prompt="{{plan}} {{campaign_id}} {{current_time}}"),
            {"id": "2", "type": "agentNode", "data": {"prompt": "{{amount}} {{gathered_context.x}}"}},
            {"id": "3", "type": "endCall", "data": {"prompt": "Bye {{last_name}}", "extraction_prompt": "{{not_me}}"}},
            {"id": "4", "type": "globalNode", "data": {"prompt": "{{company}} {{current_weekday_Europe/Berlin}}"}},
            edges=[
                {"id": "1-2", "source": "1", "target": "2", "data": {"label": "a", "transition_speech": "{{moment}}"}}
            ],
        )
    )

    assert read.variables == {"first_name", "plan", "amount", "last_name", "company", "moment"}


def test_what_has_no_effect_is_named_with_its_node() -> None:
    read = read_graph(
        graph(
            start(greeting="Hi {{source_uuid}}.", prompt="Sell.", tool_uuids=["t"], delayed_start=True),
            {"id": "2", "type": "agentNode", "data": {"prompt": "More."}},
            {"id": 3, "type": "webhook", "data": {"endpoint_url": "https://example.org"}},
            {"id": "4", "type": "tuner", "data": {}},
            edges=[{"source": "1", "target": "2", "data": {"transition_speech": "One moment."}}],
        )
        | {"notes": "mine"}
    )

    assert read.ignored == (
        "`notes` is unknown and has no effect",
        "node '1' (startCall): without voice services only the greeting is spoken; it does not follow prompt, "
        "tool_uuids, delayed_start",
        "node '2' (agentNode) is never reached: without voice services there is no language model to lead the "
        "conversation",
        "node '3' (webhook) sends no request: the organization's webhooks tell what a call came to",
        "node '4' (tuner) is of a type that this version does not know",
        "node '1' (startCall): {{source_uuid}} is left out: it is not known here",
        "`transition_speech` of edges is not said: without voice services no edge is followed",
    )


def test_a_start_node_with_nothing_but_a_greeting_is_followed_whole() -> None:
    assert read_graph(graph(start(greeting="Hi.", tool_uuids=[], delayed_start=False))).ignored == ()


def test_keys_of_services_are_not_kept() -> None:
    given = graph(start(greeting="Hi."), {"id": "2", "type": "qa", "data": {"qa_api_key": "sk-1", "qa_model": "m"}})

    read = read_graph(given)

    assert read.kept == graph(start(greeting="Hi."), {"id": "2", "type": "qa", "data": {"qa_model": "m"}})
    assert "node '2' (qa): `qa_api_key` is not kept: nothing here would use it" in read.ignored
    assert given["nodes"][1]["data"]["qa_api_key"] == "sk-1"


@pytest.mark.parametrize(
    "definition",
    [
        {},
        graph(),
        graph({"id": "2", "type": "agentNode", "data": {"prompt": "Talk."}}),
        graph(start(prompt="Greet warmly.")),
        graph(start(greeting="  ")),
        graph(start(greeting="{{campaign_id}} ...")),
        graph(start(greeting="Hi.", greeting_type="audio", greeting_recording_id="r")),
    ],
)
def test_a_graph_that_cannot_speak_is_read_but_makes_no_agent(definition: dict[str, Any]) -> None:
    assert is_graph(definition)
    assert "it has nothing to say without voice services" in read_graph(definition).silence
    with pytest.raises(Invalid, match="workflow: it has nothing to say"):
        WorkflowAgent.from_definition(definition)


@pytest.mark.parametrize(
    ("definition", "complaint"),
    [
        ({"nodes": "none"}, "workflow: `nodes` must be a list of at most 500"),
        ({"nodes": [start()] * 501}, "workflow: `nodes` must be a list of at most 500"),
        (graph("start"), "node 1 of the list: must be an object, not 'start'"),
        (graph({"type": "startCall"}), "node 1 of the list: `id` is missing"),
        (graph({"id": True, "type": "startCall"}), "node 1 of the list: `id` is missing"),
        (graph({"id": "7"}), "node '7': `type` is missing"),
        (graph({"id": "7", "type": "qa", "data": "x"}), r"node '7' \(qa\): `data` must be an object, not 'x'"),
        (graph(start(), start()), r"node '1' \(startCall\): its id is another node's too"),
        (graph(start(), start() | {"id": "2"}), r"node '2' \(startCall\): there is a startCall before it"),
        (graph(start(greeting=7)), r"node '1' \(startCall\): `greeting` must be text, not 7"),
        (graph(start(prompt=["a"])), r"node '1' \(startCall\): `prompt` must be text, not \['a'\]"),
        (graph(start(greeting="Hi {{name}")), r"node '1' \(startCall\): `greeting` has a broken template"),
        (graph(start(greeting="Hi {{ }}")), r"node '1' \(startCall\): `greeting` has a broken template"),
        (graph(start(greeting="{{current_time_Mars}}")), r"\{\{current_time_Mars\}\} names no time zone"),
        (graph(start(), edges=["x"]), "edge 1 of the list: must be an object, not 'x'"),
        (graph(start(), edges=[{"id": "e", "source": "1", "target": "9"}]), "edge 'e': its `target` is '9'"),
        (graph(start(), edges=[{"source": "1"}]), "edge '1': its `target` is None, which is no node"),
        (
            graph(start(), edges=[{"id": "e", "source": "1", "target": "1", "data": {"transition_speech": 5}}]),
            "edge 'e': `transition_speech` must be text, not 5",
        ),
    ],
)  # fmt: skip
def test_a_malformed_graph_is_refused_by_the_name_of_its_node(definition: dict[str, Any], complaint: str) -> None:
    with pytest.raises(Invalid, match=complaint):
        read_graph(definition)


def test_a_script_is_no_graph() -> None:
    assert not is_graph({"greeting": "Hi."})
