-- Why somebody is not being called at this moment: what a turn would see, read without its lock, in one snapshot.

-- name: see_organization(organization_id, now)^
-- As `lock_organization`, and nobody waits for anybody.
SELECT id, max_lines, cps, tat, next_turn_at, coalesce(:now::timestamptz, statement_timestamp()) AS now
FROM organization WHERE id = :organization_id;

-- name: see_campaign(organization_id, campaign_id)^
-- One campaign as `active_campaigns` has it, in any state; how many contacts of a file that is being imported it has; and
-- what has paused it by itself since it was last started or resumed.
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
          AND r.inactive_since IS NULL AND r.archived_at IS NULL) AS numbers,
       c.state_reason,
       coalesce((SELECT f.contacts FROM contact_file f
                 WHERE f.organization_id = c.organization_id AND f.campaign_id = c.id AND f.state = 'importing'), 0) AS unsealed,
       (SELECT l.event FROM campaign_log l
        WHERE l.organization_id = c.organization_id AND l.campaign_id = c.id AND l.level <> 'info'
          AND l.event IN ('breaker.tripped', 'abandon.tripped') AND l.at > c.resumed_at
        ORDER BY l.id DESC LIMIT 1) AS tripped
FROM campaign c
JOIN agent a ON a.organization_id = c.organization_id AND a.id = c.agent_id
JOIN carrier r ON r.organization_id = c.organization_id AND r.id = c.carrier_id
WHERE c.organization_id = :organization_id AND c.id = :campaign_id;

-- name: see_contact(organization_id, contact_id)^
-- What holds a contact of itself: its state, its due row, the do-not-call list, a call of another contact to its number.
SELECT c.id, c.campaign_id, c.to_number, c.state, c.disposition, c.skip_reason, c.attempts, c.spent, c.refusals, c.sequence,
       c.zone_group_id, g.zones, d.rank, d.number_id, d.due_at, l.to_number IS NOT NULL AS do_not_call,
       own.state AS call_state, other.campaign_id AS ringing_in
FROM contact c
JOIN zone_group g ON g.organization_id = c.organization_id AND g.id = c.zone_group_id
LEFT JOIN due d ON d.organization_id = c.organization_id AND d.campaign_id = c.campaign_id AND d.contact_id = c.id
LEFT JOIN do_not_call l ON l.organization_id = c.organization_id AND l.to_number = c.to_number
LEFT JOIN attempt own ON own.organization_id = c.organization_id AND own.contact_id = c.id AND own.ended_at IS NULL
LEFT JOIN attempt other ON other.organization_id = c.organization_id AND other.to_number = c.to_number
                       AND other.ended_at IS NULL AND other.contact_id <> c.id
WHERE c.organization_id = :organization_id AND c.id = :contact_id;

-- name: count_due(organization_id, campaign_id, ranks, zone_group_ids, number_ids, from_ats, until_ats, limit)
-- How many due rows lie in each of these stretches, (from_at, until_at], and the first of them; no more than `limit` are
-- counted of each. By index alone.
SELECT s.place, counted.contacts, counted.due_at
FROM unnest(:ranks::smallint[], :zone_group_ids::bigint[], :number_ids::bigint[], :from_ats::timestamptz[],
            :until_ats::timestamptz[]) WITH ORDINALITY AS s (rank, zone_group_id, number_id, from_at, until_at, place)
CROSS JOIN LATERAL (
    SELECT count(*) AS contacts, min(due_at) AS due_at FROM (
        SELECT due_at FROM due
        WHERE organization_id = :organization_id AND campaign_id = :campaign_id AND rank = s.rank
          AND zone_group_id = s.zone_group_id AND number_id = s.number_id
          AND due_at > coalesce(s.from_at, '-infinity') AND due_at <= coalesce(s.until_at, 'infinity')
        ORDER BY due_at LIMIT :limit::bigint
    ) AS stretch
) AS counted
ORDER BY s.place;

-- name: count_fresh(organization_id, campaign_id, zone_group_ids, afters, untils, limit)
-- The same for fresh contacts: of these zone groups, in the order of their rows.
SELECT s.place, counted.contacts
FROM unnest(:zone_group_ids::bigint[], :afters::bigint[], :untils::bigint[])
     WITH ORDINALITY AS s (zone_group_id, after, until, place)
CROSS JOIN LATERAL (
    SELECT count(*) AS contacts FROM (
        SELECT FROM contact
        WHERE organization_id = :organization_id AND campaign_id = :campaign_id AND zone_group_id = s.zone_group_id
          AND sequence > s.after AND sequence <= s.until
        LIMIT :limit::bigint
    ) AS stretch
) AS counted
ORDER BY s.place;
