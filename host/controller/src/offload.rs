//! Where work runs that takes long without waiting: evaluations, and writes of the ledger.

/// Where such work runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Offload {
    /// On the runtime's blocking pool: an evaluation of 50 ms or a slow disk holds up nothing else.
    #[default]
    BlockingPool,
    /// At once, on the caller's own thread. For runs in virtual time: no other thread takes part, so the time stands
    /// still while anything is under way.
    Inline,
}

/// The work did not come to its end.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Aborted(tokio::task::JoinError);

impl Offload {
    /// Does the work and waits for its result.
    pub(crate) async fn run<T: Send + 'static>(self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, Aborted> {
        match self {
            Self::BlockingPool => tokio::task::spawn_blocking(work).await.map_err(Aborted),
            Self::Inline => Ok(work()),
        }
    }

    /// Sees that the work is done, and waits for nothing.
    pub(crate) fn spawn(self, work: impl FnOnce() + Send + 'static) {
        match self {
            Self::BlockingPool => drop(tokio::task::spawn_blocking(work)),
            Self::Inline => work(),
        }
    }
}
