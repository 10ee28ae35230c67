-- What was done to each object: one row for each remediation that ended after it had an execution.
CREATE TABLE history (
  uid TEXT PRIMARY KEY,
  entry INTEGER NOT NULL,
  cluster TEXT NOT NULL,
  target TEXT NOT NULL,
  completed_at INTEGER NOT NULL,
  action_type TEXT NOT NULL,
  signal_resolved INTEGER,
  pre_hash TEXT NOT NULL,
  post_hash TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX history_target ON history (cluster, target, completed_at);
