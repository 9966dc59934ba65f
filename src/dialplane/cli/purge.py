"""`dialplane purge`: what has been kept for its time goes now, and not with the next hour."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Annotated

import typer

from dialplane.cli import options, output
from dialplane.cli.session import opened_server, perform
from dialplane.core.retention import parse_kept

WORDS = {
    "events": "events of the live feed",
    "requests": "answers to repeated requests",
    "uploads": "uploads that nobody used",
    "transcripts": "calls' transcripts and gathered data",
    "recordings": "recordings of calls",
    "contacts_files": "contacts files",
    "deliveries": "messages to webhooks",
    "virtual_runs": "runs on the virtual clock",
    "carrier_logs": "logs of the simulated carrier",
    "postgres_logs": "logs of the embedded database that were too large",
}


def _kept(name: str, what: str) -> typer.models.OptionInfo:
    option: typer.models.OptionInfo = typer.Option(name, metavar="90d", help=what, show_default="the setting")
    return option


def purge(
    transcripts: Annotated[
        str | None, _kept("--transcripts", "Of calls that ended longer ago, gathered data too.")
    ] = None,
    recordings: Annotated[str | None, _kept("--recordings", "Of calls that ended longer ago.")] = None,
    contacts_files: Annotated[str | None, _kept("--contacts-files", "Of campaigns that were over longer ago.")] = None,
    carrier_logs: Annotated[
        str | None, _kept("--carrier-logs", "The simulated carrier's, of campaigns as above.")
    ] = None,
    virtual_runs: Annotated[str | None, _kept("--virtual-runs", "That began longer ago.")] = None,
    deliveries: Annotated[str | None, _kept("--deliveries", "Messages to webhooks that were made longer ago.")] = None,
    as_json: options.Json = False,
) -> None:
    """Delete what is kept for a time only, as a server does each hour. Options: another time than the setting, once."""
    given = {
        "transcripts": transcripts, "recordings": recordings, "contacts_files": contacts_files,
        "carrier_logs": carrier_logs, "virtual_runs": virtual_runs, "deliveries": deliveries,
    }  # fmt: skip
    once = {name: parse_kept(f"--{name.replace('_', '-')}", text) for name, text in given.items() if text is not None}
    gone = perform(_purge(once))
    if as_json:
        output.print_json(gone)
    else:
        rows = [(words, f"{gone[name]:,}") for name, words in WORDS.items() if name in gone]
        output.table(("deleted", "count"), rows, right=("count",))


async def _purge(once: dict[str, timedelta | None]) -> dict[str, int]:
    from dialplane.engine.jobs import install  # noqa: PLC0415  (the engine)

    async with opened_server() as server:
        await install(server.database)  # which has a history that is purged too
        return await server.purge(replace(server.settings.keep, **once))
