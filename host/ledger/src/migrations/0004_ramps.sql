-- Whether only a share of new remediations ever had a revision: another one that is ramped never falls back on it.
ALTER TABLE policy_revision ADD COLUMN is_candidate INTEGER NOT NULL DEFAULT 0;
