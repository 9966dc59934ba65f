-- People who sign in, how they are invited, what they did, and what their organizations begin with.

-- name: lock_emails()^
-- Addresses are unique over all organizations by this lock, as names of organizations are.
SELECT pg_advisory_xact_lock(1701669237);

-- name: find_person(email)^
-- Who signs in with this address: the answer is what scopes everything that follows.
SELECT organization_id, id, uuid, email, name, role, password_hash FROM person
WHERE email = :email AND removed_at IS NULL LIMIT 1;

-- name: create_person(organization_id, uuid, email, name, password_hash, role, now)$
INSERT INTO person (organization_id, uuid, email, name, password_hash, role, created_at)
VALUES (:organization_id, :uuid, :email, :name, :password_hash, :role, :now) RETURNING id;

-- name: person(organization_id, person_id)^
SELECT organization_id, id, uuid, email, name, role, password_hash FROM person
WHERE organization_id = :organization_id AND id = :person_id;

-- name: people_page(organization_id, after, limit)
-- Those who can sign in, oldest first.
SELECT id, organization_id, uuid, email, name, role, created_at FROM person
WHERE organization_id = :organization_id AND removed_at IS NULL AND id > :after
ORDER BY id LIMIT :limit;

-- name: set_role(organization_id, person_id, role)$
UPDATE person SET role = :role WHERE organization_id = :organization_id AND id = :person_id AND removed_at IS NULL
RETURNING id;

-- name: set_password(organization_id, person_id, password_hash)!
UPDATE person SET password_hash = :password_hash WHERE organization_id = :organization_id AND id = :person_id;

-- name: remove_person(organization_id, person_id, now)$
UPDATE person SET removed_at = :now WHERE organization_id = :organization_id AND id = :person_id AND removed_at IS NULL
RETURNING id;

-- name: owners(organization_id)
-- A lock on each, so that two of them cannot both be the one before the last.
SELECT id FROM person WHERE organization_id = :organization_id AND role = 'owner' AND removed_at IS NULL
ORDER BY id FOR UPDATE;

-- name: furnished(organization_id)^
-- Whether it ever had an agent and a carrier: examples that somebody has archived do not come back.
SELECT EXISTS (SELECT FROM agent WHERE organization_id = :organization_id) AS with_agent,
       EXISTS (SELECT FROM carrier WHERE organization_id = :organization_id) AS with_carrier;

-- name: anybody(organization_id)$
SELECT EXISTS (SELECT FROM person WHERE organization_id = :organization_id AND removed_at IS NULL);

-- name: invite(organization_id, digest, role, first, now, expires_at)!
INSERT INTO invitation (organization_id, digest, role, first, created_at, expires_at)
VALUES (:organization_id, :digest, :role, :first, :now, :expires_at);

-- name: forget_first_invitations(organization_id)!
DELETE FROM invitation WHERE organization_id = :organization_id AND first;

-- name: find_invitation(digest, now)^
-- Whose invitation it is: the answer is what scopes everything that follows.
SELECT organization_id, id, role, first FROM invitation WHERE digest = :digest AND expires_at > :now LIMIT 1;

-- name: take_invitation(organization_id, invitation_id)$
-- Once.
DELETE FROM invitation WHERE organization_id = :organization_id AND id = :invitation_id RETURNING id;

-- name: forget_invitations(organization_id, before)!
DELETE FROM invitation WHERE organization_id = :organization_id AND expires_at < :before;

-- name: audit(organization_id, person_id, action, path, now)!
INSERT INTO audit_entry (organization_id, at, person_id, action, path)
VALUES (:organization_id, :now, :person_id, :action, :path);

-- name: audit_page(organization_id, before, limit)
-- Newest first.
SELECT a.id, a.at, a.person_id, a.action, a.path, p.email, p.name
FROM audit_entry a JOIN person p ON p.organization_id = a.organization_id AND p.id = a.person_id
WHERE a.organization_id = :organization_id AND a.id < coalesce(:before::bigint, 9223372036854775807)
ORDER BY a.id DESC LIMIT :limit;
