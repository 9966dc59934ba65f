"""`dialplane serve`: the HTTP API, with workers and background jobs in processes of their own."""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from dialplane.cli import output
from dialplane.cli.session import perform, say_waiting, settings
from dialplane.cli.signals import interrupts
from dialplane.errors import EnvironmentFault, Invalid

if TYPE_CHECKING:
    import uvicorn

GRACE_SECONDS = 5  # for requests that are being answered
CONNECTIONS = 16


def serve(
    port: Annotated[int, typer.Option("--port", help="0 takes a free one.")] = 8000,
    host: Annotated[str, typer.Option("--host", help="0.0.0.0 lets other machines in.")] = "127.0.0.1",
    workers: Annotated[int, typer.Option("--workers", help="Processes that dial; 0 where others do.")] = 1,
) -> None:
    """Serve the HTTP API and dial. SIGTERM or Ctrl-C: start nothing more, let calls end; once more: hang up.

    Logs are JSON lines on standard error. `dialplane worker` on more machines dials for the same campaigns.
    """
    if not 0 <= workers <= 64:
        raise Invalid(f"--workers must be 0 to 64, not {workers}")
    if not 0 <= port <= 65535:
        raise Invalid(f"--port must be 0 to 65535, not {port}")
    output.log_to(output.say, as_json=True)
    with _shared_metrics():
        perform(_serve(host, port, workers))


@contextmanager
def _shared_metrics() -> Iterator[None]:
    """A folder in which all processes count; the variable must be set before the first metric is made."""
    with tempfile.TemporaryDirectory(prefix="dialplane-metrics-", ignore_cleanup_errors=True) as folder:
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = folder
        yield


async def _serve(host: str, port: int, workers: int) -> None:
    import structlog  # noqa: PLC0415
    import uvicorn  # noqa: PLC0415

    from dialplane.cli.children import Children  # noqa: PLC0415
    from dialplane.web.site import build_site  # noqa: PLC0415
    from dialplane.wiring import open_server  # noqa: PLC0415

    log = structlog.get_logger()
    with interrupts() as signals:
        async with open_server(settings(), on_wait=say_waiting, max_connections=CONNECTIONS) as server:
            organization_id = await server.prepare()
            app = build_site(server)
            http = uvicorn.Server(
                uvicorn.Config(
                    app, host=host, port=port, log_config=None, timeout_graceful_shutdown=GRACE_SECONDS, lifespan="on"
                )
            )
            children = Children([["jobs"], *[["worker"]] * workers])
            answering = asyncio.create_task(_answer(http, host, port))
            listening = asyncio.create_task(_listening(http))
            await asyncio.wait({answering, listening}, return_when=asyncio.FIRST_COMPLETED)
            if answering.done():
                listening.cancel()
                return await answering
            children.start()
            log.info("server.started", address=listening.result(), workers=workers)
            output.say(f"Dialplane listens on {listening.result()}")
            if (token := await server.people.invite_first(organization_id)) is not None:
                reached_at = server.settings.public_url or listening.result()
                output.say(f"Open this link to become its first administrator: {reached_at}/welcome?token={token}")

            def stop(_: int) -> None:
                http.should_exit = True
                app.state.hub.closing.set()  # uvicorn waits for streams, which end by themselves alone
                children.stop()

            with signals.to(stop):
                try:
                    await answering
                finally:
                    if not signals.count:
                        children.stop()
                    await children.wait()
            log.info("server.stopped")
    return None


async def _answer(http: uvicorn.Server, host: str, port: int) -> None:
    """uvicorn without its own handling of signals and without its sys.exit."""
    try:
        await http._serve()
    except SystemExit:
        raise EnvironmentFault(f"{host}:{port} cannot be listened on: is another server there? Try --port") from None


async def _listening(http: uvicorn.Server) -> str:
    while not http.started:  # noqa: ASYNC110  (uvicorn tells nobody)
        await asyncio.sleep(0.01)
    host, port, *_ = http.servers[0].sockets[0].getsockname()
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
