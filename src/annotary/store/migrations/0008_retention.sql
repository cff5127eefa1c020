-- How long what is deleted or replaced is kept, in days: NULL as the store does, -1 for ever.
ALTER TABLE projects ADD COLUMN keep INTEGER;
-- Whose image a file is.
CREATE INDEX assets_blob ON assets (blob) WHERE blob IS NOT NULL;
