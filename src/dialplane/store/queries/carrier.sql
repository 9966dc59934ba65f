-- Carriers with their numbers, as people manage them.

-- name: find_carriers(organization_id, name, provider, settings)
-- Those with these very settings; the caller compares what is sealed.
SELECT id, sealed FROM carrier
WHERE organization_id = :organization_id AND name = :name AND provider = :provider AND settings = :settings
  AND archived_at IS NULL
ORDER BY id;

-- name: create_carrier(organization_id, uuid, name, provider, settings, sealed, max_lines, cps, send_timeout_seconds, ring_timeout_seconds, max_call_seconds, slow_start, carries_sound, now)$
INSERT INTO carrier (organization_id, uuid, name, provider, settings, sealed, max_lines, cps, send_timeout_seconds,
                     ring_timeout_seconds, max_call_seconds, slow_start, carries_sound, created_at)
VALUES (:organization_id, :uuid, :name, :provider, :settings, :sealed, :max_lines, :cps, :send_timeout_seconds,
        :ring_timeout_seconds, :max_call_seconds, :slow_start, :carries_sound, :now)
RETURNING id;

-- name: carrier(organization_id, carrier_id)^
-- Archived ones too: attempts name them.
SELECT c.*,
       (SELECT count(*) FROM number n WHERE n.organization_id = c.organization_id AND n.carrier_id = c.id) AS numbers,
       (SELECT count(*) FROM number n
        WHERE n.organization_id = c.organization_id AND n.carrier_id = c.id AND n.active) AS active_numbers
FROM carrier c WHERE c.organization_id = :organization_id AND c.id = :carrier_id;

-- name: carriers(organization_id, after, limit)
-- By id, a page at a time; without archived ones.
SELECT c.*,
       (SELECT count(*) FROM number n WHERE n.organization_id = c.organization_id AND n.carrier_id = c.id) AS numbers,
       (SELECT count(*) FROM number n
        WHERE n.organization_id = c.organization_id AND n.carrier_id = c.id AND n.active) AS active_numbers
FROM carrier c WHERE c.organization_id = :organization_id AND c.id > :after AND c.archived_at IS NULL
ORDER BY c.id LIMIT :limit;

-- name: lines_of_carriers(organization_id)
-- Calls in progress, by what they go through and come from: as many rows as there are open attempts, at most.
SELECT carrier_id, number_id, count(*) AS lines FROM attempt
WHERE organization_id = :organization_id AND ended_at IS NULL GROUP BY carrier_id, number_id;

-- name: carrier_named(organization_id, name, except_id)$
SELECT id FROM carrier
WHERE organization_id = :organization_id AND name = :name AND id <> coalesce(:except_id::bigint, 0) AND archived_at IS NULL
LIMIT 1;

-- name: default_carrier(organization_id)$
SELECT id FROM carrier WHERE organization_id = :organization_id AND is_default;

-- name: change_carrier(organization_id, carrier_id, name, settings, sealed, max_lines, cps, send_timeout_seconds, ring_timeout_seconds, max_call_seconds, slow_start, carries_sound, revisions, now)!
-- `revisions`: 1 where an adapter must be opened anew, else 0.
UPDATE carrier
SET name = :name, settings = :settings, sealed = :sealed, max_lines = :max_lines, cps = :cps,
    send_timeout_seconds = :send_timeout_seconds, ring_timeout_seconds = :ring_timeout_seconds,
    max_call_seconds = :max_call_seconds, slow_start = :slow_start, carries_sound = :carries_sound,
    revision = revision + :revisions, updated_at = :now
WHERE organization_id = :organization_id AND id = :carrier_id;

-- name: clear_default_carrier(organization_id)!
UPDATE carrier SET is_default = false WHERE organization_id = :organization_id AND is_default;

-- name: set_default_carrier(organization_id, carrier_id, now)!
-- The one before is cleared first: the unique index holds within a statement too.
UPDATE carrier SET is_default = true, updated_at = :now WHERE organization_id = :organization_id AND id = :carrier_id;

-- name: deactivate_carrier(organization_id, carrier_id, reason, now)!
UPDATE carrier SET inactive_since = coalesce(inactive_since, :now), inactive_reason = :reason, updated_at = :now
WHERE organization_id = :organization_id AND id = :carrier_id;

-- name: reactivate_carrier(organization_id, carrier_id, now)!
UPDATE carrier SET inactive_since = NULL, inactive_reason = '', updated_at = :now
WHERE organization_id = :organization_id AND id = :carrier_id;

-- name: archive_carrier(organization_id, carrier_id, now)!
UPDATE carrier SET archived_at = :now, is_default = false, updated_at = :now
WHERE organization_id = :organization_id AND id = :carrier_id;

-- name: end_single_calls(organization_id, carrier_id, now)!
-- The hidden campaigns of a carrier that is deleted: nobody sees them, so nobody could end them.
UPDATE campaign SET state = 'cancelled', state_reason = 'its carrier was deleted', ended_at = :now, updated_at = :now
WHERE organization_id = :organization_id AND carrier_id = :carrier_id AND hidden
  AND state IN ('draft', 'scheduled', 'running', 'paused', 'failed');

-- name: campaigns_on_carrier(organization_id, carrier_id)
-- Campaigns that call through it or may go on to.
SELECT id, name, state, hidden, number_ids FROM campaign
WHERE organization_id = :organization_id AND carrier_id = :carrier_id AND state IN ('scheduled', 'running', 'paused')
ORDER BY id;

-- name: has_number(organization_id, carrier_id, number_ids)$
-- Whether a campaign has a number to call from; `number_ids`: one of these, or any where it names none.
SELECT EXISTS (
    SELECT FROM number n
    JOIN carrier r ON r.organization_id = n.organization_id AND r.id = n.carrier_id
    WHERE n.organization_id = :organization_id AND n.carrier_id = :carrier_id AND n.active
      AND (:number_ids::bigint[] = '{}' OR n.id = ANY(:number_ids::bigint[]))
      AND r.inactive_since IS NULL AND r.archived_at IS NULL
);

-- name: numbers(organization_id, carrier_id, after, limit)
SELECT * FROM number
WHERE organization_id = :organization_id AND carrier_id = :carrier_id AND id > :after
ORDER BY id LIMIT :limit;

-- name: number(organization_id, carrier_id, number_id)^
SELECT * FROM number WHERE organization_id = :organization_id AND carrier_id = :carrier_id AND id = :number_id;

-- name: default_number(organization_id, carrier_id)$
-- What single calls come from; null: from any number of the carrier.
SELECT id FROM number
WHERE organization_id = :organization_id AND carrier_id = :carrier_id AND is_default AND active;

-- name: add_number(organization_id, uuid, carrier_id, e164, label, active, max_lines, metadata, now)$
-- No row: the carrier has it already.
INSERT INTO number (organization_id, uuid, carrier_id, e164, label, active, max_lines, metadata, created_at)
VALUES (:organization_id, :uuid, :carrier_id, :e164, :label, :active, :max_lines, :metadata, :now)
ON CONFLICT (organization_id, carrier_id, e164) DO NOTHING
RETURNING id;

-- name: change_number(organization_id, number_id, label, active, max_lines, metadata, now)!
UPDATE number SET label = :label, active = :active, max_lines = :max_lines, metadata = :metadata, updated_at = :now
WHERE organization_id = :organization_id AND id = :number_id;

-- name: clear_default_number(organization_id, carrier_id)!
UPDATE number SET is_default = false WHERE organization_id = :organization_id AND carrier_id = :carrier_id AND is_default;

-- name: set_default_number(organization_id, number_id, now)!
UPDATE number SET is_default = true, updated_at = :now WHERE organization_id = :organization_id AND id = :number_id;

-- name: delete_number(organization_id, number_id)!
-- Attempts keep the number itself.
DELETE FROM number WHERE organization_id = :organization_id AND id = :number_id;
