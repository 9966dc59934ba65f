-- What was kept for its time and is gone: rows stay, and say so.

ALTER TABLE campaign ADD transcripts_gone_to timestamptz;   -- of calls that ended before then
ALTER TABLE contact_file ADD purged_at timestamptz;         -- the file itself is deleted; its key is nobody else's
CREATE INDEX contact_file_kept ON contact_file (organization_id, id) WHERE purged_at IS NULL;
