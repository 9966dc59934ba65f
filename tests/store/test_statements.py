"""Every statement of the store: it prepares, it is one tenant's, and it reads no clock but the one it is given."""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib.resources import files

import pytest

from dialplane.engine.jobs import install
from dialplane.store.postgres import Database, migrations, sql

# What belongs to no tenant: workers, names of organizations, and where to look for work.
NO_TENANT = {
    "all_jobs",
    "all_lines",
    "all_pending_deliveries",
    "all_webhooks",
    "analyze",
    "attempts_estimated",
    "applied_migrations",
    "beat",
    "calls_to_hang_up",
    "contacts_estimated",
    "columns_of",
    "create_organization",
    "database_state",
    "due_organizations",
    "due_webhooks",
    "event_horizon",
    "find_key",
    "find_organization",
    "find_person",
    "find_invitation",
    "forget_workers",
    "leave",
    "live_workers",
    "lock_emails",
    "lock_organization_names",
    "moment",
    "organization_page",
    "organizations_with_calls",
    "purge_job_history",
    "purge_job_statistics",
    "references_of",
    "reserve_campaign_id",
    "set_sequence",
    "tables_among",
    "worker_address",
    "workers",
}
# It names the organization as a value: in a condition, or as the first column of what it writes.
SCOPED = re.compile(r"organization_id = \$\d|insert into \w+ \(organization_id,|organization( set .*)? where id = \$\d")
# Refused by a database that is distributed by organization, or different at each look inside one turn.
VOLATILE = re.compile(r"\b(now|clock_timestamp|transaction_timestamp|random|gen_random_uuid|uuid_generate_v4)\s*\(")
NO_CLOCK = re.compile(r"\b(current_timestamp|localtimestamp|current_date|current_time)\b")


def statements() -> Iterator[tuple[str, str]]:
    for name in sorted(sql.available_queries):
        query = getattr(sql, name)
        if not name.endswith("_cursor"):
            yield name, query.sql


def code(text: str) -> str:
    return re.sub(r"--[^\n]*", "", text).lower()


STATEMENTS = list(statements())


def test_there_are_as_many_statements_as_the_files_name() -> None:
    named = [
        name
        for entry in (files("dialplane.store") / "queries").iterdir()
        for name in re.findall(r"^-- name: (\w+)\(", entry.read_text(encoding="utf-8"), flags=re.MULTILINE)
    ]

    assert len(named) > 60
    assert sorted(named) == sorted(name for name, _ in STATEMENTS), "none is hidden by another of its name"


@pytest.mark.asyncio
async def test_every_statement_prepares(database: Database) -> None:
    faults = {}
    await install(database)
    async with database.connection() as connection:
        for name, text in STATEMENTS:
            try:
                await connection.prepare(text)
            except Exception as fault:
                faults[name] = str(fault)

    assert not faults


@pytest.mark.parametrize(("name", "text"), STATEMENTS, ids=[name for name, _ in STATEMENTS])
def test_a_statement_is_of_one_organization(name: str, text: str) -> None:
    scoped = SCOPED.search(" ".join(code(text).split()))

    assert bool(scoped) != (name in NO_TENANT)


@pytest.mark.parametrize(("name", "text"), STATEMENTS, ids=[name for name, _ in STATEMENTS])
def test_a_statement_reads_no_clock_of_its_own(name: str, text: str) -> None:
    assert not VOLATILE.search(code(text))
    assert not NO_CLOCK.search(code(text))


def test_no_migration_reads_a_clock() -> None:
    for _, name, text in migrations():
        assert not VOLATILE.search(code(text)), name
        assert not NO_CLOCK.search(code(text)), name


@pytest.mark.asyncio
async def test_every_table_of_a_tenant_has_the_organization_first_in_its_keys(database: Database) -> None:
    async with database.connection() as connection:
        keys = await connection.fetch(
            "SELECT conrelid::regclass::text AS name, contype, pg_get_constraintdef(oid) AS definition"
            " FROM pg_constraint WHERE connamespace = current_schema()::regnamespace AND contype IN ('p', 'u', 'f')"
        )
        indexes = await connection.fetch(
            "SELECT tablename AS name, indexdef AS definition FROM pg_indexes WHERE schemaname = current_schema()"
        )

    assert len(keys) > 30
    for key in keys:
        if key["name"] not in ("organization", "worker", "schema_migration") and "pgqueuer" not in key["name"]:
            assert re.search(r"\((\"?organization_id\"?)[,)]", key["definition"]), dict(key)
    for index in indexes:
        # These two find the organization.
        if "(email)" in index["definition"] or "(digest)" in index["definition"]:
            continue
        if index["name"] not in ("organization", "worker", "schema_migration") and "pgqueuer" not in index["name"]:
            assert "(organization_id" in index["definition"], dict(index)


def test_what_explains_reads_what_the_turn_reads() -> None:
    texts = dict(STATEMENTS)
    of_turn, of_why = (texts[name].partition("SELECT ")[2] for name in ("active_campaigns", "see_campaign"))

    columns, _, _ = of_turn.partition("\nFROM campaign c\n")

    assert len(columns) > 500
    assert of_why.startswith(columns)
