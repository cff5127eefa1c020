-- What the bytes of images must be: compared whenever they are read for an export, and by verify.
CREATE TABLE blobs (
    key TEXT PRIMARY KEY,
    size INTEGER NOT NULL,
    crc32c INTEGER NOT NULL
) WITHOUT ROWID;
