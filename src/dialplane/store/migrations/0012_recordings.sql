-- Recordings are kept for a time: those whose time is over are found without a look at the other calls.

CREATE INDEX attempt_recorded ON attempt (organization_id, ended_at) WHERE recording <> '';
