-- Calls that people answered and on which nobody spoke in time: of each attempt, and what a campaign does about them.

ALTER TABLE campaign ADD abandon jsonb NOT NULL DEFAULT '{}';
ALTER TABLE attempt ADD abandoned boolean;      -- null: no person answered, or nobody knows what was said
ALTER TABLE carrier ADD carries_sound boolean NOT NULL DEFAULT true;
UPDATE carrier SET carries_sound = false WHERE provider = 'simulated';
UPDATE campaign SET abandon = '{"enabled": false}' WHERE hidden;     -- of single calls
