-- How far the calls of campaigns are, first calls and retries apart.

-- name: contact_tries(organization_id, campaign_ids)
-- Every contact of these campaigns is looked at: the caller sees to it that they are few enough.
SELECT campaign_id, state, spent, count(*) AS contacts FROM contact
WHERE organization_id = :organization_id AND campaign_id = ANY(:campaign_ids::bigint[]) AND state <> 'removed'
GROUP BY campaign_id, state, spent;

-- name: last_sent(organization_id, campaign_ids)
-- The newest call of each, by one descent.
SELECT c.id AS campaign_id, (
    SELECT a.sent_at FROM attempt a
    WHERE a.organization_id = :organization_id AND a.campaign_id = c.id AND a.sent_at IS NOT NULL
    ORDER BY a.id DESC LIMIT 1
) AS sent_at
FROM unnest(:campaign_ids::bigint[]) AS c (id);
