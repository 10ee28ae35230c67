-- What was decided and done. Append-only: one hash chain per correlation id.
CREATE TABLE entry (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  correlation TEXT NOT NULL,
  uid TEXT NOT NULL,
  sequence INTEGER NOT NULL,
  kind TEXT NOT NULL CHECK (kind IN ('step', 'stay', 'settlement', 'adopted')),
  at INTEGER NOT NULL,
  basis INTEGER REFERENCES basis (id),
  previous BLOB NOT NULL,
  hash BLOB NOT NULL,
  body_hash BLOB NOT NULL,
  body BLOB NOT NULL
) STRICT;
CREATE INDEX entry_chain ON entry (correlation, id);
CREATE INDEX entry_basis ON entry (basis);

-- Audit events. The number is the entry's id times 256 plus the event's place in it, so it orders as the steps do.
CREATE TABLE event (
  number INTEGER PRIMARY KEY,
  entry INTEGER NOT NULL GENERATED ALWAYS AS (number >> 8) VIRTUAL,
  ordinal INTEGER NOT NULL GENERATED ALWAYS AS (number & 255) VIRTUAL,
  id BLOB NOT NULL,
  correlation TEXT NOT NULL,
  uid TEXT NOT NULL,
  sequence INTEGER NOT NULL,
  at INTEGER NOT NULL,
  type TEXT NOT NULL,
  hash BLOB NOT NULL,
  state TEXT NOT NULL CHECK (state IN ('held', 'waiting', 'delivered', 'quarantined', 'withdrawn')),
  was_sent INTEGER NOT NULL DEFAULT 0,
  reason TEXT,
  settled_at INTEGER,
  delivered_at INTEGER,
  body TEXT NOT NULL
) STRICT;
-- A discarded step's events never go out, and the step that is planned instead has the same ids.
CREATE UNIQUE INDEX event_id ON event (id) WHERE state <> 'withdrawn';
CREATE INDEX event_open ON event (state, number, at)
  WHERE state = 'held' OR state = 'waiting' OR state = 'quarantined';
CREATE INDEX event_correlation ON event (correlation, number);

-- How often an entry was said again. Outside of the chain: it changes.
CREATE TABLE repeat (
  entry INTEGER PRIMARY KEY REFERENCES entry (id),
  count INTEGER NOT NULL,
  last_at INTEGER NOT NULL,
  wake_at INTEGER
) STRICT;

-- Where each remediation is: what a start reads instead of every entry.
CREATE TABLE remediation (
  uid TEXT PRIMARY KEY,
  correlation TEXT NOT NULL,
  namespace TEXT NOT NULL,
  began_at INTEGER NOT NULL,
  last_at INTEGER NOT NULL,
  first_entry INTEGER NOT NULL,
  last_entry INTEGER NOT NULL,
  entries INTEGER NOT NULL,
  bytes INTEGER NOT NULL,
  sequence INTEGER NOT NULL,
  open_entry INTEGER,
  phase TEXT,
  has_ended INTEGER NOT NULL DEFAULT 0,
  is_gone INTEGER NOT NULL DEFAULT 0,
  said_entry INTEGER,
  says BLOB
) STRICT, WITHOUT ROWID;

-- Components, configs and environments by digest; the bytes are missing where only the name is known.
CREATE TABLE blob (
  id INTEGER PRIMARY KEY,
  kind TEXT NOT NULL CHECK (kind IN ('component', 'config', 'environment')),
  digest TEXT NOT NULL,
  bytes BLOB,
  UNIQUE (kind, digest)
) STRICT;

-- What decisions were made with: one row per combination of digests.
CREATE TABLE basis (
  id INTEGER PRIMARY KEY,
  key BLOB NOT NULL UNIQUE
) STRICT;
CREATE TABLE basis_blob (
  basis INTEGER NOT NULL REFERENCES basis (id) ON DELETE CASCADE,
  blob INTEGER NOT NULL REFERENCES blob (id),
  PRIMARY KEY (basis, blob)
) STRICT, WITHOUT ROWID;
CREATE INDEX basis_blob_blob ON basis_blob (blob);

-- What retention has removed from the front of each chain, so that the rest can still be verified.
CREATE TABLE anchor (
  correlation TEXT PRIMARY KEY,
  hash BLOB NOT NULL,
  count INTEGER NOT NULL,
  at INTEGER NOT NULL
) STRICT;

-- Totals that outlive the rows they count.
CREATE TABLE tally (
  name TEXT PRIMARY KEY,
  count INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO tally (name, count) VALUES ('delivered', 0), ('unknown', 0);

-- Only retention opens it, within its own transaction.
CREATE TABLE guard (
  is_pruning INTEGER NOT NULL CHECK (is_pruning IN (0, 1))
) STRICT;
INSERT INTO guard (is_pruning) VALUES (0);

CREATE TRIGGER entry_never_changes BEFORE UPDATE ON entry
BEGIN SELECT RAISE(ABORT, 'an entry never changes'); END;
CREATE TRIGGER entry_is_kept BEFORE DELETE ON entry WHEN (SELECT is_pruning FROM guard) = 0
BEGIN SELECT RAISE(ABORT, 'only retention removes entries'); END;
CREATE TRIGGER event_never_changes
BEFORE UPDATE OF number, id, correlation, uid, sequence, at, type, hash, body ON event
BEGIN SELECT RAISE(ABORT, 'the content of an event never changes'); END;
CREATE TRIGGER event_is_kept BEFORE DELETE ON event WHEN (SELECT is_pruning FROM guard) = 0
BEGIN SELECT RAISE(ABORT, 'only retention removes events'); END;
