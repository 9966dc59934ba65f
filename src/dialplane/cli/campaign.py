"""`dialplane campaign …`: campaigns without dialling; workers carry out what is ordered here."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dialplane.cli import options, output, why
from dialplane.cli.orders import NewCampaign, new_campaign
from dialplane.cli.session import opened, opened_for, opened_to_change, perform
from dialplane.core.disposition import Disposition
from dialplane.core.machines import MachineDetection, OnMachine
from dialplane.core.recording import Recording, RecordingMode
from dialplane.errors import Conflict, Invalid

if TYPE_CHECKING:
    from dialplane.engine.views import CampaignRecord, LogEntry, Progress
    from dialplane.store.postgres import Row
    from dialplane.wiring import App

app = typer.Typer(no_args_is_help=True, help="Make, steer and look at campaigns.")
app.command("why")(why.why)

LOG_PAGE = 100
EndCalls = Annotated[bool, typer.Option("--end-calls", help="Hang up its calls in progress.")]


# --- look ------------------------------------------------------------------------------------------------


@app.command("list")
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


@app.command()
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


@app.command()
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


@app.command()
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


# --- make ------------------------------------------------------------------------------------------------


@app.command()
def create(
    file: options.ContactsFile,
    name: options.Name = None,
    agent: options.AgentFile = None,
    carrier: options.CarrierFile = None,
    max_concurrency: options.MaxConcurrency = None,
    cps: options.Cps = None,
    default_region: options.DefaultRegion = None,
    timezone: options.Timezone = None,
    window: options.Window = None,
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
    as_json: options.Json = False,
) -> None:
    """A draft with the contacts of a file; nobody is called before it is started or scheduled."""
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
    order = new_campaign(
        file=file,
        name=name,
        agent=agent,
        carrier=carrier,
        policies=policies,
        default_region=default_region,
        start_at=None,
        strict=strict,
        seed=seed,
    )
    perform(_create(order, as_json))


async def _create(order: NewCampaign, as_json: bool) -> None:
    from dialplane.cli.making import make  # noqa: PLC0415  (the engine)
    from dialplane.cli.signals import interrupts  # noqa: PLC0415

    rejects = options.rejects_path(Path(order.file.with_suffix(".csv").name))
    with interrupts():
        async with opened() as app:
            campaign_id = await make(app, order, rejects=rejects, plain=True)
            rejected = await app.campaigns.rejected_rows(campaign_id)
            if rejected:
                await app.reports.write_rejects(campaign_id, rejects)
            campaign = await app.campaigns.get(campaign_id)
    if as_json:
        output.print_json(
            {
                "id": campaign_id,
                "name": campaign.name,
                "state": campaign.state.value,
                "contacts": campaign.total,
                "rejected_rows": rejected,
                "rejects": str(rejects.absolute()) if rejected else None,
            }
        )
        return
    print(campaign_id)
    if rejected:
        output.say(f"{output.count(rejected, 'rejected row')}: {rejects}")


@app.command()
def redial(
    campaign_id: options.CampaignId,
    disposition: Annotated[
        list[str] | None, typer.Option("--disposition", help="Last disposition of who is called again; repeat it.")
    ] = None,
    name: Annotated[str | None, typer.Option("--name", show_default="the old name and (Redial)")] = None,
    as_json: options.Json = False,
) -> None:
    """A new draft over the contacts of a campaign, chosen by how their last call ended."""
    chosen = [_disposition(word) for each in disposition or [] for word in each.split(",")]
    if not chosen:
        raise Invalid("name at least one --disposition, such as busy or no_answer")
    perform(_redial(campaign_id, chosen, name, as_json))


async def _redial(campaign_id: int, chosen: list[Disposition], name: str | None, as_json: bool) -> None:
    async with opened_to_change(campaign_id) as app:
        child = await app.campaigns.get(await app.campaigns.redial(campaign_id, chosen, name=name))
    if as_json:
        output.print_json({"id": child.id, "name": child.name, "state": child.state.value, "contacts": child.total})
    else:
        print(child.id)


def _disposition(word: str) -> Disposition:
    try:
        return Disposition(word.strip())
    except ValueError:
        known = ", ".join(Disposition)
        raise Invalid(f"--disposition '{word}' is none; write one of {known}") from None


# --- steer -----------------------------------------------------------------------------------------------


def _steer(campaign_id: int, act: Callable[[App], Awaitable[object]], as_json: bool) -> None:
    """Do it, then say what state the campaign is in."""

    async def steered() -> CampaignRecord:
        async with opened_to_change(campaign_id) as app:
            await act(app)
            return await app.campaigns.get(campaign_id)

    campaign = perform(steered())
    if as_json:
        output.print_json({"id": campaign.id, "name": campaign.name, "state": campaign.state.value})
    else:
        print(f"campaign {campaign.id} is {campaign.state}")


@app.command()
def start(campaign_id: options.CampaignId, as_json: options.Json = False) -> None:
    """Let the workers dial a draft."""
    _steer(campaign_id, lambda app: app.campaigns.start(campaign_id), as_json)


@app.command()
def schedule(
    campaign_id: options.CampaignId,
    at: Annotated[str, typer.Argument(metavar="ISO", help="When: 2026-12-01T09:00:00+01:00.")],
    as_json: options.Json = False,
) -> None:
    """Let the workers start a draft by themselves at an instant."""
    starts_at = options.instant(at, "the start")
    assert starts_at is not None
    _steer(campaign_id, lambda app: app.campaigns.schedule(campaign_id, starts_at), as_json)


@app.command()
def unschedule(campaign_id: options.CampaignId, as_json: options.Json = False) -> None:
    """Make a scheduled campaign a draft again."""
    _steer(campaign_id, lambda app: app.campaigns.unschedule(campaign_id), as_json)


@app.command()
def pause(campaign_id: options.CampaignId, end_calls: EndCalls = False, as_json: options.Json = False) -> None:
    """Place nothing more; calls in progress end by themselves, unless they are to be hung up."""
    _steer(campaign_id, lambda app: app.campaigns.pause(campaign_id, end_calls=end_calls), as_json)


@app.command()
def resume(campaign_id: options.CampaignId, as_json: options.Json = False) -> None:
    """Let the workers dial on; breakers start clean."""
    _steer(campaign_id, lambda app: app.campaigns.resume(campaign_id), as_json)


@app.command()
def cancel(campaign_id: options.CampaignId, end_calls: EndCalls = False, as_json: options.Json = False) -> None:
    """Stop for good: no retries, and who still waits is not called."""
    _steer(campaign_id, lambda app: app.campaigns.cancel(campaign_id, end_calls=end_calls), as_json)


@app.command()
def close(campaign_id: options.CampaignId, as_json: options.Json = False) -> None:
    """Let a campaign that was kept open complete once it is idle."""
    _steer(campaign_id, lambda app: app.campaigns.close(campaign_id), as_json)


@app.command()
def update(
    campaign_id: options.CampaignId,
    name: Annotated[str | None, typer.Option("--name", help="A new name.", show_default=False)] = None,
    max_concurrency: options.MaxConcurrency = None,
    cps: options.Cps = None,
    timezone: options.Timezone = None,
    window: options.Window = None,
    max_retries: options.MaxRetries = None,
    retry_delay: options.RetryDelay = None,
    recording: options.Recording = None,
    announcement: options.Announcement = None,
    machines: options.Machines = None,
    machine_message: options.MachineMessage = None,
    on_screening: options.Screening = None,
    agent_split: options.Split = None,
    as_json: options.Json = False,
) -> None:
    """Change the settings that are given, while it runs too; those that are not stay as they are."""
    given = options.PolicyOptions(
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
    if not given.any_given and name is None:
        raise Conflict("nothing to change: give at least one option")
    given.over(options.defaults())  # what makes no sense ends here, before the database is asked

    async def change(app: App) -> None:
        before = await app.campaigns.get(campaign_id)
        await app.campaigns.change(campaign_id, given.over(before.policies), name=name)

    _steer(campaign_id, change, as_json)
