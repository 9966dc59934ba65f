-- Contacts: import, additions, removal, pages; and the do-not-call list.

-- name: create_contact_file(organization_id, uuid, campaign_id, name, key, default_region, now)$
INSERT INTO contact_file (organization_id, uuid, campaign_id, name, key, default_region, sequence_base, created_at)
SELECT :organization_id, :uuid, :campaign_id, :name, :key, :default_region, c.sealed_sequence, :now::timestamptz
FROM campaign c WHERE c.organization_id = :organization_id AND c.id = :campaign_id
RETURNING id;

-- name: unfinished_file(organization_id, campaign_id)^
SELECT id, name, key, default_region, rows_read, sequence_base FROM contact_file
WHERE organization_id = :organization_id AND campaign_id = :campaign_id AND state = 'importing';

-- name: add_zone_groups(organization_id, zones)!
-- `zones`: one text a group, its zones joined by '|' (arrays of arrays must be rectangular).
INSERT INTO zone_group (organization_id, zones)
SELECT :organization_id, string_to_array(z.zones, '|') FROM unnest(:zones::text[]) AS z (zones)
ON CONFLICT (organization_id, zones) DO NOTHING;

-- name: find_zone_groups(organization_id, zones)
SELECT g.id, z.zones FROM unnest(:zones::text[]) AS z (zones)
JOIN zone_group g ON g.organization_id = :organization_id AND g.zones = string_to_array(z.zones, '|');

-- name: add_cursors(organization_id, campaign_id, zone_group_ids)!
INSERT INTO cursor (organization_id, campaign_id, zone_group_id)
SELECT :organization_id, :campaign_id, g.id FROM unnest(:zone_group_ids::bigint[]) AS g (id)
ON CONFLICT DO NOTHING;

-- name: lock_file(organization_id, file_id)$
-- Serializes the batches of one import, should two processes resume it at once.
SELECT rows_read FROM contact_file
WHERE organization_id = :organization_id AND id = :file_id AND state = 'importing' FOR NO KEY UPDATE;

-- name: add_contacts(organization_id, campaign_id, campaign_uuid, file_id, sequence_base, now, row_numbers, to_numbers, external_ids, priorities, zone_group_ids, variables)
-- One batch of a file. The first row with a number wins: by the unique key, in the order of the rows. A contact with a
-- priority gets its due row here and takes no part in the order of fresh ones.
WITH added AS (
    INSERT INTO contact (organization_id, campaign_id, contact_file_id, uuid, row_number, sequence, to_number, external_id,
                         priority, zone_group_id, variables)
    SELECT :organization_id, :campaign_id, :file_id::bigint, md5(:campaign_uuid::text || n.to_number)::uuid, n.row_number,
           CASE WHEN n.priority = 0 THEN :sequence_base::bigint + n.row_number END,
           n.to_number, n.external_id, n.priority, n.zone_group_id, n.variables::jsonb
    FROM unnest(:row_numbers::bigint[], :to_numbers::text[], :external_ids::text[], :priorities::smallint[],
                :zone_group_ids::bigint[], :variables::text[])
         AS n (row_number, to_number, external_id, priority, zone_group_id, variables)
    ORDER BY n.row_number
    ON CONFLICT (organization_id, campaign_id, to_number) DO NOTHING
    RETURNING id, row_number, zone_group_id, priority
), prioritized AS (
    INSERT INTO due (organization_id, campaign_id, contact_id, zone_group_id, rank, due_at)
    SELECT :organization_id, :campaign_id, id, zone_group_id, 10 - priority, :now::timestamptz FROM added WHERE priority > 0
)
SELECT row_number FROM added;

-- name: first_rows(organization_id, campaign_id, file_id, to_numbers)
-- Which row of this file has a number already; null where it came with another one.
SELECT to_number, CASE WHEN contact_file_id = :file_id THEN row_number END AS row_number FROM contact
WHERE organization_id = :organization_id AND campaign_id = :campaign_id AND to_number = ANY(:to_numbers::text[]);

-- name: add_rejects(organization_id, file_id, row_numbers, fields, vals, reasons, fixes)!
INSERT INTO reject (organization_id, contact_file_id, row_number, field, value, reason, fix)
SELECT :organization_id, :file_id, r.*
FROM unnest(:row_numbers::bigint[], :fields::text[], :vals::text[], :reasons::text[], :fixes::text[]) AS r;

-- name: checkpoint_file(organization_id, file_id, rows_read, contacts, rejects)!
UPDATE contact_file SET rows_read = :rows_read, contacts = contacts + :contacts, rejects = rejects + :rejects
WHERE organization_id = :organization_id AND id = :file_id;

-- name: finish_file(organization_id, file_id, now)^
UPDATE contact_file SET state = 'imported', finished_at = :now
WHERE organization_id = :organization_id AND id = :file_id AND state = 'importing'
RETURNING campaign_id, sequence_base + rows_read AS sealed_sequence, contacts, rejects;

-- name: seal(organization_id, campaign_id, sealed_sequence, contacts, variable_names)!
-- Fresh contacts up to here may be claimed: every batch below has committed.
UPDATE campaign SET sealed_sequence = greatest(sealed_sequence, :sealed_sequence), total = total + :contacts,
       variable_names = :variable_names
WHERE organization_id = :organization_id AND id = :campaign_id;

-- name: rejects_page(organization_id, campaign_id, after_file, after_row, limit)
SELECT r.contact_file_id, r.row_number, r.field, r.value, r.reason, r.fix
FROM contact_file f
JOIN reject r ON r.organization_id = f.organization_id AND r.contact_file_id = f.id
WHERE f.organization_id = :organization_id AND f.campaign_id = :campaign_id
  AND (r.contact_file_id, r.row_number) > (:after_file, :after_row)
ORDER BY r.contact_file_id, r.row_number LIMIT :limit;

-- name: copy_contacts(organization_id, campaign_id, campaign_uuid, parent_id, dispositions, now)$
-- A redial: contacts of another campaign whose last disposition was one of these, in their old order.
WITH added AS (
    INSERT INTO contact (organization_id, campaign_id, uuid, row_number, sequence, to_number, external_id, priority,
                         zone_group_id, variables)
    SELECT :organization_id, :campaign_id, md5(:campaign_uuid::text || p.to_number)::uuid, p.row_number,
           CASE WHEN p.priority = 0 THEN row_number() OVER (ORDER BY p.id) END,
           p.to_number, p.external_id, p.priority, p.zone_group_id, p.variables
    FROM contact p
    WHERE p.organization_id = :organization_id AND p.campaign_id = :parent_id AND p.state IN ('reached', 'exhausted')
      AND p.disposition = ANY(:dispositions::text[])
    RETURNING id, zone_group_id, priority
), cursors AS (
    INSERT INTO cursor (organization_id, campaign_id, zone_group_id)
    SELECT DISTINCT :organization_id::bigint, :campaign_id::bigint, zone_group_id FROM added
), prioritized AS (
    INSERT INTO due (organization_id, campaign_id, contact_id, zone_group_id, rank, due_at)
    SELECT :organization_id, :campaign_id, id, zone_group_id, 10 - priority, :now::timestamptz FROM added WHERE priority > 0
)
SELECT count(*) FROM added;

-- name: add_late(organization_id, campaign_id, campaign_uuid, now, to_numbers, external_ids, priorities, zone_group_ids, variables)
-- Contacts added by hand: straight to `due`, since their place in the order of fresh ones may have been passed.
WITH added AS (
    INSERT INTO contact (organization_id, campaign_id, uuid, to_number, external_id, priority, zone_group_id, variables)
    SELECT :organization_id, :campaign_id, md5(:campaign_uuid::text || n.to_number)::uuid, n.to_number, n.external_id,
           n.priority, n.zone_group_id, n.variables::jsonb
    FROM unnest(:to_numbers::text[], :external_ids::text[], :priorities::smallint[], :zone_group_ids::bigint[],
                :variables::text[]) AS n (to_number, external_id, priority, zone_group_id, variables)
    ON CONFLICT (organization_id, campaign_id, to_number) DO NOTHING
    RETURNING id, to_number, zone_group_id, priority
), waiting AS (
    INSERT INTO due (organization_id, campaign_id, contact_id, zone_group_id, rank, due_at)
    SELECT :organization_id, :campaign_id, id, zone_group_id, 10 - priority, :now::timestamptz FROM added
)
SELECT id, to_number FROM added;

-- name: count_added(organization_id, campaign_id, contacts, variable_names)!
UPDATE campaign SET total = total + :contacts, variable_names = :variable_names
WHERE organization_id = :organization_id AND id = :campaign_id;

-- name: find_contacts(organization_id, campaign_id, to_numbers)
SELECT id, to_number, state FROM contact
WHERE organization_id = :organization_id AND campaign_id = :campaign_id AND to_number = ANY(:to_numbers::text[])
ORDER BY id;

-- name: remove_contacts(organization_id, contact_ids)
-- Those that wait or are being called; a call in progress ends by itself and keeps its outcome.
WITH removed AS (
    UPDATE contact SET state = 'removed'
    WHERE organization_id = :organization_id AND id = ANY(:contact_ids::bigint[]) AND state IN ('waiting', 'dialing')
    RETURNING id, campaign_id
), gone AS (
    DELETE FROM due USING removed
    WHERE due.organization_id = :organization_id AND due.campaign_id = removed.campaign_id AND due.contact_id = removed.id
)
SELECT id FROM removed;

-- name: restore_contacts(organization_id, contact_ids, now)
-- Removed and skipped ones wait again, or are being called still.
WITH restored AS (
    UPDATE contact c
    SET state = CASE WHEN a.id IS NULL THEN 'waiting' ELSE 'dialing' END, skip_reason = NULL, sequence = NULL
    FROM contact old
    LEFT JOIN attempt a ON a.organization_id = old.organization_id AND a.contact_id = old.id AND a.ended_at IS NULL
    WHERE old.organization_id = :organization_id AND old.id = ANY(:contact_ids::bigint[])
      AND c.organization_id = old.organization_id AND c.id = old.id AND old.state IN ('removed', 'skipped')
    RETURNING c.id, c.campaign_id, c.zone_group_id, c.priority, c.state, old.state AS old_state
), waiting AS (
    INSERT INTO due (organization_id, campaign_id, contact_id, zone_group_id, rank, due_at)
    SELECT :organization_id, campaign_id, id, zone_group_id, 10 - priority, :now::timestamptz FROM restored
    WHERE state = 'waiting'
)
SELECT id, old_state FROM restored;

-- name: contacts_page(organization_id, campaign_id, state, after, limit)
SELECT id, uuid, row_number, to_number, external_id, state, disposition, skip_reason, attempts, variables FROM contact
WHERE organization_id = :organization_id AND campaign_id = :campaign_id AND id > :after
  AND (:state::text IS NULL OR state = :state)
ORDER BY id LIMIT :limit;

-- name: report_page(organization_id, campaign_id, after, limit)
-- Contacts of a campaign in their order, each with its ended or open attempts, a page of contacts at a time.
SELECT c.id AS contact_id, c.external_id, c.to_number, g.zones, c.state AS contact_state, c.skip_reason, c.variables,
       a.id AS attempt_id, a.number AS attempt, a.from_number, a.created_at, a.placed_at, a.ringing_at, a.answered_at,
       a.ended_at, a.state AS attempt_state, a.disposition, a.sip_status, a.cause, a.agent_version, a.transcript, a.gathered,
       a.recording, a.uuid AS attempt_uuid
FROM (SELECT * FROM contact WHERE organization_id = :organization_id AND campaign_id = :campaign_id AND id > :after
      ORDER BY id LIMIT :limit) AS c
JOIN zone_group g ON g.organization_id = c.organization_id AND g.id = c.zone_group_id
LEFT JOIN attempt a ON a.organization_id = c.organization_id AND a.contact_id = c.id
ORDER BY c.id, a.number;

-- name: add_do_not_call(organization_id, to_numbers, source, note, now)
INSERT INTO do_not_call (organization_id, to_number, source, note, created_at)
SELECT :organization_id, n.to_number, :source, :note, :now::timestamptz FROM unnest(:to_numbers::text[]) AS n (to_number)
ON CONFLICT (organization_id, to_number) DO NOTHING
RETURNING to_number;

-- name: remove_do_not_call(organization_id, to_numbers)
DELETE FROM do_not_call WHERE organization_id = :organization_id AND to_number = ANY(:to_numbers::text[])
RETURNING to_number;

-- name: do_not_call_page(organization_id, after, limit)
SELECT to_number, source, note, created_at FROM do_not_call
WHERE organization_id = :organization_id AND to_number > :after ORDER BY to_number LIMIT :limit;

-- name: discard_draft_dues(organization_id, campaign_id)!
DELETE FROM due WHERE organization_id = :organization_id AND campaign_id = :campaign_id;

-- name: discard_draft_contacts(organization_id, campaign_id)!
DELETE FROM contact WHERE organization_id = :organization_id AND campaign_id = :campaign_id;

-- name: discard_draft_cursors(organization_id, campaign_id)!
DELETE FROM cursor WHERE organization_id = :organization_id AND campaign_id = :campaign_id;

-- name: discard_draft_rejects(organization_id, campaign_id)!
DELETE FROM reject USING contact_file f
WHERE reject.organization_id = :organization_id AND f.organization_id = :organization_id
  AND f.id = reject.contact_file_id AND f.campaign_id = :campaign_id;

-- name: file_keys(organization_id, campaign_id)
SELECT key FROM contact_file WHERE organization_id = :organization_id AND campaign_id = :campaign_id;

-- name: discard_draft_files(organization_id, campaign_id)!
DELETE FROM contact_file WHERE organization_id = :organization_id AND campaign_id = :campaign_id;

-- name: discard_draft_progress(organization_id, campaign_id)!
DELETE FROM progress WHERE organization_id = :organization_id AND campaign_id = :campaign_id;

-- name: discard_draft_log(organization_id, campaign_id)!
DELETE FROM campaign_log WHERE organization_id = :organization_id AND campaign_id = :campaign_id;

-- name: discard_draft(organization_id, campaign_id)$
DELETE FROM campaign WHERE organization_id = :organization_id AND id = :campaign_id AND state = 'draft' RETURNING id;
