-- Where annotations came from: the name of a file within its import, or what the caller says.
CREATE TABLE sources (
    no INTEGER PRIMARY KEY,
    project INTEGER NOT NULL REFERENCES projects (no),
    name TEXT NOT NULL,
    UNIQUE (project, name)
);
