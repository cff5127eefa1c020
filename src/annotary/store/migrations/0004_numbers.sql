-- Numbers are never given twice: what names a row by its number may outlive the row.
CREATE TABLE counters (
    name TEXT PRIMARY KEY,
    next INTEGER NOT NULL
) WITHOUT ROWID;

INSERT INTO counters SELECT 'annotations', COALESCE(MAX(seq), 0) + 1 FROM annotations;
INSERT INTO counters SELECT 'assets', COALESCE(MAX(no), 0) + 1 FROM assets;
INSERT INTO counters SELECT 'projects', COALESCE(MAX(no), 0) + 1 FROM projects;
INSERT INTO counters SELECT 'tags', COALESCE(MAX(no), 0) + 1 FROM tags;
INSERT INTO counters SELECT 'operations', COALESCE(MAX(no), 0) + 1 FROM operations;
INSERT INTO counters SELECT 'import_sessions', COALESCE(MAX(no), 0) + 1 FROM import_sessions;
INSERT INTO counters SELECT 'upload_sessions', COALESCE(MAX(no), 0) + 1 FROM upload_sessions;
INSERT INTO counters SELECT 'multipart_uploads', COALESCE(MAX(no), 0) + 1 FROM multipart_uploads;
