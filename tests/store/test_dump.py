"""Tables as text: all of ours and nobody else's, and every value as it was."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Any

import pytest

from dialplane.store import dump
from dialplane.store.postgres import Connection, Database, migrations

pytestmark = pytest.mark.asyncio

ODD = r"""
INSERT INTO organization (uuid, name, max_lines, cps, tat, created_at)
VALUES (md5('1')::uuid,
        E'tab\t, line\n, back\\slash, Ünïcode 漢字, \\N', 7, 0.1, '-infinity', '2025-03-09 02:30:00.123456Z');
INSERT INTO api_key (organization_id, uuid, kind, name, role, prefix, digest, created_at)
VALUES (1, md5('2')::uuid, 'key', '', 'owner', 'dp_', '\x00ff0a5c', 'infinity');
INSERT INTO zone_group (organization_id, zones) VALUES (1, '{}'), (1, '{"a,b","c\"d",NULL}');
INSERT INTO webhook (organization_id, uuid, url, secret, kinds, transaction_id, event_id, created_at, updated_at)
VALUES (1, md5('3')::uuid,
        'https://example.org', 's', '{}', 9223372036854775807, -1, '0001-01-01 BC', '2025-01-01Z');
INSERT INTO call_note (organization_id, uuid, name, plan, updated_at)
VALUES (1, md5('4')::uuid, NULL,
        '{"a": "\u00e9\\n", "n": 0.1000, "big": 123456789012345678901234567890}', '2025-01-01Z');
"""


async def text_of(connection: Connection, table: dump.Table) -> bytes:
    written: list[bytes] = []

    async def write(data: bytes) -> None:
        written.append(data)

    await dump.copy_out(connection, table, write)
    return b"".join(written)


async def one(content: bytes) -> AsyncIterator[bytes]:
    yield content


async def test_every_table_is_dumped_or_left_out_by_name(database: Database) -> None:
    async with database.transaction() as connection:
        dumped = {table.name for table in await dump.tables(connection)}
        there = await connection.fetch(
            "SELECT relname FROM pg_class WHERE relnamespace = current_schema()::regnamespace AND relkind IN ('r', 'p')"
        )

    ours = {row["relname"] for row in there if not row["relname"].startswith("pgqueuer")}
    assert dumped == ours - dump.LEFT_OUT - {"schema_migration"}


async def test_what_a_table_refers_to_comes_before_it(database: Database) -> None:
    async with database.transaction() as connection:
        order = [table.name for table in await dump.tables(connection)]

    assert order.index("organization") < order.index("agent") < order.index("campaign") < order.index("contact")
    assert order.index("contact") < order.index("attempt")


async def test_tables_of_others_in_the_same_schema_stay_out(database: Database) -> None:
    async with database.transaction() as connection:
        await connection.execute("CREATE TABLE somebody_elses (id bigint)")
        dumped = {table.name for table in await dump.tables(connection)}
        await connection.execute("DROP TABLE somebody_elses")

    assert "somebody_elses" not in dumped


@pytest.mark.parametrize("setting", ["datestyle = 'SQL, DMY'", "bytea_output = 'escape'", "extra_float_digits = -3"])
async def test_every_value_comes_back_as_it_was(
    server: Mapping[str, Any], database: Database, fresh_schema: str, setting: str
) -> None:
    other = await Database.open(server, schema=fresh_schema)
    async with database.transaction() as connection:
        await connection.execute(ODD)
        await connection.execute(f"SET LOCAL {setting}")
        tables = await dump.tables(connection)
        texts = {table.name: await text_of(connection, table) for table in tables}

    async with other.unhurried() as connection:
        await connection.execute(f"SET LOCAL {setting}")
        await dump.lock(connection)
        await dump.rebuild(connection, [number for number, _, _ in migrations()])
        for table in tables:
            await dump.copy_in(connection, table, one(texts[table.name]))
        again = {table.name: await text_of(connection, table) for table in await dump.tables(connection)}
        name = await connection.fetchval("SELECT name FROM organization")
        next_id = await connection.fetchval("SELECT nextval('zone_group_id_seq')")
    await other.close()

    assert again == texts
    assert name == "tab\t, line\n, back\\slash, Ünïcode 漢字, \\N"
    assert next_id == 3
