-- Where each stream stands, as of the fact heads' newest row names; later ones say it themselves. One small row a stream, written now and then,
-- instead of an index entry a fact, each of which dirtied a page of its own. Why: docs/decisions/0002-event-log.md.

CREATE TABLE heads (
  stream INTEGER PRIMARY KEY REFERENCES streams (id),
  version INTEGER NOT NULL, -- of its last fact
  seq INTEGER NOT NULL      -- of its last fact
) STRICT;
INSERT INTO heads (stream, version, seq)
SELECT s.id, coalesce(max(f.version), 0), coalesce(max(f.seq), 0) FROM streams AS s LEFT JOIN facts AS f ON f.stream = s.id GROUP BY s.id;

DROP INDEX facts_by_stream;

DROP TRIGGER streams_are_not_deleted;
CREATE TRIGGER streams_are_not_deleted BEFORE DELETE ON streams
WHEN NOT EXISTS (SELECT 1 FROM heads WHERE stream = OLD.id AND seq <= coalesce((SELECT seq FROM bases), 0))
BEGIN SELECT RAISE (ABORT, 'a stream is never deleted'); END;

CREATE TRIGGER heads_are_not_deleted BEFORE DELETE ON heads WHEN OLD.seq > coalesce((SELECT seq FROM bases), 0)
BEGIN SELECT RAISE (ABORT, 'the head of a stream is never deleted'); END;
