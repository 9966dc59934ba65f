-- Files that people hand in.

-- name: expect_upload(organization_id, key, name, content_type, now)!
INSERT INTO upload (organization_id, key, name, content_type, created_at, used_at)
VALUES (:organization_id, :key, :name, :content_type, :now, :now);

-- name: lock_upload(organization_id, key)^
-- Of two bodies for one key that arrive at once, the first that is whole is kept.
SELECT received_at FROM upload WHERE organization_id = :organization_id AND key = :key FOR NO KEY UPDATE;

-- name: mark_received(organization_id, key, bytes, now)!
UPDATE upload SET bytes = :bytes, received_at = :now
WHERE organization_id = :organization_id AND key = :key AND received_at IS NULL;

-- name: use_upload(organization_id, key, now)^
-- Whoever asks for it keeps it from the purge: a campaign that is being made names it only some moments later.
UPDATE upload SET used_at = :now WHERE organization_id = :organization_id AND key = :key
RETURNING key, name, content_type, bytes, created_at, received_at;

-- name: purge_uploads(organization_id, before, limit)
-- What nobody has asked for since then and no campaign has.
DELETE FROM upload
WHERE organization_id = :organization_id AND used_at < :before AND key IN (
    SELECT u.key FROM upload u
    WHERE u.organization_id = :organization_id AND u.used_at < :before
      AND NOT EXISTS (SELECT FROM contact_file f WHERE f.organization_id = :organization_id AND f.key = u.key)
      AND NOT EXISTS (SELECT FROM campaign c WHERE c.organization_id = :organization_id AND c.source = u.key)
    ORDER BY u.key LIMIT :limit
)
RETURNING key;

-- name: newest_uploads(organization_id, limit)
SELECT key, name, content_type, bytes, created_at, received_at FROM upload
WHERE organization_id = :organization_id AND received_at IS NOT NULL ORDER BY created_at DESC, key LIMIT :limit;

-- name: upload_beginning(organization_id, beginning, now)^
-- Its key begins so; whoever looks at it keeps it from the purge.
UPDATE upload SET used_at = :now
WHERE organization_id = :organization_id AND starts_with(key, :beginning) AND received_at IS NOT NULL
RETURNING key, name, content_type, bytes, created_at, received_at;

-- name: name_upload(organization_id, key, name)!
UPDATE upload SET name = :name WHERE organization_id = :organization_id AND key = :key;

-- name: delete_upload(organization_id, key)$
-- No row where a campaign has it.
DELETE FROM upload u
WHERE u.organization_id = :organization_id AND u.key = :key
  AND NOT EXISTS (SELECT FROM contact_file f WHERE f.organization_id = :organization_id AND f.key = u.key)
  AND NOT EXISTS (SELECT FROM campaign c WHERE c.organization_id = :organization_id AND c.source = u.key)
RETURNING u.key;
