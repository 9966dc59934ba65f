"""file and options -> a campaign to be made, all checked that can be checked without a database."""

from __future__ import annotations

import atexit
import shutil
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from dialplane.cli import options
from dialplane.cli.agent_file import agent_of
from dialplane.cli.output import say
from dialplane.core.campaign import Policies
from dialplane.errors import Invalid
from dialplane.voice.sounds import Sound

STANDARD_INPUT: Final = Path("-")


@dataclass(frozen=True, slots=True, kw_only=True)
class NewCampaign:
    """Everything that a campaign is made of; agent: None for the example agent, sounds: which it plays."""

    file: Path
    name: str
    agent: Mapping[str, Any] | None
    sounds: Sequence[tuple[str, Sound]]
    carrier: Mapping[str, Any]
    policies: Policies
    default_region: str | None
    starts_at: datetime | None
    strict: bool


def new_campaign(
    file: Path | None,
    made_of: options.CampaignOptions,
    policies: options.PaceOptions,
    *,
    strict: bool,
    start_at: str | None = None,
) -> NewCampaign:
    """Raises Invalid for the first option that makes no sense."""
    if file is None:
        raise Invalid("name a contacts file, such as contacts.csv; `dialplane run --resume ID` goes on with a campaign")
    policy = policies.over(options.defaults())
    starts_at = options.instant(start_at)
    settings = dict(options.definition(made_of.carrier, "--carrier") or {})
    if made_of.seed is not None:
        settings["seed"] = made_of.seed
    if file == STANDARD_INPUT:
        file = _spooled()
    elif not file.exists():
        raise Invalid(f"there is no file {file}")
    definition, sounds = agent_of(made_of.agent)
    return NewCampaign(
        file=file,
        name=made_of.name if made_of.name is not None else file.stem,
        agent=definition,
        sounds=sounds,
        carrier=settings,
        policies=policy,
        default_region=options.region(made_of.default_region),
        starts_at=starts_at,
        strict=strict,
    )


def _spooled() -> Path:
    """What comes from standard input, as a file for as long as this process lives: its header is read twice."""
    folder = tempfile.TemporaryDirectory(prefix="dialplane-")
    atexit.register(folder.cleanup)
    spooled = Path(folder.name) / "standard input"
    if sys.stdin.isatty():
        say("contacts from the terminal; Ctrl-D ends them")
    with spooled.open("wb") as file:
        shutil.copyfileobj(sys.stdin.buffer, file)
    return spooled
