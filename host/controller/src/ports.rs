//! What the controller needs besides the cluster.

use std::sync::Arc;

use trimtab_core::observation::Observation;
use trimtab_core::ports::{Basis, Clock, DecisionRecord, Judge, LedgerFailure};
use trimtab_core::record::SetRevision;
use trimtab_core::time::Timestamp;

/// The policies that answer for one remediation, for the length of one decision.
pub struct Responsible {
    /// Asks them.
    pub judge: Box<dyn Judge + Send>,
    /// What is recorded with the decision; `None` for the environment that the ledger was told last.
    pub basis: Option<Arc<Basis>>,
}

impl std::fmt::Debug for Responsible {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Responsible").field("basis", &self.basis).finish_non_exhaustive()
    }
}

/// The policies in force.
pub trait Policies: Send + Sync + std::fmt::Debug {
    /// Takes hold of the policies that answer for a remediation. They may have to be loaded first, so this is not called
    /// on an async worker. An error says that nobody can tell now who answers.
    fn responsible(&self, seen: &Observation) -> Result<Responsible, LedgerFailure>;

    /// Hears what came of each question: who decided without a fault becomes the slot's last good revision.
    fn settle(&self, record: &DecisionRecord);

    /// A remediation that has not ended runs with this revision: it was found so, and is decided later.
    fn found(&self, uid: &str, revision: &SetRevision);

    /// A remediation is gone.
    fn forget(&self, uid: &str);

    /// Forgets remediations that there are none of any more.
    fn tidy(&self, exists: &dyn Fn(&str) -> bool);
}

/// The clock of this machine.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        Timestamp::from_millis(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
    }
}
