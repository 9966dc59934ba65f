"""What must hold in the database after every step: nobody is lost, nobody is in two places, counters add up."""

from __future__ import annotations

from collections import Counter

from dialplane.engine.views import Progress
from dialplane.wiring import App

# Each row is one broken promise.
UNSOUND = """
SELECT 'is lost: neither due nor ahead of the cursor' AS what, c.campaign_id, c.to_number
FROM contact c
JOIN campaign k ON k.organization_id = c.organization_id AND k.id = c.campaign_id
JOIN cursor u ON u.organization_id = c.organization_id AND u.campaign_id = c.campaign_id
             AND u.zone_group_id = c.zone_group_id
LEFT JOIN due d ON d.organization_id = c.organization_id AND d.campaign_id = c.campaign_id AND d.contact_id = c.id
WHERE c.organization_id = $1 AND c.state = 'waiting' AND d.contact_id IS NULL
  AND (c.sequence > u.sequence AND c.sequence <= k.sealed_sequence) IS NOT TRUE
UNION ALL
SELECT 'would be taken twice: due, and ahead of the cursor', c.campaign_id, c.to_number
FROM due d
JOIN contact c ON c.organization_id = d.organization_id AND c.id = d.contact_id
JOIN cursor u ON u.organization_id = c.organization_id AND u.campaign_id = c.campaign_id
             AND u.zone_group_id = c.zone_group_id
WHERE d.organization_id = $1 AND c.sequence > u.sequence
UNION ALL
SELECT 'is due and ' || c.state, c.campaign_id, c.to_number
FROM due d JOIN contact c ON c.organization_id = d.organization_id AND c.id = d.contact_id
WHERE d.organization_id = $1 AND c.state <> 'waiting'
UNION ALL
SELECT 'is called without an attempt', c.campaign_id, c.to_number
FROM contact c
WHERE c.organization_id = $1 AND c.state = 'dialing'
  AND NOT EXISTS (SELECT FROM attempt a WHERE a.organization_id = c.organization_id AND a.contact_id = c.id
                  AND a.ended_at IS NULL)
UNION ALL
SELECT 'is ' || c.state || ' and being called', c.campaign_id, c.to_number
FROM attempt a JOIN contact c ON c.organization_id = a.organization_id AND c.id = a.contact_id
WHERE a.organization_id = $1 AND a.ended_at IS NULL AND c.state NOT IN ('dialing', 'removed')
UNION ALL
SELECT 'has other attempts than are counted', c.campaign_id, c.to_number
FROM contact c
WHERE c.organization_id = $1
  AND (c.attempts, c.spent) <> (SELECT count(*), count(*) FILTER (WHERE a.spent) FROM attempt a
                                WHERE a.organization_id = c.organization_id AND a.contact_id = c.id
                                  AND a.ended_at IS NOT NULL)
UNION ALL
SELECT 'waits although its campaign is completed', c.campaign_id, c.to_number
FROM campaign k JOIN contact c ON c.organization_id = k.organization_id AND c.campaign_id = k.id
WHERE k.organization_id = $1 AND k.state = 'completed' AND k.state_reason <> 'expired'
  AND c.state IN ('waiting', 'dialing')
"""
COUNTED = """
SELECT campaign_id, state, count(*) AS contacts FROM contact WHERE organization_id = $1 GROUP BY campaign_id, state
"""
ENDED = """
SELECT campaign_id, disposition, count(*) AS calls FROM attempt
WHERE organization_id = $1 AND ended_at IS NOT NULL GROUP BY campaign_id, disposition
"""

OVER = """
SELECT k.id, k.max_lines, count(*) AS open FROM campaign k
JOIN attempt a ON a.organization_id = k.organization_id AND a.campaign_id = k.id AND a.ended_at IS NULL
WHERE k.organization_id = $1 GROUP BY k.id, k.max_lines HAVING count(*) > k.max_lines
"""


async def lines_are_kept(app: App) -> None:
    """Of campaigns whose lines nobody has changed."""
    async with app.database.connection() as connection:
        over = await connection.fetch(OVER, app.organization_id)
    assert not over, f"lines in use: {[dict(row) for row in over]}"


async def store_is_sound(app: App) -> None:
    """Of all campaigns of the organization."""
    async with app.database.connection() as connection:
        unsound = await connection.fetch(UNSOUND, app.organization_id)
        contacts = await connection.fetch(COUNTED, app.organization_id)
        calls = await connection.fetch(ENDED, app.organization_id)
    assert not unsound, f"{len(unsound)} contacts are not as they should be: {[tuple(row) for row in unsound[:10]]}"
    states: dict[int, Counter[str]] = {}
    for row in contacts:
        states.setdefault(row["campaign_id"], Counter())[row["state"]] = row["contacts"]
    dispositions: dict[int, dict[str, int]] = {campaign_id: {} for campaign_id in states}
    for row in calls:
        dispositions[row["campaign_id"]][row["disposition"]] = row["calls"]
    found = await app.campaigns.progress(list(states))
    for campaign_id, counted in states.items():
        told = found[campaign_id]
        assert _in_rows(told) == dict(counted), f"campaign {campaign_id}: counters {told}, rows {counted}"
        assert told.total == counted.total(), f"campaign {campaign_id}: {told.total} in all, {counted.total()} rows"
        assert told.dispositions == dispositions[campaign_id], f"campaign {campaign_id}: {told}, {dispositions}"


def _in_rows(told: Progress) -> dict[str, int]:
    """Contacts by state; whom a campaign left over when it ended still waits in the rows."""
    states = told.contacts()
    left_over = sum(told.skips.get(why, 0) for why in ("cancelled", "expired"))
    states["waiting"] += left_over
    states["skipped"] -= left_over
    return {state: count for state, count in states.items() if count and state != "total"}
