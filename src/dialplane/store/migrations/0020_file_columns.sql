-- What the columns of a contacts file are called here, where the header's own names are not used: one name for each, ''
-- for one that is left out.
ALTER TABLE contact_file ADD COLUMN columns text[];
