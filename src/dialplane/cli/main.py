"""The command `dialplane`: its parts put together, and the one place where errors end."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from dialplane import __version__
from dialplane.cli import (
    backup,
    campaign,
    contacts,
    dnc,
    doctor,
    forecast,
    jobs,
    keys,
    purge,
    run,
    serve,
    voice,
    worker,
)
from dialplane.cli.errors import tell

app = typer.Typer(
    name="dialplane",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Outbound voice campaigns: every contact called once, inside the law and the limits.",
    epilog="Environment: DIALPLANE_HOME (data folder), DIALPLANE_DATABASE_URL (a PostgreSQL of your own).",
)
app.command()(run.run)
app.command()(forecast.forecast)
app.command()(serve.serve)
app.command()(worker.worker)
app.command()(jobs.jobs)
app.add_typer(campaign.app, name="campaign")
app.add_typer(contacts.app, name="contacts")
app.add_typer(dnc.app, name="dnc")
app.add_typer(keys.app, name="keys")
app.add_typer(voice.app, name="voice")
app.command()(backup.backup)
app.command()(backup.restore)
app.command()(purge.purge)
app.command()(doctor.doctor)


def _version(wanted: bool) -> None:
    if wanted:
        print(f"dialplane {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    _wanted: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """All commands begin here."""


def main() -> None:
    """The executable. Exit codes: 0 done, 2 bad input, 3 stopped before the end, 4 environment, 1 a defect."""
    try:
        app()
    except BrokenPipeError:
        sys.stderr.close()  # who read our output has seen enough
        sys.exit(0)
    except (Exception, KeyboardInterrupt) as error:
        sys.exit(tell(error))


if __name__ == "__main__":
    main()
