-- What calls leave behind.

-- name: artifacts_by_id(organization_id, attempt_id)^
SELECT id, uuid, transcript, recording FROM attempt WHERE organization_id = :organization_id AND id = :attempt_id;

-- name: artifacts_by_uuid(organization_id, attempt_uuid)^
SELECT id, uuid, transcript, recording FROM attempt WHERE organization_id = :organization_id AND uuid = :attempt_uuid;
