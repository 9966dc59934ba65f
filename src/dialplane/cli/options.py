"""Options that several commands take, and what they come to: policies, definitions, instants. All raise Invalid."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from dialplane.cli.groups import Group
from dialplane.core.campaign import Policies
from dialplane.core.machines import MachineDetection
from dialplane.core.recording import Recording as RecordingPolicy
from dialplane.core.recording import RecordingMode
from dialplane.core.retry import RetryPolicy, parse_duration
from dialplane.core.splitting import AgentSplit
from dialplane.core.window import CallingWindow
from dialplane.errors import EnvironmentFault, Invalid

DEFAULT_REPORT = Path("report.csv")
DEFAULT_ZONE = "UTC"

CampaignId = Annotated[int, typer.Argument(metavar="ID", show_default=False, help="The campaign's id.")]
Json = Annotated[bool, typer.Option("--json", help="JSON on standard output, and nothing else there.")]
ContactsFile = Annotated[
    Path | None,
    typer.Argument(
        metavar="FILE.csv", show_default=False, help="Contacts, with a phone_number column; - is standard input."
    ),
]
Name = Annotated[str | None, typer.Option("--name", help="Name of the campaign.", show_default="the file's name")]
AgentFile = Annotated[
    Path | None,
    typer.Option("--agent", metavar="A.yaml", help="What talks to who answers.", show_default="an example agent"),
]
CarrierFile = Annotated[
    Path | None,
    typer.Option("--carrier", metavar="C.yaml", help="How calls reach the network.", show_default="simulated"),
]
MaxConcurrency = Annotated[
    int | None, typer.Option("--max-concurrency", help="Calls at once.", show_default="the organization's cap, 100")
]
Cps = Annotated[
    float | None, typer.Option("--cps", help="Calls started per second.", show_default="what the carrier allows")
]
DefaultRegion = Annotated[
    str | None,
    typer.Option(
        "--default-region", metavar="US", help="Country of numbers without a country code.", show_default="none"
    ),
]
Timezone = Annotated[
    str | None,
    typer.Option(
        "--timezone", metavar="TZ|contact", help="Zone of the window; contact: each one's own.", show_default="UTC"
    ),
]
Window = Annotated[
    str | None,
    typer.Option("--window", metavar="HOURS", help="When to call: 'mon-fri 09:00-17:00'.", show_default="any hour"),
]
StartAt = Annotated[
    str | None,
    typer.Option("--start-at", metavar="ISO", help="First call: 2026-12-01T09:00:00+01:00.", show_default="now"),
]
MaxRetries = Annotated[
    int | None,
    typer.Option("--max-retries", help="Further attempts on busy and no answer, for each contact.", show_default="2"),
]
RetryDelay = Annotated[
    str | None,
    typer.Option(
        "--retry-delay", metavar="120s", help="From the end of a call to the next attempt.", show_default="120s"
    ),
]
Recording = Annotated[
    RecordingMode | None,
    typer.Option("--recording", help="Of calls; announced: from the end of an announcement on.", show_default="on"),
]
Announcement = Annotated[
    str | None,
    typer.Option("--announcement", metavar="TEXT", help="Its words.", show_default="This call is recorded."),
]
Machines = Annotated[
    str | None,
    typer.Option(
        "--machines",
        metavar="off|hang-up|leave-message|carry-on",
        help="Listen for answering machines on carriers with sound, and what to do about them.",
        show_default="off",
    ),
]
MachineMessage = Annotated[
    str | None,
    typer.Option(
        "--machine-message", metavar="TEXT", help="What is left on them, with {{columns}}.", show_default=False
    ),
]
Screening = Annotated[
    str | None,
    typer.Option(
        "--on-screening",
        metavar="carry-on|hang-up",
        help="About assistants that ask who calls, where machines are listened for.",
        show_default="carry-on",
    ),
]
Split = Annotated[
    str | None,
    typer.Option(
        "--agent-split",
        metavar="3:80,4:20",
        help="Versions of the agent by weight, each contact always with the same one; '': the one in force.",
        show_default="the version in force",
    ),
]
Strict = Annotated[bool, typer.Option("--strict", help="A single bad row refuses the file.")]
Seed = Annotated[
    int | None, typer.Option("--seed", help="Of the simulated carrier: another seed, other calls.", show_default="1")
]


@dataclass(frozen=True, kw_only=True)
class CampaignOptions(Group):
    """What a new campaign is made of, besides its contacts and policies."""

    name: Name = None
    agent: AgentFile = None
    carrier: CarrierFile = None
    default_region: DefaultRegion = None
    seed: Seed = None


@dataclass(frozen=True, kw_only=True)
class PaceOptions(Group):
    """The policies that say when calls start, and how many."""

    max_concurrency: MaxConcurrency = None
    cps: Cps = None
    timezone: Timezone = None
    window: Window = None
    max_retries: MaxRetries = None
    retry_delay: RetryDelay = None

    def over(self, before: Policies) -> Policies:
        """These policies, with what was given instead of what they had."""
        if self.max_concurrency is not None and self.max_concurrency < 1:
            raise Invalid(f"--max-concurrency must be 1 or more, not {self.max_concurrency}")
        if self.cps is not None and not 0 < self.cps < float("inf"):
            raise Invalid(f"--cps must be above 0, not {self.cps:g}; leave it out for no limit of the campaign's own")
        return replace(
            before,
            window=self._window(before.window),
            retry=self._retry(before.retry),
            max_lines=before.max_lines if self.max_concurrency is None else self.max_concurrency,
            cps=before.cps if self.cps is None else self.cps,
        )

    def _window(self, before: CallingWindow) -> CallingWindow:
        timezone = before.timezone if self.timezone is None else self.timezone
        if self.window is not None:
            return CallingWindow.parse(self.window, timezone)
        return replace(before, timezone=timezone)

    def _retry(self, before: RetryPolicy) -> RetryPolicy:
        retries = before.max_retries if self.max_retries is None else self.max_retries
        if self.retry_delay is None:
            return replace(before, max_retries=retries)
        return replace(before, max_retries=retries, delay_seconds=parse_duration(self.retry_delay).total_seconds())


@dataclass(frozen=True, kw_only=True)
class PolicyOptions(PaceOptions):
    """All policies."""

    recording: Recording = None
    announcement: Announcement = None
    machines: Machines = None
    machine_message: MachineMessage = None
    on_screening: Screening = None
    agent_split: Split = None

    def over(self, before: Policies) -> Policies:
        return replace(
            super().over(before),
            recording=self._recording(before.recording),
            machines=self._machines(before.machines),
            split=before.split if self.agent_split is None else AgentSplit.parse(self.agent_split),
        )

    def _recording(self, before: RecordingPolicy) -> RecordingPolicy:
        return RecordingPolicy(
            mode=before.mode if self.recording is None else self.recording,
            announcement=before.announcement if self.announcement is None else self.announcement,
        )

    def _machines(self, before: MachineDetection) -> MachineDetection:
        given = {"on_machine": self.machines, "message": self.machine_message, "on_screening": self.on_screening}
        words = {name: value for name, value in given.items() if value is not None}
        for name in words.keys() & {"on_machine", "on_screening"}:
            words[name] = words[name].replace("-", "_")
        return MachineDetection.from_json(before.to_json() | words)


def defaults() -> Policies:
    return Policies(window=CallingWindow(timezone=DEFAULT_ZONE))


def definition(path: Path | None, what: str) -> Mapping[str, Any] | None:
    """The mapping in a YAML file; None without a file."""
    if path is None:
        return None
    from dialplane.engine.definitions import read_definition  # noqa: PLC0415

    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise Invalid(f"there is no file {path} ({what})") from None
    except (OSError, UnicodeDecodeError) as fault:
        raise Invalid(f"{path} ({what}) cannot be read: {fault}") from None
    return read_definition(text, f"{path} ({what})")


def instant(text: str | None, option: str = "--start-at") -> datetime | None:
    if text is None:
        return None
    try:
        at = datetime.fromisoformat(text.strip())
    except ValueError:
        raise Invalid(f"{option}: '{text}' is no date and time; write 2026-12-01T09:00:00+01:00") from None
    if at.tzinfo is None:
        raise Invalid(f"{option}: '{text}' has no time zone; write {at.isoformat()}Z for UTC, or +01:00 and the like")
    return at


def region(text: str | None) -> str | None:
    if text is None:
        return None
    from dialplane.engine.numbering import check_region  # noqa: PLC0415

    return check_region(text)


def variables(pairs: list[str]) -> dict[str, str]:
    """['name=Ana'] -> {'name': 'Ana'}"""
    found: dict[str, str] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not name.strip():
            raise Invalid(f"--variable '{pair}': write it as name=value")
        found[name.strip()] = value
    return found


def rejects_path(report: Path) -> Path:
    """report.csv -> report.rejects.csv"""
    return report.with_name(f"{report.stem}.rejects{report.suffix or '.csv'}")


def check_report(path: Path) -> Path:
    """The path of a report that can be written. Raises Invalid, EnvironmentFault.

    Found out by writing: permissions, quotas and read-only mounts have no other test that can be trusted.
    """
    if path.is_dir():
        raise Invalid(f"--report {path} is a folder: name a file in it")
    if path.exists() and not path.is_file():
        raise Invalid(f"--report {path} is no ordinary file: name one, such as report.csv")
    folder = next(folder for folder in path.absolute().parents if folder.exists())
    probe = folder / f".{path.name}.{os.getpid()}.probe"
    try:
        probe.write_bytes(bytes(4096))
    except OSError as fault:
        raise EnvironmentFault(f"the report {path} cannot be written: {fault.strerror or fault}") from None
    finally:
        with suppress(OSError):
            probe.unlink()
    return path
