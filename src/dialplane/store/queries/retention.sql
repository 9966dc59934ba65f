-- What is kept for a time only. All of it goes in short statements, each of so many rows at the most.

-- name: campaigns_with_transcripts(organization_id, before, after, limit)
-- Those with calls whose transcripts are to go: not those in which none has ended since the last time.
SELECT id, coalesce(transcripts_gone_to, created_at) AS gone_to FROM campaign
WHERE organization_id = :organization_id AND id > :after AND coalesce(transcripts_gone_to, created_at) < :before
  AND (ended_at IS NULL OR transcripts_gone_to IS NULL OR ended_at >= transcripts_gone_to)
ORDER BY id LIMIT :limit;

-- name: forget_transcripts(organization_id, campaign_id, since, before, limit)
-- Oldest first. The answer: when these calls ended, for the next statement to go on from.
UPDATE attempt SET transcript = NULL, gathered = NULL, summary = NULL
WHERE organization_id = :organization_id AND id = ANY(ARRAY(
    SELECT id FROM attempt
    WHERE organization_id = :organization_id AND campaign_id = :campaign_id
      AND ended_at >= :since::timestamptz AND ended_at < :before
      AND (transcript IS NOT NULL OR gathered IS NOT NULL OR summary IS NOT NULL)
    ORDER BY ended_at LIMIT :limit
))
RETURNING ended_at;

-- name: transcripts_gone(organization_id, campaign_id, before)!
UPDATE campaign SET transcripts_gone_to = :before WHERE organization_id = :organization_id AND id = :campaign_id;

-- name: recordings_kept(organization_id)$
SELECT keep_recordings FROM organization WHERE id = :organization_id;

-- name: keep_recordings(organization_id, kept)!
UPDATE organization SET keep_recordings = :kept WHERE id = :organization_id;

-- name: forget_recordings(organization_id, before, limit)
-- Oldest first. The answer: the keys of their files.
WITH old AS (
    SELECT id, recording FROM attempt
    WHERE organization_id = :organization_id AND recording <> '' AND ended_at < :before
    ORDER BY ended_at LIMIT :limit FOR NO KEY UPDATE
)
UPDATE attempt a SET recording = '' FROM old WHERE a.organization_id = :organization_id AND a.id = old.id
RETURNING old.recording AS key;

-- name: purge_contacts_files(organization_id, before, now, limit)
-- Of campaigns that were over by then. The answer: keys of files that nobody else needs, null for the others.
WITH gone AS (
    UPDATE contact_file SET purged_at = :now
    WHERE organization_id = :organization_id AND id = ANY(ARRAY(
        SELECT f.id FROM contact_file f
        JOIN campaign c ON c.organization_id = f.organization_id AND c.id = f.campaign_id
        WHERE f.organization_id = :organization_id AND f.purged_at IS NULL AND f.state <> 'importing'
          AND c.state IN ('completed', 'cancelled') AND c.ended_at < :before
          AND NOT EXISTS (SELECT FROM upload u
                          WHERE u.organization_id = f.organization_id AND u.key = f.key AND u.used_at >= :before)
        ORDER BY f.id LIMIT :limit
    ))
    RETURNING id, key
), no_upload AS (
    DELETE FROM upload u USING gone WHERE u.organization_id = :organization_id AND u.key = gone.key
      AND NOT EXISTS (SELECT FROM contact_file o
                      WHERE o.organization_id = :organization_id AND o.key = u.key AND o.purged_at IS NULL
                        AND o.id NOT IN (SELECT id FROM gone))
)
SELECT gone.id, CASE WHEN NOT EXISTS (SELECT FROM contact_file o
                                      WHERE o.organization_id = :organization_id AND o.key = gone.key
                                        AND o.purged_at IS NULL AND o.id NOT IN (SELECT id FROM gone))
                     THEN gone.key END AS key
FROM gone;

-- name: old_virtual_runs(organization_id, before)
SELECT campaign_id, schema_name FROM virtual_run
WHERE organization_id = :organization_id AND created_at < :before ORDER BY campaign_id;

-- name: keys_of_nobody(organization_id, keys)
-- Of these keys, those that no campaign and no upload has.
SELECT k.key FROM unnest(:keys::text[]) AS k (key)
WHERE NOT EXISTS (SELECT FROM contact_file f WHERE f.organization_id = :organization_id AND f.key = k.key)
  AND NOT EXISTS (SELECT FROM campaign c WHERE c.organization_id = :organization_id AND c.source = k.key)
  AND NOT EXISTS (SELECT FROM upload u WHERE u.organization_id = :organization_id AND u.key = k.key);

-- name: campaigns_over(organization_id, campaign_ids, before)
SELECT id FROM campaign
WHERE organization_id = :organization_id AND id = ANY(:campaign_ids::bigint[])
  AND state IN ('completed', 'cancelled') AND ended_at < :before;

-- name: forget_workers(before)!
-- Who was killed said no goodbye. Their calls have long been asked about.
DELETE FROM worker WHERE heartbeat_at < :before;
