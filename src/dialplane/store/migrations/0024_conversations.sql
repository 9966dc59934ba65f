-- What an organization's assistants and workflows listen, think and speak with; and what an agent brings back from a call
-- besides its transcript and what it gathered.

CREATE TABLE voice_services (
    organization_id bigint NOT NULL REFERENCES organization (id),
    services        jsonb NOT NULL,         -- secrets in it are sealed, as in definitions of agents
    updated_at      timestamptz NOT NULL,
    PRIMARY KEY (organization_id)
);

ALTER TABLE attempt ADD summary text;       -- of the call, in words
ALTER TABLE attempt ADD label text;         -- the agent's own word for what came of it
ALTER TABLE attempt ADD usage jsonb;        -- of services: how much, what it costs, how quick they were
