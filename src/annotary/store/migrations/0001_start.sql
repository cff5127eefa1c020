-- Every table carries the project first, where rows belong to one. Numbers (no, seq) are
-- internal; ids are the 16 bytes of a UUIDv7. Dates are milliseconds since 1970 (UTC).

CREATE TABLE workspace (
    id BLOB NOT NULL,
    name TEXT NOT NULL,
    owner TEXT NOT NULL,
    created INTEGER NOT NULL
);

CREATE TABLE projects (
    no INTEGER PRIMARY KEY,
    id BLOB NOT NULL UNIQUE,
    name TEXT NOT NULL,
    type TEXT NOT NULL,
    created INTEGER NOT NULL
);

CREATE TABLE tags (
    no INTEGER PRIMARY KEY,
    project INTEGER NOT NULL REFERENCES projects (no),
    idx INTEGER NOT NULL,               -- place in the project's list; may have gaps
    name TEXT NOT NULL,
    color TEXT,
    description TEXT,
    numbers TEXT,                       -- JSON: the class number in each family of formats
    skeleton TEXT,                      -- JSON: keypoints and edges
    annotations INTEGER NOT NULL DEFAULT 0,
    ontology_id BLOB,
    ontology_version INTEGER NOT NULL DEFAULT 0,
    attributes TEXT,                    -- JSON: the ontology's attributes
    UNIQUE (project, name),
    UNIQUE (project, idx)
);

CREATE TABLE assets (
    no INTEGER PRIMARY KEY,
    project INTEGER NOT NULL REFERENCES projects (no),
    id BLOB NOT NULL,
    filename TEXT NOT NULL,
    match_key TEXT NOT NULL,            -- what equal names share: matching.key(filename)
    width INTEGER NOT NULL,             -- pixels as displayed; 0: not known
    height INTEGER NOT NULL,
    file_size INTEGER NOT NULL,
    mime TEXT NOT NULL,
    status TEXT NOT NULL,
    created INTEGER NOT NULL,
    path TEXT,                          -- where a registered image stays
    blob TEXT,                          -- where an uploaded image is kept
    custom TEXT                         -- JSON: custom metadata
);
CREATE UNIQUE INDEX assets_id ON assets (project, id);
CREATE UNIQUE INDEX assets_filename ON assets (project, filename);
CREATE INDEX assets_match ON assets (project, match_key);

CREATE TABLE asset_groups (
    project INTEGER NOT NULL,
    name TEXT NOT NULL,
    asset INTEGER NOT NULL REFERENCES assets (no),
    PRIMARY KEY (project, name, asset)
) WITHOUT ROWID;
CREATE INDEX asset_groups_asset ON asset_groups (asset);

CREATE TABLE annotations (
    seq INTEGER PRIMARY KEY,
    project INTEGER NOT NULL REFERENCES projects (no),
    id BLOB NOT NULL,
    asset INTEGER NOT NULL REFERENCES assets (no),
    tag INTEGER NOT NULL REFERENCES tags (no),
    kind INTEGER NOT NULL,              -- index into batch.KIND_NAMES
    hole INTEGER NOT NULL,
    created INTEGER NOT NULL,
    grp BLOB,                           -- what the parts of one object share
    geometry BLOB,                      -- float64, little-endian, fractions of the image
    extra BLOB                          -- MessagePack of batch.Extra
);
CREATE UNIQUE INDEX annotations_id ON annotations (project, id);

-- The index of annotations by asset is a table of its own, so that an import can merge its
-- rows in sorted order instead of at random.
CREATE TABLE asset_annotations (
    asset INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    PRIMARY KEY (asset, seq)
) WITHOUT ROWID;

CREATE TABLE operations (
    no INTEGER PRIMARY KEY,
    project INTEGER NOT NULL REFERENCES projects (no),
    id BLOB NOT NULL UNIQUE,
    kind TEXT NOT NULL,
    overview TEXT NOT NULL,
    message TEXT NOT NULL,
    records INTEGER NOT NULL DEFAULT 0,
    total INTEGER NOT NULL DEFAULT 0,
    created INTEGER NOT NULL,
    updated INTEGER NOT NULL,
    owner TEXT,                         -- the running process that works on it
    cancel INTEGER NOT NULL DEFAULT 0,  -- somebody asked for it to stop
    request TEXT,                       -- JSON: what was asked for
    result TEXT                         -- JSON: what came out
);
CREATE INDEX operations_unfinished ON operations (owner) WHERE overview IN ('Queued', 'Running');

CREATE TABLE import_sessions (
    no INTEGER PRIMARY KEY,
    project INTEGER NOT NULL REFERENCES projects (no),
    id BLOB NOT NULL UNIQUE,
    operation BLOB,
    overview TEXT NOT NULL,
    message TEXT NOT NULL,
    options TEXT NOT NULL,              -- JSON
    processed INTEGER NOT NULL DEFAULT 0,
    committed INTEGER NOT NULL DEFAULT 0,
    files_processed INTEGER NOT NULL DEFAULT 0,
    files_failed INTEGER NOT NULL DEFAULT 0,
    created INTEGER NOT NULL,
    updated INTEGER NOT NULL,
    expiry INTEGER NOT NULL,
    report TEXT                         -- JSON
);

CREATE TABLE import_files (
    session INTEGER NOT NULL REFERENCES import_sessions (no),
    no INTEGER NOT NULL,
    filename TEXT NOT NULL,
    size INTEGER NOT NULL,
    crc32c TEXT NOT NULL,
    path TEXT,                          -- a local file that is read where it is
    blob TEXT,                          -- or where its uploaded bytes are
    PRIMARY KEY (session, no)
) WITHOUT ROWID;
CREATE UNIQUE INDEX import_files_name ON import_files (session, filename);

CREATE TABLE import_logs (
    session INTEGER NOT NULL REFERENCES import_sessions (no),
    no INTEGER NOT NULL,
    timestamp REAL NOT NULL,
    level TEXT NOT NULL,
    problem BLOB NOT NULL,              -- MessagePack of problems.Problem
    PRIMARY KEY (session, no)
) WITHOUT ROWID;

CREATE TABLE upload_sessions (
    no INTEGER PRIMARY KEY,
    project INTEGER NOT NULL REFERENCES projects (no),
    id BLOB NOT NULL UNIQUE,
    operation BLOB NOT NULL,
    request TEXT NOT NULL,              -- JSON: groups and files
    created INTEGER NOT NULL
);
