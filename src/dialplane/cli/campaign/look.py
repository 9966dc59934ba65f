"""Campaigns that are there: all of them, one, its log, its report."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dialplane.cli import options, output
from dialplane.cli.session import opened, opened_for, perform
from dialplane.core.machines import MachineDetection, OnMachine
from dialplane.core.recording import Recording, RecordingMode
from dialplane.errors import Invalid

if TYPE_CHECKING:
    from dialplane.engine.views import CampaignRecord, LogEntry, Progress
    from dialplane.store.postgres import Row
    from dialplane.wiring import App

LOG_PAGE = 100


def list_(as_json: options.Json = False) -> None:
    """All campaigns, newest first; runs on the virtual clock (--fast) are left out."""
    perform(_list(as_json))


async def _list(as_json: bool) -> None:
    found: list[dict[str, Any]] = []
    async with opened() as app:
        before: int | None = None
        while page := await app.campaigns.page(before=before):
            before = page[-1]["id"]
            found += await _with_counts(app, page)
    if as_json:
        output.print_json(found)
    elif not found:
        print("no campaigns yet; `dialplane run FILE.csv` makes one and dials it")
    else:
        columns = ("id", "name", "state", "contacts", "reached", "exhausted", "skipped", "waiting", "created")
        output.table(columns, [_list_row(each) for each in found], right=("id", *columns[3:8]))


async def _with_counts(app: App, page: list[Row]) -> list[dict[str, Any]]:
    progress = await app.campaigns.progress([row["id"] for row in page])
    return [
        {
            "id": row["id"],
            "name": row["name"],
            "state": row["state"],
            "created_at": row["created_at"],
            **output.counts(progress[row["id"]]),
            "rejected_rows": await app.campaigns.rejected_rows(row["id"]),
        }
        for row in page
    ]


def _list_row(each: dict[str, Any]) -> tuple[object, ...]:
    contacts = each["contacts"]
    counts = (f"{contacts[name]:,}" for name in ("total", "reached", "exhausted", "skipped", "waiting"))
    return each["id"], each["name"], each["state"], *counts, output.moment(each["created_at"])


def show(campaign_id: options.CampaignId, as_json: options.Json = False) -> None:
    """One campaign: state, settings, counts."""
    perform(_show(campaign_id, as_json))


async def _show(campaign_id: int, as_json: bool) -> None:
    async with opened_for(campaign_id) as app:
        campaign = await app.campaigns.get(campaign_id)
        progress = (await app.campaigns.progress([campaign_id]))[campaign_id]
        found = _shown(campaign, progress)
        found["rejected_rows"] = await app.campaigns.rejected_rows(campaign_id)
        found["skipped"] = await app.campaigns.skip_reasons(campaign_id) if progress.skipped else {}
        found["versions"] = await output.versions(app, campaign)
    if as_json:
        output.print_json(found)
    else:
        _print_campaign(campaign, progress, found)


def _shown(campaign: CampaignRecord, progress: Progress) -> dict[str, Any]:
    return {
        "id": campaign.id,
        "uuid": campaign.uuid,
        "name": campaign.name,
        "state": campaign.state.value,
        "state_reason": campaign.state_reason,
        "created_at": campaign.created_at,
        "starts_at": campaign.starts_at,
        "started_at": campaign.started_at,
        "finished_at": campaign.ended_at,
        "agent": {"id": campaign.agent_id, "name": campaign.agent_name, "version": campaign.agent_version},
        "carrier": {"id": campaign.carrier_id, "name": campaign.carrier_name},
        "redial_of": campaign.parent_id,
        "keep_open": campaign.keep_open,
        "importing": campaign.importing,
        "settings": output.settings_json(campaign),
        **output.counts(progress),
        "calls": dict(progress.calls),
        "abandoned_calls": [
            {"day": day.day, "answered": day.answered, "abandoned": day.abandoned, "rate": round(day.rate, 6)}
            for day in progress.answers
        ],
    }


def _print_campaign(campaign: CampaignRecord, progress: Progress, found: dict[str, Any]) -> None:
    policies = campaign.policies
    retry = policies.retry
    reason = f" ({campaign.state_reason})" if campaign.state_reason else ""
    lines: list[tuple[str, object]] = [
        ("campaign", f"{campaign.id}  {campaign.name}"),
        ("state", f"{campaign.state}{reason}"),
        ("importing", campaign.importing),
        ("created", output.moment(campaign.created_at)),
        ("starts", output.moment(campaign.starts_at)),
        ("started", output.moment(campaign.started_at)),
        ("finished", output.moment(campaign.ended_at)),
        ("agent", f"{campaign.agent_name}, {_versions(campaign)}"),
        ("carrier", campaign.carrier_name),
        ("redial of", campaign.parent_id),
        ("hours", policies.window.describe()),
        ("lines", policies.max_lines or "the organization's cap"),
        ("pace", f"{policies.cps:g} calls/s" if policies.cps else "what the carrier allows"),
        (
            "retries",
            f"{retry.max_retries} after {output.duration(retry.delay_seconds)} on {', '.join(sorted(retry.retry_on))}",
        ),
        ("recording", _recording(policies.recording)),
        ("machines", _machines(policies.machines)),
        ("contacts", _words(progress.contacts())),
        ("rejected", found["rejected_rows"] or None),
        ("skipped", _words(found["skipped"])),
        ("attempts", progress.attempts),
        ("calls now", _words(progress.calls)),
        ("outcomes", _words(progress.dispositions)),
        ("abandoned", progress.answers[0] if progress.answers else None),
    ]
    for name, value in lines:
        if value not in (None, ""):
            print(f"{name:<11}{value}")
    if found["versions"]:
        print()
        output.show_versions(found["versions"])


def _versions(campaign: CampaignRecord) -> str:
    """'version 3', 'versions 3:80,4:20'"""
    split = campaign.policies.split
    return f"versions {split.describe()}" if split.weights else f"version {campaign.agent_version}"


def _recording(recording: Recording) -> str:
    announced = recording.mode is RecordingMode.ANNOUNCED
    return f"{recording.mode}: {recording.announcement}" if announced else recording.mode.value


def _machines(machines: MachineDetection) -> str:
    """'' where nobody listens for them."""
    if not machines.listens:
        return ""
    done = machines.on_machine.value.replace("_", " ")
    return f"{done}: {machines.message}" if machines.on_machine is OnMachine.LEAVE_MESSAGE else done


def _words(counts: Any) -> str:
    return ", ".join(f"{name} {number:,}" for name, number in counts.items() if number)


def log(
    campaign_id: options.CampaignId,
    limit: Annotated[int, typer.Option("--limit", help="The latest so many entries.")] = LOG_PAGE,
    as_json: options.Json = False,
) -> None:
    """What has happened to a campaign, oldest first."""
    if limit < 1:
        raise Invalid(f"--limit must be 1 or more, not {limit}")
    perform(_log(campaign_id, limit, as_json))


async def _log(campaign_id: int, limit: int, as_json: bool) -> None:
    async with opened_for(campaign_id) as app:
        await app.campaigns.get(campaign_id)
        entries = list(reversed(await app.campaigns.log(campaign_id, limit=limit)))
    if as_json:
        output.print_json([_entry(entry) for entry in entries])
    for entry in [] if as_json else entries:
        mark = "" if entry.level == "info" else f"{entry.level}: "
        print(f"{output.moment(entry.at)}  {mark}{entry.message}")


def _entry(entry: LogEntry) -> dict[str, Any]:
    return {name: getattr(entry, name) for name in ("id", "at", "level", "event", "message", "details")}


def report(
    campaign_id: options.CampaignId,
    report: Annotated[Path, typer.Option("--report", metavar="OUT.csv")] = options.DEFAULT_REPORT,
    as_json: options.Json = False,
) -> None:
    """Write the report of a campaign, whatever its state, and its rejected rows next to it."""
    perform(_report(campaign_id, options.check_report(report), as_json))


async def _report(campaign_id: int, path: Path, as_json: bool) -> None:
    from dialplane.cli.dialling import show_summary, write_files  # noqa: PLC0415  (the engine)

    async with opened_for(campaign_id) as app:
        rejects = await write_files(app, campaign_id, path)
        found = await output.summary(app, campaign_id, report=path, rejects=rejects)
        found["versions"] = await output.versions(app, await app.campaigns.get(campaign_id))
    if as_json:
        output.print_json(found)
    else:
        show_summary(found)
        if found["versions"]:
            print()
            output.show_versions(found["versions"])
