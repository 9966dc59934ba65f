"""An agent made elsewhere that talks with its organization's voice services: a pipeline, with texts of its own kind."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from dialplane.agents.hosts import Hosts
from dialplane.core.attempt import Conversation
from dialplane.ports import Line

PIPELINE: Final = "pipeline"
TEXTS: Final = ("prompt", "greeting")  # with templates, which the one who made them writes his own way
Fill = Callable[[str, Mapping[str, str]], str]  # a text and the contact's columns -> the text for one contact


@dataclass(frozen=True, slots=True, kw_only=True)
class Voiced:
    """What was made elsewhere comes to with voice services.

    pipeline: the definition of an agent of kind pipeline, its texts not filled in yet. variables: columns that they
    name. ignored: what of it has no effect, in words.
    """

    pipeline: Mapping[str, Any]
    variables: frozenset[str]
    ignored: tuple[str, ...]
    fill: Fill


@dataclass(frozen=True, slots=True, kw_only=True)
class VoicedAgent:
    """Implements ports.Agent and ports.Prepares."""

    voiced: Voiced
    gathers: tuple[str, ...]
    hosts: Hosts

    def variables(self) -> frozenset[str]:
        return self.voiced.variables

    def fields(self) -> tuple[str, ...]:
        return self.gathers

    async def prepare(self) -> None:
        """Raises Invalid."""
        await self.hosts.ready(PIPELINE, plain(self.voiced.pipeline))

    async def talk(self, line: Line, variables: Mapping[str, str]) -> Conversation:
        """Raises Invalid for a contact without a column that its texts name; and as a `HostedAgent`."""
        fill = self.voiced.fill
        told = _with_texts(self.voiced.pipeline, lambda text: fill(text, variables))
        return await self.hosts.talk(PIPELINE, told, line, await line.open_sound(), variables)


def plain(pipeline: Mapping[str, Any]) -> dict[str, Any]:
    """The definition without templates that only whoever made it understands, for who wants to check the rest."""
    return _with_texts(pipeline, lambda text: text)


def with_service_options(
    services: Mapping[str, Any], kind: str, provider: str, options: Mapping[str, Any]
) -> tuple[dict[str, Any], bool]:
    """(the services with these options of one kind, whether that one is of this provider: else they stay as they are).

    >>> mine = {"tts": {"service": "elevenlabs", "voice": "a"}}
    >>> with_service_options(mine, "tts", "11labs", {"voice": "b"})
    ({'tts': {'service': 'elevenlabs', 'voice': 'b'}}, True)
    """
    ours = str(services[kind]["service"]).partition(":")[0]
    if ours != PROVIDERS.get(provider, provider):
        return dict(services), False
    return {**services, kind: {**services[kind], **options}}, True


# What Vapi calls some of them -> pipecat's names.
PROVIDERS: Mapping[str, str] = {
    "11labs": "elevenlabs",
    "rime-ai": "rime",
    "azure-openai": "azure",
    "deep-seek": "deepseek",
    "together-ai": "together",
    "xai": "grok",
}


def paragraphs(parts: Iterable[str]) -> str:
    return "\n\n".join(part for part in parts if part)


def _with_texts(pipeline: Mapping[str, Any], change: Callable[[str], str]) -> dict[str, Any]:
    # What a column holds is text: braces in it name no other column.
    changed = {name: change(pipeline[name]).replace("{{", "{").replace("}}", "}") for name in TEXTS if name in pipeline}
    return {**pipeline, **changed}
