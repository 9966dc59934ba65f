-- The life of an attempt after its intent is committed.
-- Where attempts are named by id, `state <> 'ended'` says what `ended_at IS NULL` does elsewhere: no index has it for its
-- condition, so that none but the primary key can be chosen. The indexes of the open attempts look as short to the planner
-- as they are, and are full of dead entries for as long as a report holds a snapshot.

-- name: candidate(organization_id, attempt_id)^
-- Who is checked before the call. No row: the intent was taken back.
SELECT o.uuid AS organization_uuid, k.uuid AS campaign_uuid, c.uuid AS contact_uuid, c.external_id, c.variables,
       coalesce(c.added_at, k.created_at) AS added_at
FROM attempt a
JOIN contact c ON c.organization_id = a.organization_id AND c.id = a.contact_id
JOIN campaign k ON k.organization_id = a.organization_id AND k.id = a.campaign_id
JOIN organization o ON o.id = a.organization_id
WHERE a.organization_id = :organization_id AND a.id = :attempt_id AND a.state = 'intended';

-- name: screen_out(organization_id, ids, reason)
-- Intents whose check did not pass are withdrawn, and their contacts end. What somebody else took back meanwhile, to let the
-- contact wait, stays as they left it.
WITH gone AS (
    DELETE FROM attempt
    WHERE organization_id = :organization_id AND id = ANY(:ids::bigint[]) AND state = 'intended'
    RETURNING contact_id
)
UPDATE contact c SET state = 'skipped', skip_reason = :reason, sequence = NULL
FROM gone WHERE c.organization_id = :organization_id AND c.id = gone.contact_id AND c.state = 'dialing'
RETURNING c.id, c.campaign_id;

-- name: guard(organization_id, worker_id, now, ids)
-- The last look before the network: what was taken back, or has passed its hour, gives no row. Two workers never get one.
UPDATE attempt a SET state = 'sending', worker_id = :worker_id, sent_at = g.at
FROM (
    SELECT id, coalesce(:now::timestamptz, statement_timestamp()) AS at FROM attempt
    WHERE organization_id = :organization_id AND id = ANY(:ids::bigint[]) AND state = 'intended'
      AND send_before > coalesce(:now::timestamptz, statement_timestamp())
    ORDER BY id FOR UPDATE SKIP LOCKED
) AS g
WHERE a.organization_id = :organization_id AND a.id = g.id
RETURNING a.id, g.at;

-- name: mark(organization_id, ids, states, carrier_call_ids, placed_ats, ringing_ats, answered_ats, deadlines, tell)!
-- Progress of calls. States only go forward; a late or doubled event changes nothing, and nothing but the guard moves an
-- intent: one that has not passed it has no sent_at to reckon from. `tell`: with an event each, whose place is explained
-- in event.sql.
WITH moved AS (
    UPDATE attempt a
    SET state = m.state, deadline_at = m.deadline_at,
        carrier_call_id = coalesce(m.carrier_call_id, a.carrier_call_id),
        placed_at = least(a.placed_at, m.placed_at),
        ringing_at = coalesce(a.ringing_at, m.ringing_at),
        answered_at = coalesce(a.answered_at, m.answered_at),
        told_in = CASE WHEN :tell::boolean THEN greatest(a.told_in, pg_current_xact_id()::text::bigint) END
    FROM unnest(:ids::bigint[], :states::text[], :carrier_call_ids::text[], :placed_ats::timestamptz[],
                :ringing_ats::timestamptz[], :answered_ats::timestamptz[], :deadlines::timestamptz[])
         AS m (id, state, carrier_call_id, placed_at, ringing_at, answered_at, deadline_at)
    WHERE a.organization_id = :organization_id AND a.id = m.id AND a.state <> 'ended'
      AND array_position(ARRAY['sending', 'unknown', 'placed', 'ringing', 'answered'], a.state)
        < array_position(ARRAY['sending', 'unknown', 'placed', 'ringing', 'answered'], m.state)
    RETURNING a.id, a.campaign_id, a.state, a.told_in
)
INSERT INTO event (organization_id, transaction_id, campaign_id, attempt_id, kind, at)
SELECT :organization_id, told_in, campaign_id, id, 'attempt.' || state, statement_timestamp()
FROM moved WHERE told_in IS NOT NULL;

-- name: end_attempts(organization_id, ids, dispositions, spent, ended_ats, placed_ats, ringing_ats, answered_ats, sip_statuses, causes, transcripts, gathered, summaries, labels, usages, recordings, abandoned, answered_bys, sent_ats, tell)
-- Ends attempts once; answers with what the retry decision needs. One that has ended already gives no row, nor does one
-- that was to end because a sending came to nothing (sent_ats, else null) and that somebody has sent again since.
-- `tell`: with an event each.
WITH ended AS (
    UPDATE attempt a
    SET state = 'ended', disposition = e.disposition, spent = e.spent,
        -- the carrier's clock and ours may differ: an attempt never ends before it began
        ended_at = greatest(e.ended_at, coalesce(a.answered_at, e.answered_at), a.sent_at, a.created_at),
        placed_at = least(a.placed_at, e.placed_at), ringing_at = coalesce(a.ringing_at, e.ringing_at),
        answered_at = coalesce(a.answered_at, e.answered_at), sip_status = e.sip_status, cause = e.cause,
        transcript = e.transcript::jsonb, gathered = e.gathered::jsonb, recording = e.recording,
        summary = e.summary, label = e.label, usage = e.usage::jsonb,
        abandoned = e.abandoned, answered_by = e.answered_by,
        told_in = CASE WHEN :tell::boolean THEN greatest(a.told_in, pg_current_xact_id()::text::bigint) END
    FROM unnest(:ids::bigint[], :dispositions::text[], :spent::boolean[], :ended_ats::timestamptz[],
                :placed_ats::timestamptz[], :ringing_ats::timestamptz[], :answered_ats::timestamptz[],
                :sip_statuses::integer[], :causes::text[], :transcripts::text[], :gathered::text[], :summaries::text[],
                :labels::text[], :usages::text[], :recordings::text[],
                :abandoned::boolean[], :answered_bys::text[], :sent_ats::timestamptz[])
         AS e (id, disposition, spent, ended_at, placed_at, ringing_at, answered_at, sip_status, cause, transcript,
               gathered, summary, label, usage, recording, abandoned, answered_by, sent_at)
    WHERE a.organization_id = :organization_id AND a.id = e.id AND a.state NOT IN ('ended', 'intended')
      AND a.sent_at = coalesce(e.sent_at, a.sent_at)
    RETURNING a.id, a.campaign_id, a.contact_id, a.carrier_id, a.to_number, a.disposition, a.spent, a.ended_at, a.answered_at,
              a.abandoned, a.told_in
), told AS (
    INSERT INTO event (organization_id, transaction_id, campaign_id, attempt_id, kind, at)
    SELECT :organization_id, told_in, campaign_id, id, 'attempt.ended', statement_timestamp()
    FROM ended WHERE told_in IS NOT NULL
)
SELECT ended.*, c.priority, c.spent AS spent_before, c.refusals, campaign.state AS campaign_state, campaign.ends_at,
       campaign.retry::text, campaign.resumed_at,
       CASE WHEN ended.abandoned IS NOT NULL AND campaign.abandon -> 'enabled' IS DISTINCT FROM 'false'
            THEN campaign.calling_window ->> 'timezone' END AS abandon_zone
FROM ended
JOIN contact c ON c.organization_id = :organization_id AND c.id = ended.contact_id
JOIN campaign ON campaign.organization_id = :organization_id AND campaign.id = ended.campaign_id
ORDER BY ended.id;

-- name: settle_contacts(organization_id, worker_id, contact_ids, states, dispositions, outcomes, spent, refusals, ranks, due_ats, answers, abandoned)$
-- Contacts of ended attempts go on waiting, with a due row, or end. One that was removed meanwhile stays removed.
-- Progress counts with them. `outcomes` are the attempts' dispositions; the contacts' differ after too many refusals.
-- `answers`: what those count to that people answered, else null; see `records.answer_period`.
WITH settled AS (
    UPDATE contact c
    SET state = CASE WHEN c.state = 'dialing' THEN s.state ELSE c.state END,
        disposition = s.disposition, attempts = c.attempts + 1, spent = c.spent + s.spent, refusals = s.refusals
    FROM unnest(:contact_ids::bigint[], :states::text[], :dispositions::text[], :outcomes::text[], :spent::integer[],
                :refusals::integer[], :ranks::smallint[], :due_ats::timestamptz[], :answers::text[], :abandoned::boolean[])
         AS s (contact_id, state, disposition, outcome, spent, refusals, rank, due_at, answer, abandoned)
    WHERE c.organization_id = :organization_id AND c.id = s.contact_id
    RETURNING c.id, c.campaign_id, c.zone_group_id, c.number_id, c.state, c.attempts, s.rank, s.due_at, s.outcome, s.answer,
              s.abandoned
), retried AS (
    INSERT INTO due (organization_id, campaign_id, contact_id, zone_group_id, number_id, rank, due_at)
    SELECT :organization_id, campaign_id, id, zone_group_id, coalesce(number_id, 0), rank, due_at
    FROM settled WHERE state = 'waiting'
), counted AS (
    INSERT INTO progress (organization_id, campaign_id, worker_id, measure, value)
    SELECT :organization_id, m.campaign_id, :worker_id::uuid, m.measure, count(*)
    FROM (SELECT campaign_id, 'attempts' AS measure FROM settled
          UNION ALL SELECT campaign_id, 'tried' FROM settled WHERE attempts = 1
          UNION ALL SELECT campaign_id, 'disposition.' || outcome FROM settled
          UNION ALL SELECT campaign_id, state FROM settled WHERE state IN ('reached', 'exhausted')
          UNION ALL SELECT campaign_id, 'answered.' || answer FROM settled WHERE answer IS NOT NULL
          UNION ALL SELECT campaign_id, 'abandoned.' || answer FROM settled WHERE abandoned) AS m
    GROUP BY m.campaign_id, m.measure ORDER BY m.campaign_id, m.measure
    ON CONFLICT (organization_id, campaign_id, worker_id, measure) DO UPDATE SET value = progress.value + excluded.value
)
SELECT count(*) FROM settled;

-- name: add_progress(organization_id, worker_id, campaign_ids, measures, counts)!
INSERT INTO progress (organization_id, campaign_id, worker_id, measure, value)
SELECT :organization_id, p.campaign_id, :worker_id, p.measure, p.value
FROM unnest(:campaign_ids::bigint[], :measures::text[], :counts::bigint[]) AS p (campaign_id, measure, value)
ORDER BY p.campaign_id, p.measure
ON CONFLICT (organization_id, campaign_id, worker_id, measure) DO UPDATE SET value = progress.value + excluded.value;

-- name: take_back(organization_id, campaign_id, contact_ids, to_numbers)
-- Intents that are withdrawn: of a campaign, of contacts, or to numbers. Past the guard it is too late, and gives no row.
DELETE FROM attempt
WHERE organization_id = :organization_id AND ended_at IS NULL AND state = 'intended'
  AND (campaign_id = :campaign_id::bigint OR contact_id = ANY(:contact_ids::bigint[]) OR to_number = ANY(:to_numbers::text[]))
RETURNING contact_id;

-- name: take_back_expired(organization_id, now)
-- Intents whose hour has passed can never be sent; their contacts go back.
DELETE FROM attempt
WHERE organization_id = :organization_id AND ended_at IS NULL AND state = 'intended' AND send_before <= :now
RETURNING contact_id;

-- name: ranks(organization_id, contact_ids)
SELECT id, priority FROM contact WHERE organization_id = :organization_id AND id = ANY(:contact_ids::bigint[]);

-- name: sending(organization_id, now, campaign_id, contact_ids, to_numbers)$
-- How many calls of these are between the guard and the carrier's answer.
SELECT count(*) FROM attempt
WHERE organization_id = :organization_id AND ended_at IS NULL AND state = 'sending'
  AND deadline_at > coalesce(:now::timestamptz, statement_timestamp())
  AND (campaign_id = :campaign_id::bigint OR contact_id = ANY(:contact_ids::bigint[]) OR to_number = ANY(:to_numbers::text[]));

-- name: overdue(organization_id, now, worker_id, live_workers, limit)
-- Open attempts that nobody speaks for: past the deadline of their state, or of a worker that is gone. Those that this
-- worker has taken over come last: however many it waits for, it finds new ones.
SELECT a.*, c.variables, c.external_id, c.priority, g.zones, coalesce(:now::timestamptz, statement_timestamp()) AS now,
       r.send_timeout_seconds, r.ring_timeout_seconds, r.max_call_seconds, m.recording::text AS recorded,
       m.machine_detection::text AS machines
FROM attempt a
JOIN contact c ON c.organization_id = a.organization_id AND c.id = a.contact_id
JOIN zone_group g ON g.organization_id = c.organization_id AND g.id = c.zone_group_id
JOIN carrier r ON r.organization_id = a.organization_id AND r.id = a.carrier_id
JOIN campaign m ON m.organization_id = a.organization_id AND m.id = a.campaign_id
WHERE a.organization_id = :organization_id AND a.ended_at IS NULL AND a.state <> 'intended'
  AND (a.deadline_at <= coalesce(:now::timestamptz, statement_timestamp())
       OR a.worker_id <> ALL(:live_workers::uuid[])
       OR (a.state = 'unknown' AND a.worker_id = :worker_id))
ORDER BY (a.state = 'unknown' AND a.worker_id = :worker_id), a.deadline_at, a.id LIMIT :limit;

-- name: adopt(organization_id, worker_id, ids, states, workers, deadlines, tell)
-- An overdue attempt becomes `unknown` and this worker's to ask about: only if nobody has moved it since it was read.
-- `tell`: with an event for each that was not `unknown` before.
WITH adopted AS (
    UPDATE attempt a
    SET state = 'unknown', worker_id = :worker_id, deadline_at = o.deadline_at,
        told_in = CASE WHEN :tell::boolean THEN greatest(a.told_in, pg_current_xact_id()::text::bigint) END
    FROM unnest(:ids::bigint[], :states::text[], :workers::uuid[], :deadlines::timestamptz[])
         AS o (id, state, worker_id, deadline_at)
    WHERE a.organization_id = :organization_id AND a.id = o.id AND a.state = o.state AND a.worker_id = o.worker_id
    RETURNING a.id, a.campaign_id, a.told_in, o.state AS state_before
), told AS (
    INSERT INTO event (organization_id, transaction_id, campaign_id, attempt_id, kind, at)
    SELECT :organization_id, told_in, campaign_id, id, 'attempt.unknown', statement_timestamp()
    FROM adopted WHERE told_in IS NOT NULL AND state_before <> 'unknown'
)
SELECT id FROM adopted;

-- name: send_again(organization_id, worker_id, id, send_before, deadline, now)$
-- The same attempt goes out once more; only for one that the carrier is sure never to have placed.
UPDATE attempt SET state = 'sending', worker_id = :worker_id, send_before = :send_before, deadline_at = :deadline, sent_at = :now
WHERE organization_id = :organization_id AND id = :id AND state = 'unknown' AND worker_id = :worker_id
RETURNING id;

-- name: hold(organization_id, worker_id, id)$
-- Locks an attempt that is still this worker's to ask about; no row once somebody else has taken it over or it was found.
SELECT id FROM attempt
WHERE organization_id = :organization_id AND id = :id AND state = 'unknown' AND worker_id = :worker_id
FOR UPDATE;

-- name: ended_among(organization_id, ids)
-- Which of these have ended, by whoever's hand.
SELECT id FROM attempt
WHERE organization_id = :organization_id AND id = ANY(:ids::bigint[]) AND ended_at IS NOT NULL;

-- name: sendable(organization_id, attempt_id)^
-- What must still hold for an attempt that goes out again.
SELECT c.zone_group_id, c.number_id, c.state AS contact_state, d.to_number IS NOT NULL AS do_not_call
FROM attempt a
JOIN contact c ON c.organization_id = a.organization_id AND c.id = a.contact_id
LEFT JOIN do_not_call d ON d.organization_id = a.organization_id AND d.to_number = a.to_number
WHERE a.organization_id = :organization_id AND a.id = :attempt_id;

-- name: organizations_with_calls()
SELECT DISTINCT organization_id FROM attempt WHERE ended_at IS NULL;

-- name: beat(worker_id, host, pid, address, now)!
INSERT INTO worker (id, host, pid, address, started_at, heartbeat_at)
SELECT :worker_id, :host, :pid, :address, t.at, t.at FROM (SELECT coalesce(:now::timestamptz, statement_timestamp()) AS at) AS t
ON CONFLICT (id) DO UPDATE SET heartbeat_at = excluded.heartbeat_at;

-- name: live_workers(silent)
-- Workers heard of within the last `silent` (an interval).
SELECT id FROM worker WHERE heartbeat_at > statement_timestamp() - :silent::interval;

-- name: worker_of_attempt(organization_id, uuid)$
-- Who has the call, or had it last.
SELECT worker_id FROM attempt WHERE organization_id = :organization_id AND uuid = :uuid;

-- name: worker_address(worker_id)$
SELECT address FROM worker WHERE id = :worker_id;

-- name: leave(worker_id)!
DELETE FROM worker WHERE id = :worker_id;

-- name: next_deadline(organization_id)$
SELECT min(deadline_at) FROM attempt WHERE organization_id = :organization_id AND ended_at IS NULL;

-- name: attempts_estimated()$
-- How many attempts the planner believes in; below 0: nobody has counted yet.
SELECT reltuples FROM pg_class WHERE oid = 'attempt'::regclass;

-- name: contacts_estimated()$
SELECT reltuples FROM pg_class WHERE oid = 'contact'::regclass;

-- name: analyze()#
ANALYZE attempt, due, event, progress;
