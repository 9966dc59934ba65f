-- People who sign in, and what their organizations begin with.

-- name: lock_emails()^
-- Addresses are unique over all organizations by this lock, as names of organizations are.
SELECT pg_advisory_xact_lock(1701669237);

-- name: find_person(email)^
-- Who signs in with this address: the answer is what scopes everything that follows.
SELECT organization_id, id, uuid, email, name, role, password_hash FROM person WHERE email = :email LIMIT 1;

-- name: create_person(organization_id, uuid, email, name, password_hash, role, now)$
INSERT INTO person (organization_id, uuid, email, name, password_hash, role, created_at)
VALUES (:organization_id, :uuid, :email, :name, :password_hash, :role, :now) RETURNING id;

-- name: person(organization_id, person_id)^
SELECT organization_id, id, uuid, email, name, role FROM person
WHERE organization_id = :organization_id AND id = :person_id;

-- name: furnished(organization_id)^
-- Whether it ever had an agent and a carrier: examples that somebody has archived do not come back.
SELECT EXISTS (SELECT FROM agent WHERE organization_id = :organization_id) AS with_agent,
       EXISTS (SELECT FROM carrier WHERE organization_id = :organization_id) AS with_carrier;
