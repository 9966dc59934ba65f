-- Versions of its agent that a campaign splits its contacts over, with their weights; none: the version in force speaks.
ALTER TABLE campaign ADD COLUMN agent_versions jsonb NOT NULL DEFAULT '[]';
