"""What a definition says of a service -> an object of pipecat's class for it, or of ours."""

from __future__ import annotations

import dataclasses
import importlib
import inspect
from collections.abc import Mapping
from difflib import get_close_matches
from types import ModuleType
from typing import Any, Final

from pipecat.services.llm_service import LLMService
from pipecat.services.settings import ServiceSettings
from pipecat.services.stt_service import STTService
from pipecat.services.tts_service import TTSService

from dialplane.agents.fields import complaint, known_are
from dialplane.agents.pipeline.definition import LLM, OFFLINE, STT, TTS, Service

BASES: Mapping[str, type[Any]] = {LLM: LLMService, STT: STTService, TTS: TTSService}
OURS: Final = "dialplane.agents.pipeline.offline"
OPENAI: Final = "openai"
NO_KEY: Final = "none"  # for servers that want none: without, the client would send them the key of the environment
# Arguments of classes that are no settings of a user's: objects, and what is ours to say.
OBJECTS: Final = frozenset(
    {
        "self",
        "settings",
        "params",
        "name",
        "http_client",
        "aiohttp_session",
        "session",
        "text_aggregator",
        "task_manager",
    }
)


def build(kind: str, wanted: Service, **ours: Any) -> Any:
    """ours: options that we give where the class has them. Raises Invalid, naming the field and the fix."""
    made = service_class(kind, wanted)
    arguments, settings = _sorted(kind, wanted, made)
    known = parameters(made)
    if "api_key" in known and not arguments.get("api_key"):
        if not arguments.get("base_url") and (not _has_address(made, known)):
            raise complaint(f"{kind}.api_key", "is missing")
        arguments["api_key"] = NO_KEY
    settings_class = _settings_class(made)
    fitting = {field.name for field in dataclasses.fields(settings_class)}
    settings |= {name: each for name, each in ours.items() if name in fitting}
    arguments |= {name: each for name, each in ours.items() if name in known and name not in arguments}
    needed = [name for name, each in known.items() if each.default is inspect.Parameter.empty]
    for name in needed:
        if name in OBJECTS:
            raise complaint(f"{kind}.service", f"{wanted.service} needs {name}, which no definition can give")
        if name not in arguments:
            raise complaint(f"{kind}.{name}", f"is missing; {wanted.service} needs it")
    try:
        return made(settings=settings_class(**settings), **arguments)
    except Exception as fault:  # whatever the class thinks of its arguments
        raise complaint(kind, f"{wanted.service} does not take these options: {type(fault).__name__}") from fault


def _has_address(made: type[Any], known: Mapping[str, inspect.Parameter]) -> bool:
    """Of a server that wants no key, such as Ollama's on this machine."""
    return not getattr(made, "_requires_api_key", True) and "base_url" in known and bool(known["base_url"].default)


def service_class(kind: str, wanted: Service) -> type[Any]:
    """`openai`, or `openai:OpenAIRealtimeSTTService` where a module has several."""
    name, _, chosen = wanted.service.partition(":")
    if kind == TTS and name == OPENAI and "base_url" in wanted.options:
        return _classes(importlib.import_module(OURS), TTS)["CompatibleTTSService"]
    module = _module(kind, name)
    found = _classes(module, kind)
    if name in OFFLINE[kind]:
        found = {key: each for key, each in found.items() if key.lower().startswith(name)}
    if chosen:
        matching = {key.lower(): each for key, each in found.items()}
        if chosen.lower() not in matching:
            raise complaint(f"{kind}.service", f"{name} has no class {chosen!r}; {known_are(sorted(found))}")
        return matching[chosen.lower()]
    plain = f"{name}{kind}service".replace("_", "")
    return next((each for key, each in found.items() if key.lower() == plain), None) or min(
        found.values(), key=lambda each: len(each.__name__)
    )


def _module(kind: str, name: str) -> ModuleType:
    path = OURS if name in OFFLINE[kind] else f"pipecat.services.{name}.{kind}"
    try:
        return importlib.import_module(path)
    except ImportError as fault:
        missing = fault.__cause__.name if isinstance(fault.__cause__, ImportError) else fault.name
        if missing and path.startswith(missing):
            raise complaint(f"{kind}.service", f"pipecat has no {kind} service {name!r}") from fault
        raise complaint(
            f"{kind}.service",
            f"{name} needs the package {missing}; pip install 'pipecat-ai[{name.replace('_', '-')}]' brings it",
        ) from fault


def _classes(module: ModuleType, kind: str) -> dict[str, type[Any]]:
    return {
        name: each
        for name, each in vars(module).items()
        if inspect.isclass(each)
        and issubclass(each, BASES[kind])
        and each.__module__ == module.__name__
        and not inspect.isabstract(each)
    }


def parameters(made: type[Any]) -> dict[str, inspect.Parameter]:
    """Of its constructor, and of those to which it hands on what it does not know."""
    found: dict[str, inspect.Parameter] = {}
    for each in made.__mro__:
        if "__init__" not in vars(each):
            continue
        own = inspect.signature(vars(each)["__init__"]).parameters.values()
        kinds = {one.kind for one in own}
        found |= {
            one.name: one
            for one in own
            if one.name not in found and one.kind not in (one.VAR_KEYWORD, one.VAR_POSITIONAL) and one.name != "self"
        }
        if inspect.Parameter.VAR_KEYWORD not in kinds:
            break
    return found


def _settings_class(made: type[Any]) -> type[ServiceSettings]:
    found: type[ServiceSettings] = getattr(made, "Settings", ServiceSettings)
    return found


def _sorted(kind: str, wanted: Service, made: type[Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """(arguments of the constructor, settings)."""
    settings_class = _settings_class(made)
    fields = {field.name for field in dataclasses.fields(settings_class)}
    known = {name for name in parameters(made) if name not in OBJECTS}
    arguments: dict[str, Any] = {}
    settings: dict[str, Any] = {}
    for key, each in wanted.options.items():
        meant = settings_class._aliases.get(key, key)
        if meant in fields:
            settings[meant] = each
        elif key in known:
            arguments[key] = each
        else:
            near = get_close_matches(key, fields | known | {"service", "timeout_seconds"}, n=1)
            hint = f"did you mean {near[0]!r}?" if near else known_are(sorted(fields | known))
            raise complaint(f"{kind}.{key}", f"{wanted.service} has no such option; {hint}")
    return arguments, settings
