"""`dialplane jobs`: imports, webhooks and other background work, until it is told to stop."""

from __future__ import annotations

import asyncio
from typing import Annotated

import typer

from dialplane.cli import output
from dialplane.cli.session import perform, say_waiting, settings
from dialplane.cli.signals import interrupts


def jobs(
    with_parent: Annotated[bool, typer.Option("--with-parent", hidden=True)] = False,
) -> None:
    """Carry out background work; `dialplane serve` has a process that does. Logs are JSON lines on standard error."""
    output.log_to(output.say, as_json=True)
    perform(_carry_out(with_parent))


async def _carry_out(with_parent: bool) -> None:
    import structlog  # noqa: PLC0415

    from dialplane.cli.children import when_parent_leaves  # noqa: PLC0415
    from dialplane.cli.space import watch  # noqa: PLC0415
    from dialplane.wiring import open_server  # noqa: PLC0415

    log = structlog.get_logger()
    with interrupts() as signals:
        async with open_server(settings(), on_wait=say_waiting) as server:
            await server.prepare()
            ours = server.jobs()
            work = asyncio.create_task(ours.run())
            log.info("jobs.started")
            watching = asyncio.create_task(watch(server.settings))
            leaving = asyncio.create_task(when_parent_leaves(ours.stop)) if with_parent else None
            with signals.to(lambda count: ours.stop() if count == 1 else work.cancel()):
                try:
                    await work
                except asyncio.CancelledError:
                    log.warning("jobs.left")
            watching.cancel()
            if leaving is not None:
                leaving.cancel()
            log.info("jobs.stopped")
