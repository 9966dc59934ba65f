-- What is done to a backup's rows before anybody dials for them.

-- name: doubt_attempts(organization_id, worker_id)
-- Whatever was open may have gone on without this database, an intent too: nobody knows until the carrier has been asked.
-- told_in: their next event comes after those of this server, not after those of the one before.
UPDATE attempt SET state = 'unknown', worker_id = :worker_id, sent_at = coalesce(sent_at, send_at), told_in = NULL
WHERE organization_id = :organization_id AND ended_at IS NULL
RETURNING id;

-- name: halt_campaigns(organization_id, reason, now)
-- What ran is paused. What waited for its hour or its queue is a draft that still knows the hour: it has called nobody, and
-- of one queue no two may be paused.
UPDATE campaign c
SET state = CASE old.state WHEN 'running' THEN 'paused' ELSE 'draft' END, state_reason = :reason, updated_at = :now
FROM campaign old
WHERE c.organization_id = :organization_id AND old.organization_id = c.organization_id AND old.id = c.id
  AND old.state IN ('running', 'scheduled')
RETURNING c.id, c.name, c.state, old.state AS state_before, c.starts_at;

-- name: place_webhooks_anew(organization_id)!
-- Before events are numbered anew: after how many of these a webhook goes on.
UPDATE webhook w
SET transaction_id = 1,
    event_id = (SELECT count(*) FROM event e
                WHERE e.organization_id = w.organization_id AND (e.transaction_id, e.id) <= (w.transaction_id, w.event_id))
WHERE w.organization_id = :organization_id;

-- name: number_events_anew(organization_id)!
-- Numbers of transactions are those of the server that the backup is from. In their old order, events now come before all
-- that this one will write.
WITH gone AS (
    DELETE FROM event WHERE organization_id = :organization_id
    RETURNING transaction_id, id, campaign_id, attempt_id, kind, at, details
)
INSERT INTO event (organization_id, transaction_id, id, campaign_id, attempt_id, kind, at, details)
SELECT :organization_id, 1, row_number() OVER (ORDER BY transaction_id, id), campaign_id, attempt_id, kind, at, details
FROM gone;

-- name: forget_positions(organization_id)!
-- Whoever listened before the backup has a position that means nothing here: it counts as one that has been purged.
INSERT INTO event_purge (organization_id, transaction_id, id)
VALUES (:organization_id, pg_snapshot_xmin(pg_current_snapshot())::text::bigint, 0);

-- name: dialling_carriers(organization_id)
-- Those of campaigns that may have called somebody after the backup, or may yet.
SELECT DISTINCT carrier_id FROM campaign
WHERE organization_id = :organization_id AND state NOT IN ('completed', 'cancelled') ORDER BY carrier_id;

-- name: importing_campaigns(organization_id)
SELECT campaign_id FROM contact_file WHERE organization_id = :organization_id AND state = 'importing' ORDER BY campaign_id;

-- name: known_attempts(organization_id, uuids)
SELECT uuid FROM attempt WHERE organization_id = :organization_id AND uuid = ANY(:uuids::uuid[]);

-- name: called_contact(organization_id, campaign_id, to_number)$
SELECT id FROM contact
WHERE organization_id = :organization_id AND campaign_id = :campaign_id AND to_number = :to_number AND state <> 'removed';

-- name: open_attempts_to(organization_id, to_number)
SELECT id FROM attempt WHERE organization_id = :organization_id AND to_number = :to_number AND ended_at IS NULL;

-- name: enter_call(organization_id, contact_id, agent_version, carrier_id, worker_id, uuid, to_number, from_number, placed_at)^
-- A call that the carrier has accepted and the backup does not know: an attempt that is placed and that nobody has heard of
-- since. The answer: what the contact was counted as.
WITH called AS (
    UPDATE contact c SET state = 'dialing', sequence = NULL, skip_reason = NULL
    FROM contact old
    WHERE c.organization_id = :organization_id AND c.id = :contact_id AND old.organization_id = c.organization_id AND old.id = c.id
    RETURNING c.id, c.campaign_id, c.attempts, old.state AS old_state, old.skip_reason AS old_reason
), not_due AS (
    DELETE FROM due d USING called
    WHERE d.organization_id = :organization_id AND d.campaign_id = called.campaign_id AND d.contact_id = called.id
), entered AS (
    INSERT INTO attempt (organization_id, uuid, campaign_id, contact_id, number, carrier_id, number_id, from_number, to_number,
                         agent_id, agent_version, state, worker_id, created_at, send_at, send_before, deadline_at, sent_at,
                         placed_at)
    SELECT :organization_id, :uuid::uuid, called.campaign_id, called.id, called.attempts + 1, :carrier_id::bigint,
           coalesce((SELECT n.id FROM number n WHERE n.organization_id = :organization_id AND n.carrier_id = :carrier_id
                     AND n.e164 = :from_number), 0),
           :from_number::text, :to_number::text, k.agent_id, :agent_version::integer, 'unknown', :worker_id::uuid,
           t.at, t.at, t.at, t.at, t.at, t.at
    FROM called
    JOIN campaign k ON k.organization_id = :organization_id AND k.id = called.campaign_id
    CROSS JOIN (SELECT :placed_at::timestamptz AS at) AS t
)
SELECT campaign_id, old_state, old_reason FROM called;
