"""What commands print: JSON for programs, tables for people, log lines on stderr."""

from __future__ import annotations

import json
import logging
import os
import re
import sys
import time
from collections.abc import Callable, Iterable, Mapping, MutableMapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

    from dialplane.engine.views import CampaignRecord, Progress
    from dialplane.wiring import App

ANSWERS_SHOWN = 5
REPEAT_SECONDS = 10.0  # a log line that comes again sooner is left out
_NUMBER = re.compile(r"(\+\d{1,4})\d+(\d{4})\b")


def print_json(value: object) -> None:
    """The one thing on stdout."""
    print(json.dumps(value, ensure_ascii=False, default=_plain))


def _plain(value: object) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)


def say(text: str) -> None:
    """A line for the person, out of the way of what programs read."""
    print(text, file=sys.stderr, flush=True)


def table(columns: Sequence[str], rows: Iterable[Sequence[object]], *, right: Sequence[str] = ()) -> None:
    """A plain table on stdout; `right` names the columns of numbers."""
    from rich.box import SIMPLE_HEAD  # noqa: PLC0415  (not needed for --json)
    from rich.console import Console  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    made = Table(box=SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for column in columns:
        made.add_column(column, justify="right" if column in right else "left", overflow="fold")
    for row in rows:
        made.add_row(*(Text("" if cell is None else str(cell)) for cell in row))
    console = Console()
    if not console.is_terminal:
        console.width = 200  # for grep and less: no cell is folded that a terminal would have had to
    console.print(made)


# --- words -----------------------------------------------------------------------------------------------


def masked(text: str) -> str:
    """'+14155550100' -> '+1415•••0100', anywhere in the text."""
    return _NUMBER.sub(r"\1•••\2", text)


def moment(at: datetime | None) -> str:
    """An instant as the person's own clock shows it."""
    return "" if at is None else at.astimezone().strftime("%Y-%m-%d %H:%M:%S")


def duration(seconds: float) -> str:
    """'0:01:23', '2 days 3:00:00'"""
    whole = timedelta(seconds=max(0, round(seconds)))
    clock = str(timedelta(seconds=whole.seconds))
    if not whole.days:
        return clock
    return f"{whole.days} day{'s' if whole.days > 1 else ''} {clock}"


def count(number: int, noun: str) -> str:
    """'1 contact', '2,000 contacts'"""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


# --- a campaign as JSON --------------------------------------------------------------------------------------


def counts(progress: Progress) -> dict[str, Any]:
    """The part that lists and reports share."""
    return {
        "contacts": progress.contacts(),
        "attempts": progress.attempts,
        "dispositions": dict(progress.dispositions),
    }


async def summary(app: App, campaign_id: int, *, report: Path | None, rejects: Path | None) -> dict[str, Any]:
    """What `run --json` ends with."""
    campaign = await app.campaigns.get(campaign_id)
    progress = (await app.campaigns.progress([campaign_id]))[campaign_id]
    log = await app.carrier_log(campaign_id)
    return {
        "campaign_id": campaign_id,
        "state": campaign.state.value,
        "contacts": progress.contacts(),
        "rejected_rows": await app.campaigns.rejected_rows(campaign_id),
        "attempts": progress.attempts,
        "dispositions": dict(progress.dispositions),
        "skipped": await app.campaigns.skip_reasons(campaign_id) if progress.skipped else {},
        "started_at": campaign.started_at,
        "finished_at": campaign.ended_at,
        "report": _absolute(report),
        "rejects": _absolute(rejects),
        "carrier_log": _absolute(log if log is not None and log.exists() else None),
    }


def _absolute(path: Path | None) -> str | None:
    return None if path is None else str(path.absolute())


async def versions(app: App, campaign: CampaignRecord) -> list[dict[str, Any]]:
    """The results of a campaign by version of its agent; none without a split, for counting takes a while."""
    split = campaign.policies.split
    found = (await app.results.campaign(campaign.id)).versions if split.weights else ()
    return [
        {
            "version": each.version,
            "weight": split.weights.get(each.version),
            "attempts": each.share.calls,
            "placed": each.share.placed,
            "answered": each.share.answered,
            "contacts": each.contacts,
            "reached": each.reached,
            "talk_seconds": each.talk_seconds,
            "gathered": {field.name: dict(field.answers) for field in each.fields},
        }
        for each in found
    ]


def show_versions(found: Sequence[Mapping[str, Any]]) -> None:
    """A table of `versions`, and what each one has gathered."""
    columns = ("version", "weight", "attempts", "answered", "contacts", "reached", "talk seconds")
    rows = [
        (
            each["version"],
            each["weight"],
            *(f"{each[name]:,}" for name in columns[2:5]),
            f"{each['reached'] / each['contacts']:.1%}" if each["contacts"] else "",
            "" if each["talk_seconds"] is None else f"{each['talk_seconds']:.1f}",
        )
        for each in found
    ]
    table(columns, rows, right=columns)
    for each in found:
        for field, answers in each["gathered"].items():
            most = list(answers.items())[:ANSWERS_SHOWN]
            print(f"version {each['version']}, {field}: " + ", ".join(f"{value} {calls:,}" for value, calls in most))


def settings_json(campaign: CampaignRecord) -> dict[str, Any]:
    """Its policies, as they are stored."""
    policies = campaign.policies
    return {
        "max_concurrency": policies.max_lines,
        "cps": policies.cps,
        "window": policies.window.to_json(),
        "retry": policies.retry.to_json(),
        "breaker": policies.breaker.to_json(),
        "abandon": policies.abandon.to_json(),
        "recording": policies.recording.to_json(),
        "agent_versions": policies.split.to_json(),
        "machine_detection": policies.machines.to_json(),
    }


# --- logs ------------------------------------------------------------------------------------------------


def log_to(write: Callable[[str], None], *, as_json: bool = False) -> None:
    """Where log events go from now on: one line each; JSON lines say all, others warnings and above."""
    import structlog  # noqa: PLC0415

    shown: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    if as_json:
        shown += [structlog.processors.format_exc_info, structlog.processors.JSONRenderer(ensure_ascii=False)]
    else:
        shown += [_drop_repeated(), _line]
    structlog.configure(
        processors=shown,
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO if as_json else logging.WARNING),
        logger_factory=lambda *_: _Lines(write),
        cache_logger_on_first_use=False,
    )
    logging.getLogger().handlers = [_FromLibraries(logging.WARNING)]


class _FromLibraries(logging.Handler):
    """What libraries log by themselves, as one event each: a traceback of theirs helps nobody who dials."""

    def emit(self, record: logging.LogRecord) -> None:
        import structlog  # noqa: PLC0415

        failure = record.exc_info[1] if record.exc_info else None
        details = {"error": f"{type(failure).__name__}: {failure}"} if failure is not None else {}
        structlog.get_logger().warning("library.warned", library=record.name, text=record.getMessage(), **details)


class _Lines:
    """A logger that hands each line on, without anybody's number in it."""

    def __init__(self, write: Callable[[str], None]) -> None:
        self._write = write

    def msg(self, line: str) -> None:
        self._write(masked(line))

    debug = info = warning = error = critical = exception = msg


def _drop_repeated() -> Callable[[Any, str, MutableMapping[str, Any]], MutableMapping[str, Any]]:
    """A database that is gone is reported several times a second: once in a while is enough to read."""
    import structlog  # noqa: PLC0415

    last: dict[str, float] = {}

    def drop(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        key, now = str(event["event"]), time.monotonic()
        if now - last.get(key, -REPEAT_SECONDS) < REPEAT_SECONDS:
            raise structlog.DropEvent
        last[key] = now
        return event

    return drop


def _line(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> str:
    """'warning: database.lost error=…'"""
    fields: Mapping[str, Any] = {k: v for k, v in event.items() if k not in ("event", "level", "timestamp", "exc_info")}
    text = f"{event['level']}: {event['event']} {' '.join(f'{k}={v}' for k, v in fields.items())}".rstrip()
    failure = sys.exc_info()[1] if event.get("exc_info") else None
    if failure is not None:
        text += f" ({type(failure).__name__}: {failure})"
        if os.environ.get("DIALPLANE_DEBUG") == "1":
            import traceback  # noqa: PLC0415

            text += "\n" + "".join(traceback.format_exception(failure))
    return text
