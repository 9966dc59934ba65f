-- Calls one by one, of campaigns and single ones: those that were made, and those that are planned. A planned call is a
-- contact of a hidden campaign with `extras`, and is known by the contact's uuid also once it is made.

-- name: newest_calls(organization_id, agent_id, number_id, created_from, created_to, updated_from, updated_to, limit)
-- Attempts from the moment at which they are certain to stay. Ids rise with the instants at which attempts are made.
SELECT id FROM attempt
WHERE organization_id = :organization_id AND state <> 'intended'
  AND (:agent_id::bigint IS NULL OR agent_id = :agent_id)
  AND (:number_id::bigint IS NULL OR number_id = :number_id)
  AND (:created_from::timestamptz IS NULL OR created_at >= :created_from)
  AND (:created_to::timestamptz IS NULL OR created_at < :created_to)
  AND (:updated_from::timestamptz IS NULL
       OR coalesce(ended_at, answered_at, ringing_at, placed_at, created_at) >= :updated_from)
  AND (:updated_to::timestamptz IS NULL
       OR coalesce(ended_at, answered_at, ringing_at, placed_at, created_at) < :updated_to)
ORDER BY id DESC LIMIT :limit;

-- name: call_facts(organization_id, attempt_ids)
-- planned_uuid: of the contact, where the call was planned. The number may be gone.
SELECT a.id, a.transcript, n.uuid AS number_uuid, g.uuid AS agent_uuid, c.uuid AS campaign_uuid, c.hidden,
       CASE WHEN c.hidden AND c.extras IS NOT NULL THEN k.uuid END AS planned_uuid, a.hang_up_at, o.name, o.plan,
       o.updated_at
FROM attempt a
JOIN campaign c ON c.organization_id = a.organization_id AND c.id = a.campaign_id
JOIN contact k ON k.organization_id = a.organization_id AND k.id = a.contact_id
JOIN agent g ON g.organization_id = a.organization_id AND g.id = a.agent_id
LEFT JOIN number n ON n.organization_id = a.organization_id AND n.id = a.number_id
LEFT JOIN call_note o ON o.organization_id = a.organization_id
    AND o.uuid = CASE WHEN c.hidden AND c.extras IS NOT NULL THEN k.uuid ELSE a.uuid END
WHERE a.organization_id = :organization_id AND a.id = ANY(:attempt_ids::bigint[]);

-- name: calls_in_progress(organization_id, limit)
-- Those in progress, newest first. total: of all, which are no more than the organization's lines.
WITH open AS MATERIALIZED (SELECT id FROM attempt WHERE organization_id = :organization_id AND ended_at IS NULL)
SELECT id, count(*) OVER () AS total FROM open ORDER BY id DESC LIMIT :limit;

-- name: ended_calls(organization_id, before, limit)
SELECT id FROM attempt
WHERE organization_id = :organization_id AND id < :before AND ended_at IS NOT NULL ORDER BY id DESC LIMIT :limit;

-- name: calls_to_number(organization_id, to_number, before, limit)
-- Over all campaigns, through the one contact of each that has this number; and of that, the latest ones alone.
SELECT r.id FROM campaign c
CROSS JOIN LATERAL (
    SELECT id FROM contact
    WHERE organization_id = :organization_id AND campaign_id = c.id AND to_number = :to_number LIMIT 1
) AS k
CROSS JOIN LATERAL (
    SELECT a.id FROM attempt a
    WHERE a.organization_id = :organization_id AND a.contact_id = k.id AND a.id < :before
    ORDER BY a.number DESC LIMIT :limit
) AS r
WHERE c.organization_id = :organization_id ORDER BY r.id DESC LIMIT :limit;

-- name: planned_calls(organization_id, contact_uuid, agent_id, number_id, created_from, created_to, updated_from, updated_to, limit)
-- Those of which none has been made, newest first. They change once they are made, and are told as those then.
SELECT k.id, k.uuid, k.campaign_id, k.to_number, k.external_id, k.variables, k.state, k.skip_reason, k.added_at,
       c.state AS campaign_state, c.state_reason, g.uuid AS agent_uuid, n.uuid AS number_uuid, d.due_at, o.name, o.plan,
       o.updated_at
FROM campaign c
JOIN contact k ON k.organization_id = c.organization_id AND k.campaign_id = c.id
JOIN agent g ON g.organization_id = c.organization_id AND g.id = c.agent_id
LEFT JOIN number n ON n.organization_id = c.organization_id AND n.id = c.number_ids[1]
LEFT JOIN due d ON d.organization_id = k.organization_id AND d.campaign_id = c.id AND d.contact_id = k.id
LEFT JOIN call_note o ON o.organization_id = k.organization_id AND o.uuid = k.uuid
WHERE c.organization_id = :organization_id AND c.hidden AND c.extras IS NOT NULL
  AND k.uuid = coalesce(:contact_uuid::uuid, k.uuid)
  AND (:agent_id::bigint IS NULL OR c.agent_id = :agent_id)
  AND (:number_id::bigint IS NULL OR c.number_ids = ARRAY[:number_id::bigint])
  AND (:created_from::timestamptz IS NULL OR k.added_at >= :created_from)
  AND (:created_to::timestamptz IS NULL OR k.added_at < :created_to)
  AND (:updated_from::timestamptz IS NULL OR coalesce(o.updated_at, k.added_at) >= :updated_from)
  AND (:updated_to::timestamptz IS NULL OR coalesce(o.updated_at, k.added_at) < :updated_to)
  AND NOT EXISTS (SELECT FROM attempt a
                  WHERE a.organization_id = k.organization_id AND a.contact_id = k.id AND a.state <> 'intended')
ORDER BY k.id DESC LIMIT :limit;

-- name: attempt_of_planned(organization_id, contact_uuid)$
-- The newest one of a planned call that was made.
SELECT a.id FROM contact k
JOIN campaign c ON c.organization_id = k.organization_id AND c.id = k.campaign_id AND c.hidden AND c.extras IS NOT NULL
JOIN attempt a ON a.organization_id = k.organization_id AND a.contact_id = k.id AND a.state <> 'intended'
WHERE k.organization_id = :organization_id AND k.uuid = :contact_uuid
ORDER BY a.number DESC LIMIT 1;

-- name: note_call(organization_id, uuid, name, plan, now)!
-- null leaves what there is.
INSERT INTO call_note (organization_id, uuid, name, plan, updated_at)
VALUES (:organization_id, :uuid, :name, :plan, :now)
ON CONFLICT (organization_id, uuid) DO UPDATE
SET name = coalesce(excluded.name, call_note.name), plan = coalesce(excluded.plan, call_note.plan), updated_at = :now;

-- name: ask_to_hang_up(organization_id, attempt_id, now)!
UPDATE attempt SET hang_up_at = coalesce(hang_up_at, :now)
WHERE organization_id = :organization_id AND id = :attempt_id AND ended_at IS NULL AND state <> 'intended';

-- name: ask_to_hang_up_all(organization_id, campaign_id, now)!
-- Those of a campaign.
UPDATE attempt SET hang_up_at = coalesce(hang_up_at, :now)
WHERE organization_id = :organization_id AND campaign_id = :campaign_id AND ended_at IS NULL AND state <> 'intended';

-- name: calls_to_hang_up(worker_id)
-- Of one worker, over all organizations.
SELECT uuid FROM attempt WHERE worker_id = :worker_id AND hang_up_at IS NOT NULL AND ended_at IS NULL;

-- name: erase_call(organization_id, attempt_id)$
-- What was said and gathered in a call that has ended. The answer: the key of its recording, which the caller deletes.
WITH before AS (
    SELECT id, recording FROM attempt
    WHERE organization_id = :organization_id AND id = :attempt_id AND ended_at IS NOT NULL FOR NO KEY UPDATE
), erased AS (
    UPDATE attempt SET transcript = NULL, gathered = NULL, summary = NULL, recording = ''
    WHERE organization_id = :organization_id AND id = (SELECT id FROM before)
)
SELECT recording FROM before;
