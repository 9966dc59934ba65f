"""A big campaign written straight into the tables: by the engine's own import it would take half a minute."""

from __future__ import annotations

from dialplane.store.postgres import Database

BIG = ("contact", "attempt", "due", "event")


async def fill(
    database: Database,
    organization_id: int,
    campaign_id: int,
    carrier_id: int,
    agent_id: int,
    *,
    contacts: int,
    due_at: str = "2026-01-01",
) -> None:
    """Everybody was called once: two thirds answered, the others wait for a retry; and the counters say so."""
    of = (organization_id, campaign_id)
    timeout = {"timeout": 600}
    async with database.transaction() as connection:
        await connection.execute("SET LOCAL statement_timeout = 0")
        zone = await connection.fetchval(
            "INSERT INTO zone_group (organization_id, zones) VALUES ($1, '{America/New_York}') RETURNING id",
            organization_id,
        )
        number = await connection.fetchval("SELECT id FROM number WHERE organization_id = $1 LIMIT 1", organization_id)
        await connection.execute(
            "INSERT INTO contact (organization_id, id, uuid, campaign_id, zone_group_id, to_number, variables, state,"
            " disposition, attempts, spent) SELECT $1, n, md5('c' || n)::uuid, $2, $3, '+1212' || (2000000 + n), '{}',"
            " CASE WHEN n % 3 = 0 THEN 'waiting' ELSE 'reached' END, 'answered', 1, 1"
            " FROM generate_series(1, $4::bigint) n",
            *of, zone, contacts, **timeout,
        )  # fmt: skip
        await connection.execute(
            "INSERT INTO attempt (organization_id, id, uuid, campaign_id, contact_id, number, carrier_id, number_id,"
            " from_number, to_number, agent_id, agent_version, state, worker_id, created_at, send_at, send_before,"
            " deadline_at, sent_at, placed_at, ended_at, disposition, spent)"
            " SELECT $1, n, md5('a' || n)::uuid, $2, n, 1, $3, $4, '+15005550100', '+1212' || (2000000 + n), $5, 1,"
            " 'ended', md5('w')::uuid, t, t, t, t, t, t, t + interval '30 s',"
            " CASE WHEN n % 3 = 0 THEN 'busy' ELSE 'answered' END, true"
            " FROM (SELECT n, timestamptz '2026-01-01' + n * interval '1 s' AS t"
            " FROM generate_series(1, $6::bigint) n) s",
            *of, carrier_id, number, agent_id, contacts, **timeout,
        )  # fmt: skip
        await connection.execute(
            "INSERT INTO due (organization_id, campaign_id, contact_id, zone_group_id, rank, due_at)"
            " SELECT $1, $2, n, $3, 10, $5::text::timestamptz FROM generate_series(3, $4::bigint, 3) n",
            *of, zone, contacts, due_at, **timeout,
        )  # fmt: skip
        counts = {"reached": contacts * 2 // 3, "attempts": contacts, "disposition.answered": contacts * 2 // 3}
        await connection.executemany(
            "INSERT INTO progress VALUES ($1, $2, md5('w')::uuid, $3, $4)", [(*of, *count) for count in counts.items()]
        )
        await connection.execute("UPDATE campaign SET total = $3 WHERE organization_id = $1 AND id = $2", *of, contacts)
        # The rows bring their own ids: the next ones follow them.
        for table in ("contact", "attempt"):
            await connection.execute(f"SELECT setval(pg_get_serial_sequence('{table}', 'id'), $1)", contacts)
    async with database.connection() as connection:
        for table in BIG:
            await connection.execute(f"ANALYZE {table}", **timeout)


async def fill_fresh(database: Database, organization_id: int, campaign_id: int, *, contacts: int) -> None:
    """Nobody was called yet, row after row in another of four zones."""
    of, timeout = (organization_id, campaign_id), {"timeout": 600}
    async with database.transaction() as connection:
        await connection.execute("SET LOCAL statement_timeout = 0")
        zones = await connection.fetchval(
            "WITH made AS (INSERT INTO zone_group (organization_id, zones) SELECT $1, ARRAY['America/' || z]"
            " FROM unnest('{New_York,Chicago,Denver,Los_Angeles}'::text[]) AS z"
            " ON CONFLICT (organization_id, zones) DO UPDATE SET zones = excluded.zones RETURNING id)"
            " SELECT array_agg(id) FROM made",
            organization_id,
        )
        await connection.execute(
            "INSERT INTO contact (organization_id, campaign_id, uuid, sequence, zone_group_id, to_number, variables)"
            " SELECT $1, $2, md5('f' || n)::uuid, n, ($3::bigint[])[1 + n % 4], '+1213' || (2000000 + n), '{}'"
            " FROM generate_series(1, $4::bigint) n",
            *of, zones, contacts, **timeout,
        )  # fmt: skip
        await connection.execute(
            "INSERT INTO cursor (organization_id, campaign_id, zone_group_id) SELECT $1, $2, unnest($3::bigint[])",
            *of,
            zones,
        )
        await connection.execute(
            "UPDATE campaign SET total = $3, sealed_sequence = $3 WHERE organization_id = $1 AND id = $2", *of, contacts
        )
    async with database.connection() as connection:
        await connection.execute("ANALYZE contact", **timeout)
