"""`dialplane campaign …`: campaigns without dialling; workers carry out what is ordered here."""

from __future__ import annotations

import typer

from dialplane.cli.campaign import look, make, steer, why

app = typer.Typer(no_args_is_help=True, help="Make, steer and look at campaigns.")
app.command()(why.why)
app.command("list")(look.list_)
app.command()(look.show)
app.command()(look.log)
app.command()(look.report)
app.command()(make.create)
app.command()(make.redial)
app.command()(steer.start)
app.command()(steer.schedule)
app.command()(steer.unschedule)
app.command()(steer.pause)
app.command()(steer.resume)
app.command()(steer.cancel)
app.command()(steer.close)
app.command()(steer.update)
