-- Webhooks and their deliveries. Whoever changes which deliveries of a webhook are due locks the webhook's row first: of the
-- pending ones of a subject only the oldest has a due_at, and two that looked at once would leave none, or two.

-- name: create_webhook(organization_id, uuid, url, format, secret, kinds, active, campaign_id, headers, timeout_seconds, now)^
-- It begins at now: with the first transaction that was not over yet. No row: there is one with this uuid.
INSERT INTO webhook (organization_id, uuid, url, format, secret, kinds, active, inactive_reason, campaign_id, headers,
                     timeout_seconds, transaction_id, event_id, created_at, updated_at)
VALUES (:organization_id, :uuid, :url, :format, :secret, :kinds, :active, CASE WHEN :active THEN '' ELSE 'switched off' END,
        :campaign_id, :headers, :timeout_seconds, pg_snapshot_xmin(pg_current_snapshot())::text::bigint - 1,
        9223372036854775807, :now, :now)
ON CONFLICT (organization_id, uuid) DO NOTHING
RETURNING *;

-- name: count_webhooks(organization_id)$
-- Here and below, campaigns' own webhooks are nobody's to see or change: they come and go with their campaigns.
SELECT count(*) FROM webhook WHERE organization_id = :organization_id AND campaign_id IS NULL AND archived_at IS NULL;

-- name: webhook(organization_id, webhook_id)^
SELECT * FROM webhook
WHERE organization_id = :organization_id AND id = :webhook_id AND campaign_id IS NULL AND archived_at IS NULL;

-- name: webhook_with_uuid(organization_id, uuid, format)^
SELECT * FROM webhook
WHERE organization_id = :organization_id AND uuid = :uuid AND format = :format AND campaign_id IS NULL AND archived_at IS NULL;

-- name: webhooks_page(organization_id, format, before, limit)
-- format: null is any.
SELECT * FROM webhook
WHERE organization_id = :organization_id AND campaign_id IS NULL AND archived_at IS NULL
  AND (:format::text IS NULL OR format = :format) AND id < coalesce(:before::bigint, 9223372036854775807)
ORDER BY id DESC LIMIT :limit;

-- name: lock_webhook(organization_id, webhook_id)^
-- For a command: waits for the step at hand, which takes milliseconds.
SELECT *, statement_timestamp() AS now FROM webhook
WHERE organization_id = :organization_id AND id = :webhook_id AND campaign_id IS NULL AND archived_at IS NULL
FOR NO KEY UPDATE;

-- name: lock_any_webhook(organization_id, webhook_id)^
-- For the purge: a campaign's too. No row for an archived one, which sends nothing any more.
SELECT *, statement_timestamp() AS now FROM webhook
WHERE organization_id = :organization_id AND id = :webhook_id AND archived_at IS NULL
FOR NO KEY UPDATE;

-- name: take_webhook(organization_id, webhook_id)^
-- For a step: whoever finds it taken goes on to another one. Archived ones too, for what is still to be settled.
SELECT *, statement_timestamp() AS now FROM webhook
WHERE organization_id = :organization_id AND id = :webhook_id
FOR NO KEY UPDATE SKIP LOCKED;

-- name: change_webhook(organization_id, webhook_id, url, kinds, active, now)^
-- One that is switched on again begins at now.
UPDATE webhook
SET url = :url, kinds = :kinds, active = :active, updated_at = :now,
    inactive_reason = CASE WHEN :active THEN '' WHEN active THEN 'switched off' ELSE inactive_reason END,
    failures = CASE WHEN url <> :url OR (:active AND NOT active) THEN 0 ELSE failures END,
    transaction_id = CASE WHEN :active AND NOT active THEN pg_snapshot_xmin(pg_current_snapshot())::text::bigint - 1
                          ELSE transaction_id END,
    event_id = CASE WHEN :active AND NOT active THEN 9223372036854775807 ELSE event_id END
WHERE organization_id = :organization_id AND id = :webhook_id
RETURNING *;

-- name: rotate_webhook_secret(organization_id, webhook_id, secret, old_secret_until, now)^
UPDATE webhook SET old_secret = secret, old_secret_until = :old_secret_until, secret = :secret, updated_at = :now
WHERE organization_id = :organization_id AND id = :webhook_id AND campaign_id IS NULL AND archived_at IS NULL
RETURNING *;

-- name: deactivate_webhook(organization_id, webhook_id, reason, now)!
UPDATE webhook SET active = false, inactive_reason = :reason, updated_at = :now
WHERE organization_id = :organization_id AND id = :webhook_id AND active;

-- name: archive_webhook(organization_id, webhook_id, now)$
UPDATE webhook SET active = false, archived_at = :now, updated_at = :now
WHERE organization_id = :organization_id AND id = :webhook_id AND archived_at IS NULL
RETURNING id;

-- name: due_webhooks()
-- Those for which a step could do something: there is an event after the cursor, or a delivery is due, or contacts are
-- still to be told of.
SELECT w.organization_id, w.id FROM webhook w
WHERE w.active AND (
    w.walked_to IS NOT NULL
    OR CASE WHEN w.campaign_id IS NULL
    THEN EXISTS (SELECT FROM event e
                 WHERE e.organization_id = w.organization_id AND (e.transaction_id, e.id) > (w.transaction_id, w.event_id)
                   AND e.transaction_id < pg_snapshot_xmin(pg_current_snapshot())::text::bigint)
    ELSE EXISTS (SELECT FROM event e
                 WHERE e.organization_id = w.organization_id AND e.campaign_id = w.campaign_id
                   AND (e.transaction_id, e.id) > (w.transaction_id, w.event_id)
                   AND e.transaction_id < pg_snapshot_xmin(pg_current_snapshot())::text::bigint) END
    OR EXISTS (SELECT FROM delivery d
               WHERE d.organization_id = w.organization_id AND d.webhook_id = w.id AND d.state = 'pending'
                 AND d.due_at IS NOT NULL AND d.due_at <= statement_timestamp()))
ORDER BY w.organization_id, w.id LIMIT 10000;

-- name: events_to_tell(organization_id, transaction_id, event_id, limit)
-- In the order of the table's comment: of transactions that are all over, so none appears later between two of these.
SELECT transaction_id, id, campaign_id, attempt_id, kind, at, details FROM event
WHERE organization_id = :organization_id AND (transaction_id, id) > (:transaction_id, :event_id)
  AND transaction_id < pg_snapshot_xmin(pg_current_snapshot())::text::bigint
ORDER BY transaction_id, id LIMIT :limit;

-- name: events_of_campaign_to_tell(organization_id, campaign_id, transaction_id, event_id, limit)
-- The same for a webhook that hears of one campaign: it does not look at what happens to the others.
SELECT transaction_id, id, campaign_id, attempt_id, kind, at, details FROM event
WHERE organization_id = :organization_id AND campaign_id = :campaign_id AND (transaction_id, id) > (:transaction_id, :event_id)
  AND transaction_id < pg_snapshot_xmin(pg_current_snapshot())::text::bigint
ORDER BY transaction_id, id LIMIT :limit;

-- name: move_webhook(organization_id, webhook_id, transaction_id, event_id)!
UPDATE webhook SET transaction_id = :transaction_id, event_id = :event_id
WHERE organization_id = :organization_id AND id = :webhook_id;

-- name: walk_webhook(organization_id, webhook_id, walked_to)!
UPDATE webhook SET walked_to = :walked_to WHERE organization_id = :organization_id AND id = :webhook_id;

-- name: campaign_to_walk(organization_id, campaign_id)^
-- No row while one of its calls is open: what becomes of that contact is not known yet.
SELECT id FROM campaign
WHERE organization_id = :organization_id AND id = :campaign_id
  AND NOT EXISTS (SELECT FROM attempt a
                  WHERE a.organization_id = :organization_id AND a.campaign_id = :campaign_id AND a.ended_at IS NULL);

-- name: contacts_to_walk(organization_id, campaign_id, after, limit)
SELECT id FROM contact
WHERE organization_id = :organization_id AND campaign_id = :campaign_id AND id > :after
ORDER BY id LIMIT :limit;

-- name: contacts_to_tell(organization_id, ids)
SELECT id, uuid, campaign_id, to_number, external_id, variables, state, disposition, skip_reason, attempts, added_at
FROM contact WHERE organization_id = :organization_id AND id = ANY(:ids::bigint[]) ORDER BY id;

-- name: told_campaigns(organization_id, ids)
-- For messages of other formats than our own: the hidden ones too.
SELECT id, uuid, name, state, state_reason, hidden, created_at, updated_at, started_at, resumed_at, ended_at, archived_at
FROM campaign WHERE organization_id = :organization_id AND id = ANY(:ids::bigint[]);

-- name: attempts_to_tell(organization_id, ids)
SELECT a.id, a.uuid, a.campaign_id, a.contact_id, a.number, a.from_number, a.to_number, a.agent_id, a.agent_version,
       a.created_at, a.placed_at, a.ringing_at, a.answered_at, a.ended_at, a.disposition, a.sip_status, a.cause, a.transcript,
       a.gathered, a.summary, a.label, a.usage, a.recording, c.external_id, c.variables, g.uuid AS agent_uuid
FROM attempt a
JOIN contact c ON c.organization_id = a.organization_id AND c.id = a.contact_id
JOIN agent g ON g.organization_id = a.organization_id AND g.id = a.agent_id
WHERE a.organization_id = :organization_id AND a.id = ANY(:ids::bigint[]);

-- name: campaigns_to_tell(organization_id, ids)
SELECT id, uuid, name, state, state_reason, total FROM campaign
WHERE organization_id = :organization_id AND id = ANY(:ids::bigint[]) AND NOT hidden;

-- name: add_deliveries(organization_id, webhook_id, uuids, kinds, subjects, bodies, now)
-- The first of a subject is due at once, unless an older one of it is pending.
INSERT INTO delivery (organization_id, uuid, webhook_id, kind, subject, body, due_at, created_at)
SELECT :organization_id, n.uuid, :webhook_id, n.kind, n.subject, n.body,
       CASE WHEN row_number() OVER (PARTITION BY n.subject ORDER BY n.place) = 1
             AND NOT EXISTS (SELECT FROM delivery d
                             WHERE d.organization_id = :organization_id AND d.webhook_id = :webhook_id
                               AND d.subject = n.subject AND d.state = 'pending')
            THEN :now::timestamptz END,
       :now::timestamptz
FROM unnest(:uuids::uuid[], :kinds::text[], :subjects::text[], :bodies::text[])
     WITH ORDINALITY AS n (uuid, kind, subject, body, place)
ORDER BY n.place
RETURNING *;

-- name: deliveries_with_uuid(organization_id, uuids)
SELECT uuid FROM delivery WHERE organization_id = :organization_id AND uuid = ANY(:uuids::uuid[]);

-- name: claimed_deliveries(organization_id, webhook_id, now)$
-- How many are being sent, by whichever process.
SELECT count(*) FROM delivery
WHERE organization_id = :organization_id AND webhook_id = :webhook_id AND claim IS NOT NULL AND due_at > :now;

-- name: claim_deliveries(organization_id, webhook_id, now, claim, until, limit)
-- What is sent now. A try is counted before it begins; one that does not come to an end is due again at `until`.
-- By an array and not by a join: a join planned while the table is empty looks at every delivery once it is not.
UPDATE delivery SET claim = :claim, due_at = :until, tries = tries + 1, tried_at = :now
WHERE organization_id = :organization_id AND id = ANY(ARRAY(
    SELECT id FROM delivery
    WHERE organization_id = :organization_id AND webhook_id = :webhook_id AND state = 'pending'
      AND due_at IS NOT NULL AND due_at <= :now
    ORDER BY due_at, id LIMIT :limit
))
RETURNING id, uuid, kind, body, tries;

-- name: settle_deliveries(organization_id, claim, ids, tries, states, statuses, faults, due_ats)
-- What tries came to; nothing for one that has been claimed anew since.
UPDATE delivery d SET state = s.state, status = s.status, fault = s.fault, due_at = s.due_at, claim = NULL
FROM unnest(:ids::bigint[], :tries::integer[], :states::text[], :statuses::integer[], :faults::text[], :due_ats::timestamptz[])
     AS s (id, tries, state, status, fault, due_at)
WHERE d.organization_id = :organization_id AND d.id = s.id AND d.state = 'pending' AND d.claim = :claim AND d.tries = s.tries
RETURNING d.subject, d.state;

-- name: promote_deliveries(organization_id, webhook_id, subjects, now)!
-- The oldest pending one of each subject is due now, if it was waiting behind another.
UPDATE delivery d SET due_at = :now
FROM unnest(:subjects::text[]) AS s (subject)
CROSS JOIN LATERAL (
    SELECT p.id FROM delivery p
    WHERE p.organization_id = :organization_id AND p.webhook_id = :webhook_id AND p.subject = s.subject AND p.state = 'pending'
    ORDER BY p.id LIMIT 1
) AS n
WHERE d.organization_id = :organization_id AND d.id = n.id AND d.due_at IS NULL;

-- name: count_failures(organization_id, webhook_id, failures)!
UPDATE webhook SET failures = :failures WHERE organization_id = :organization_id AND id = :webhook_id;

-- name: deliveries_page(organization_id, webhook_id, before, limit)
SELECT * FROM delivery
WHERE organization_id = :organization_id AND webhook_id = :webhook_id AND id < coalesce(:before::bigint, 9223372036854775807)
ORDER BY id DESC LIMIT :limit;

-- name: deliveries_page_in_state(organization_id, webhook_id, state, before, limit)
SELECT * FROM delivery
WHERE organization_id = :organization_id AND webhook_id = :webhook_id AND state = :state
  AND id < coalesce(:before::bigint, 9223372036854775807)
ORDER BY id DESC LIMIT :limit;

-- name: delivery(organization_id, webhook_id, delivery_id)^
SELECT * FROM delivery WHERE organization_id = :organization_id AND webhook_id = :webhook_id AND id = :delivery_id;

-- name: redeliver(organization_id, webhook_id, delivery_id, now)^
-- One that is over goes out at once, with all its tries ahead; one that waits for its next try, too. One that is being sent,
-- or is behind an older one of its subject, stays where it is.
UPDATE delivery
SET state = 'pending',
    tries = CASE WHEN state = 'pending' THEN tries ELSE 0 END,
    due_at = CASE WHEN state = 'pending' AND (claim IS NOT NULL OR due_at IS NULL) THEN due_at ELSE :now::timestamptz END
WHERE organization_id = :organization_id AND webhook_id = :webhook_id AND id = :delivery_id
RETURNING *;

-- name: redeliver_dead(organization_id, webhook_id, now, limit)$
-- The oldest dead ones; of several of one subject the oldest goes first, and behind what is pending.
WITH dead AS (
    SELECT id, subject, row_number() OVER (PARTITION BY subject ORDER BY id) AS place
    FROM (SELECT id, subject FROM delivery
          WHERE organization_id = :organization_id AND webhook_id = :webhook_id AND state = 'dead'
          ORDER BY id LIMIT :limit) AS oldest
), revived AS (
    UPDATE delivery d
    SET state = 'pending', tries = 0,
        due_at = CASE WHEN dead.place = 1
                       AND NOT EXISTS (SELECT FROM delivery p
                                       WHERE p.organization_id = :organization_id AND p.webhook_id = :webhook_id
                                         AND p.subject = dead.subject AND p.state = 'pending')
                      THEN :now::timestamptz END
    FROM dead
    WHERE d.organization_id = :organization_id AND d.id = dead.id
    RETURNING d.id
)
SELECT count(*) FROM revived;

-- name: all_webhooks()
-- over_since: of its campaign, if it hears of one alone.
SELECT w.organization_id, w.id, w.archived_at,
       CASE WHEN c.state IN ('completed', 'cancelled') THEN c.ended_at END AS over_since
FROM webhook w
LEFT JOIN campaign c ON c.organization_id = w.organization_id AND c.id = w.campaign_id
ORDER BY w.organization_id, w.id;

-- name: purge_deliveries(organization_id, webhook_id, before, limit)
-- The oldest ones, up to `before`, whatever their state. The answer: their subjects.
DELETE FROM delivery
WHERE organization_id = :organization_id AND created_at < :before AND id = ANY(ARRAY(
    SELECT id FROM delivery
    WHERE organization_id = :organization_id AND webhook_id = :webhook_id
    ORDER BY id LIMIT :limit
))
RETURNING subject;

-- name: delete_webhook(organization_id, webhook_id)!
DELETE FROM webhook WHERE organization_id = :organization_id AND id = :webhook_id AND archived_at IS NOT NULL;
