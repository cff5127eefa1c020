-- What a server needs beside the data: who may come in, what it signs addresses with, and the
-- answers that a repeated request gets again.

CREATE TABLE secret_keys (
    id BLOB PRIMARY KEY,                -- 8 bytes, the part of a key that is no secret
    hash BLOB NOT NULL,                 -- SHA-256 of the secret part
    name TEXT NOT NULL,
    role TEXT NOT NULL,                 -- owner, editor or viewer
    project BLOB,                       -- the id of the only project it may see
    created INTEGER NOT NULL,
    revoked INTEGER                     -- when it was revoked
) WITHOUT ROWID;

CREATE TABLE signing_key (
    secret BLOB NOT NULL
);

CREATE TABLE answers (
    caller BLOB NOT NULL,               -- the id of the secret key
    key TEXT NOT NULL,                  -- the Idempotency-Key header
    request BLOB NOT NULL,              -- SHA-256 of method, path and body
    status INTEGER NOT NULL,
    body BLOB NOT NULL,
    created INTEGER NOT NULL,
    PRIMARY KEY (caller, key)
) WITHOUT ROWID;
CREATE INDEX answers_created ON answers (created);

CREATE TABLE multipart_uploads (
    no INTEGER PRIMARY KEY,
    project INTEGER NOT NULL REFERENCES projects (no),
    id BLOB NOT NULL UNIQUE,
    session BLOB NOT NULL,              -- the upload session that the file belongs to
    file INTEGER NOT NULL,              -- its place in the session
    parts INTEGER NOT NULL,
    created INTEGER NOT NULL
);
