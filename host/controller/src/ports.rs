//! What the controller needs besides the cluster.

use trimtab_core::decide::Evaluation;
use trimtab_core::ports::{Clock, Judge};
use trimtab_core::time::Timestamp;

/// The policies in force.
pub trait Policies: Send + Sync + std::fmt::Debug {
    /// Takes hold of the policies for the length of one decision.
    fn session(&self) -> Box<dyn Judge + Send>;

    /// Hears what came of each question: who decided without a fault becomes the slot's last good revision.
    fn settle(&self, evaluations: &[Evaluation]);
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
