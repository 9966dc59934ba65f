"""`dialplane dnc …`: the do-not-call list, which holds for all campaigns."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from dialplane.cli import options, output
from dialplane.cli.session import opened, perform
from dialplane.errors import Invalid

app = typer.Typer(no_args_is_help=True, help="Numbers that nobody calls, whatever the campaign.")

Numbers = Annotated[list[str], typer.Argument(metavar="NUMBER…", show_default=False, help="Such as +14155550100.")]
PAGE = 1000
TOLD_REJECTS = 10
CHUNK_BYTES = 1 << 20


@app.command()
def add(
    numbers: Numbers,
    note: Annotated[str, typer.Option("--note", help="Why.", show_default=False)] = "",
    default_region: options.DefaultRegion = None,
    as_json: options.Json = False,
) -> None:
    """Enter numbers; once this returns, none of them is called any more."""
    perform(_add(numbers, note, options.region(default_region), as_json))


async def _add(numbers: list[str], note: str, default_region: str | None, as_json: bool) -> None:
    from dialplane.engine.contacts import e164  # noqa: PLC0415  (the engine)

    wanted = list(dict.fromkeys(e164(number, default_region) for number in numbers))
    async with opened() as app:
        added = await app.contacts.do_not_call(wanted, source="hand", note=note)
    if as_json:
        output.print_json({"added": added, "known": len(wanted) - added})
    else:
        print(f"{output.count(added, 'number')} added, {len(wanted) - added} on the list already")


@app.command()
def remove(numbers: Numbers, default_region: options.DefaultRegion = None, as_json: options.Json = False) -> None:
    """Take numbers off the list; contacts that were skipped for it stay skipped until they are restored."""
    perform(_remove(numbers, options.region(default_region), as_json))


async def _remove(numbers: list[str], default_region: str | None, as_json: bool) -> None:
    from dialplane.engine.contacts import e164  # noqa: PLC0415

    wanted = [e164(number, default_region) for number in numbers]
    async with opened() as app:
        removed = await app.contacts.call_again(wanted)
    if as_json:
        output.print_json({"removed": removed})
    else:
        print(f"removed {', '.join(removed)}" if removed else "none of these is on the list")


@app.command("import")
def import_(
    file: Annotated[Path, typer.Argument(metavar="FILE", show_default=False)],
    note: Annotated[str, typer.Option("--note", help="Why.", show_default=False)] = "",
    default_region: options.DefaultRegion = None,
    as_json: options.Json = False,
) -> None:
    """Enter the numbers of a file: a CSV with a phone column, or one number a line."""
    if not file.is_file():
        raise Invalid(f"{file} is a folder: name a file in it" if file.is_dir() else f"there is no file {file}")
    perform(_import(file, note, options.region(default_region), as_json))


async def _import(file: Path, note: str, default_region: str | None, as_json: bool) -> None:
    read = _Numbers(file, default_region)
    read.check()
    async with opened() as app:
        added = await app.contacts.do_not_call(iter(read), source="file", note=note or file.name)
    if as_json:
        output.print_json({"added": added, "known": read.good - added, "rejected": read.rejected})
        return
    print(f"{output.count(added, 'number')} added, {read.good - added} on the list already")
    for reject in read.rejected[:TOLD_REJECTS]:
        output.say(f"row {reject['row']} rejected: '{reject['value']}': {reject['reason']}; {reject['fix']}")
    if len(read.rejected) > TOLD_REJECTS:
        output.say(f"… and {len(read.rejected) - TOLD_REJECTS} more; --json lists all")


class _Numbers:
    """Numbers of a file, as a stream; what is none is kept in `rejected`."""

    def __init__(self, file: Path, default_region: str | None) -> None:
        self._file = file
        self._default_region = default_region
        self.good = 0
        self.rejected: list[dict[str, Any]] = []

    def check(self) -> None:
        """Raises Invalid for a file without numbers, before anything is entered."""
        if not any(True for _ in self):
            first = self.rejected[0] if self.rejected else None
            why = f": row {first['row']}, '{first['value']}': {first['reason']}; {first['fix']}" if first else ""
            raise Invalid(f"{self._file.name} has no number that could be entered{why}")

    def __iter__(self) -> Iterator[str]:
        from dialplane.engine.number_file import read_numbers  # noqa: PLC0415

        self.good, self.rejected = 0, []
        with self._file.open("rb") as content:
            chunks = iter(lambda: content.read(CHUNK_BYTES), b"")
            for batch in read_numbers(chunks, name=self._file.name, default_region=self._default_region):
                self.good += len(batch.numbers)
                self.rejected += [
                    {"row": reject.row_number, "value": reject.value, "reason": reject.reason, "fix": reject.fix}
                    for reject in batch.rejects
                ]
                yield from batch.numbers


@app.command("list")
def list_(as_json: options.Json = False) -> None:
    """All numbers on the list."""
    perform(_list(as_json))


async def _list(as_json: bool) -> None:
    found: list[dict[str, Any]] = []
    async with opened() as app:
        after = ""
        while page := await app.contacts.do_not_call_page(after=after, limit=PAGE):
            after = page[-1]["to_number"]
            found += [dict(row) for row in page]
    if as_json:
        output.print_json(found)
    elif not found:
        print("the list is empty")
    else:
        rows = [(each["to_number"], each["source"], each["note"], output.moment(each["created_at"])) for each in found]
        output.table(("number", "source", "note", "since"), rows)
