"""`--agent`: a YAML file, what it names of the environment and the sounds beside it -> a definition as it is kept."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dialplane.agents.script import sounds_of, with_sounds
from dialplane.cli import options
from dialplane.errors import Invalid
from dialplane.voice.sounds import MOST_BYTES, Sound, read_sound


def agent_of(path: Path | None) -> tuple[Mapping[str, Any] | None, list[tuple[str, Sound]]]:
    """The definition, None without a file; and (what it is called there, the sound). Raises Invalid."""
    given = options.definition(path, "--agent")
    if path is None or given is None:
        return None, []
    from dialplane.engine.agent_secrets import from_environment  # noqa: PLC0415  (the engine)
    from dialplane.providers import SCRIPTED, read_agent  # noqa: PLC0415

    definition = from_environment(given, os.environ)
    if read_agent(definition).kind != SCRIPTED:
        return definition, []
    sounds = {name: _sound(path.parent / name, place) for place, name in sounds_of(definition)}
    kept = with_sounds(definition, {name: sound.name for name, sound in sounds.items()})
    return kept, [(Path(name).name, sound) for name, sound in sounds.items()]


def _sound(path: Path, place: str) -> Sound:
    try:
        with path.open("rb") as file:
            return read_sound(file.read(MOST_BYTES + 1))
    except FileNotFoundError:
        raise Invalid(
            f"{place}: there is no file {path}; `sound` is a path from the folder of the agent's file"
        ) from None
    except OSError as fault:
        raise Invalid(f"{place}: {path} cannot be read: {fault.strerror}") from None
    except Invalid as fault:
        raise Invalid(f"{place}: {path} {fault}") from None
