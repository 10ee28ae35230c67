//! Revisions of policy sets: kept with what they are made of, so that one comes back after a restart.

use rusqlite::{Connection, OptionalExtension as _, params};
use trimtab_core::ports::LedgerFailure;

use super::fault::StoreFault;
use super::work::{Done, Work};
use super::{BlobKind, SqliteLedger, packing};

/// Revisions of one set that are kept, and as many of those that everybody has left: older ones are forgotten.
const REVISIONS_MAX: u32 = 100;

/// A revision of a policy set, as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredRevision {
    /// Its name.
    pub revision: String,
    /// What it is made of, as its owner wrote it.
    pub document: String,
    /// Why everybody has left it; `None` while it may be used.
    pub tripped: Option<String>,
    /// Whether only a share of new remediations ever had it.
    pub is_candidate: bool,
}

/// A piece of the writer's work.
#[derive(Debug)]
pub(crate) enum RevisionWork {
    /// A revision becomes the newest of its set.
    Keep { policy_set: String, revision: StoredRevision, blobs: Vec<(&'static str, String)>, needed: Vec<String> },
    /// It is left by everybody, or may be used again.
    Trip { policy_set: String, revision: String, tripped: Option<String> },
    /// Asks for the revisions of a set.
    List { policy_set: String },
    /// Asks for the bytes behind a digest.
    Blob { kind: &'static str, digest: String },
}

impl SqliteLedger {
    /// Keeps a revision as the newest of its set; one that is known becomes the newest again, and stays left by everybody where
    /// it is. `blobs` names by digest what it is made of: that is kept as long as it is. Of the others the oldest are forgotten,
    /// but for those of the names that are `needed`.
    pub fn keep_revision(
        &self,
        policy_set: &str,
        revision: StoredRevision,
        blobs: &[(BlobKind, String)],
        needed: &[String],
    ) -> Result<(), LedgerFailure> {
        let work = RevisionWork::Keep {
            policy_set: policy_set.to_owned(),
            revision,
            blobs: blobs.iter().map(|(kind, digest)| (kind.name(), digest.clone())).collect(),
            needed: needed.to_vec(),
        };
        self.on_revision("keep a policy revision in", work).map(drop)
    }

    /// Notes why everybody has left a revision; `None`: it may be used again.
    pub fn trip_revision(&self, policy_set: &str, revision: &str, why: Option<&str>) -> Result<(), LedgerFailure> {
        let work = RevisionWork::Trip {
            policy_set: policy_set.to_owned(),
            revision: revision.to_owned(),
            tripped: why.map(str::to_owned),
        };
        self.on_revision("mark a policy revision in", work).map(drop)
    }

    /// The revisions of a set, newest first: 100, those that are needed, and 100 that everybody has left.
    pub fn revisions(&self, policy_set: &str) -> Result<Vec<StoredRevision>, LedgerFailure> {
        match self.on_revision("read policy revisions of", RevisionWork::List { policy_set: policy_set.to_owned() })? {
            Done::Revisions(found) => Ok(found),
            _ => Ok(Vec::new()),
        }
    }

    /// The bytes behind a digest; `None` where they were never kept, or nothing named them any more.
    pub fn kept(&self, kind: BlobKind, digest: &str) -> Result<Option<Vec<u8>>, LedgerFailure> {
        let what = "read what is kept in";
        match self.on_revision(what, RevisionWork::Blob { kind: kind.name(), digest: digest.to_owned() })? {
            Done::Blob(Some(packed)) => packing::unpack(&packed).map(Some).map_err(|fault| self.failure(what, &fault)),
            _ => Ok(None),
        }
    }

    fn on_revision(&self, what: &'static str, work: RevisionWork) -> Result<Done, LedgerFailure> {
        self.writer.ask(Work::Revision(Box::new(work))).map_err(|fault| self.failure(what, &fault))
    }
}

impl RevisionWork {
    pub(super) fn apply(&self, connection: &Connection) -> Result<Done, StoreFault> {
        match self {
            Self::Keep { policy_set, revision, blobs, needed } => {
                keep(connection, policy_set, revision, (blobs, needed))
            }
            Self::Trip { policy_set, revision, tripped } => {
                let sql = "UPDATE policy_revision SET tripped = ?3 WHERE policy_set = ?1 AND revision = ?2";
                connection.prepare_cached(sql)?.execute(params![policy_set, revision, tripped])?;
                Ok(Done::Changed)
            }
            Self::List { policy_set } => {
                let sql = "SELECT revision, document, tripped, is_candidate FROM policy_revision \
                           WHERE policy_set = ?1 ORDER BY id DESC";
                let read = |row: &rusqlite::Row<'_>| {
                    let (revision, document, tripped) = (row.get(0)?, row.get(1)?, row.get(2)?);
                    Ok(StoredRevision { revision, document, tripped, is_candidate: row.get(3)? })
                };
                let mut statement = connection.prepare_cached(sql)?;
                let found = statement.query_map([policy_set], read)?.collect::<Result<_, _>>()?;
                Ok(Done::Revisions(found))
            }
            Self::Blob { kind, digest } => {
                let sql = "SELECT bytes FROM blob WHERE kind = ?1 AND digest = ?2";
                let found = connection.prepare_cached(sql)?.query_row([*kind, digest.as_str()], |row| row.get(0));
                Ok(Done::Blob(found.optional()?.flatten()))
            }
        }
    }
}

fn keep(
    connection: &Connection,
    policy_set: &str,
    revision: &StoredRevision,
    (blobs, needed): (&[(&'static str, String)], &[String]),
) -> Result<Done, StoreFault> {
    let sql = "INSERT INTO policy_revision (policy_set, revision, document, tripped, is_candidate) \
               VALUES (?1, ?2, ?3, ?4, ?5) \
               ON CONFLICT (policy_set, revision) DO UPDATE SET id = (SELECT max(id) + 1 FROM policy_revision), \
               is_candidate = excluded.is_candidate RETURNING id";
    let StoredRevision { revision, document, tripped, is_candidate } = revision;
    let row = params![policy_set, revision, document, tripped, is_candidate];
    let id: i64 = connection.prepare_cached(sql)?.query_row(row, |row| row.get(0))?;
    let sql = "INSERT INTO policy_revision_blob (policy_revision, kind, digest) VALUES (?1, ?2, ?3) \
               ON CONFLICT DO NOTHING";
    let mut name = connection.prepare_cached(sql)?;
    for (kind, digest) in blobs {
        name.execute(params![id, kind, digest])?;
    }
    let sql = "DELETE FROM policy_revision WHERE policy_set = ?1 \
               AND id NOT IN (SELECT id FROM policy_revision WHERE policy_set = ?1 ORDER BY id DESC LIMIT ?2) \
               AND id NOT IN (SELECT id FROM policy_revision WHERE policy_set = ?1 AND tripped IS NOT NULL \
                              ORDER BY id DESC LIMIT ?2) \
               AND revision NOT IN (SELECT value FROM json_each(?3))";
    let needed = serde_json::Value::from(needed).to_string();
    connection.prepare_cached(sql)?.execute(params![policy_set, REVISIONS_MAX, needed])?;
    Ok(Done::Changed)
}
