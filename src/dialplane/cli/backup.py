"""`dialplane backup` and `dialplane restore`: an installation as one file, and an installation from it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dialplane import __version__
from dialplane.cli import options, output
from dialplane.cli.session import opened_server, perform, settings
from dialplane.errors import Conflict, EnvironmentFault, Invalid

if TYPE_CHECKING:
    from dialplane.config import Settings
    from dialplane.engine.archive import Archive
    from dialplane.engine.backup import Made
    from dialplane.engine.carriers import CarrierRecord
    from dialplane.engine.restoring import Restored
    from dialplane.ports import Carrier

MARKED = "backup"  # what a secret signs, so that it can be told from another one


def backup(
    file: Annotated[Path, typer.Argument(metavar="FILE", show_default=False, help="Made anew: dialplane.zip.")],
    without_files: Annotated[bool, typer.Option("--without-files", help="Leave out contacts files.")] = False,
    with_secret_key: Annotated[
        bool, typer.Option("--with-secret-key", help="The file then opens all secrets.")
    ] = False,
    as_json: options.Json = False,
) -> None:
    """Write all there is into one file, while everything goes on. `dialplane restore` makes an installation of it."""
    ours, secret = settings(), _secret(settings())
    made = perform(_backup(file, ours, secret, without_files=without_files, with_secret_key=with_secret_key))
    notes = _not_in_it(ours, secret, without_files=without_files, with_secret_key=with_secret_key)
    size = file.stat().st_size
    if as_json:
        output.print_json({
            "file": str(file.absolute()), "made_at": made.made_at, "bytes": size, "rows": made.rows,
            "files": made.files, "carrier_logs": made.carrier_logs, "not_in_it": notes,
        })  # fmt: skip
        return
    held = f"{output.count(made.rows, 'row')}, {output.count(made.files, 'file')}"
    print(f"{file}: {size / 1e6:,.1f} MB, {held}, as of {output.moment(made.made_at)}")
    for note in notes:
        print(f"not in it: {note}")


async def _backup(
    file: Path, ours: Settings, secret: str | None, *, without_files: bool, with_secret_key: bool
) -> Made:
    from dialplane.engine.backup import Left, back_up  # noqa: PLC0415  (the engine)

    left = Left(
        files=None if without_files or ours.files_url is not None else ours.files_folder,
        carrier_logs=ours.carrier_logs,
        secret_mark=_mark(secret),
        secret=secret if with_secret_key else None,
    )
    async with opened_server(as_it_is=True) as server:
        return await back_up(server.database, file, left, version=__version__)


def _not_in_it(ours: Settings, secret: str | None, *, without_files: bool, with_secret_key: bool) -> list[str]:
    notes = []
    if ours.files_url is not None:
        notes.append(f"files, which are in {ours.files_url}")
    elif without_files:
        notes.append(f"files, which are in {ours.files_folder}")
    if secret is not None and not with_secret_key:
        where = "DIALPLANE_SECRET_KEY" if ours.secret_key is not None else str(ours.secret_file)
        notes.append(f"the secret key ({where}), without which no restore opens its secrets: keep it elsewhere")
    return notes


def restore(
    file: Annotated[Path, typer.Argument(metavar="FILE", show_default=False, help="What `dialplane backup` wrote.")],
    new_secret_key: Annotated[
        bool, typer.Option("--new-secret-key", help="The old one is lost: secrets must be entered again.")
    ] = False,
    as_json: options.Json = False,
) -> None:
    """Make an installation of a backup, where there is none. Campaigns are paused; carriers are asked about calls."""
    output.log_to(output.say)
    restored, lines = perform(_restore(file, new_secret_key))
    if as_json:
        output.print_json(_told(file, restored, lines))
    else:
        _tell(restored, lines)


async def _restore(file: Path, new_secret_key: bool) -> tuple[Restored, Mapping[str, int]]:
    """What was restored, and calls that are open now, by state."""
    from dialplane.engine.archive import open_archive  # noqa: PLC0415
    from dialplane.engine.restoring import Restoring, ask  # noqa: PLC0415

    with open_archive(file) as archive:
        async with opened_server() as server:
            ours = server.settings
            opens = _bring_secret(ours, archive, new_secret_key)

            def open_carrier(record: CarrierRecord) -> Carrier:
                if record.sealed and not opens:
                    raise Invalid("its credentials were sealed with the old secret key")
                return server.open_carrier(record)

            restoring = Restoring(server.database, archive, server.files, ours.carrier_logs, open_carrier)
            restored = await restoring.restore()
            if not (restored.doubted or restored.entered):
                return restored, {}
            anybody = restored.organizations[0]  # a worker asks for all of them
            return restored, await ask(server.database, server.of(anybody).worker())


def _told(file: Path, restored: Restored, lines: Mapping[str, int]) -> dict[str, Any]:
    return {
        "file": str(file.absolute()),
        "made_at": restored.manifest.made_at,
        "dialplane": restored.manifest.dialplane,
        "rows": restored.rows,
        "files": restored.files,
        "campaigns": [
            {"id": each.id, "name": each.name, "state": each.state, "state_before": each.state_before}
            for each in restored.halted
        ],
        "open_attempts": restored.doubted,
        "later_calls": restored.entered,
        "open_calls": lines,
        "cannot_tell": restored.forgetful,
    }


def _tell(restored: Restored, lines: Mapping[str, int]) -> None:
    manifest = restored.manifest
    held = f"{output.count(restored.rows, 'row')}, {output.count(restored.files, 'file')}"
    print(f"restored: {held}, as of {output.moment(manifest.made_at)}, made by Dialplane {manifest.dialplane}")
    doubted, later = output.count(restored.doubted, "attempt"), output.count(restored.entered, "later call")
    print(f"{doubted} were open then; the carriers remember {later}; {sum(lines.values())} are open now")
    for name, why in restored.forgetful.items():
        output.say(
            f"! the carrier '{name}' could not say whom it called after the backup ({why}): whoever was called through "
            "it since then waits again, and would be called again"
        )
    if restored.halted:
        columns = ("campaign", "name", "was", "is")
        output.table(columns, [(c.id, c.name, c.state_before, c.state) for c in restored.halted], right=("campaign",))
        print("nothing dials by itself: dialplane campaign resume ID, or start ID for a draft")


# --- the secret key ------------------------------------------------------------------------------------------


def _bring_secret(ours: Settings, archive: Archive, new_secret_key: bool) -> bool:
    """Whether this installation's secret opens what is sealed in the backup; its own is put in place where none is.

    Raises Conflict where it does not, and nobody said that the old one is lost.
    """
    wanted, given, present = archive.manifest.secret_mark, archive.secret(), _secret(ours)
    if present is None and given is not None:
        _write_secret(ours.secret_file, given)
        present = given
    if wanted in ("", _mark(present)):
        return True
    if new_secret_key:
        return False
    raise Conflict(
        "the backup was made with another secret key than the one here: set DIALPLANE_SECRET_KEY to it, or put the old "
        f"secret.key at {ours.secret_file}. If it is lost, --new-secret-key restores all but what it had sealed"
    )


def _secret(ours: Settings) -> str | None:
    """The one in use; looking makes none."""
    if ours.secret_key is not None:
        return ours.secret_key
    try:
        return ours.secret_file.read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        return None
    except OSError as fault:
        raise EnvironmentFault(f"{ours.secret_file} cannot be read: {fault.strerror}") from fault


def _mark(secret: str | None) -> str:
    from dialplane.secrets import Secrets  # noqa: PLC0415

    return "" if secret is None else Secrets(secret).sign(MARKED)


def _write_secret(path: Path, secret: str) -> None:
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.touch(mode=0o600, exist_ok=False)
        path.write_text(secret, encoding="utf-8")
    except OSError as fault:
        raise EnvironmentFault(f"{path} cannot be written: {fault.strerror}") from fault
