"""`dialplane run`: a contacts file is dialled to its end; or a campaign goes on where it stopped."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dialplane.cli import options
from dialplane.cli.errors import Stopped
from dialplane.cli.groups import grouped
from dialplane.cli.orders import NewCampaign, new_campaign
from dialplane.cli.session import perform
from dialplane.errors import Invalid

Resume = Annotated[
    int | None,
    typer.Option("--resume", metavar="ID", help="Go on with this campaign; with --report, --strict and --json only."),
]
Fast = Annotated[bool, typer.Option("--fast", help="On a virtual clock: days pass in seconds.")]
Report = Annotated[Path | None, typer.Option("--report", metavar="OUT.csv", show_default="report.csv")]


@grouped
def run(
    *,
    file: options.ContactsFile = None,
    made_of: options.CampaignOptions,
    start_at: options.StartAt = None,
    policies: options.PolicyOptions,
    strict: options.Strict = False,
    fast: Fast = False,
    report: Report = None,
    resume: Resume = None,
    as_json: options.Json = False,
) -> None:
    """Dial a contacts file, show how it goes, and write a report.

    Ctrl-C pauses the campaign and lets its calls end; once more hangs up.
    """
    if resume is not None:
        if file is not None or made_of.given() or start_at is not None or policies.given() or fast:
            raise Invalid(
                "--resume takes the campaign as it is: leave out the file and its options; "
                "`dialplane campaign update` changes settings"
            )
        _resume(resume, strict=strict, report=report, as_json=as_json)
        return
    order = new_campaign(file, made_of, policies, strict=strict, start_at=start_at)
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
