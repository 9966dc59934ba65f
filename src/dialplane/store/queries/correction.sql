-- What is changed before anybody was called.

-- name: contact_to_correct(organization_id, contact_id)^
SELECT c.id, c.campaign_id, c.to_number, c.external_id, c.priority, c.state, c.variables, c.zone_group_id,
       p.state AS campaign_state, p.variable_names
FROM contact c JOIN campaign p ON p.organization_id = c.organization_id AND p.id = c.campaign_id
WHERE c.organization_id = :organization_id AND c.id = :contact_id;

-- name: correct_contact(organization_id, contact_id, to_number, zone_group_id, variables, renumbered, now)$
-- No row: it was called, or has come to an end. Another number may be in another zone group, whose cursor may be past its
-- place: such a contact leaves the order of fresh ones for a due row.
WITH corrected AS (
    UPDATE contact c
    SET to_number = :to_number, zone_group_id = :zone_group_id, variables = :variables::text::jsonb,
        sequence = CASE WHEN :renumbered::boolean THEN NULL ELSE c.sequence END
    WHERE c.organization_id = :organization_id AND c.id = :contact_id AND c.state = 'waiting' AND c.attempts = 0
      AND NOT EXISTS (SELECT FROM attempt a WHERE a.organization_id = c.organization_id AND a.contact_id = c.id
                      AND a.ended_at IS NULL)
    RETURNING c.id, c.campaign_id, c.zone_group_id, c.priority, c.number_id
), waiting AS (
    INSERT INTO due (organization_id, campaign_id, contact_id, zone_group_id, number_id, rank, due_at)
    SELECT :organization_id, campaign_id, id, zone_group_id, coalesce(number_id, 0), 10 - priority, :now::timestamptz
    FROM corrected WHERE :renumbered::boolean
    ON CONFLICT (organization_id, campaign_id, contact_id) DO UPDATE SET zone_group_id = excluded.zone_group_id
)
SELECT id FROM corrected;

-- name: set_agent(organization_id, campaign_id, agent_id, now)$
-- No row: calls were made, or it has ended. A split over versions was one of the agent before.
UPDATE campaign c SET agent_id = :agent_id, agent_versions = '[]', updated_at = :now, settings_version = settings_version + 1
WHERE c.organization_id = :organization_id AND c.id = :campaign_id AND c.state NOT IN ('completed', 'cancelled')
  AND NOT EXISTS (SELECT FROM attempt a WHERE a.organization_id = c.organization_id AND a.campaign_id = c.id)
RETURNING c.id;
