"""What a database that is distributed by organization demands, beside what test_statements.py looks at."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from dialplane.engine.jobs import install
from dialplane.store.postgres import Database, migrations, sql

SCRIPT = (Path(__file__).parents[2] / "deploy" / "citus.sql").read_text(encoding="utf-8")
# An instant may be set as it was passed; a sum would be reckoned by each node.
SUM_IN_SET = re.compile(
    r"\bset\b(?:(?!\bfrom\b|\bwhere\b|\breturning\b).)*?(?:interval\b|\w+_(?:at|until|since)\s*[+-])"
)
INSERTED = re.compile(r"\binsert into (\w+)[^(]*\(([^)]*)\)\s*values\s*\(((?:[^()]|\([^()]*\))*)\)")


def distributed() -> list[str]:
    """By the script, in its order."""
    [names] = re.findall(r"unnest\(ARRAY\[(.*?)\]\)", SCRIPT, flags=re.DOTALL)
    return ["organization", *re.findall(r"'(\w+)'", names)]


def on_the_coordinator() -> set[str]:
    _, _, named = SCRIPT.partition("-- What belongs to no tenant stays on the coordinator, as it is:")
    return set(re.findall(r"\w+", named.replace("--", "")))


def statements() -> list[tuple[str, str]]:
    names = [name for name in sorted(sql.available_queries) if not name.endswith("_cursor")]
    return [(name, " ".join(re.sub(r"--[^\n]*", "", getattr(sql, name).sql).lower().split())) for name in names]


def test_every_table_of_the_migrations_has_its_place_in_the_script() -> None:
    made: set[str] = set()
    for _, _, text in migrations():
        made |= set(re.findall(r"^CREATE (?:UNLOGGED )?TABLE (?:IF NOT EXISTS )?(\w+)", text, flags=re.MULTILINE))
        made -= set(re.findall(r"^DROP TABLE (\w+)", text, flags=re.MULTILINE))

    assert len(distributed()) == len(set(distributed()))
    assert not set(distributed()) & on_the_coordinator()
    assert made | {"schema_migration"} <= set(distributed()) | on_the_coordinator()
    assert set(distributed()) <= made


@pytest.mark.asyncio
async def test_the_tables_of_the_database_are_those_of_the_script(database: Database) -> None:
    await install(database)  # the queue's tables too
    async with database.connection() as connection:
        tables = await connection.fetch(
            "SELECT relname FROM pg_class WHERE relnamespace = current_schema()::regnamespace AND relkind = 'r'"
        )
        references = await connection.fetch(
            "SELECT c.relname AS one, f.relname AS other FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid"
            " JOIN pg_class f ON f.oid = k.confrelid WHERE k.contype = 'f'"
            " AND k.connamespace = current_schema()::regnamespace"
        )

    assert {row["relname"] for row in tables} == set(distributed()) | on_the_coordinator()
    place = {name: at for at, name in enumerate(distributed())}
    for row in references:
        assert place[row["other"]] < place[row["one"]], f"{row['one']} refers to {row['other']}, which comes later"


@pytest.mark.asyncio
async def test_every_table_of_a_tenant_has_the_column_that_distributes_it(database: Database) -> None:
    async with database.connection() as connection:
        kinds = await connection.fetch(
            "SELECT table_name, data_type, is_nullable FROM information_schema.columns"
            " WHERE table_schema = current_schema()"
            " AND column_name = CASE table_name WHEN 'organization' THEN 'id' ELSE 'organization_id' END"
        )

    found = {row["table_name"]: (row["data_type"], row["is_nullable"]) for row in kinds}
    for name in distributed():
        assert found[name] == ("bigint", "NO"), name


def test_no_statement_reckons_with_instants_where_it_sets_a_column() -> None:
    assert not [name for name, text in statements() if SUM_IN_SET.search(text)]


def test_no_statement_asks_a_question_among_the_values_that_it_inserts() -> None:
    asking = [name for name, text in statements() for *_, values in INSERTED.findall(text) if "select" in values]

    assert not asking


def test_what_is_inserted_begins_with_its_organization() -> None:
    """Also where one statement writes to several tables."""
    apart = {"organization", *on_the_coordinator()}
    for name, text in statements():
        for table, columns in re.findall(r"\binsert into (\w+)(?: as \w+)? ?\(([^)]*)\)", text):
            assert table in apart or columns.startswith("organization_id,"), f"{name}: {table} ({columns})"
