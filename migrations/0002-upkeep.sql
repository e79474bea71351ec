-- What lets a node live on its log for years: snapshots, signed checkpoints, a base, erasure, read models. Why: docs/decisions/0002-event-log.md.

-- Disposable: a fold's state at a sequence. `hash` is SHA-256 over all the rest; the chain says whether it is a snapshot of this log.
CREATE TABLE snapshots (
  seq INTEGER PRIMARY KEY,
  chain BLOB NOT NULL,
  fold_version TEXT NOT NULL,
  state BLOB NOT NULL,      -- JSON
  hash BLOB NOT NULL
) STRICT;

-- The node's signed word that the log stood like this; shows a changed past and a cut tail.
CREATE TABLE checkpoints (
  seq INTEGER PRIMARY KEY,
  chain BLOB NOT NULL,
  state_hash TEXT NOT NULL,
  at INTEGER NOT NULL,      -- Unix milliseconds
  sig TEXT NOT NULL         -- of checkpointText in src/store/statements.ts
) STRICT;

-- What stands for all facts up to seq, which compaction drops. Not disposable.
CREATE TABLE bases (
  one INTEGER PRIMARY KEY CHECK (one = 1),
  seq INTEGER NOT NULL,
  chain BLOB NOT NULL,
  schema INTEGER NOT NULL,  -- version of the shape of state, for the upcasters
  state BLOB NOT NULL,      -- JSON
  state_hash TEXT NOT NULL,
  models BLOB NOT NULL,     -- JSON: rows of the read models at seq
  models_hash TEXT NOT NULL,
  at INTEGER NOT NULL,
  sig TEXT NOT NULL         -- of baseText in src/store/statements.ts
) STRICT;

CREATE TRIGGER base_is_not_deleted BEFORE DELETE ON bases BEGIN SELECT RAISE (ABORT, 'the base is never deleted'); END;
CREATE TRIGGER base_goes_forward BEFORE UPDATE ON bases WHEN NEW.seq < OLD.seq
BEGIN SELECT RAISE (ABORT, 'the base goes forward only'); END;

-- Holds a row only within the transaction that erases a person.
CREATE TABLE permits (what TEXT PRIMARY KEY) STRICT, WITHOUT ROWID;

-- Which read models stand in this file, and up to which fact.
CREATE TABLE projected (
  one INTEGER PRIMARY KEY CHECK (one = 1),
  version TEXT NOT NULL,
  tables TEXT NOT NULL,     -- JSON: their names
  seq INTEGER NOT NULL
) STRICT;

DROP TRIGGER facts_are_not_changed;
DROP TRIGGER facts_are_not_deleted;
DROP TRIGGER streams_are_not_changed;
DROP TRIGGER streams_are_not_deleted;

CREATE TRIGGER facts_are_not_changed BEFORE UPDATE ON facts
WHEN NOT (
  EXISTS (SELECT 1 FROM permits WHERE what = 'erase') AND NEW.data IS NULL AND NEW.seq = OLD.seq AND NEW.stream = OLD.stream
  AND NEW.version = OLD.version AND NEW.type = OLD.type AND NEW.schema = OLD.schema AND NEW.at = OLD.at AND NEW.epoch = OLD.epoch
  AND NEW.data_hash = OLD.data_hash AND NEW.chain = OLD.chain
)
BEGIN SELECT RAISE (ABORT, 'a fact is never changed'); END;

CREATE TRIGGER facts_are_not_deleted BEFORE DELETE ON facts WHEN OLD.seq > coalesce((SELECT seq FROM bases), 0)
BEGIN SELECT RAISE (ABORT, 'a fact is never deleted'); END;

CREATE TRIGGER streams_are_not_changed BEFORE UPDATE ON streams
WHEN NOT (
  EXISTS (SELECT 1 FROM permits WHERE what = 'erase') AND NEW.name IS NULL AND NEW.salt IS NULL AND NEW.id = OLD.id
  AND NEW.name_hash = OLD.name_hash
)
BEGIN SELECT RAISE (ABORT, 'a stream is never changed'); END;

CREATE TRIGGER streams_are_not_deleted BEFORE DELETE ON streams WHEN EXISTS (SELECT 1 FROM facts WHERE stream = OLD.id)
BEGIN SELECT RAISE (ABORT, 'a stream is never deleted'); END;
