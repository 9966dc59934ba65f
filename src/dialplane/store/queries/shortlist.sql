-- Agents and numbers of all carriers, the newest first, as doors list them that filter by the instants of making and change.

-- name: newest_agents(organization_id, created_from, created_to, updated_from, updated_to, limit)
-- Those that can be used, each as `agent` has it.
SELECT a.id, a.uuid, a.name, a.version, a.archived_at, a.created_at, a.updated_at, newest.id AS newest_id,
       newest.version AS newest_version, newest.kind, newest.definition, NULL::bigint AS version_id
FROM agent a
CROSS JOIN LATERAL (
    SELECT id, version, kind, definition FROM agent_version
    WHERE organization_id = a.organization_id AND agent_id = a.id ORDER BY version DESC LIMIT 1
) AS newest
WHERE a.organization_id = :organization_id AND a.archived_at IS NULL
  AND (:created_from::timestamptz IS NULL OR a.created_at >= :created_from)
  AND (:created_to::timestamptz IS NULL OR a.created_at < :created_to)
  AND (:updated_from::timestamptz IS NULL OR coalesce(a.updated_at, a.created_at) >= :updated_from)
  AND (:updated_to::timestamptz IS NULL OR coalesce(a.updated_at, a.created_at) < :updated_to)
ORDER BY a.id DESC LIMIT :limit;

-- name: found_numbers(organization_id, number_uuid, search, created_from, created_to, updated_from, updated_to, ascending, skip, limit)
-- Numbers of the carriers that are still there, whichever it is; search: a part of the number or of its label. Always at
-- least one row, so that a page past the end has its total.
WITH matching AS MATERIALIZED (
    SELECT n.*, r.uuid AS carrier_uuid, r.provider FROM number n
    JOIN carrier r ON r.organization_id = n.organization_id AND r.id = n.carrier_id AND r.archived_at IS NULL
    WHERE n.organization_id = :organization_id AND n.uuid = coalesce(:number_uuid::uuid, n.uuid)
      AND (:search::text IS NULL OR strpos(n.e164, :search) > 0 OR strpos(lower(n.label), lower(:search)) > 0)
      AND (:created_from::timestamptz IS NULL OR n.created_at >= :created_from)
      AND (:created_to::timestamptz IS NULL OR n.created_at < :created_to)
      AND (:updated_from::timestamptz IS NULL OR coalesce(n.updated_at, n.created_at) >= :updated_from)
      AND (:updated_to::timestamptz IS NULL OR coalesce(n.updated_at, n.created_at) < :updated_to)
), page AS (
    SELECT *, CASE WHEN :ascending::boolean THEN id ELSE -id END AS place FROM matching
    ORDER BY place LIMIT :limit::bigint OFFSET :skip::bigint
)
SELECT (SELECT count(*) FROM matching) AS total, page.* FROM (SELECT 1) AS one LEFT JOIN page ON true ORDER BY page.place;

-- name: carrier_of_uuid(organization_id, uuid)$
SELECT id FROM carrier WHERE organization_id = :organization_id AND uuid = :uuid AND archived_at IS NULL;
