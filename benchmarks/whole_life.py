"""A contact's whole life: claim, intent, guard, outcome, progress, by the engine and by bare SQL on the same tables."""

from __future__ import annotations

import asyncio
import time
from uuid import uuid4

from benchmarks.figures import Figure, figure
from benchmarks.stage import NullCarrier, campaign, fresh_app, null_worker
from dialplane.wiring import App

CONTACTS = 10_000
LINES = 100  # the organization's default
BATCH = 10


async def measure() -> list[Figure]:
    async with fresh_app(max_lines=LINES) as app:
        await by_engine(app, 2_000)  # tables that have been counted, statements that have been planned
        ours = await by_engine(app, CONTACTS)
        bare = await by_sql(app, CONTACTS)
        async with app.database.snapshot() as reader:  # such as a long report's
            await reader.fetchval("SELECT count(*) FROM attempt")
            beside_a_report = await by_engine(app, CONTACTS)
    target = ">= 2500/s and >= 40 % of the baseline"
    met = ours >= 2500 and ours >= 0.4 * bare
    return [
        figure("whole_life", ours, "contacts/s", baseline=bare, target=target, met=met),
        figure(
            "whole_life_snapshot",
            beside_a_report,
            "contacts/s",
            baseline=ours,
            target=">= 80 % of whole_life",
            met=beside_a_report >= 0.8 * ours,
        ),
    ]


async def by_engine(app: App, contacts: int) -> float:
    """Contacts per second through one worker on a carrier that ends each call at once."""
    campaign_id = await campaign(app, contacts, name=f"engine-{uuid4().hex[:6]}")
    await app.campaigns.start(campaign_id)
    carrier = NullCarrier()
    worker = null_worker(app, carrier, campaign_id=campaign_id)
    started = time.perf_counter()
    async with asyncio.timeout(600):
        await worker.run()
    elapsed = time.perf_counter() - started
    progress = (await app.campaigns.progress([campaign_id]))[campaign_id]
    assert progress.reached == contacts == carrier.placed, progress
    return contacts / elapsed


async def by_sql(app: App, contacts: int) -> float:
    """The same rows in the same tables by as few statements as will do, one connection, ten contacts at a time.

    Two flushed transactions a batch: claim, intent, cursor; then outcome, contact, progress. No guard, no counting, no
    decision, no events: what is left is what the database costs.
    """
    campaign_id = await campaign(app, contacts, name=f"bare-{uuid4().hex[:6]}")
    organization_id, worker_id = app.organization_id, uuid4()
    async with app.database.connection() as connection:
        of = await connection.fetchrow(
            "SELECT c.agent_id, c.carrier_id, n.id AS number_id, n.e164, u.zone_group_id FROM campaign c"
            " JOIN number n ON n.organization_id = c.organization_id AND n.carrier_id = c.carrier_id"
            " JOIN cursor u ON u.organization_id = c.organization_id AND u.campaign_id = c.id"
            " WHERE c.organization_id = $1 AND c.id = $2",
            organization_id,
            campaign_id,
        )
        place = (of["zone_group_id"], worker_id, of["carrier_id"], of["number_id"], of["e164"], of["agent_id"], BATCH)
        claim, end = await connection.prepare(CLAIM), await connection.prepare(END)
        started = time.perf_counter()
        for _ in range(contacts // BATCH):
            async with connection.transaction():
                taken = await claim.fetch(organization_id, campaign_id, *place)
            async with connection.transaction():
                await end.fetch(organization_id, campaign_id, worker_id, [row["id"] for row in taken])
        return contacts / (time.perf_counter() - started)


CLAIM = """
WITH taken AS (
    UPDATE contact c SET state = 'dialing'
    FROM (SELECT id FROM contact WHERE organization_id = $1 AND campaign_id = $2 AND zone_group_id = $3
          AND sequence > (SELECT sequence FROM cursor
                          WHERE organization_id = $1 AND campaign_id = $2 AND zone_group_id = $3)
          ORDER BY sequence LIMIT $9) AS next
    WHERE c.organization_id = $1 AND c.id = next.id
    RETURNING c.id, c.to_number, c.sequence
), moved AS (
    UPDATE cursor SET sequence = (SELECT max(sequence) FROM taken)
    WHERE organization_id = $1 AND campaign_id = $2 AND zone_group_id = $3
)
INSERT INTO attempt (organization_id, uuid, campaign_id, contact_id, number, carrier_id, number_id, from_number,
                     to_number, agent_id, agent_version, worker_id, created_at, send_at, send_before, deadline_at)
SELECT $1, gen_random_uuid(), $2, id, 1, $5, $6, $7, to_number, $8, 1, $4, statement_timestamp(), statement_timestamp(),
       statement_timestamp(), statement_timestamp()
FROM taken
RETURNING id
"""

END = """
WITH ended AS (
    UPDATE attempt SET state = 'ended', disposition = 'answered', spent = true, ended_at = statement_timestamp()
    WHERE organization_id = $1 AND id = ANY($4::bigint[])
    RETURNING contact_id
), settled AS (
    UPDATE contact c SET state = 'reached', disposition = 'answered', attempts = 1, spent = 1
    FROM ended WHERE c.organization_id = $1 AND c.id = ended.contact_id
    RETURNING c.id
)
INSERT INTO progress (organization_id, campaign_id, worker_id, measure, value)
SELECT $1, $2, $3, 'reached', count(*) FROM settled
ON CONFLICT (organization_id, campaign_id, worker_id, measure) DO UPDATE SET value = progress.value + excluded.value
"""
