-- Pages of a campaign's contacts by number, for doors that have no other ones.

-- name: contact_places(organization_id, campaign_id, skip, limit)
-- In the order in which they came, out of the index alone.
SELECT id FROM contact WHERE organization_id = :organization_id AND campaign_id = :campaign_id
ORDER BY id LIMIT :limit::bigint OFFSET :skip::bigint;

-- name: contact_standings(organization_id, campaign_id, nobody_waits, not_placed, ineligible, standings, sorted_by, skip, limit)
-- What no counter can answer: every contact of the campaign is looked at, so its size is limited by the caller. Each row has
-- the total; beyond the last page there is one without an id. `standings`: null for all. `sorted_by`: the order of
-- standings, or null for that in which the contacts came.
WITH standing AS (
    SELECT id, CASE
        WHEN state = 'waiting' AND NOT :nobody_waits::boolean THEN 'waiting'
        WHEN state = 'dialing' THEN 'dialing'
        WHEN state = 'reached' THEN 'called'
        WHEN state = 'exhausted' THEN
            CASE WHEN disposition = ANY(:not_placed::text[]) THEN 'not_placed' ELSE 'called' END
        WHEN state = 'skipped' AND skip_reason = :ineligible::text THEN 'ineligible'
        ELSE 'skipped' END AS standing
    FROM contact WHERE organization_id = :organization_id AND campaign_id = :campaign_id
), matching AS (
    SELECT id, coalesce(array_position(:sorted_by::text[], standing), 0) AS rank FROM standing
    WHERE :standings::text[] IS NULL OR standing = ANY(:standings::text[])
), page AS (
    SELECT id, rank FROM matching ORDER BY rank, id LIMIT :limit::bigint OFFSET :skip::bigint
)
SELECT counted.total, page.id FROM (SELECT count(*) AS total FROM matching) AS counted
LEFT JOIN page ON true ORDER BY page.rank, page.id;

-- name: standings_by_id(organization_id, contact_ids)
-- Contacts with their newest call, in the order of the ids.
SELECT c.id, c.uuid, c.to_number, c.external_id, c.variables, c.number_id, c.state, c.skip_reason, c.disposition,
       last.uuid AS call, last.state AS call_state, coalesce(last.placed_at, last.sent_at) AS dispatched_at
FROM contact c
LEFT JOIN LATERAL (
    SELECT uuid, state, placed_at, sent_at FROM attempt a
    WHERE a.organization_id = c.organization_id AND a.contact_id = c.id ORDER BY a.number DESC LIMIT 1
) AS last ON true
WHERE c.organization_id = :organization_id AND c.id = ANY(:contact_ids::bigint[])
ORDER BY array_position(:contact_ids::bigint[], c.id);
