-- Recorded sounds that agents play.

-- name: add_sound(organization_id, name, title, seconds, now)!
INSERT INTO sound (organization_id, name, title, seconds, created_at)
VALUES (:organization_id, :name, :title, :seconds, :now)
ON CONFLICT (organization_id, name) DO NOTHING;

-- name: sound(organization_id, name)^
SELECT id, name, title, seconds, created_at FROM sound WHERE organization_id = :organization_id AND name = :name;

-- name: sounds_page(organization_id, before, limit)
-- Newest first.
SELECT id, name, title, seconds, created_at FROM sound
WHERE organization_id = :organization_id AND id < coalesce(:before::bigint, 9223372036854775807)
ORDER BY id DESC LIMIT :limit;

-- name: known_sounds(organization_id, names)
SELECT name FROM sound WHERE organization_id = :organization_id AND name = ANY(:names::text[]);
