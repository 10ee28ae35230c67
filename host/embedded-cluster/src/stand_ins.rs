//! Stand-ins: tasks that play the other Kubernaut services, so that a remediation runs to its end.
//!
//! Each watches one kind, waits as long as its law (or the remediation's script) says, and writes
//! the status that the real service would write. A draw depends on seed, object name and attempt
//! alone and latency counts from the object's creation, so a restart changes nothing: what has
//! become due in the meantime is finished at once.

mod draw;
mod laws;
mod outcomes;
mod script;
mod service;
mod statuses;

use kube::Client;
use tokio::sync::watch;
use tokio::task::JoinSet;

pub use self::laws::{Latency, Law, Laws, LawsError, Weighted};
pub use self::outcomes::{
    AnalysisOutcome, ApprovalOutcome, AssessmentOutcome, ExecutionOutcome, NotificationOutcome, ProcessingOutcome,
};

use self::script::Scripts;
use self::service::{Role, Worker};
use crate::identity::WallClock;

/// The annotation of a signal that holds a remediation's script, as JSON:
/// `{"analysis": {"seconds": 2, "outcome": "Approval"}, "approval": {"outcome": "Rejected", "message": "too risky"}}`.
/// Steps: `signalProcessing`, `analysis`, `approval`, `execution`, `assessment`, `notification`.
/// What a script leaves out is drawn; `Never` leaves a step unfinished.
pub const SCRIPT_ANNOTATION: &str = "stand-ins.trimtab.dev/script";

/// The stand-ins for all services.
#[derive(Debug)]
pub struct StandIns;

impl StandIns {
    /// Starts one task per service on the objects of `namespace`. `clock` is what due times are
    /// compared with; waiting itself is tokio's, so a paused runtime needs a clock that follows it.
    #[expect(clippy::needless_pass_by_value, reason = "all of it is handed over to tasks that outlive the call")]
    pub fn spawn(
        client: Client,
        namespace: String,
        laws: Laws,
        clock: WallClock,
    ) -> Result<StandInsRunning, LawsError> {
        laws.check()?;
        let (stop, stopped) = watch::channel(false);
        let scripts = Scripts::new(client.clone(), &namespace);
        let mut tasks = JoinSet::new();
        for role in Role::ALL {
            let worker = Worker::new(role, &client, &namespace, laws.clone(), clock.clone(), scripts.clone());
            tasks.spawn(worker.run(stopped.clone()));
        }
        Ok(StandInsRunning { stop, tasks })
    }
}

/// Running stand-ins; dropping this aborts them.
#[derive(Debug)]
pub struct StandInsRunning {
    stop: watch::Sender<bool>,
    tasks: JoinSet<()>,
}

impl StandInsRunning {
    /// Stops all of them; a status write under way is finished first.
    pub async fn shutdown(mut self) {
        self.stop.send_replace(true);
        while let Some(ended) = self.tasks.join_next().await {
            if let Err(error) = ended {
                tracing::error!(%error, "stand-in ended badly");
            }
        }
    }
}
