-- Where the servers reach a worker with what carriers tell of its calls; null: none of its carriers does.
ALTER TABLE worker ADD COLUMN address text;
