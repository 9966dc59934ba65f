-- Requests that may be repeated.

-- name: claim_request(organization_id, key, request_digest, now, forgotten, overdue)$
-- The first request with a key; also the first after a day, or after one that was never answered.
INSERT INTO idempotent_request (organization_id, key, request_digest, created_at)
VALUES (:organization_id, :key, :request_digest, :now)
ON CONFLICT (organization_id, key) DO UPDATE
SET request_digest = excluded.request_digest, created_at = excluded.created_at, status = NULL, media_type = NULL, answer = NULL
WHERE idempotent_request.created_at < :forgotten
   OR (idempotent_request.status IS NULL AND idempotent_request.created_at < :overdue
       AND idempotent_request.request_digest = excluded.request_digest)
RETURNING idempotent_request.key;

-- name: repeated_request(organization_id, key)^
SELECT request_digest, status, media_type, answer FROM idempotent_request
WHERE organization_id = :organization_id AND key = :key;

-- name: keep_answer(organization_id, key, claimed_at, status, media_type, answer)!
-- `claimed_at`: whose deadline has passed may find the request claimed by a later one, which then answers for it.
UPDATE idempotent_request SET status = :status, media_type = :media_type, answer = :answer
WHERE organization_id = :organization_id AND key = :key AND created_at = :claimed_at;

-- name: forget_request(organization_id, key, claimed_at)!
DELETE FROM idempotent_request
WHERE organization_id = :organization_id AND key = :key AND created_at = :claimed_at AND status IS NULL;

-- name: purge_requests(organization_id, before, limit)
DELETE FROM idempotent_request
WHERE (organization_id, key) IN (
    SELECT organization_id, key FROM idempotent_request
    WHERE organization_id = :organization_id AND created_at < :before
    ORDER BY created_at LIMIT :limit
)
RETURNING key;
