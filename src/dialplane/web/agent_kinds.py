"""Kinds of agents as people write them: what each is for, an example to begin with, the order of its fields."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from dialplane.agents.pipeline.definition import READERS
from dialplane.agents.script import AGENT_FIELDS, OPT_OUT_FIELDS, SAYING_FIELDS, STEP_FIELDS
from dialplane.agents.scripted import DEFAULT_DEFINITION
from dialplane.agents.sip import definition as sip
from dialplane.agents.websocket import definition as websocket
from dialplane.engine.definitions import write_definition
from dialplane.providers import HOSTED, PIPELINE, SCRIPTED, SIP, WEBSOCKET

TRUTHS: Final = ("yes", "no")
ORDER: Mapping[str, tuple[str, ...]] = {
    SCRIPTED: tuple(dict.fromkeys((*AGENT_FIELDS, *STEP_FIELDS, *OPT_OUT_FIELDS, *SAYING_FIELDS))),
    PIPELINE: ("kind", *READERS, "service", "model", "voice", "api_key", "description", "url"),
    WEBSOCKET: tuple(websocket.READERS),
    SIP: tuple(sip.READERS),
}
IN_YAML: Final = frozenset({SCRIPTED, *HOSTED})


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """name: as definitions have it. meaning: what such an agent does. example: a definition, as it is written."""

    name: str
    title: str
    meaning: str
    example: str


KINDS: Final = (
    Kind(
        name=SCRIPTED,
        title="Script",
        meaning="Says a greeting, asks what its steps ask, keeps the answers, says goodbye. Needs no services.",
        example=write_definition(DEFAULT_DEFINITION, truths=TRUTHS),
    ),
    Kind(
        name=PIPELINE,
        title="Conversation",
        meaning="Holds a conversation with a language model, by services that hear and speak. Needs the extra voice.",
        example="""\
kind: pipeline
name: Reminder
prompt: |
  You call {{first_name}} for the clinic, about the appointment of tomorrow. Be brief and friendly.
  Find out whether they come, thank them, and end the call.
greeting: Hello {{first_name}}, this is the clinic. Is this a good moment?
llm: {service: openai, model: gpt-4.1, api_key: write your key here}
stt: {service: deepgram, api_key: write your key here}
tts: {service: openai, voice: alloy, api_key: write your key here}
fields:
  comes: {type: boolean, description: Whether they come to the appointment}
summary: yes
""",
    ),
    Kind(
        name=WEBSOCKET,
        title="Voice server",
        meaning="A voice server of your own talks, over a WebSocket that speaks as Twilio's media streams do.",
        example="""\
kind: websocket
name: Our voice server
url: wss://agent.example.org/media
headers: {Authorization: Bearer write your token here}
parameters: {first_name: '{{first_name}}'}
""",
    ),
    Kind(
        name=SIP,
        title="SIP address",
        meaning="An agent that is called itself, at a SIP address, and is put through to whoever answers.",
        example="""\
kind: sip
name: Our agent
uri: sip:agent@pbx.example.org
user: dialplane
password: write your password here
""",
    ),
)
