-- One dispatch turn: lock, settle, count, claim, intend. The caller holds one short transaction and passes `now` on.

-- name: lock_organization(organization_id, now)^
-- The row lock is the only ownership of an organization. NO KEY: a foreign-key insert (an import) must not block it.
-- Taken by somebody else: no row, no waiting.
SELECT id, max_lines, cps, tat, next_turn_at, coalesce(:now::timestamptz, statement_timestamp()) AS now
FROM organization WHERE id = :organization_id
FOR NO KEY UPDATE SKIP LOCKED;

-- name: await_organization(organization_id, now)^
-- The same lock for commands, which wait for it.
SELECT id, max_lines, cps, tat, next_turn_at, coalesce(:now::timestamptz, statement_timestamp()) AS now
FROM organization WHERE id = :organization_id
FOR NO KEY UPDATE;

-- name: due_organizations(now, limit)
-- Organizations in which a turn could do something, longest overdue first.
SELECT id FROM organization WHERE next_turn_at <= coalesce(:now::timestamptz, statement_timestamp())
ORDER BY next_turn_at LIMIT :limit;

-- name: start_scheduled(organization_id, ids, now)
-- Scheduled campaigns whose hour and whose place in their queue have come.
UPDATE campaign SET state = 'running', started_at = :now, resumed_at = :now, updated_at = :now
WHERE organization_id = :organization_id AND state = 'scheduled' AND id = ANY(:ids::bigint[])
RETURNING id;

-- name: active_campaigns(organization_id)
-- Running and scheduled campaigns, and the paused ones that hold a queue or have an end, with the limits of their carriers
-- and the carriers' active numbers. While a carrier is switched off it has none, so that nothing is placed.
SELECT c.id, c.uuid, c.name, c.state, c.keep_open, c.agent_id, c.carrier_id, c.max_lines, c.cps, c.calling_window::text, c.retry::text, c.breaker::text,
       c.abandon::text, c.recording::text, c.agent_versions::text, c.machine_detection::text,
       c.settings_version, c.sealed_sequence, c.tat, c.rotation, c.starts_at, c.ends_at, c.queue, c.screening, c.resumed_at,
       a.version AS agent_version,
       r.max_lines AS carrier_max_lines, r.cps AS carrier_cps, r.tat AS carrier_tat, r.suspended_until, r.breaker_since,
       r.send_timeout_seconds, r.ring_timeout_seconds, r.max_call_seconds, r.slow_start, r.carries_sound,
       r.inactive_since IS NULL AND r.archived_at IS NULL AS carrier_active,
       (SELECT jsonb_agg(jsonb_build_array(n.id, n.e164, n.max_lines, c.number_ids = '{}' OR n.id = ANY(c.number_ids))
                         ORDER BY n.id) FROM number n
        WHERE n.organization_id = c.organization_id AND n.carrier_id = c.carrier_id AND n.active
          AND r.inactive_since IS NULL AND r.archived_at IS NULL) AS numbers
FROM campaign c
JOIN agent a ON a.organization_id = c.organization_id AND a.id = c.agent_id
JOIN carrier r ON r.organization_id = c.organization_id AND r.id = c.carrier_id
WHERE c.organization_id = :organization_id AND c.state IN ('scheduled', 'running', 'paused')
  AND (c.state <> 'paused' OR c.ends_at IS NOT NULL OR c.queue IS NOT NULL)
ORDER BY c.id;

-- name: look(organization_id, campaign_ids)
-- What lines are in use for, and where calls could come from. Runs in a statement after the lock: one that both locks and
-- counts sees a snapshot older than its lock and breaks the caps. Rows of three kinds:
-- with `open`: open attempts by what they count against;
-- with `rank`: the earliest due row of each (campaign, rank, zone group, number of the contacts' own) that has any, one
-- index descent each however long the backlog;
-- with `sequence`: zone groups that may still have fresh contacts.
SELECT campaign_id, carrier_id, number_id, count(*) AS open, min(deadline_at) AS deadline_at,
       NULL::smallint AS rank, NULL::bigint AS zone_group_id, NULL::timestamptz AS due_at, NULL::bigint AS sequence
FROM attempt WHERE organization_id = :organization_id AND ended_at IS NULL
GROUP BY campaign_id, carrier_id, number_id
UNION ALL
SELECT wanted.campaign_id, NULL, head.number_id, NULL, NULL, head.rank, head.zone_group_id, head.due_at, NULL
FROM unnest(:campaign_ids::bigint[]) AS wanted (campaign_id)
CROSS JOIN LATERAL (
    WITH RECURSIVE head AS (
        (SELECT rank, zone_group_id, number_id, due_at FROM due
         WHERE organization_id = :organization_id AND campaign_id = wanted.campaign_id
         ORDER BY rank, zone_group_id, number_id, due_at LIMIT 1)
        UNION ALL
        SELECT later.rank, later.zone_group_id, later.number_id, later.due_at
        FROM head CROSS JOIN LATERAL (
            SELECT rank, zone_group_id, number_id, due_at FROM due
            WHERE organization_id = :organization_id AND campaign_id = wanted.campaign_id
              AND (rank, zone_group_id, number_id) > (head.rank, head.zone_group_id, head.number_id)
            ORDER BY rank, zone_group_id, number_id, due_at LIMIT 1
        ) AS later
    )
    SELECT rank, zone_group_id, number_id, due_at FROM head
) AS head
UNION ALL
SELECT c.campaign_id, NULL, NULL, NULL, NULL, NULL, c.zone_group_id, NULL, c.sequence
FROM cursor c
JOIN campaign ON campaign.organization_id = c.organization_id AND campaign.id = c.campaign_id
WHERE c.organization_id = :organization_id AND c.campaign_id = ANY(:campaign_ids)
  AND c.sequence < campaign.sealed_sequence;

-- name: zone_groups(organization_id, ids)
SELECT id, zones FROM zone_group WHERE organization_id = :organization_id AND id = ANY(:ids);

-- name: claim_due(organization_id, campaign_id, zone_group_id, number_id, rank, now, limit)
-- Due contacts of one zone group, number and rank, soonest first. An array of groups with ORDER BY would sort the whole
-- backlog. Who is on the do-not-call list ends here as skipped.
WITH taken AS (
    DELETE FROM due
    WHERE (organization_id, campaign_id, contact_id) IN (
        SELECT organization_id, campaign_id, contact_id FROM due
        WHERE organization_id = :organization_id AND campaign_id = :campaign_id AND rank = :rank
          AND zone_group_id = :zone_group_id AND number_id = :number_id AND due_at <= :now
        ORDER BY due_at LIMIT :limit
    )
    RETURNING contact_id, number_id, due_at
)
UPDATE contact c
SET state = CASE WHEN d.to_number IS NULL THEN 'dialing' ELSE 'skipped' END,
    skip_reason = CASE WHEN d.to_number IS NULL THEN NULL ELSE 'do_not_call' END
FROM taken
JOIN contact t ON t.organization_id = :organization_id AND t.id = taken.contact_id
LEFT JOIN do_not_call d ON d.organization_id = t.organization_id AND d.to_number = t.to_number
WHERE c.organization_id = :organization_id AND c.id = taken.contact_id AND c.state = 'waiting'
RETURNING c.id, c.state, c.to_number, c.external_id, c.variables, c.attempts, c.priority, c.zone_group_id, taken.number_id,
          taken.due_at;

-- name: claim_fresh(organization_id, campaign_id, zone_group_id, after, sealed, limit)
-- The next waiting contacts of one zone group in the order of their rows; at most 1,000 rows are looked at.
WITH taken AS (
    SELECT e.id, e.to_number FROM (
        SELECT id, to_number, state, sequence FROM contact
        WHERE organization_id = :organization_id AND campaign_id = :campaign_id AND zone_group_id = :zone_group_id
          AND sequence > :after AND sequence <= :sealed
        ORDER BY sequence LIMIT 1000
    ) AS e
    WHERE e.state = 'waiting' ORDER BY e.sequence LIMIT :limit
)
UPDATE contact c
SET state = CASE WHEN d.to_number IS NULL THEN 'dialing' ELSE 'skipped' END,
    skip_reason = CASE WHEN d.to_number IS NULL THEN NULL ELSE 'do_not_call' END
FROM taken
LEFT JOIN do_not_call d ON d.organization_id = :organization_id AND d.to_number = taken.to_number
WHERE c.organization_id = :organization_id AND c.id = taken.id AND c.state = 'waiting'
RETURNING c.id, c.state, c.to_number, c.external_id, c.variables, c.attempts, c.priority, c.zone_group_id,
          0::bigint AS number_id, c.sequence;

-- name: examined(organization_id, campaign_id, zone_group_id, after, sealed)^
-- Where a claim that came back short has looked: how many rows, and the last of them.
SELECT count(*) AS rows, max(sequence) AS sequence FROM (
    SELECT sequence FROM contact
    WHERE organization_id = :organization_id AND campaign_id = :campaign_id AND zone_group_id = :zone_group_id
      AND sequence > :after AND sequence <= :sealed
    ORDER BY sequence LIMIT 1000
) AS e;

-- name: skip_fresh(organization_id, campaign_id, zone_group_id, after, sealed, reason)
-- Fresh contacts of a group that can never be called end as skipped, at most 1,000 a turn.
WITH passed AS (
    SELECT id FROM contact
    WHERE organization_id = :organization_id AND campaign_id = :campaign_id AND zone_group_id = :zone_group_id
      AND sequence > :after AND sequence <= :sealed
    ORDER BY sequence LIMIT 1000
)
UPDATE contact c SET state = 'skipped', skip_reason = :reason
FROM passed WHERE c.organization_id = :organization_id AND c.id = passed.id AND c.state = 'waiting'
RETURNING c.id;

-- name: skip_due(organization_id, campaign_id, zone_group_id, number_id, rank, reason, limit)
-- The same for those with a due row.
WITH taken AS (
    DELETE FROM due
    WHERE (organization_id, campaign_id, contact_id) IN (
        SELECT organization_id, campaign_id, contact_id FROM due
        WHERE organization_id = :organization_id AND campaign_id = :campaign_id AND rank = :rank
          AND zone_group_id = :zone_group_id AND number_id = :number_id
        ORDER BY due_at LIMIT :limit
    )
    RETURNING contact_id
)
UPDATE contact c SET state = 'skipped', skip_reason = :reason
FROM taken WHERE c.organization_id = :organization_id AND c.id = taken.contact_id AND c.state = 'waiting'
RETURNING c.id;

-- name: write_turn(organization_id, worker_id, now, uuids, campaign_ids, contact_ids, numbers, carrier_ids, number_ids, from_numbers, to_numbers, agent_ids, agent_versions, send_ats, send_befores, deadlines, cursor_campaign_ids, cursor_zone_group_ids, cursor_sequences, paced_campaign_ids, campaign_tats, rotations, paced_carrier_ids, carrier_tats, organization_tat)
-- What a turn has decided, at once: one intent per claimed contact, how far cursors have come, when the next calls may start
-- and how far numbers have rotated. Intents by contact; a clash with an open attempt (the same number in another campaign)
-- leaves its row out of the answer and does not abort the turn.
WITH intended AS (
    INSERT INTO attempt (organization_id, worker_id, created_at, uuid, campaign_id, contact_id, number, carrier_id, number_id,
                         from_number, to_number, agent_id, agent_version, send_at, send_before, deadline_at)
    SELECT :organization_id, :worker_id, :now::timestamptz, i.*
    FROM unnest(:uuids::uuid[], :campaign_ids::bigint[], :contact_ids::bigint[], :numbers::integer[], :carrier_ids::bigint[],
                :number_ids::bigint[], :from_numbers::text[], :to_numbers::text[], :agent_ids::bigint[],
                :agent_versions::integer[], :send_ats::timestamptz[], :send_befores::timestamptz[],
                :deadlines::timestamptz[]) AS i
    ON CONFLICT DO NOTHING
    RETURNING id, contact_id
), moved AS (
    UPDATE cursor c SET sequence = m.sequence
    FROM unnest(:cursor_campaign_ids::bigint[], :cursor_zone_group_ids::bigint[], :cursor_sequences::bigint[])
         AS m (campaign_id, zone_group_id, sequence)
    WHERE c.organization_id = :organization_id AND c.campaign_id = m.campaign_id AND c.zone_group_id = m.zone_group_id
      AND c.sequence < m.sequence
), paced_campaigns AS (
    UPDATE campaign c SET tat = p.tat, rotation = p.rotation
    FROM unnest(:paced_campaign_ids::bigint[], :campaign_tats::timestamptz[], :rotations::integer[]) AS p (id, tat, rotation)
    WHERE c.organization_id = :organization_id AND c.id = p.id
), paced_carriers AS (
    UPDATE carrier c SET tat = p.tat
    FROM unnest(:paced_carrier_ids::bigint[], :carrier_tats::timestamptz[]) AS p (id, tat)
    WHERE c.organization_id = :organization_id AND c.id = p.id
), paced_organization AS (
    UPDATE organization SET tat = :organization_tat
    WHERE id = :organization_id AND :organization_tat::timestamptz IS NOT NULL
)
SELECT id, contact_id FROM intended;

-- name: put_back(organization_id, contact_ids, ranks, due_ats)!
-- Claimed contacts wait again, with a due row each.
WITH given AS (
    SELECT * FROM unnest(:contact_ids::bigint[], :ranks::smallint[], :due_ats::timestamptz[]) AS g (contact_id, rank, due_at)
), waiting AS (
    UPDATE contact c SET state = 'waiting', sequence = NULL
    FROM given WHERE c.organization_id = :organization_id AND c.id = given.contact_id AND c.state = 'dialing'
    RETURNING c.id, c.campaign_id, c.zone_group_id, coalesce(c.number_id, 0) AS number_id, given.rank, given.due_at
)
INSERT INTO due (organization_id, campaign_id, contact_id, zone_group_id, number_id, rank, due_at)
SELECT :organization_id, campaign_id, id, zone_group_id, number_id, rank, due_at FROM waiting;

-- name: move_cursors(organization_id, campaign_ids, zone_group_ids, sequences)!
UPDATE cursor c SET sequence = m.sequence
FROM unnest(:campaign_ids::bigint[], :zone_group_ids::bigint[], :sequences::bigint[]) AS m (campaign_id, zone_group_id, sequence)
WHERE c.organization_id = :organization_id AND c.campaign_id = m.campaign_id AND c.zone_group_id = m.zone_group_id
  AND c.sequence < m.sequence;

-- name: schedule_turn(organization_id, next_turn_at)!
UPDATE organization SET next_turn_at = :next_turn_at WHERE id = :organization_id;

-- name: complete(organization_id, campaign_id, now)$
-- Done when, in one snapshot, everything is sealed, every cursor is at its end, nothing is due and no attempt is open.
UPDATE campaign c SET state = 'completed', ended_at = :now, updated_at = :now
WHERE c.organization_id = :organization_id AND c.id = :campaign_id AND c.state = 'running' AND NOT c.keep_open
  AND NOT EXISTS (SELECT FROM contact_file f WHERE f.organization_id = c.organization_id AND f.campaign_id = c.id
                  AND f.state = 'importing')
  AND NOT EXISTS (SELECT FROM cursor u WHERE u.organization_id = c.organization_id AND u.campaign_id = c.id
                  AND u.sequence < c.sealed_sequence)
  AND NOT EXISTS (SELECT FROM due d WHERE d.organization_id = c.organization_id AND d.campaign_id = c.id)
  AND NOT EXISTS (SELECT FROM attempt a WHERE a.organization_id = c.organization_id AND a.campaign_id = c.id
                  AND a.ended_at IS NULL)
RETURNING c.id;

-- name: expire(organization_id, campaign_id, now)$
-- Its end has come and no attempt is open. Who still waits keeps that state and reads as skipped (expired).
UPDATE campaign c SET state = 'completed', state_reason = 'expired', ended_at = :now, updated_at = :now
WHERE c.organization_id = :organization_id AND c.id = :campaign_id AND c.state IN ('scheduled', 'running', 'paused')
  AND c.ends_at <= :now
  AND NOT EXISTS (SELECT FROM attempt a WHERE a.organization_id = c.organization_id AND a.campaign_id = c.id
                  AND a.ended_at IS NULL)
RETURNING c.id;

-- name: recent_of_campaign(organization_id, campaign_id, since, faults)
-- Calls of a campaign that ended since then, at most the latest 1,000: for its breaker.
SELECT count(*) AS ended, count(*) FILTER (WHERE recent.disposition = ANY(:faults)) AS faults,
       (array_agg(recent.to_number || ' ' || recent.disposition || ' ' || recent.cause)
        FILTER (WHERE recent.disposition = ANY(:faults)))[1 : 20] AS calls
FROM (SELECT disposition, to_number, cause FROM attempt
      WHERE organization_id = :organization_id AND campaign_id = :campaign_id AND ended_at > :since
      ORDER BY ended_at DESC LIMIT 1000) AS recent;

-- name: answers_of_campaign(organization_id, campaign_id, answered, abandoned)^
-- Calls that people answered in one period, and those of them that were abandoned: the names of the two measures.
SELECT coalesce(sum(value) FILTER (WHERE measure = :answered), 0)::bigint AS answered,
       coalesce(sum(value) FILTER (WHERE measure = :abandoned), 0)::bigint AS abandoned
FROM progress
WHERE organization_id = :organization_id AND campaign_id = :campaign_id AND measure IN (:answered, :abandoned);

-- name: abandoned_of_campaign(organization_id, campaign_id, since)$
-- The latest abandoned ones among the calls that have ended since then, of which the latest 1,000 are looked at.
SELECT (array_agg(recent.to_number || ' ' || recent.disposition || ' ' || recent.cause)
        FILTER (WHERE recent.abandoned))[1 : 20] AS calls
FROM (SELECT disposition, to_number, cause, abandoned FROM attempt
      WHERE organization_id = :organization_id AND campaign_id = :campaign_id AND ended_at > :since
      ORDER BY ended_at DESC LIMIT 1000) AS recent;

-- name: was_logged(organization_id, campaign_id, event, since)$
SELECT EXISTS (SELECT FROM campaign_log
               WHERE organization_id = :organization_id AND campaign_id = :campaign_id AND level <> 'info'
                 AND event = :event AND at > :since);

-- name: recent_of_carrier(organization_id, carrier_id, since, faults)
SELECT count(*) AS ended, count(*) FILTER (WHERE recent.disposition = ANY(:faults)) AS faults,
       (array_agg(recent.to_number || ' ' || recent.disposition || ' ' || recent.cause)
        FILTER (WHERE recent.disposition = ANY(:faults)))[1 : 20] AS calls
FROM (SELECT disposition, to_number, cause FROM attempt
      WHERE organization_id = :organization_id AND carrier_id = :carrier_id AND ended_at > :since
      ORDER BY ended_at DESC LIMIT 1000) AS recent;

-- name: suspend_carrier(organization_id, carrier_id, until)!
UPDATE carrier SET suspended_until = :until, breaker_since = :until
WHERE organization_id = :organization_id AND id = :carrier_id;

-- name: trip_campaign(organization_id, campaign_id, reason, now)$
UPDATE campaign SET state = 'paused', state_reason = :reason, updated_at = :now
WHERE organization_id = :organization_id AND id = :campaign_id AND state = 'running'
RETURNING id;
