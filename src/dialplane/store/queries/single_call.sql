-- Single calls: contacts of hidden campaigns that stay open, one campaign for each agent, carrier and choice of numbers.

-- name: hidden_campaign(organization_id, agent_id, carrier_id, number_ids)^
-- The latest one; those before it have been ended by somebody. Planned calls have campaigns of their own.
SELECT id, state FROM campaign
WHERE organization_id = :organization_id AND hidden AND agent_id = :agent_id AND carrier_id = :carrier_id
  AND number_ids = :number_ids::bigint[] AND extras IS NULL
ORDER BY id DESC LIMIT 1;

-- name: single_contact(organization_id, campaign_id, to_number)^
SELECT id, uuid, state, attempts FROM contact
WHERE organization_id = :organization_id AND campaign_id = :campaign_id AND to_number = :to_number;

-- name: single_attempt(organization_id, contact_id, after)^
-- The first attempt of a contact beyond the ordinal `after` that has passed the guard: from then on it is not deleted.
SELECT id, uuid FROM attempt
WHERE organization_id = :organization_id AND contact_id = :contact_id AND number > :after AND state <> 'intended'
ORDER BY number LIMIT 1;

-- name: call_obstacles(organization_id, carrier_id, to_number, now)^
-- What would keep a call from beginning at once.
SELECT o.max_lines, r.max_lines AS carrier_max_lines, r.name AS carrier_name,
       CASE WHEN r.suspended_until > coalesce(:now::timestamptz, statement_timestamp()) THEN r.suspended_until END AS rests_until,
       (SELECT count(*) FROM attempt a WHERE a.organization_id = o.id AND a.ended_at IS NULL) AS lines,
       (SELECT count(*) FROM attempt a
        WHERE a.organization_id = o.id AND a.ended_at IS NULL AND a.carrier_id = r.id) AS carrier_lines,
       EXISTS (SELECT FROM attempt a
               WHERE a.organization_id = o.id AND a.ended_at IS NULL AND a.to_number = :to_number) AS being_called,
       EXISTS (SELECT FROM do_not_call d
               WHERE d.organization_id = o.id AND d.to_number = :to_number) AS do_not_call
FROM organization o
JOIN carrier r ON r.organization_id = o.id AND r.id = :carrier_id
WHERE o.id = :organization_id AND r.organization_id = :organization_id;
