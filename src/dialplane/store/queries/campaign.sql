-- Campaigns and what they need: organizations, agents, carriers, numbers, the log.

-- name: find_organization(name)^
SELECT id FROM organization WHERE name = :name ORDER BY id LIMIT 1;

-- name: lock_organization_names()^
-- Names are unique by this lock and not by a key, which a database distributed by organization could not hold.
SELECT pg_advisory_xact_lock(1869768551);

-- name: create_organization(uuid, name, now)$
INSERT INTO organization (uuid, name, created_at) VALUES (:uuid, :name, :now) RETURNING id;

-- name: organization_limits(organization_id)^
SELECT max_lines, cps FROM organization WHERE id = :organization_id;

-- name: set_organization_limits(organization_id, max_lines, cps)!
UPDATE organization SET max_lines = coalesce(:max_lines, max_lines), cps = coalesce(:cps, cps) WHERE id = :organization_id;

-- name: find_agent(organization_id, name, kind)^
SELECT a.id, a.version, v.definition FROM agent a
JOIN agent_version v ON v.organization_id = a.organization_id AND v.agent_id = a.id AND v.version = a.version
WHERE a.organization_id = :organization_id AND a.name = :name AND a.kind = :kind ORDER BY a.id LIMIT 1;

-- name: create_agent(organization_id, uuid, name, kind, now)$
INSERT INTO agent (organization_id, uuid, name, kind, created_at)
VALUES (:organization_id, :uuid, :name, :kind, :now) RETURNING id;

-- name: new_agent_version(organization_id, agent_id)$
UPDATE agent SET version = version + 1 WHERE organization_id = :organization_id AND id = :agent_id RETURNING version;

-- name: create_agent_version(organization_id, agent_id, version, definition, now)!
INSERT INTO agent_version (organization_id, agent_id, version, definition, created_at)
VALUES (:organization_id, :agent_id, :version, :definition, :now);

-- name: agent_version(organization_id, agent_id, version)^
SELECT a.name, a.kind, v.definition FROM agent_version v
JOIN agent a ON a.organization_id = v.organization_id AND a.id = v.agent_id
WHERE v.organization_id = :organization_id AND v.agent_id = :agent_id AND v.version = :version;

-- name: find_carrier(organization_id, name, provider, settings)$
SELECT id FROM carrier
WHERE organization_id = :organization_id AND name = :name AND provider = :provider AND settings = :settings
ORDER BY id LIMIT 1;

-- name: create_carrier(organization_id, uuid, name, provider, settings, max_lines, cps, send_timeout_seconds, ring_timeout_seconds, max_call_seconds, slow_start, now)$
INSERT INTO carrier (organization_id, uuid, name, provider, settings, max_lines, cps, send_timeout_seconds,
                     ring_timeout_seconds, max_call_seconds, slow_start, created_at)
VALUES (:organization_id, :uuid, :name, :provider, :settings, :max_lines, :cps, :send_timeout_seconds,
        :ring_timeout_seconds, :max_call_seconds, :slow_start, :now)
RETURNING id;

-- name: create_number(organization_id, uuid, carrier_id, e164, max_lines, now)!
INSERT INTO number (organization_id, uuid, carrier_id, e164, max_lines, created_at)
VALUES (:organization_id, :uuid, :carrier_id, :e164, :max_lines, :now)
ON CONFLICT (organization_id, carrier_id, e164) DO NOTHING;

-- name: carrier(organization_id, carrier_id)^
SELECT id, name, provider, settings FROM carrier WHERE organization_id = :organization_id AND id = :carrier_id;

-- name: has_number(organization_id, carrier_id)$
SELECT EXISTS (SELECT FROM number WHERE organization_id = :organization_id AND carrier_id = :carrier_id AND active);

-- name: reserve_campaign_id()$
SELECT nextval('campaign_id_seq');

-- name: create_campaign(organization_id, id, uuid, name, keep_open, agent_id, carrier_id, parent_id, max_lines, cps, calling_window, retry, breaker, now)$
INSERT INTO campaign (organization_id, id, uuid, name, keep_open, agent_id, carrier_id, parent_id, max_lines, cps,
                      calling_window, retry, breaker, created_at)
VALUES (:organization_id, coalesce(:id::bigint, nextval('campaign_id_seq')), :uuid, :name, :keep_open, :agent_id, :carrier_id,
        :parent_id, :max_lines, :cps, :calling_window, :retry, :breaker, :now)
RETURNING id;

-- name: campaign(organization_id, campaign_id)^
SELECT c.*, a.name AS agent_name, a.kind AS agent_kind, a.version AS agent_version, r.name AS carrier_name,
       r.provider AS carrier_provider, r.suspended_until,
       (SELECT f.name FROM contact_file f WHERE f.organization_id = c.organization_id AND f.campaign_id = c.id
        AND f.state = 'importing') AS importing
FROM campaign c
JOIN agent a ON a.organization_id = c.organization_id AND a.id = c.agent_id
JOIN carrier r ON r.organization_id = c.organization_id AND r.id = c.carrier_id
WHERE c.organization_id = :organization_id AND c.id = :campaign_id;

-- name: campaigns(organization_id, before, limit)
-- Newest first, a page at a time.
SELECT id, uuid, name, state, total, created_at, started_at, ended_at FROM campaign
WHERE organization_id = :organization_id AND id < coalesce(:before::bigint, 9223372036854775807)
ORDER BY id DESC LIMIT :limit;

-- name: move_campaign(organization_id, campaign_id, states, state, reason, now)^
-- The only way a command changes a campaign's state. No row: it is not in one of `states`.
UPDATE campaign
SET state = :state, state_reason = :reason,
    started_at = CASE WHEN :state::text = 'running' THEN coalesce(started_at, :now) ELSE started_at END,
    resumed_at = CASE WHEN :state::text = 'running' THEN :now ELSE resumed_at END,
    ended_at = CASE WHEN :state::text IN ('cancelled', 'failed', 'completed') THEN :now::timestamptz END
WHERE organization_id = :organization_id AND id = :campaign_id AND state = ANY(:states::text[])
RETURNING id, state, carrier_id;

-- name: set_start(organization_id, campaign_id, starts_at)!
UPDATE campaign SET starts_at = :starts_at WHERE organization_id = :organization_id AND id = :campaign_id;

-- name: set_keep_open(organization_id, campaign_id, keep_open)$
UPDATE campaign SET keep_open = :keep_open
WHERE organization_id = :organization_id AND id = :campaign_id
  AND state IN ('draft', 'scheduled', 'running', 'paused')
RETURNING id;

-- name: set_settings(organization_id, campaign_id, name, max_lines, cps, calling_window, retry, breaker)$
-- In any state that can still dial; a turn sees it from its next one on.
UPDATE campaign SET name = :name, max_lines = :max_lines, cps = :cps, calling_window = :calling_window, retry = :retry,
       breaker = :breaker, settings_version = settings_version + 1
WHERE organization_id = :organization_id AND id = :campaign_id AND state NOT IN ('completed', 'cancelled')
RETURNING id;

-- name: wake(organization_id, now)!
UPDATE organization SET next_turn_at = :now WHERE id = :organization_id;

-- name: clear_breaker(organization_id, carrier_id, now)!
UPDATE carrier SET suspended_until = NULL, breaker_since = :now
WHERE organization_id = :organization_id AND id = :carrier_id;

-- name: log(organization_id, campaign_id, now, level, event, message, details)!
INSERT INTO campaign_log (organization_id, campaign_id, at, level, event, message, details)
VALUES (:organization_id, :campaign_id, :now, :level, :event, :message, :details);

-- name: log_page(organization_id, campaign_id, before, limit)
SELECT id, at, level, event, message, details FROM campaign_log
WHERE organization_id = :organization_id AND campaign_id = :campaign_id
  AND id < coalesce(:before::bigint, 9223372036854775807)
ORDER BY id DESC LIMIT :limit;

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

-- name: register_virtual_run(organization_id, campaign_id, schema_name)!
INSERT INTO virtual_run (organization_id, campaign_id, schema_name, created_at)
VALUES (:organization_id, :campaign_id, :schema_name, statement_timestamp());

-- name: virtual_schema(organization_id, campaign_id)$
SELECT schema_name FROM virtual_run WHERE organization_id = :organization_id AND campaign_id = :campaign_id;

-- name: totals(organization_id, campaign_ids)
SELECT id, state, total FROM campaign WHERE organization_id = :organization_id AND id = ANY(:campaign_ids::bigint[]);

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
