-- What an import was given: who named a file, what stands in front of its images' names, and what
-- stood in the way while files were looked for.
ALTER TABLE import_files ADD COLUMN found INTEGER NOT NULL DEFAULT 0;
ALTER TABLE import_files ADD COLUMN prefix TEXT NOT NULL DEFAULT '';
ALTER TABLE import_sessions ADD COLUMN remarks TEXT NOT NULL DEFAULT '[]';  -- JSON
