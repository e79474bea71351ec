-- The event log: numbered facts of named streams, chained, and the one writer. Why: docs/decisions/0002-event-log.md.

-- A stream's name holds the id of a person or server, so it stands here once and can be erased; the rows' hashes cover name_hash.
CREATE TABLE streams (
  id INTEGER PRIMARY KEY,
  name TEXT UNIQUE,         -- NULL once erased
  salt BLOB,                -- 16 random bytes that name_hash and data_hash begin with, so that nobody can guess what was erased; NULL then
  name_hash BLOB NOT NULL   -- SHA-256(salt, name)
) STRICT;

CREATE TABLE facts (
  seq INTEGER PRIMARY KEY,  -- from 1, without gaps
  stream INTEGER NOT NULL REFERENCES streams (id),
  version INTEGER NOT NULL, -- from 1 in its stream, without gaps
  type TEXT NOT NULL,
  schema INTEGER NOT NULL,  -- version of the shape of data, for the upcasters
  at INTEGER NOT NULL,      -- Unix milliseconds
  epoch INTEGER NOT NULL,   -- which incarnation wrote it
  data TEXT,                -- the fact as JSON; NULL once erased
  data_hash BLOB NOT NULL,  -- SHA-256(salt of the stream, data)
  chain BLOB NOT NULL       -- SHA-256 over the chain of the row before, data_hash, name_hash and the columns above (src/store/chain.ts)
) STRICT;

CREATE UNIQUE INDEX facts_by_stream ON facts (stream, version);

CREATE TRIGGER facts_are_not_changed BEFORE UPDATE ON facts BEGIN SELECT RAISE (ABORT, 'a fact is never changed'); END;
CREATE TRIGGER facts_are_not_deleted BEFORE DELETE ON facts BEGIN SELECT RAISE (ABORT, 'a fact is never deleted'); END;
CREATE TRIGGER streams_are_not_changed BEFORE UPDATE ON streams BEGIN SELECT RAISE (ABORT, 'a stream is never changed'); END;
CREATE TRIGGER streams_are_not_deleted BEFORE DELETE ON streams BEGIN SELECT RAISE (ABORT, 'a stream is never deleted'); END;

-- Who may write: the epoch is compared within every transaction. Not a fact: the node records node.started by itself.
CREATE TABLE writer (
  one INTEGER PRIMARY KEY CHECK (one = 1),
  epoch INTEGER NOT NULL,
  pid INTEGER NOT NULL
) STRICT;
INSERT INTO writer (one, epoch, pid) VALUES (1, 0, 0);
