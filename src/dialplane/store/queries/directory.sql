-- What ids stand for in the doors of other products, which show uuids and numbers.

-- name: organization_uuid(organization_id)$
SELECT uuid FROM organization WHERE id = :organization_id;

-- name: agent_uuids(organization_id, ids)
SELECT id, uuid FROM agent WHERE organization_id = :organization_id AND id = ANY(:ids::bigint[]);

-- name: campaign_uuids(organization_id, ids)
-- Hidden ones have no id for people.
SELECT id, uuid FROM campaign WHERE organization_id = :organization_id AND id = ANY(:ids::bigint[]) AND NOT hidden;

-- name: number_texts(organization_id, ids)
SELECT id, e164 FROM number WHERE organization_id = :organization_id AND id = ANY(:ids::bigint[]);

-- name: number_to_call_from(organization_id, e164)^
-- Two carriers may have one number: the default carrier's, else the one that came first.
SELECT n.id, n.carrier_id FROM number n
JOIN carrier r ON r.organization_id = n.organization_id AND r.id = n.carrier_id
WHERE n.organization_id = :organization_id AND n.e164 = :e164 AND n.active AND r.archived_at IS NULL
ORDER BY r.is_default DESC, n.id LIMIT 1;

-- name: contact_with_uuid(organization_id, uuid)$
SELECT id FROM contact WHERE organization_id = :organization_id AND uuid = :uuid;

-- name: contacts_and_last_calls(organization_id, contact_ids)
-- Null where a contact was never called; or of before contacts had an instant.
SELECT c.id, c.added_at, (
    SELECT a.uuid FROM attempt a WHERE a.organization_id = c.organization_id AND a.contact_id = c.id
    ORDER BY a.number DESC LIMIT 1
) AS last_attempt
FROM contact c WHERE c.organization_id = :organization_id AND c.id = ANY(:contact_ids::bigint[]);

-- name: number_uuids(organization_id, ids)
SELECT id, uuid FROM number WHERE organization_id = :organization_id AND id = ANY(:ids::bigint[]);

-- name: numbers_by_uuid(organization_id, uuids)
-- Those of carriers that are still there.
SELECT n.id, n.uuid, n.carrier_id, n.e164, n.active FROM number n
JOIN carrier r ON r.organization_id = n.organization_id AND r.id = n.carrier_id AND r.archived_at IS NULL
WHERE n.organization_id = :organization_id AND n.uuid = ANY(:uuids::uuid[]);

-- name: campaigns_by_uuid(organization_id, uuids)
SELECT id, uuid, created_at FROM campaign WHERE organization_id = :organization_id AND uuid = ANY(:uuids::uuid[]);
