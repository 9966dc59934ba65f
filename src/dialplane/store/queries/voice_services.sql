-- What an organization's assistants and workflows listen, think and speak with.

-- name: voice_services(organization_id)$
SELECT services FROM voice_services WHERE organization_id = :organization_id;

-- name: set_voice_services(organization_id, services, now)!
INSERT INTO voice_services (organization_id, services, updated_at) VALUES (:organization_id, :services, :now)
ON CONFLICT (organization_id) DO UPDATE SET services = excluded.services, updated_at = excluded.updated_at;

-- name: clear_voice_services(organization_id)!
DELETE FROM voice_services WHERE organization_id = :organization_id;
