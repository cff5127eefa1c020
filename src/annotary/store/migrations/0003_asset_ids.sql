-- The id of an annotation's asset stands with the annotation: a page needs it of every row, and
-- looking it up jumps about in a table that does not fit into memory.
ALTER TABLE annotations ADD COLUMN asset_id BLOB;

UPDATE annotations SET asset_id = (SELECT a.id FROM assets a WHERE a.no = annotations.asset);
