"""`dialplane voice …`: what assistants and workflows listen, think and speak with."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from dialplane.cli import options, output
from dialplane.cli.session import opened, perform

app = typer.Typer(no_args_is_help=True, help="Voice services, with which assistants and workflows talk.")


@app.command("set")
def set_(
    file: Annotated[Path, typer.Argument(metavar="FILE.yaml", show_default=False, help="llm, stt, tts and prices.")],
    as_json: options.Json = False,
) -> None:
    """Set them all. `${NAME}` as a secret is what the environment says."""
    perform(_set(file, as_json))


async def _set(file: Path, as_json: bool) -> None:
    from dialplane.engine.agent_secrets import from_environment  # noqa: PLC0415  (the engine)

    services = from_environment(options.definition(file, "FILE") or {}, os.environ)
    async with opened() as app:
        await app.voice.set(services)
        kept = await app.voice.get()
    if as_json:
        output.print_json({"services": kept})
    else:
        print("assistants and workflows with a prompt talk with these services from now on")


@app.command()
def show(as_json: options.Json = False) -> None:
    """What they are, their secrets sealed."""
    perform(_show(as_json))


async def _show(as_json: bool) -> None:
    from dialplane.engine.definitions import write_definition  # noqa: PLC0415

    async with opened() as app:
        found = await app.voice.get()
    if as_json:
        output.print_json({"services": found})
    elif found is None:
        print("there are none; `dialplane voice set FILE.yaml` sets them")
    else:
        print(write_definition(found), end="")


@app.command()
def clear(as_json: options.Json = False) -> None:
    """Assistants and workflows speak what they can without."""
    perform(_clear(as_json))


async def _clear(as_json: bool) -> None:
    async with opened() as app:
        await app.voice.clear()
    if as_json:
        output.print_json({"services": None})
    else:
        print("there are none any more")
