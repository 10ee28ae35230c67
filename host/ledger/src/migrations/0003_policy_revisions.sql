-- Revisions of policy sets: the highest id of a set is the one that was put in force last.
CREATE TABLE policy_revision (
  id INTEGER PRIMARY KEY,
  policy_set TEXT NOT NULL,
  revision TEXT NOT NULL,
  document TEXT NOT NULL,
  tripped TEXT,
  UNIQUE (policy_set, revision)
) STRICT;

-- What each is made of; kept as long as it is.
CREATE TABLE policy_revision_blob (
  policy_revision INTEGER NOT NULL REFERENCES policy_revision (id) ON UPDATE CASCADE ON DELETE CASCADE,
  kind TEXT NOT NULL,
  digest TEXT NOT NULL,
  PRIMARY KEY (policy_revision, kind, digest)
) STRICT, WITHOUT ROWID;
CREATE INDEX policy_revision_blob_digest ON policy_revision_blob (kind, digest);
