-- The event feed. Written by `mark`, `end_attempts`, `adopt` and `log`, each in the statement that makes the change.
--
-- Readers want one order, and nothing that appears later between two rows they have seen. Neither ids nor instants give
-- that: a transaction that began early may commit late. So rows are ordered by transaction, and a reader takes those
-- below the oldest one that is still running: all of these are over, and whatever they wrote is visible. A transaction
-- that writes for long delays events for as long; it loses none.
--
-- A transaction may place its row later than itself, never earlier, since a reader may have passed there: that row, too,
-- is visible once everything below is over. Two that touch one attempt may commit against the order of their numbers;
-- `attempt.told_in` is what keeps that attempt's events in the order of its states. A log entry is placed after all that
-- its statement could see: "completed" comes after the last call.

-- name: tell_skipped(organization_id, campaign_id, contact_ids, reason, now)!
-- An event for each contact, in the form of a log entry's, where the campaign has a webhook of its own: others hear of
-- numbers, and not of a million contacts that cannot be called.
INSERT INTO event (organization_id, transaction_id, campaign_id, kind, at, details)
SELECT :organization_id, pg_current_xact_id()::text::bigint, :campaign_id::bigint, 'contact.skipped', :now::timestamptz,
       jsonb_build_object('log_id', 0, 'level', 'info', 'message', 'not called: ' || :reason::text,
                          'details', jsonb_build_object('contact_id', s.contact_id, 'reason', :reason::text),
                          'state', c.state)
FROM unnest(:contact_ids::bigint[]) AS s (contact_id)
JOIN campaign c ON c.organization_id = :organization_id AND c.id = :campaign_id::bigint
WHERE EXISTS (SELECT FROM webhook w
              WHERE w.organization_id = :organization_id AND w.campaign_id = :campaign_id::bigint AND w.active);

-- name: event_horizon()$
-- The transaction below which all are over.
SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint;

-- name: events_after(organization_id, transaction_id, id, limit, campaign_id)
-- Of the organization's next events, at most `limit`: those of the campaign (null: all), and the last one in any case, for
-- the reader to go on after. What is known of an attempt is read now, and may be more than when the event was written.
WITH page AS (
    SELECT transaction_id, id, campaign_id, attempt_id, kind, at, details FROM event
    WHERE organization_id = :organization_id AND (transaction_id, id) > (:transaction_id::bigint, :id::bigint)
      AND transaction_id < pg_snapshot_xmin(pg_current_snapshot())::text::bigint
    ORDER BY transaction_id, id LIMIT :limit
)
SELECT e.*, a.uuid AS attempt_uuid, a.contact_id, a.number, a.from_number, a.to_number, a.placed_at, a.ringing_at,
       a.answered_at, a.ended_at, a.disposition, a.cause
FROM page e
LEFT JOIN attempt a ON a.organization_id = :organization_id AND a.id = e.attempt_id
WHERE :campaign_id::bigint IS NULL OR e.campaign_id = :campaign_id
   OR (e.transaction_id, e.id) = (SELECT l.transaction_id, l.id FROM page l ORDER BY l.transaction_id DESC, l.id DESC LIMIT 1)
ORDER BY e.transaction_id, e.id;

-- name: events_purged(organization_id)^
-- The last event that is gone; no row while all are there.
SELECT transaction_id, id FROM event_purge WHERE organization_id = :organization_id;

-- name: purge_events(organization_id, before, limit)$
-- Among the oldest `limit`, the newest that was written before then, and all in front of it. The number that are gone.
WITH oldest AS (
    SELECT transaction_id, id, at FROM event WHERE organization_id = :organization_id
    ORDER BY transaction_id, id LIMIT :limit
), last AS (
    SELECT transaction_id, id FROM oldest WHERE at < :before ORDER BY transaction_id DESC, id DESC LIMIT 1
), gone AS (
    DELETE FROM event e USING oldest o, last l
    WHERE e.organization_id = :organization_id AND e.transaction_id = o.transaction_id AND e.id = o.id
      AND (o.transaction_id, o.id) <= (l.transaction_id, l.id)
    RETURNING e.id
), told AS (
    INSERT INTO event_purge (organization_id, transaction_id, id)
    SELECT :organization_id, transaction_id, id FROM last
    ON CONFLICT (organization_id) DO UPDATE SET transaction_id = excluded.transaction_id, id = excluded.id
    WHERE (event_purge.transaction_id, event_purge.id) < (excluded.transaction_id, excluded.id)
)
SELECT count(*) FROM gone;
