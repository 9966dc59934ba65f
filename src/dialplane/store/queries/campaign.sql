-- Campaigns and what they need: organizations, the log.

-- name: find_organization(name)^
SELECT id FROM organization WHERE name = :name ORDER BY id LIMIT 1;

-- name: lock_organization_names()^
-- Names are unique by this lock and not by a key, which a database distributed by organization could not hold.
SELECT pg_advisory_xact_lock(1869768551);

-- name: create_organization(uuid, name, now)$
INSERT INTO organization (uuid, name, created_at) VALUES (:uuid, :name, :now) RETURNING id;

-- name: organization_name(organization_id)$
SELECT name FROM organization WHERE id = :organization_id;

-- name: rename_organization(organization_id, name)!
UPDATE organization SET name = :name WHERE id = :organization_id;

-- name: organization_limits(organization_id)^
SELECT max_lines, cps FROM organization WHERE id = :organization_id;

-- name: set_organization_limits(organization_id, max_lines, cps)!
UPDATE organization SET max_lines = coalesce(:max_lines, max_lines), cps = :cps WHERE id = :organization_id;

-- name: reserve_campaign_id()$
SELECT nextval('campaign_id_seq');

-- name: create_campaign(organization_id, id, uuid, name, keep_open, agent_id, carrier_id, parent_id, source, number_ids, hidden, ends_at, queue, screening, extras, max_lines, cps, calling_window, retry, breaker, abandon, recording, agent_versions, machine_detection, now)$
INSERT INTO campaign (organization_id, id, uuid, name, keep_open, agent_id, carrier_id, parent_id, source, number_ids, hidden,
                      ends_at, queue, screening, extras, max_lines, cps, calling_window, retry, breaker, abandon, recording,
                      agent_versions, machine_detection, created_at, updated_at)
VALUES (:organization_id, coalesce(:id::bigint, nextval('campaign_id_seq')), :uuid, :name, :keep_open, :agent_id, :carrier_id,
        :parent_id, :source, :number_ids, :hidden, :ends_at, :queue, :screening, :extras, :max_lines, :cps, :calling_window,
        :retry, :breaker, :abandon, :recording, :agent_versions, :machine_detection, :now, :now)
ON CONFLICT (organization_id, uuid) DO NOTHING
RETURNING id;

-- name: campaign_of_uuid(organization_id, uuid)$
SELECT id FROM campaign WHERE organization_id = :organization_id AND uuid = :uuid;

-- name: campaign(organization_id, campaign_id)^
SELECT c.*, a.name AS agent_name, a.kind AS agent_kind, a.version AS agent_version, r.name AS carrier_name,
       r.provider AS carrier_provider, r.suspended_until,
       (SELECT f.name FROM contact_file f WHERE f.organization_id = c.organization_id AND f.campaign_id = c.id
        AND f.state = 'importing') AS importing
FROM campaign c
JOIN agent a ON a.organization_id = c.organization_id AND a.id = c.agent_id
JOIN carrier r ON r.organization_id = c.organization_id AND r.id = c.carrier_id
WHERE c.organization_id = :organization_id AND c.id = :campaign_id;

-- name: campaign_records(organization_id, campaign_ids)
-- Campaigns as people see them, with their latest file and redial. All of it by index and from counters, so that it takes
-- as long for a million contacts as for one.
SELECT c.*, a.name AS agent_name, a.version AS agent_version, r.name AS carrier_name, r.provider AS carrier_provider,
       r.cps AS carrier_cps, r.suspended_until, o.cps AS organization_cps,
       f.name AS file_name, f.key AS file_key, f.state AS file_state, f.error AS file_error, f.rows_read AS file_rows,
       f.contacts AS file_contacts, f.finished_at AS file_finished_at,
       (SELECT coalesce(sum(all_files.rejects), 0)::bigint FROM contact_file all_files
        WHERE all_files.organization_id = c.organization_id AND all_files.campaign_id = c.id) AS rejects,
       (SELECT max(child.id) FROM campaign child
        WHERE child.organization_id = c.organization_id AND child.parent_id = c.id) AS redialed_id
FROM campaign c
JOIN organization o ON o.id = c.organization_id
JOIN agent a ON a.organization_id = c.organization_id AND a.id = c.agent_id
JOIN carrier r ON r.organization_id = c.organization_id AND r.id = c.carrier_id
LEFT JOIN LATERAL (
    SELECT * FROM contact_file latest
    WHERE latest.organization_id = c.organization_id AND latest.campaign_id = c.id ORDER BY latest.id DESC LIMIT 1
) AS f ON true
WHERE c.organization_id = :organization_id AND c.id = ANY(:campaign_ids::bigint[])
ORDER BY c.id DESC;

-- name: newest_campaign_ids(organization_id, states, importing, search, archived, skip, limit)
-- Each order is that of an index. `states`: null for all. `importing`: null, or whether a file is being imported.
-- `search`: a pattern for the name, or null. `archived`: those alone, or none of them.
SELECT c.id FROM campaign c
WHERE c.organization_id = :organization_id AND NOT c.hidden AND (c.archived_at IS NOT NULL) = :archived::boolean
  AND (:states::text[] IS NULL OR c.state = ANY(:states::text[]))
  AND (:search::text IS NULL OR c.name ILIKE :search::text)
  AND (:importing::boolean IS NULL OR :importing::boolean = EXISTS (
       SELECT FROM contact_file f
       WHERE f.organization_id = c.organization_id AND f.campaign_id = c.id AND f.state = 'importing'))
ORDER BY c.id DESC LIMIT :limit OFFSET :skip;

-- name: oldest_campaign_ids(organization_id, states, importing, search, archived, skip, limit)
SELECT c.id FROM campaign c
WHERE c.organization_id = :organization_id AND NOT c.hidden AND (c.archived_at IS NOT NULL) = :archived::boolean
  AND (:states::text[] IS NULL OR c.state = ANY(:states::text[]))
  AND (:search::text IS NULL OR c.name ILIKE :search::text)
  AND (:importing::boolean IS NULL OR :importing::boolean = EXISTS (
       SELECT FROM contact_file f
       WHERE f.organization_id = c.organization_id AND f.campaign_id = c.id AND f.state = 'importing'))
ORDER BY c.id LIMIT :limit OFFSET :skip;

-- name: changed_campaign_ids(organization_id, states, importing, search, archived, skip, limit)
-- The last change of state or settings first.
SELECT c.id FROM campaign c
WHERE c.organization_id = :organization_id AND NOT c.hidden AND (c.archived_at IS NOT NULL) = :archived::boolean
  AND (:states::text[] IS NULL OR c.state = ANY(:states::text[]))
  AND (:search::text IS NULL OR c.name ILIKE :search::text)
  AND (:importing::boolean IS NULL OR :importing::boolean = EXISTS (
       SELECT FROM contact_file f
       WHERE f.organization_id = c.organization_id AND f.campaign_id = c.id AND f.state = 'importing'))
ORDER BY c.updated_at DESC, c.id DESC LIMIT :limit OFFSET :skip;

-- name: count_campaigns(organization_id, states, importing, search, archived)$
SELECT count(*) FROM campaign c
WHERE c.organization_id = :organization_id AND NOT c.hidden AND (c.archived_at IS NOT NULL) = :archived::boolean
  AND (:states::text[] IS NULL OR c.state = ANY(:states::text[]))
  AND (:search::text IS NULL OR c.name ILIKE :search::text)
  AND (:importing::boolean IS NULL OR :importing::boolean = EXISTS (
       SELECT FROM contact_file f
       WHERE f.organization_id = c.organization_id AND f.campaign_id = c.id AND f.state = 'importing'));

-- name: search_campaigns(organization_id, states, queue, archived, created_from, created_to, updated_from, updated_to, by_duration, ascending, skip, limit)
-- A page of those that pass, each row with how many there are; beyond the last page one row without an id. Each of them is
-- counted, so each is looked at: the ranges narrow that by index. Their lower ends are inclusive, their upper ones not.
WITH matching AS (
    SELECT id, extract(epoch FROM ended_at - started_at)::double precision AS seconds FROM campaign
    WHERE organization_id = :organization_id AND NOT hidden AND (archived_at IS NOT NULL) = :archived::boolean
      AND created_at >= coalesce(:created_from::timestamptz, '-infinity')
      AND created_at < coalesce(:created_to::timestamptz, 'infinity')
      AND updated_at >= coalesce(:updated_from::timestamptz, '-infinity')
      AND updated_at < coalesce(:updated_to::timestamptz, 'infinity')
      AND (:states::text[] IS NULL OR state = ANY(:states::text[]))
      AND (:queue::text IS NULL OR queue = :queue::text)
), page AS (
    SELECT id, CASE WHEN :by_duration::boolean THEN CASE WHEN :ascending::boolean THEN seconds ELSE -seconds END END AS rank,
           CASE WHEN :ascending::boolean THEN id ELSE -id END AS place
    FROM matching ORDER BY rank NULLS LAST, place LIMIT :limit::bigint OFFSET :skip::bigint
)
SELECT counted.total, page.id FROM (SELECT count(*) AS total FROM matching) AS counted
LEFT JOIN page ON true ORDER BY rank NULLS LAST, place;

-- name: campaigns(organization_id, before, limit)
-- Newest first, a page at a time.
SELECT id, uuid, name, state, total, created_at, started_at, ended_at FROM campaign
WHERE organization_id = :organization_id AND NOT hidden AND archived_at IS NULL
  AND id < coalesce(:before::bigint, 9223372036854775807)
ORDER BY id DESC LIMIT :limit;

-- name: move_campaign(organization_id, campaign_id, states, state, reason, now)^
-- The only way a command changes a campaign's state. No row: it is not in one of `states`.
UPDATE campaign
SET state = :state, state_reason = :reason,
    started_at = CASE WHEN :state::text = 'running' THEN coalesce(started_at, :now) ELSE started_at END,
    resumed_at = CASE WHEN :state::text = 'running' THEN :now ELSE resumed_at END,
    ended_at = CASE WHEN :state::text IN ('cancelled', 'failed', 'completed') THEN :now::timestamptz END,
    updated_at = :now
WHERE organization_id = :organization_id AND id = :campaign_id AND state = ANY(:states::text[])
RETURNING id, state, carrier_id;

-- name: set_start(organization_id, campaign_id, starts_at)!
UPDATE campaign SET starts_at = :starts_at WHERE organization_id = :organization_id AND id = :campaign_id;

-- name: queued_campaigns(organization_id, queue)
-- Those that hold a queue, and those that wait in it or will.
SELECT id, name, state, queue, starts_at, ends_at FROM campaign
WHERE organization_id = :organization_id AND queue = :queue AND state IN ('scheduled', 'running', 'paused')
ORDER BY id;

-- name: was_called(organization_id, campaign_id)$
-- Whether a campaign has had an attempt, or has an intent of one.
SELECT EXISTS (SELECT FROM attempt WHERE organization_id = :organization_id AND campaign_id = :campaign_id);

-- name: set_extras(organization_id, campaign_id, extras, now)!
UPDATE campaign SET extras = :extras, updated_at = :now WHERE organization_id = :organization_id AND id = :campaign_id;

-- name: archive_campaign(organization_id, campaign_id, archived, now)$
UPDATE campaign SET archived_at = CASE WHEN :archived::boolean THEN coalesce(archived_at, :now) END, updated_at = :now
WHERE organization_id = :organization_id AND id = :campaign_id AND state IN ('completed', 'cancelled', 'failed')
RETURNING id;

-- name: set_keep_open(organization_id, campaign_id, keep_open, now)$
UPDATE campaign SET keep_open = :keep_open, updated_at = :now
WHERE organization_id = :organization_id AND id = :campaign_id
  AND state IN ('draft', 'scheduled', 'running', 'paused')
RETURNING id;

-- name: set_settings(organization_id, campaign_id, name, max_lines, cps, calling_window, retry, breaker, abandon, recording, agent_versions, machine_detection, agent_id, carrier_id, number_ids, starts_at, ends_at, screening, extras, now)$
-- In any state that can still dial; a turn sees it from its next one on.
UPDATE campaign SET name = :name, max_lines = :max_lines, cps = :cps, calling_window = :calling_window, retry = :retry,
       breaker = :breaker, abandon = :abandon, recording = :recording, agent_id = :agent_id, carrier_id = :carrier_id,
       agent_versions = :agent_versions, machine_detection = :machine_detection, number_ids = :number_ids,
       starts_at = :starts_at, ends_at = :ends_at, screening = :screening, extras = :extras,
       settings_version = settings_version + 1, updated_at = :now
WHERE organization_id = :organization_id AND id = :campaign_id AND state NOT IN ('completed', 'cancelled')
RETURNING id;

-- name: wake(organization_id, now)!
UPDATE organization SET next_turn_at = :now WHERE id = :organization_id;

-- name: clear_breaker(organization_id, carrier_id, now)!
UPDATE carrier SET suspended_until = NULL, breaker_since = :now
WHERE organization_id = :organization_id AND id = :carrier_id;

-- name: log(organization_id, campaign_id, now, level, event, message, details, tell)!
-- `tell`: with an event, which comes after all that this statement can see; see event.sql.
WITH logged AS (
    INSERT INTO campaign_log (organization_id, campaign_id, at, level, event, message, details)
    VALUES (:organization_id, :campaign_id, :now, :level, :event, :message, :details)
    RETURNING *
)
INSERT INTO event (organization_id, transaction_id, campaign_id, kind, at, details)
SELECT :organization_id,
       greatest(pg_current_xact_id()::text::bigint, pg_snapshot_xmax(pg_current_snapshot())::text::bigint - 1),
       l.campaign_id, l.event, l.at,
       jsonb_build_object('log_id', l.id, 'level', l.level, 'message', l.message, 'details', l.details, 'state', c.state)
FROM logged l
JOIN campaign c ON c.organization_id = :organization_id AND c.id = l.campaign_id
WHERE :tell::boolean;

-- name: log_page(organization_id, campaign_id, before, limit)
SELECT id, at, level, event, message, details FROM campaign_log
WHERE organization_id = :organization_id AND campaign_id = :campaign_id
  AND id < coalesce(:before::bigint, 9223372036854775807)
ORDER BY id DESC LIMIT :limit;

-- name: fault_page(organization_id, campaign_id, before, limit)
-- The same of warnings and errors alone.
SELECT id, at, level, event, message, details FROM campaign_log
WHERE organization_id = :organization_id AND campaign_id = :campaign_id AND level <> 'info'
  AND id < coalesce(:before::bigint, 9223372036854775807)
ORDER BY id DESC LIMIT :limit;

-- name: faults(organization_id, campaign_ids, limit)
-- The latest warnings and errors of each campaign, oldest first.
SELECT e.campaign_id, e.id, e.at, e.level, e.event, e.message, e.details
FROM unnest(:campaign_ids::bigint[]) AS wanted (id)
CROSS JOIN LATERAL (
    SELECT * FROM campaign_log l
    WHERE l.organization_id = :organization_id AND l.campaign_id = wanted.id AND l.level <> 'info'
    ORDER BY l.id DESC LIMIT :limit
) AS e
ORDER BY e.campaign_id, e.id;

-- name: name_variables(organization_id, campaign_id, variable_names)!
UPDATE campaign SET variable_names = :variable_names WHERE organization_id = :organization_id AND id = :campaign_id;

-- name: active_numbers(organization_id, carrier_id)
SELECT id FROM number WHERE organization_id = :organization_id AND carrier_id = :carrier_id AND active ORDER BY id;

-- name: progress(organization_id, campaign_ids)
SELECT campaign_id, measure, sum(value)::bigint AS value FROM progress
WHERE organization_id = :organization_id AND campaign_id = ANY(:campaign_ids::bigint[])
GROUP BY campaign_id, measure;

-- name: open_calls(organization_id, campaign_ids)
-- Open attempts by state; what is `dialing` is counted here and nowhere else.
SELECT a.campaign_id, a.state, count(*) AS calls, count(*) FILTER (WHERE c.state = 'dialing') AS dialing
FROM attempt a
JOIN contact c ON c.organization_id = a.organization_id AND c.id = a.contact_id
WHERE a.organization_id = :organization_id AND a.ended_at IS NULL AND a.campaign_id = ANY(:campaign_ids::bigint[])
GROUP BY a.campaign_id, a.state;

-- name: skip_reasons(organization_id, campaign_id)
SELECT skip_reason, count(*) AS contacts FROM contact
WHERE organization_id = :organization_id AND campaign_id = :campaign_id AND state = 'skipped'
GROUP BY skip_reason;

-- name: rejected_rows(organization_id, campaign_id)$
SELECT coalesce(sum(rejects), 0)::bigint FROM contact_file
WHERE organization_id = :organization_id AND campaign_id = :campaign_id;

-- name: zones_of(organization_id, campaign_id)
-- Zone groups of a campaign.
SELECT g.id, g.zones FROM cursor c
JOIN zone_group g ON g.organization_id = c.organization_id AND g.id = c.zone_group_id
WHERE c.organization_id = :organization_id AND c.campaign_id = :campaign_id
ORDER BY g.id;

-- name: zones_of_campaigns(organization_id, campaign_ids)
SELECT c.campaign_id, g.zones FROM cursor c
JOIN zone_group g ON g.organization_id = c.organization_id AND g.id = c.zone_group_id
WHERE c.organization_id = :organization_id AND c.campaign_id = ANY(:campaign_ids::bigint[])
ORDER BY c.campaign_id, g.id;

-- name: register_virtual_run(organization_id, campaign_id, schema_name)!
INSERT INTO virtual_run (organization_id, campaign_id, schema_name, created_at)
VALUES (:organization_id, :campaign_id, :schema_name, statement_timestamp());

-- name: virtual_schema(organization_id, campaign_id)$
SELECT schema_name FROM virtual_run WHERE organization_id = :organization_id AND campaign_id = :campaign_id;

-- name: totals(organization_id, campaign_ids)
-- `total` with the contacts of a file that is still being imported.
SELECT c.id, c.state, c.state_reason, c.total + coalesce((
           SELECT f.contacts FROM contact_file f
           WHERE f.organization_id = c.organization_id AND f.campaign_id = c.id AND f.state = 'importing'), 0) AS total
FROM campaign c WHERE c.organization_id = :organization_id AND c.id = ANY(:campaign_ids::bigint[]);

-- name: forget_virtual_run(organization_id, campaign_id)!
DELETE FROM virtual_run WHERE organization_id = :organization_id AND campaign_id = :campaign_id;

-- name: latest_instant(organization_id, campaign_id)$
-- How far the virtual clock of a run had come: its clock starts no earlier when the run goes on.
SELECT greatest(
    (SELECT max(greatest(created_at, ended_at)) FROM attempt
     WHERE organization_id = :organization_id AND campaign_id = :campaign_id),
    (SELECT max(at) FROM campaign_log WHERE organization_id = :organization_id AND campaign_id = :campaign_id),
    (SELECT created_at FROM campaign WHERE organization_id = :organization_id AND id = :campaign_id)
);

-- name: next_due(organization_id, campaign_id)$
-- When the next retry or late addition falls due, for people who wonder why no line is in use.
SELECT min(due_at) FROM due WHERE organization_id = :organization_id AND campaign_id = :campaign_id;

-- name: line_cap(organization_id, campaign_id)$
-- The most calls at once that a campaign can have; least() passes over the caps that are not set.
SELECT least(c.max_lines, r.max_lines, o.max_lines) FROM campaign c
JOIN organization o ON o.id = c.organization_id
JOIN carrier r ON r.organization_id = c.organization_id AND r.id = c.carrier_id
WHERE c.organization_id = :organization_id AND c.id = :campaign_id;

-- name: ended_call_at(organization_id, campaign_id, place)$
-- When the call ended that so many ended after; null: there are no more than these.
SELECT ended_at FROM attempt
WHERE organization_id = :organization_id AND campaign_id = :campaign_id AND ended_at IS NOT NULL
ORDER BY ended_at DESC OFFSET :place LIMIT 1;

-- name: calls_over_time(organization_id, campaign_id, from_at, until_at, seconds)
-- Ended calls by slot and disposition.
SELECT date_bin(make_interval(secs => :seconds), ended_at, timestamptz 'epoch') AS slot, disposition, count(*) AS calls
FROM attempt
WHERE organization_id = :organization_id AND campaign_id = :campaign_id AND ended_at >= :from_at AND ended_at < :until_at
GROUP BY slot, disposition ORDER BY slot;

-- name: recent_pace(organization_id, campaign_id, since, most)^
-- How many calls ended since then, of the latest `most`, and when the first of these did.
SELECT count(*) AS calls, min(ended_at) AS first_at FROM (
    SELECT ended_at FROM attempt
    WHERE organization_id = :organization_id AND campaign_id = :campaign_id AND ended_at > :since
    ORDER BY ended_at DESC LIMIT :most
) AS latest;
