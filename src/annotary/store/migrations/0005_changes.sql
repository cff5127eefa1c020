-- Changes: everything that one write does to a project, undone as one. Rows of annotations stay
-- where they are: what is deleted is named in "dead", what is edited leaves its former self in
-- "past". Versions of the small things (assets, tags, projects) are in "versions".

CREATE TABLE changes (
    no INTEGER PRIMARY KEY,             -- given under the write lock
    project INTEGER NOT NULL REFERENCES projects (no),
    id BLOB NOT NULL UNIQUE,
    kind TEXT NOT NULL,                 -- import, create, update, delete, undo, ...
    state TEXT NOT NULL,                -- open, published, abandoned
    author TEXT NOT NULL,
    message TEXT NOT NULL,
    created INTEGER NOT NULL,
    published INTEGER,
    part_of INTEGER,                    -- the change that this one is a step of
    undoes INTEGER,
    undone_by INTEGER,                  -- set once, never cleared
    operation BLOB,                     -- the operation that fills an open one
    owner TEXT,                         -- the process that fills an open one
    counts TEXT NOT NULL,               -- JSON: by noun: added, removed, changed
    purged INTEGER                      -- when its versions were forgotten
);
CREATE INDEX changes_project ON changes (project, no);
CREATE INDEX changes_unpublished ON changes (project) WHERE state != 'published';
CREATE INDEX changes_parts ON changes (part_of) WHERE part_of IS NOT NULL;
INSERT INTO counters VALUES ('changes', 1);

-- What a change has inserted: runs of annotations.seq.
CREATE TABLE runs (
    change INTEGER NOT NULL,
    first INTEGER NOT NULL,
    last INTEGER NOT NULL,
    PRIMARY KEY (change, first)
) WITHOUT ROWID;

ALTER TABLE annotations ADD COLUMN born INTEGER NOT NULL DEFAULT 0;  -- 0: before changes were kept
ALTER TABLE annotations ADD COLUMN source INTEGER;                   -- the file it came from
ALTER TABLE annotations ADD COLUMN source_key;                       -- the record's own id in it
ALTER TABLE assets ADD COLUMN born INTEGER NOT NULL DEFAULT 0;
ALTER TABLE tags ADD COLUMN born INTEGER NOT NULL DEFAULT 0;
ALTER TABLE projects ADD COLUMN born INTEGER NOT NULL DEFAULT 0;
ALTER TABLE projects ADD COLUMN died INTEGER;                        -- the time it was deleted
CREATE INDEX assets_born ON assets (born) WHERE born > 0;

-- Annotations that are not there any more since a change.
CREATE TABLE dead (
    seq INTEGER PRIMARY KEY,
    died INTEGER NOT NULL
);
CREATE INDEX dead_died ON dead (died);

-- What annotations were before a change. Ids, assets and kinds never change.
CREATE TABLE past (
    no INTEGER PRIMARY KEY,
    seq INTEGER NOT NULL,
    born INTEGER NOT NULL,
    died INTEGER NOT NULL,
    slim INTEGER NOT NULL,              -- 1: only the tag is kept, the rest is as in the next one
    tag INTEGER NOT NULL,
    hole INTEGER,
    grp BLOB,
    geometry BLOB,
    extra BLOB
);
CREATE INDEX past_seq ON past (seq, no);
CREATE INDEX past_died ON past (died);

-- Runs of annotations that were dead from one change until another brought them back.
CREATE TABLE gaps (
    died INTEGER NOT NULL,
    until INTEGER NOT NULL,
    first INTEGER NOT NULL,
    last INTEGER NOT NULL
);
CREATE INDEX gaps_until ON gaps (until);

-- What an asset, tag or project was before a change: all columns of its row.
CREATE TABLE versions (
    noun TEXT NOT NULL,
    no INTEGER NOT NULL,
    project INTEGER NOT NULL,
    born INTEGER NOT NULL,
    died INTEGER NOT NULL,
    row BLOB NOT NULL                   -- MessagePack: columns by name
);
CREATE INDEX versions_born ON versions (born);
CREATE INDEX versions_died ON versions (died);
CREATE INDEX versions_of ON versions (noun, no, died);
CREATE INDEX versions_project ON versions (project, noun, died);

CREATE TABLE snapshots (
    project INTEGER NOT NULL REFERENCES projects (no),
    name TEXT NOT NULL,
    id BLOB NOT NULL,
    upto INTEGER NOT NULL,
    open TEXT NOT NULL,                 -- JSON: changes up to then that were not published
    author TEXT NOT NULL,
    message TEXT NOT NULL,
    created INTEGER NOT NULL,
    counts TEXT NOT NULL,               -- JSON
    PRIMARY KEY (project, name)
) WITHOUT ROWID;
