-- Contacts: import, additions, removal, pages.

-- name: create_contact_file(organization_id, uuid, campaign_id, name, key, default_region, columns, now)$
INSERT INTO contact_file (organization_id, uuid, campaign_id, name, key, default_region, columns, sequence_base, created_at)
SELECT :organization_id, :uuid, :campaign_id, :name, :key, :default_region, :columns::text[], c.sealed_sequence, :now::timestamptz
FROM campaign c WHERE c.organization_id = :organization_id AND c.id = :campaign_id
RETURNING id;

-- name: unfinished_file(organization_id, campaign_id)^
SELECT id, name, key, default_region, columns, rows_read, sequence_base FROM contact_file
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
                         priority, zone_group_id, variables, added_at)
    SELECT :organization_id, :campaign_id, :file_id::bigint, md5(:campaign_uuid::text || n.to_number)::uuid, n.row_number,
           CASE WHEN n.priority = 0 THEN :sequence_base::bigint + n.row_number END,
           n.to_number, n.external_id, n.priority, n.zone_group_id, n.variables::jsonb, :now::timestamptz
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

-- name: fail_file(organization_id, campaign_id, error, now)^
-- What was read before the fault stays.
UPDATE contact_file SET state = 'failed', error = :error, finished_at = :now
WHERE organization_id = :organization_id AND campaign_id = :campaign_id AND state = 'importing'
RETURNING name, sequence_base + rows_read AS sealed_sequence, contacts, rejects;

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

-- name: rejects_of_file(organization_id, file_id, after_row, limit)
SELECT row_number, reason, fix FROM reject
WHERE organization_id = :organization_id AND contact_file_id = :file_id AND row_number > :after_row
ORDER BY row_number LIMIT :limit;

-- name: file_with_rejects(organization_id, campaign_id, after_file)^
-- The next file of a campaign, as long as it is kept.
SELECT id, name, key, default_region, columns FROM contact_file
WHERE organization_id = :organization_id AND campaign_id = :campaign_id AND id > :after_file AND rejects > 0
ORDER BY id LIMIT 1;

-- name: rejected_row(organization_id, campaign_id, file_id, row_number)^
SELECT f.id, f.name, f.key, f.default_region, f.columns, r.field, r.value, r.reason, r.fix FROM contact_file f
JOIN reject r ON r.organization_id = f.organization_id AND r.contact_file_id = f.id
WHERE f.organization_id = :organization_id AND f.campaign_id = :campaign_id AND f.id = :file_id
  AND r.row_number = :row_number;

-- name: forget_reject(organization_id, file_id, row_number)!
WITH gone AS (
    DELETE FROM reject
    WHERE organization_id = :organization_id AND contact_file_id = :file_id AND row_number = :row_number
    RETURNING 1
)
UPDATE contact_file SET rejects = rejects - (SELECT count(*) FROM gone)
WHERE organization_id = :organization_id AND id = :file_id;

-- name: copy_contacts(organization_id, campaign_id, campaign_uuid, parent_id, dispositions, left_over, after, limit, sequence_base, now)^
-- A page of another campaign's contacts, in their old order: of a redial, those whose last disposition was one of these,
-- and those who still wait where `left_over` says so; null: all. `copied` of them now belong to this campaign; `last` is
-- null after the last page.
WITH page AS (
    SELECT * FROM contact
    WHERE organization_id = :organization_id AND campaign_id = :parent_id AND id > :after ORDER BY id LIMIT :limit
), added AS (
    INSERT INTO contact (organization_id, campaign_id, uuid, row_number, sequence, to_number, external_id, priority,
                         zone_group_id, number_id, variables, added_at)
    SELECT :organization_id, :campaign_id, md5(:campaign_uuid::text || p.to_number)::uuid, p.row_number,
           CASE WHEN p.priority = 0 AND p.number_id IS NULL
                THEN :sequence_base::bigint + row_number() OVER (ORDER BY p.id) END,
           p.to_number, p.external_id, p.priority, p.zone_group_id, p.number_id, p.variables, :now::timestamptz
    FROM page p
    WHERE CASE WHEN :dispositions::text[] IS NULL THEN p.state <> 'removed'
               ELSE p.state IN ('reached', 'exhausted') AND p.disposition = ANY(:dispositions::text[])
                    OR p.state = 'waiting' AND :left_over::boolean END
    RETURNING id, zone_group_id, number_id, priority
), cursors AS (
    INSERT INTO cursor (organization_id, campaign_id, zone_group_id)
    SELECT DISTINCT :organization_id::bigint, :campaign_id::bigint, zone_group_id FROM added
    ON CONFLICT (organization_id, campaign_id, zone_group_id) DO NOTHING
), prioritized AS (
    INSERT INTO due (organization_id, campaign_id, contact_id, zone_group_id, number_id, rank, due_at)
    SELECT :organization_id, :campaign_id, id, zone_group_id, coalesce(number_id, 0), 10 - priority, :now::timestamptz
    FROM added WHERE priority > 0 OR number_id IS NOT NULL
)
SELECT (SELECT count(*) FROM added) AS copied, (SELECT max(id) FROM page) AS last;

-- name: add_late(organization_id, campaign_id, campaign_uuid, now, to_numbers, external_ids, priorities, zone_group_ids, number_ids, variables)
-- Contacts added by hand: straight to `due`, since their place in the order of fresh ones may have been passed.
WITH added AS (
    INSERT INTO contact (organization_id, campaign_id, uuid, to_number, external_id, priority, zone_group_id, number_id,
                         variables, added_at)
    SELECT :organization_id, :campaign_id, md5(:campaign_uuid::text || n.to_number)::uuid, n.to_number, n.external_id,
           n.priority, n.zone_group_id, n.number_id, n.variables::jsonb, :now::timestamptz
    FROM unnest(:to_numbers::text[], :external_ids::text[], :priorities::smallint[], :zone_group_ids::bigint[],
                :number_ids::bigint[], :variables::text[])
         AS n (to_number, external_id, priority, zone_group_id, number_id, variables)
    ON CONFLICT (organization_id, campaign_id, to_number) DO NOTHING
    RETURNING id, to_number, zone_group_id, number_id, priority
), waiting AS (
    INSERT INTO due (organization_id, campaign_id, contact_id, zone_group_id, number_id, rank, due_at)
    SELECT :organization_id, :campaign_id, id, zone_group_id, coalesce(number_id, 0), 10 - priority, :now::timestamptz
    FROM added
)
SELECT id, to_number FROM added;

-- name: postpone(organization_id, campaign_id, contact_ids, due_ats)!
-- Waiting contacts are due at these instants.
UPDATE due d SET due_at = p.due_at
FROM unnest(:contact_ids::bigint[], :due_ats::timestamptz[]) AS p (contact_id, due_at)
WHERE d.organization_id = :organization_id AND d.campaign_id = :campaign_id AND d.contact_id = p.contact_id;

-- name: count_added(organization_id, campaign_id, contacts, variable_names)!
UPDATE campaign SET total = total + :contacts, variable_names = :variable_names
WHERE organization_id = :organization_id AND id = :campaign_id;

-- name: contact_number(organization_id, campaign_id, contact_id)$
SELECT to_number FROM contact WHERE organization_id = :organization_id AND campaign_id = :campaign_id AND id = :contact_id;

-- name: await_import(organization_id, campaign_id)^
-- An import holds this row while it writes a batch; whoever holds it after that writes contacts alone.
SELECT id FROM contact_file
WHERE organization_id = :organization_id AND campaign_id = :campaign_id AND state = 'importing' FOR NO KEY UPDATE;

-- name: external_ids(organization_id, campaign_id, external_ids)
-- One number for each external id, or the few that a file had it with; a constant column of a million rows is cut short.
SELECT e.external_id, c.to_number FROM unnest(:external_ids::text[]) AS e (external_id)
CROSS JOIN LATERAL (
    SELECT to_number FROM contact
    WHERE organization_id = :organization_id AND campaign_id = :campaign_id AND external_id = e.external_id
    ORDER BY id LIMIT 100
) AS c;

-- name: contacts_with_numbers(organization_id, campaign_id, to_numbers)
SELECT id, to_number FROM contact
WHERE organization_id = :organization_id AND campaign_id = :campaign_id AND to_number = ANY(:to_numbers::text[]);

-- name: find_contacts(organization_id, campaign_id, to_numbers, contact_ids, external_ids, limit)
-- One index each: OR over three of them would read the campaign.
(SELECT id, to_number, external_id, state FROM contact
 WHERE organization_id = :organization_id AND campaign_id = :campaign_id AND to_number = ANY(:to_numbers::text[]))
UNION
(SELECT id, to_number, external_id, state FROM contact
 WHERE organization_id = :organization_id AND campaign_id = :campaign_id AND id = ANY(:contact_ids::bigint[]))
UNION
(SELECT id, to_number, external_id, state FROM contact
 WHERE organization_id = :organization_id AND campaign_id = :campaign_id AND external_id = ANY(:external_ids::text[])
 LIMIT :limit)
ORDER BY id LIMIT :limit;

-- name: remove_contacts(organization_id, contact_ids)
-- Those that wait or are being called; a call in progress ends by itself and keeps its outcome. They leave the order of
-- fresh ones, so that its index holds those who wait and nobody else beyond the cursor.
WITH removed AS (
    UPDATE contact SET state = 'removed', sequence = NULL
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
    RETURNING c.id, c.campaign_id, c.zone_group_id, c.number_id, c.priority, c.state, old.state AS old_state,
              old.skip_reason AS old_reason
), waiting AS (
    INSERT INTO due (organization_id, campaign_id, contact_id, zone_group_id, number_id, rank, due_at)
    SELECT :organization_id, campaign_id, id, zone_group_id, coalesce(number_id, 0), 10 - priority, :now::timestamptz
    FROM restored WHERE state = 'waiting'
)
SELECT id, old_state, old_reason FROM restored;

-- name: call_now(organization_id, campaign_id, contact_id, variables, now)^
-- Due at once, before everything else. Whoever had come to an end begins anew, with the whole budget of calls; ordinals of
-- attempts go on. No row: there is a call, or an intent of one, which nobody may add a second to.
WITH called AS (
    UPDATE contact c
    SET state = 'waiting', sequence = NULL, skip_reason = NULL, refusals = 0,
        spent = CASE WHEN old.state = 'waiting' THEN c.spent ELSE 0 END,
        variables = coalesce(:variables::jsonb, c.variables)
    FROM contact old
    WHERE old.organization_id = :organization_id AND old.id = :contact_id AND old.campaign_id = :campaign_id
      AND c.organization_id = old.organization_id AND c.id = old.id AND c.state <> 'dialing'
      AND NOT EXISTS (SELECT FROM attempt a WHERE a.organization_id = old.organization_id AND a.contact_id = old.id
                      AND a.ended_at IS NULL)
    RETURNING c.id, c.campaign_id, c.zone_group_id, c.number_id, old.state AS old_state, old.skip_reason AS old_reason
), due_first AS (
    INSERT INTO due (organization_id, campaign_id, contact_id, zone_group_id, number_id, rank, due_at)
    SELECT :organization_id, campaign_id, id, zone_group_id, coalesce(number_id, 0), 0, :now::timestamptz FROM called
    ON CONFLICT (organization_id, campaign_id, contact_id) DO UPDATE SET rank = excluded.rank, due_at = excluded.due_at
)
SELECT id, old_state, old_reason FROM called;

-- name: contacts_page(organization_id, campaign_id, state, after, limit)
SELECT id, uuid, row_number, to_number, external_id, state, disposition, skip_reason, attempts, variables FROM contact
WHERE organization_id = :organization_id AND campaign_id = :campaign_id AND id > :after
  AND (:state::text IS NULL OR state = :state)
ORDER BY id LIMIT :limit;

-- name: walk_contacts(organization_id, campaign_id, states, disposition, text, after, examined, limit)
-- A filtered page looks at so many contacts and no more. An index on `state` would make it shorter, and every call slower:
-- each change of state would write to it. text: in the number, the external id or the value of a variable.
SELECT e.id FROM (
    SELECT id, state, disposition, to_number, external_id, variables FROM contact
    WHERE organization_id = :organization_id AND campaign_id = :campaign_id AND id > :after
    ORDER BY id LIMIT :examined
) AS e
WHERE (:states::text[] IS NULL OR e.state = ANY(:states::text[]))
  AND (:disposition::text IS NULL OR e.disposition = :disposition)
  AND (:text::text IS NULL OR strpos(e.to_number, :text) > 0 OR strpos(lower(e.external_id), lower(:text)) > 0
       OR EXISTS (SELECT FROM jsonb_each_text(e.variables) AS v WHERE strpos(lower(v.value), lower(:text)) > 0))
ORDER BY e.id LIMIT :limit;

-- name: walk_contacts_back(organization_id, campaign_id, states, disposition, text, before, examined, limit)
-- The same from the other end.
SELECT e.id FROM (
    SELECT id, state, disposition, to_number, external_id, variables FROM contact
    WHERE organization_id = :organization_id AND campaign_id = :campaign_id AND id < :before
    ORDER BY id DESC LIMIT :examined
) AS e
WHERE (:states::text[] IS NULL OR e.state = ANY(:states::text[]))
  AND (:disposition::text IS NULL OR e.disposition = :disposition)
  AND (:text::text IS NULL OR strpos(e.to_number, :text) > 0 OR strpos(lower(e.external_id), lower(:text)) > 0
       OR EXISTS (SELECT FROM jsonb_each_text(e.variables) AS v WHERE strpos(lower(v.value), lower(:text)) > 0))
ORDER BY e.id DESC LIMIT :limit;

-- name: walked_contacts(organization_id, campaign_id, after, examined)^
-- Where a page that came back short has looked: how many contacts, and the last of them.
SELECT count(*) AS rows, max(id) AS id FROM (
    SELECT id FROM contact
    WHERE organization_id = :organization_id AND campaign_id = :campaign_id AND id > :after
    ORDER BY id LIMIT :examined
) AS e;

-- name: walked_contacts_back(organization_id, campaign_id, before, examined)^
SELECT count(*) AS rows, min(id) AS id FROM (
    SELECT id FROM contact
    WHERE organization_id = :organization_id AND campaign_id = :campaign_id AND id < :before
    ORDER BY id DESC LIMIT :examined
) AS e;

-- name: contacts_with_external_id(organization_id, campaign_id, external_id, after, limit)
SELECT id FROM contact
WHERE organization_id = :organization_id AND campaign_id = :campaign_id AND external_id = :external_id AND id > :after
ORDER BY id LIMIT :limit;

-- name: contact_details(organization_id, contact_ids)
-- Contacts with all that says why they are where they are: when they are due, how the last call ended, how far one in
-- progress has come. The last ended attempt is the one whose ordinal is their count.
SELECT c.id, c.uuid, c.campaign_id, f.name AS file, c.row_number, c.to_number, c.external_id, c.priority, c.number_id,
       c.state, c.disposition, c.skip_reason, c.attempts, c.variables, c.added_at, g.zones, k.state AS campaign_state,
       k.state_reason AS campaign_reason, d.due_at, last.cause, last.sip_status, ongoing.state AS call_state
FROM contact c
JOIN campaign k ON k.organization_id = c.organization_id AND k.id = c.campaign_id
JOIN zone_group g ON g.organization_id = c.organization_id AND g.id = c.zone_group_id
LEFT JOIN contact_file f ON f.organization_id = c.organization_id AND f.id = c.contact_file_id
LEFT JOIN due d ON d.organization_id = c.organization_id AND d.campaign_id = c.campaign_id AND d.contact_id = c.id
LEFT JOIN attempt last ON last.organization_id = c.organization_id AND last.contact_id = c.id AND last.number = c.attempts
LEFT JOIN attempt ongoing ON ongoing.organization_id = c.organization_id AND ongoing.contact_id = c.id
                         AND ongoing.ended_at IS NULL
WHERE c.organization_id = :organization_id AND c.id = ANY(:contact_ids::bigint[])
ORDER BY c.id;

-- name: contact_attempts(organization_id, contact_id, limit)
-- Newest first.
SELECT id, uuid, number, state, carrier_id, from_number, to_number, agent_id, agent_version, created_at, send_at, sent_at,
       placed_at, ringing_at, answered_at, ended_at, carrier_call_id, disposition, spent, sip_status, cause, transcript,
       gathered, summary, label, usage, recording
FROM attempt WHERE organization_id = :organization_id AND contact_id = :contact_id
ORDER BY number DESC LIMIT :limit;

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
-- Stored files that go with a draft: copies that no other campaign has. What was uploaded stays, so that another campaign
-- can be made of it, until it is purged.
SELECT f.key FROM contact_file f
WHERE f.organization_id = :organization_id AND f.campaign_id = :campaign_id
  AND NOT EXISTS (SELECT FROM upload u WHERE u.organization_id = f.organization_id AND u.key = f.key)
  AND NOT EXISTS (SELECT FROM contact_file o
                  WHERE o.organization_id = f.organization_id AND o.key = f.key AND o.campaign_id <> f.campaign_id)
  AND NOT EXISTS (SELECT FROM campaign c
                  WHERE c.organization_id = f.organization_id AND c.source = f.key AND c.id <> f.campaign_id);

-- name: discard_draft_files(organization_id, campaign_id)!
DELETE FROM contact_file WHERE organization_id = :organization_id AND campaign_id = :campaign_id;

-- name: discard_draft_progress(organization_id, campaign_id)!
DELETE FROM progress WHERE organization_id = :organization_id AND campaign_id = :campaign_id;

-- name: discard_draft_webhooks(organization_id, campaign_id, now)!
-- The rows themselves go with their deliveries, which are purged.
UPDATE webhook SET active = false, archived_at = :now, updated_at = :now
WHERE organization_id = :organization_id AND campaign_id = :campaign_id AND archived_at IS NULL;

-- name: discard_draft_forecast(organization_id, campaign_id)!
DELETE FROM forecast WHERE organization_id = :organization_id AND campaign_id = :campaign_id;

-- name: discard_draft_log(organization_id, campaign_id)!
DELETE FROM campaign_log WHERE organization_id = :organization_id AND campaign_id = :campaign_id;

-- name: discard_draft(organization_id, campaign_id)$
DELETE FROM campaign WHERE organization_id = :organization_id AND id = :campaign_id AND state = 'draft' RETURNING id;
