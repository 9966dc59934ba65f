-- API keys, and sign-ins, which are keys with an end.

-- name: find_key(digest, now)^
-- Whose key it is: the answer is what scopes everything that follows.
SELECT organization_id, id, kind, name, role, person_id, last_used_at FROM api_key
WHERE digest = :digest AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > :now)
LIMIT 1;

-- name: use_key(organization_id, key_id, now)!
UPDATE api_key SET last_used_at = :now WHERE organization_id = :organization_id AND id = :key_id;

-- name: key_known(organization_id, digest)$
SELECT EXISTS (SELECT FROM api_key WHERE organization_id = :organization_id AND digest = :digest);

-- name: create_key(organization_id, uuid, kind, name, role, prefix, digest, person_id, expires_at, now)$
INSERT INTO api_key (organization_id, uuid, kind, name, role, prefix, digest, person_id, expires_at, created_at)
VALUES (:organization_id, :uuid, :kind, :name, :role, :prefix, :digest, :person_id, :expires_at, :now)
RETURNING id;

-- name: keys_page(organization_id, with_revoked, before, limit)
-- Newest first, a page at a time; sign-ins are no keys to people.
SELECT id, uuid, name, role, prefix, created_at, last_used_at, expires_at, revoked_at FROM api_key
WHERE organization_id = :organization_id AND kind = 'key' AND (:with_revoked OR revoked_at IS NULL)
  AND id < coalesce(:before::bigint, 9223372036854775807)
ORDER BY id DESC LIMIT :limit;

-- name: set_key_revoked(organization_id, key_id, kind, revoked_at)$
UPDATE api_key SET revoked_at = :revoked_at WHERE organization_id = :organization_id AND id = :key_id AND kind = :kind
RETURNING id;

-- name: forget_logins(organization_id, before)!
-- Sign-ins that have ended; keys stay, for the record.
DELETE FROM api_key
WHERE organization_id = :organization_id AND kind = 'login' AND (expires_at < :before OR revoked_at < :before);

-- name: end_logins(organization_id, person_id, kept, now)!
-- All sign-ins of a person but this one.
UPDATE api_key SET revoked_at = :now
WHERE organization_id = :organization_id AND person_id = :person_id AND kind = 'login' AND revoked_at IS NULL
  AND id IS DISTINCT FROM :kept;

-- name: set_login_role(organization_id, person_id, role)!
UPDATE api_key SET role = :role
WHERE organization_id = :organization_id AND person_id = :person_id AND kind = 'login';
