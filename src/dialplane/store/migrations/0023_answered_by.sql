-- What a campaign does where no person answers, and what has answered each call.
ALTER TABLE campaign ADD COLUMN machine_detection jsonb NOT NULL DEFAULT '{}';
ALTER TABLE attempt ADD COLUMN answered_by text;   -- null: nobody answered, or nobody listened for machines
