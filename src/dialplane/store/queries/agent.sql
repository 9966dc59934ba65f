-- Agents and their versions. An agent's `version` is the one in force: 0 while it has only drafts.

-- name: find_agent(organization_id, name, kind)^
SELECT a.id, a.version, v.definition FROM agent a
JOIN agent_version v ON v.organization_id = a.organization_id AND v.agent_id = a.id AND v.version = a.version
WHERE a.organization_id = :organization_id AND a.name = :name AND a.kind = :kind AND a.archived_at IS NULL
ORDER BY a.id LIMIT 1;

-- name: create_agent(organization_id, uuid, name, kind, version, now)$
INSERT INTO agent (organization_id, uuid, name, kind, version, created_at)
VALUES (:organization_id, :uuid, :name, :kind, :version, :now) RETURNING id;

-- name: create_agent_version(organization_id, agent_id, kind, definition, now)$
-- Numbered after its newest; the caller has locked the organization.
INSERT INTO agent_version (organization_id, agent_id, version, kind, definition, created_at)
SELECT :organization_id, :agent_id, coalesce(max(version), 0) + 1, :kind, :definition, :now::timestamptz
FROM agent_version WHERE organization_id = :organization_id AND agent_id = :agent_id
RETURNING version;

-- name: enforce_agent_version(organization_id, agent_id, version, kind, now)!
-- What attempts are made with from now on; those there are keep theirs.
UPDATE agent SET version = :version, kind = :kind, updated_at = :now
WHERE organization_id = :organization_id AND id = :agent_id;

-- name: name_agent(organization_id, agent_id, name, now)!
UPDATE agent SET name = :name, updated_at = :now WHERE organization_id = :organization_id AND id = :agent_id;

-- name: archive_agent(organization_id, agent_id, archived_at)$
UPDATE agent SET archived_at = :archived_at WHERE organization_id = :organization_id AND id = :agent_id RETURNING id;

-- name: agent_version(organization_id, agent_id, version)^
SELECT a.name, v.kind, v.definition FROM agent_version v
JOIN agent a ON a.organization_id = v.organization_id AND a.id = v.agent_id
WHERE v.organization_id = :organization_id AND v.agent_id = :agent_id AND v.version = :version;

-- name: agent(organization_id, agent_id)^
-- With its newest version, which may be a draft, and the id of the one in force.
SELECT a.id, a.uuid, a.name, a.version, a.archived_at, a.created_at, a.updated_at, newest.id AS newest_id,
       newest.version AS newest_version, newest.kind, newest.definition,
       (SELECT v.id FROM agent_version v
        WHERE v.organization_id = a.organization_id AND v.agent_id = a.id AND v.version = a.version) AS version_id
FROM agent a
CROSS JOIN LATERAL (
    SELECT id, version, kind, definition FROM agent_version
    WHERE organization_id = a.organization_id AND agent_id = a.id ORDER BY version DESC LIMIT 1
) AS newest
WHERE a.organization_id = :organization_id AND a.id = :agent_id;

-- name: agent_id_of_uuid(organization_id, uuid)$
SELECT id FROM agent WHERE organization_id = :organization_id AND uuid = :uuid;

-- name: agents_page(organization_id, archived, before, limit)
-- Newest first, a page at a time; archived ones, the others, or both.
SELECT id, uuid, name, kind, version, archived_at, created_at FROM agent
WHERE organization_id = :organization_id AND (:archived::boolean IS NULL OR (archived_at IS NOT NULL) = :archived)
  AND id < coalesce(:before::bigint, 9223372036854775807)
ORDER BY id DESC LIMIT :limit;

-- name: count_agents(organization_id)^
SELECT count(*) AS total, count(archived_at) AS archived FROM agent WHERE organization_id = :organization_id;

-- name: agent_versions_page(organization_id, agent_id, before, limit)
SELECT id, version, kind, definition, created_at FROM agent_version
WHERE organization_id = :organization_id AND agent_id = :agent_id AND version < coalesce(:before::integer, 2147483647)
ORDER BY version DESC LIMIT :limit;

-- name: agent_attempts(organization_id, agent_ids)
-- Ended attempts from the counters of each agent's campaigns, open ones from their index: however many there were.
SELECT agent_id, sum(attempts)::bigint AS attempts FROM (
    SELECT c.agent_id, p.value AS attempts FROM campaign c
    JOIN progress p ON p.organization_id = c.organization_id AND p.campaign_id = c.id
    WHERE c.organization_id = :organization_id AND c.agent_id = ANY(:agent_ids::bigint[]) AND p.measure = 'attempts'
    UNION ALL
    SELECT agent_id, 1 FROM attempt
    WHERE organization_id = :organization_id AND ended_at IS NULL AND agent_id = ANY(:agent_ids::bigint[])
) AS counted
GROUP BY agent_id;

-- name: columns_of_agent(organization_id, agent_id)
-- Campaigns that will call with the version of this agent that is in force, and the columns that their contacts have. Those that are kept open have
-- contacts whose columns no file has named.
SELECT id, name, state, variable_names FROM campaign
WHERE organization_id = :organization_id AND agent_id = :agent_id AND agent_versions = '[]' AND NOT keep_open
  AND state IN ('scheduled', 'running', 'paused') AND total > 0
ORDER BY id;

-- name: newest_campaigns_with_agent(organization_id, agent_id, limit)
SELECT id, name, state, created_at FROM campaign
WHERE organization_id = :organization_id AND agent_id = :agent_id AND NOT hidden
ORDER BY id DESC LIMIT :limit;
