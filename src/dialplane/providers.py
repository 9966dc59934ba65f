"""Providers and kinds by name -> carriers and agents: the only module that knows every one of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from dialplane.agents.assistant import ASSISTANT, AssistantAgent, is_assistant, read_assistant
from dialplane.agents.hosted import Described, HostedAgent
from dialplane.agents.hosts import Hosts
from dialplane.agents.script import sounds_of
from dialplane.agents.scripted import ScriptedAgent
from dialplane.agents.workflow import WorkflowAgent, is_graph, read_graph
from dialplane.carriers.callbacks import Callbacks
from dialplane.carriers.simulated import Profile, SimulatedCarrier
from dialplane.carriers.sip import SipCarrier, Trunk
from dialplane.carriers.twilio.account import Account
from dialplane.core.screening import Check
from dialplane.engine import agents
from dialplane.engine.agents import Reading
from dialplane.errors import EnvironmentFault, Invalid
from dialplane.ports import Agent, Candidate, Carrier, CarrierLimits, CheckFailed, Clock, Files, Screening
from dialplane.store.postgres import Database

SIMULATED, SIP, TWILIO = "simulated", "sip", "twilio"
# Their configurations are kept; calls through them are for later versions.
PLANNED = frozenset({"ari", "cloudonix", "plivo", "telnyx", "vobiz", "vonage"})
SCRIPTED, WORKFLOW = "scripted", "workflow"
# Agents that carry sound: what the `kind` of a definition names -> who reads it.
HOSTED: Mapping[str, Callable[[Mapping[str, Any]], Described]] = {}


def build_carrier(
    provider: str,
    settings: Mapping[str, Any],
    clock: Clock,
    logs: Path,
    carrier_id: int,
    files: Files,
    callbacks: Callbacks | None = None,
) -> Carrier:
    """The adapter for a provider. Raises Invalid for an unknown one, or for settings that it does not understand.

    callbacks: None without a public address.
    """
    if provider == SIMULATED:
        return SimulatedCarrier(Profile.from_settings(settings), clock, logs, carrier_id)
    if provider == SIP:
        trunk = Trunk.from_settings(settings)
        if clock.virtual:
            raise Invalid("a SIP trunk has no virtual clock: leave out --fast, or name the simulated carrier")
        return SipCarrier(trunk, settings, clock, files)
    if provider == TWILIO:
        account = Account.from_settings(settings).checked()
        if clock.virtual:
            raise Invalid("Twilio has no virtual clock: leave out --fast, or name the simulated carrier")
        if callbacks is None or not callbacks.public_url.startswith("https://"):
            raise Invalid(
                "calls through Twilio need DIALPLANE_PUBLIC_URL, https://…: where Twilio reaches `dialplane serve`"
            )
        from dialplane.carriers.twilio.carrier import TwilioCarrier  # noqa: PLC0415  (a tenth of a second, as HTTP takes)

        return TwilioCarrier(account, clock, files, callbacks)
    raise _unknown(provider)


def _unknown(provider: str) -> Invalid:
    if provider in PLANNED:
        return Invalid(f"this version places no calls through {provider} yet")
    return Invalid(f"provider '{provider}' is unknown; this version has: {SIMULATED}, {SIP}, {TWILIO}")


def carrier_limits(provider: str, settings: Mapping[str, Any]) -> CarrierLimits:
    """What a carrier with these settings allows. Raises Invalid."""
    if provider == SIMULATED:
        return Profile.from_settings(settings).limits()
    if provider == SIP:
        return Trunk.from_settings(settings).limits()
    if provider == TWILIO:
        return Account.from_settings(settings).checked().limits()
    raise _unknown(provider)


def kept_limits(provider: str, settings: Mapping[str, Any]) -> CarrierLimits:
    """The same for a carrier that is only kept, or still lacks what its calls need. Raises Invalid."""
    if provider == TWILIO:
        return Account.from_settings(settings).limits()
    return CarrierLimits() if provider in PLANNED else carrier_limits(provider, settings)


def build_agent(kind: str, definition: Mapping[str, Any], hosts: Hosts) -> Agent:
    """The agent of a kind. Raises Invalid."""
    if kind in HOSTED:
        described = HOSTED[kind](definition)
        return HostedAgent(
            kind=kind,
            definition=described.kept,
            required=described.variables,
            gathers=described.fields,
            hosts=hosts,
        )
    if kind == SCRIPTED:
        return ScriptedAgent.from_definition(definition)
    if kind == WORKFLOW:
        return WorkflowAgent.from_definition(definition)
    if kind == ASSISTANT:
        return AssistantAgent.from_definition(definition)
    raise Invalid(
        f"agent kind '{kind}' is unknown; this version has: {', '.join((SCRIPTED, WORKFLOW, ASSISTANT, *HOSTED))}"
    )


def read_agent(definition: Mapping[str, Any]) -> Reading:
    """A definition of any kind. Raises Invalid for one that is not understood."""
    if is_graph(definition):
        graph = read_graph(definition)
        return Reading(
            kind=WORKFLOW,
            definition=graph.kept,
            variables=graph.variables,
            warnings=graph.ignored,
            draft=graph.silence,
        )
    if is_assistant(definition):
        script = read_assistant(definition)
        return Reading(
            kind=ASSISTANT,
            definition=script.kept,
            variables=script.variables,
            warnings=script.ignored,
            draft=script.silence,
        )
    if (kind := str(definition.get("kind"))) in HOSTED:
        described = HOSTED[kind](definition)
        return Reading(
            kind=kind,
            definition=described.kept,
            variables=described.variables,
            fields=described.fields,
            warnings=described.ignored,
        )
    agent = ScriptedAgent.from_definition(definition)
    sounds = sounds_of(definition)
    return Reading(
        kind=SCRIPTED, definition=definition, variables=agent.variables(), fields=agent.fields(), sounds=sounds
    )


class LoadedAgents:
    """Agents by version, each loaded once."""

    def __init__(self, database: Database, hosts: Hosts) -> None:
        self._database = database
        self._hosts = hosts
        self._loaded: dict[tuple[int, int, int], Agent] = {}

    async def get(self, organization_id: int, agent_id: int, version: int) -> Agent:
        key = (organization_id, agent_id, version)
        if key not in self._loaded:
            found = await agents.agent_version(self._database, organization_id, agent_id, version)
            self._loaded[key] = build_agent(found.kind, found.definition, self._hosts)
        return self._loaded[key]


class LoadedScreening:
    """The check before a call, loaded with the first call that needs it: most installations never do."""

    def __init__(self, load: Callable[[], Screening]) -> None:
        self._load = load

    async def eligible(self, candidate: Candidate, check: Check) -> bool:
        try:
            screening = self._load()
        except EnvironmentFault as fault:
            raise CheckFailed(str(fault)) from fault
        return await screening.eligible(candidate, check)
