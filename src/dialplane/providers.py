"""Providers and kinds by name -> carriers and agents: the only module that knows every one of them."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from dialplane.agents.assistant import ASSISTANT, AssistantAgent, is_assistant, read_assistant
from dialplane.agents.assistant_voice import voiced as voiced_assistant
from dialplane.agents.hosted import Described, HostedAgent
from dialplane.agents.hosts import Hosts
from dialplane.agents.locked import LockedAgent
from dialplane.agents.pipeline import definition as pipeline
from dialplane.agents.script import sounds_of
from dialplane.agents.scripted import ScriptedAgent
from dialplane.agents.sip import definition as sip
from dialplane.agents.supposed import SupposedAgent
from dialplane.agents.voiced import Voiced, VoicedAgent, plain
from dialplane.agents.websocket import definition as websocket
from dialplane.agents.workflow import WorkflowAgent, is_graph, read_graph
from dialplane.agents.workflow_voice import voiced as voiced_graph
from dialplane.carriers.ari.asterisk import Asterisk
from dialplane.carriers.callbacks import Callbacks
from dialplane.carriers.simulated import Profile, SimulatedCarrier
from dialplane.carriers.sip.trunk import Trunk
from dialplane.carriers.telnyx.account import Account as TelnyxAccount
from dialplane.carriers.twilio.account import Account as TwilioAccount
from dialplane.core.screening import Check
from dialplane.engine import agents
from dialplane.engine.agent_secrets import AgentSecrets
from dialplane.engine.agents import Reading
from dialplane.engine.voice_services import Services, voice_services
from dialplane.errors import EnvironmentFault, Invalid
from dialplane.ports import Agent, Candidate, Carrier, CarrierLimits, CheckFailed, Clock, Files, Prepares, Screening
from dialplane.secrets import Secrets
from dialplane.store.postgres import Database

ARI, SIMULATED, SIP, TELNYX, TWILIO = "ari", "simulated", "sip", "telnyx", "twilio"
# Accounts with carriers that reach us over HTTP: their settings may be kept while something is missing.
ACCOUNTS: Mapping[str, type[TelnyxAccount | TwilioAccount]] = {TELNYX: TelnyxAccount, TWILIO: TwilioAccount}
# Their configurations are kept; calls through them are for later versions.
PLANNED = frozenset({"cloudonix", "plivo", "vobiz", "vonage"})
SCRIPTED, WORKFLOW, PIPELINE, WEBSOCKET = "scripted", "workflow", "pipeline", "websocket"
VOICED = frozenset({WORKFLOW, ASSISTANT})  # who talk with the voice services of their organization, where it has any
VOICE_FIELDS = ("llm", "stt", "tts", "prices")  # of those, as in an agent of kind pipeline
LOOK_EVERY_SECONDS = 2.0  # for other voice services
# Agents that carry sound: what the `kind` of a definition names -> who reads it.
HOSTED: Mapping[str, Callable[[Mapping[str, Any]], Described]] = {
    PIPELINE: pipeline.read,
    WEBSOCKET: websocket.read,
    SIP: sip.read,
}


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
        _refuse_virtual(clock, "a SIP trunk")
        from dialplane.carriers.sip.carrier import SipCarrier  # noqa: PLC0415  (its modules, which most commands save)

        return SipCarrier(trunk, settings, clock, files)
    if provider == ARI:
        asterisk = Asterisk.from_settings(settings).checked()
        _refuse_virtual(clock, "Asterisk")
        from dialplane.carriers.ari.carrier import AriCarrier  # noqa: PLC0415  (a tenth of a second, as HTTP takes)

        return AriCarrier(asterisk, clock, files)
    if provider in ACCOUNTS:
        account = ACCOUNTS[provider].from_settings(settings).checked()
        return _through(account, provider.capitalize(), clock, files, callbacks)
    raise _unknown(provider)


def _through(
    account: TelnyxAccount | TwilioAccount, name: str, clock: Clock, files: Files, callbacks: Callbacks | None
) -> Carrier:
    _refuse_virtual(clock, name)
    if callbacks is None or not callbacks.public_url.startswith("https://"):
        raise Invalid(
            f"calls through {name} need DIALPLANE_PUBLIC_URL, https://…: where {name} reaches `dialplane serve`"
        )
    # Imported here: HTTP takes a tenth of a second.
    if isinstance(account, TelnyxAccount):
        from dialplane.carriers.telnyx.carrier import TelnyxCarrier  # noqa: PLC0415

        return TelnyxCarrier(account, clock, files, callbacks)
    from dialplane.carriers.twilio.carrier import TwilioCarrier  # noqa: PLC0415

    return TwilioCarrier(account, clock, files, callbacks)


def _refuse_virtual(clock: Clock, what: str) -> None:
    if clock.virtual:
        raise Invalid(f"{what} has no virtual clock: leave out --fast, or name the simulated carrier")


def _unknown(provider: str) -> Invalid:
    if provider in PLANNED:
        return Invalid(f"this version places no calls through {provider} yet")
    known = ", ".join((SIMULATED, SIP, ARI, *ACCOUNTS))
    return Invalid(f"provider '{provider}' is unknown; this version has: {known}")


def carrier_limits(provider: str, settings: Mapping[str, Any]) -> CarrierLimits:
    """What a carrier with these settings allows. Raises Invalid."""
    if provider == SIMULATED:
        return Profile.from_settings(settings).limits()
    if provider == SIP:
        return Trunk.from_settings(settings).limits()
    if provider == ARI:
        return Asterisk.from_settings(settings).checked().limits()
    if provider in ACCOUNTS:
        return ACCOUNTS[provider].from_settings(settings).checked().limits()
    raise _unknown(provider)


def kept_limits(provider: str, settings: Mapping[str, Any]) -> CarrierLimits:
    """The same for a carrier that is only kept, or still lacks what its calls need. Raises Invalid."""
    if provider == ARI:
        return Asterisk.from_settings(settings).limits()
    if provider in ACCOUNTS:
        return ACCOUNTS[provider].from_settings(settings).limits()
    return CarrierLimits() if provider in PLANNED else carrier_limits(provider, settings)


def build_agent(kind: str, definition: Mapping[str, Any], hosts: Hosts, voice: Services | None = None) -> Agent:
    """The agent of a kind. voice: what assistants and workflows talk with. Raises Invalid."""
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
    if kind in VOICED and (voiced := _voiced(definition, voice)) is not None:
        return VoicedAgent(voiced=voiced, gathers=HOSTED[PIPELINE](plain(voiced.pipeline)).fields, hosts=hosts)
    if kind == WORKFLOW:
        return WorkflowAgent.from_definition(definition)
    if kind == ASSISTANT:
        return AssistantAgent.from_definition(definition)
    raise Invalid(
        f"agent kind '{kind}' is unknown; this version has: {', '.join((SCRIPTED, WORKFLOW, ASSISTANT, *HOSTED))}"
    )


def read_voice(services: Services) -> None:
    """Raises Invalid for services that no agent could talk with."""
    for name in services:
        if name not in VOICE_FIELDS:
            raise Invalid(f"voice services: `{name}` is unknown; there are {', '.join(VOICE_FIELDS)}")
    HOSTED[PIPELINE]({"kind": PIPELINE, "name": "voice services", "prompt": "Say hello.", **services})


def read_agent(definition: Mapping[str, Any], voice: Services | None = None) -> Reading:
    """A definition of any kind. voice: what assistants and workflows talk with.

    Raises Invalid for one that is not understood.
    """
    if (is_workflow := is_graph(definition)) or is_assistant(definition):
        script = read_graph(definition) if is_workflow else read_assistant(definition)
        reading = Reading(
            kind=WORKFLOW if is_workflow else ASSISTANT,
            definition=script.kept,
            variables=script.variables,
            warnings=script.ignored,
            draft=script.silence,
        )
        return _with_voice(reading, _voiced(definition, voice))
    if (kind := str(definition.get("kind"))) in HOSTED:
        described = HOSTED[kind](definition)
        return Reading(
            kind=kind,
            definition=described.kept,
            variables=described.variables,
            fields=described.fields,
            warnings=described.ignored,
        )
    if "kind" in definition and kind != SCRIPTED:
        raise Invalid(f"agent, kind: must be one of {', '.join((SCRIPTED, *HOSTED))}, not {kind!r}")
    definition = {name: value for name, value in definition.items() if name != "kind"}  # as all scripts are kept
    agent = ScriptedAgent.from_definition(definition)
    sounds = sounds_of(definition)
    return Reading(
        kind=SCRIPTED, definition=definition, variables=agent.variables(), fields=agent.fields(), sounds=sounds
    )


def _voiced(definition: Mapping[str, Any], voice: Services | None) -> Voiced | None:
    """An assistant or a graph with these services; None where it has no use for them."""
    if voice is None:
        return None
    if is_assistant(definition):
        return voiced_assistant(read_assistant(definition), voice)
    return voiced_graph(read_graph(definition), voice)


def _with_voice(reading: Reading, voiced: Voiced | None) -> Reading:
    if voiced is None:
        return reading
    described = HOSTED[PIPELINE](plain(voiced.pipeline))
    return replace(
        reading,
        variables=voiced.variables,
        fields=described.fields,
        warnings=(*voiced.ignored, *described.ignored),
        draft="",
    )


class LoadedAgents:
    """Agents by version, each loaded once; those that talk with their organization's voice services, now and then."""

    def __init__(self, database: Database, hosts: Hosts, secrets: Callable[[], Secrets], *, virtual: bool) -> None:
        self._database = database
        self._hosts = hosts
        self._virtual = virtual
        self._secrets = secrets
        self._loaded: dict[tuple[int, int, int], tuple[Agent, float]] = {}

    async def get(self, organization_id: int, agent_id: int, version: int) -> Agent:
        key = (organization_id, agent_id, version)
        agent, until = self._loaded.get(key, (None, 0.0))
        if agent is None or until <= time.monotonic():
            agent, keeps_seconds = await self._load(organization_id, agent_id, version)
            self._loaded[key] = agent, time.monotonic() + keeps_seconds
        return agent

    async def _load(self, organization_id: int, agent_id: int, version: int) -> tuple[Agent, float]:
        """(the agent, for how long it is kept). Here alone secrets are opened."""
        found = await agents.agent_version(self._database, organization_id, agent_id, version)
        is_voiced = found.kind in VOICED
        voice = await voice_services(self._database, organization_id) if is_voiced else None
        agent = build_agent(found.kind, found.definition, self._hosts, voice)
        if isinstance(agent, Prepares) and not self._virtual:
            secrets = AgentSecrets(self._secrets, organization_id)
            try:
                definition, services = secrets.opened(found.definition), voice and secrets.opened(voice)
            except Invalid as fault:
                agent = LockedAgent(required=agent.variables(), gathers=agent.fields(), why=str(fault))
            else:
                agent = build_agent(found.kind, definition, self._hosts, services)
        elif isinstance(agent, Prepares):
            agent = SupposedAgent(required=agent.variables(), gathers=agent.fields())
        return agent, LOOK_EVERY_SECONDS if is_voiced else math.inf


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
