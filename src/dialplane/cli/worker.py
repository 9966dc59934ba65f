"""`dialplane worker`: dials for all campaigns until it is told to stop."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated

import typer

from dialplane.cli import output
from dialplane.cli.session import opened, perform
from dialplane.cli.signals import interrupts
from dialplane.errors import Invalid

if TYPE_CHECKING:
    from dialplane.engine.worker import Worker


def worker(
    capacity: Annotated[int, typer.Option("--capacity", help="The most lines that this worker uses.")] = 500,
    with_parent: Annotated[bool, typer.Option("--with-parent", hidden=True)] = False,
) -> None:
    """Dial for all campaigns. SIGTERM or Ctrl-C: start nothing more, let calls end; once more: hang up.

    Logs are JSON lines on standard error. Any number of workers may run, on any number of machines with one database.
    """
    if capacity < 1:
        raise Invalid(f"--capacity must be 1 or more, not {capacity}")
    perform(_dial(capacity, with_parent))


async def _dial(capacity: int, with_parent: bool) -> None:
    import structlog  # noqa: PLC0415  (only this command logs by itself)

    from dialplane.cli.children import when_parent_leaves  # noqa: PLC0415

    output.log_to(output.say, as_json=True)
    log = structlog.get_logger()
    with interrupts() as signals:
        async with opened() as app:
            ours = app.worker(capacity=capacity)
            dialling = asyncio.create_task(ours.run())
            log.info("worker.started", worker_id=str(ours.worker_id), capacity=capacity)
            leaving = asyncio.create_task(when_parent_leaves(ours.stop)) if with_parent else None
            with signals.to(lambda count: _stop(ours, dialling, count)):
                try:
                    await dialling
                except asyncio.CancelledError:
                    log.warning("worker.left", calls=ours.in_flight)
            if leaving is not None:
                leaving.cancel()
            log.info("worker.stopped", worker_id=str(ours.worker_id))


_hanging_up: set[asyncio.Task[None]] = set()  # the event loop alone would forget them


def _stop(worker: Worker, dialling: asyncio.Task[None], count: int) -> None:
    """First drain, then hang up, then leave at once: other workers ask the carrier about what is left."""
    worker.stop()
    if count == 2:
        task = asyncio.get_running_loop().create_task(worker.calls.hang_up_all())
        _hanging_up.add(task)
        task.add_done_callback(_hanging_up.discard)
    elif count > 2:
        dialling.cancel()
