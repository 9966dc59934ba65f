"""`dialplane run`: a contacts file is dialled to its end; or a campaign goes on where it stopped."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dialplane.cli import options
from dialplane.cli.errors import Stopped
from dialplane.cli.orders import NewCampaign, new_campaign
from dialplane.cli.session import perform
from dialplane.errors import Invalid

Resume = Annotated[
    int | None,
    typer.Option("--resume", metavar="ID", help="Go on with this campaign; with --report, --strict and --json only."),
]
Fast = Annotated[bool, typer.Option("--fast", help="On a virtual clock: days pass in seconds.")]
Report = Annotated[Path | None, typer.Option("--report", metavar="OUT.csv", show_default="report.csv")]


def run(
    file: options.ContactsFile = None,
    name: options.Name = None,
    agent: options.AgentFile = None,
    carrier: options.CarrierFile = None,
    max_concurrency: options.MaxConcurrency = None,
    cps: options.Cps = None,
    default_region: options.DefaultRegion = None,
    timezone: options.Timezone = None,
    window: options.Window = None,
    start_at: options.StartAt = None,
    max_retries: options.MaxRetries = None,
    retry_delay: options.RetryDelay = None,
    recording: options.Recording = None,
    announcement: options.Announcement = None,
    machines: options.Machines = None,
    machine_message: options.MachineMessage = None,
    on_screening: options.Screening = None,
    agent_split: options.Split = None,
    strict: options.Strict = False,
    seed: options.Seed = None,
    fast: Fast = False,
    report: Report = None,
    resume: Resume = None,
    as_json: options.Json = False,
) -> None:
    """Dial a contacts file, show how it goes, and write a report.

    Ctrl-C pauses the campaign and lets its calls end; once more hangs up.
    """
    policies = options.PolicyOptions(
        max_concurrency=max_concurrency,
        cps=cps,
        timezone=timezone,
        window=window,
        max_retries=max_retries,
        retry_delay=retry_delay,
        recording=recording,
        announcement=announcement,
        machines=machines,
        machine_message=machine_message,
        on_screening=on_screening,
        agent_split=agent_split,
    )
    others = (file, name, agent, carrier, default_region, start_at, seed)
    if resume is not None:
        if fast or policies.any_given or any(value is not None for value in others):
            raise Invalid(
                "--resume takes the campaign as it is: leave out the file and its options; "
                "`dialplane campaign update` changes settings"
            )
        _resume(resume, strict=strict, report=report, as_json=as_json)
        return
    order = new_campaign(
        file=file,
        name=name,
        agent=agent,
        carrier=carrier,
        policies=policies,
        default_region=default_region,
        start_at=start_at,
        strict=strict,
        seed=seed,
    )
    _run(order, fast=fast, report=options.check_report(report or options.DEFAULT_REPORT), as_json=as_json)


def _run(order: NewCampaign, *, fast: bool, report: Path, as_json: bool) -> None:
    from dialplane.cli.dialling import dial_file  # noqa: PLC0415  (the engine; bad options end before it is needed)
    from dialplane.providers import HOSTED  # noqa: PLC0415

    if fast and order.agent is not None and order.agent.get("kind") in HOSTED:
        raise Invalid("this agent talks in sound, and there is none on the virtual clock: leave out --fast")
    _end(perform(dial_file(order, fast=fast, report=report, as_json=as_json)))


def _resume(campaign_id: int, *, strict: bool, report: Path | None, as_json: bool) -> None:
    from dialplane.cli.dialling import dial_on  # noqa: PLC0415

    checked = options.check_report(report or options.DEFAULT_REPORT)
    _end(perform(dial_on(campaign_id, strict=strict, report=checked, as_json=as_json)))


def _end(stopped: str | None) -> None:
    if stopped is not None:
        raise Stopped(stopped)
