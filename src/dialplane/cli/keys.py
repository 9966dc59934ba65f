"""`dialplane keys …`: what programs show to the HTTP API."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dialplane.cli import options, output
from dialplane.cli.session import opened_server, perform
from dialplane.core.retry import parse_duration
from dialplane.errors import Invalid, NotFound

if TYPE_CHECKING:
    from dialplane.wiring import Server

app = typer.Typer(no_args_is_help=True, help="Keys of the HTTP API, each for one organization.")

Organization = Annotated[str, typer.Option("--org", metavar="NAME", help="The organization.")]
PAGE = 1000


@app.command()
def create(
    org: Annotated[str, typer.Option("--org", metavar="NAME", help="The organization; made if it is new.")] = "default",
    name: Annotated[str, typer.Option("--name", help="What the key is for.")] = "command line",
    role: Annotated[str, typer.Option("--role", help="viewer, operator or owner.")] = "owner",
    expires: Annotated[
        str | None, typer.Option("--expires", metavar="90d", help="How long it opens.", show_default="for ever")
    ] = None,
    as_json: options.Json = False,
) -> None:
    """Make a key. It is shown now and never again."""
    perform(_create(org, name, role, expires, as_json))


async def _create(org: str, name: str, role: str, expires: str | None, as_json: bool) -> None:
    from dialplane.engine import catalog  # noqa: PLC0415  (the engine)
    from dialplane.engine.keys import Role, create_key  # noqa: PLC0415

    if role not in list(Role):
        raise Invalid(f"--role must be {', '.join(Role)}, not '{role}'")
    if not org.strip() or not name.strip():
        raise Invalid("--org and --name must not be empty")
    expires_at = None if expires is None else datetime.now(UTC) + parse_duration(expires)
    async with opened_server() as server:
        organization_id = await catalog.ensure_organization(server.database, org.strip())
        await server.provision(organization_id)
        made = await create_key(server.database, organization_id, name.strip(), Role(role), expires_at=expires_at)
    if as_json:
        output.print_json({
            "organization": org.strip(), "name": name.strip(), "key": made.key, "id": made.id, "role": role,
            "expires_at": expires_at,
        })  # fmt: skip
    else:
        print(made.key)
        output.say(f"a key of '{org.strip()}' for {role}s; it is shown only this once")


@app.command("list")
def list_(org: Organization = "default", as_json: options.Json = False) -> None:
    """Keys of an organization, newest first, revoked ones too."""
    perform(_list(org, as_json))


async def _list(org: str, as_json: bool) -> None:
    from dialplane.engine.keys import keys  # noqa: PLC0415

    found: list[dict[str, Any]] = []
    async with opened_server() as server:
        organization_id = await _known(server, org)
        before = None
        while page := await keys(server.database, organization_id, before=before, limit=PAGE):
            before = page[-1]["id"]
            found += [dict(row) for row in page]
    if as_json:
        output.print_json(found)
    elif not found:
        print(f"'{org}' has no keys")
    else:
        columns = ("id", "name", "role", "begins with", "made", "last used", "ends", "revoked")
        instants = ("created_at", "last_used_at", "expires_at", "revoked_at")
        output.table(
            columns,
            [
                (each["id"], each["name"], each["role"], each["prefix"], *(output.moment(each[at]) for at in instants))
                for each in found
            ],
            right=("id",),
        )


@app.command()
def revoke(
    key_id: Annotated[int, typer.Argument(metavar="ID", min=1, max=2**63 - 1, show_default=False)],
    org: Organization = "default",
    as_json: options.Json = False,
) -> None:
    """From now on it opens nothing."""
    perform(_revoke(key_id, org, as_json))


async def _revoke(key_id: int, org: str, as_json: bool) -> None:
    from dialplane.engine.keys import revoke_key  # noqa: PLC0415

    async with opened_server() as server:
        await revoke_key(server.database, await _known(server, org), key_id)
    if as_json:
        output.print_json({"revoked": key_id})
    else:
        print(f"key {key_id} is revoked")


async def _known(server: Server, org: str) -> int:
    """Looking makes no organization. Raises NotFound."""
    from dialplane.engine.catalog import find_organization  # noqa: PLC0415

    found = await find_organization(server.database, org.strip())
    if found is None:
        raise NotFound(f"there is no organization '{org}'; `dialplane keys create --org` makes one")
    return found
