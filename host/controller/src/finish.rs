//! What follows a step's status write, and what no later step of the remediation may overtake: its Kubernetes events, then
//! its settlement. It runs beside the wait for whatever comes next.

use std::collections::HashMap;
use std::future::Future;
use std::sync::{Mutex, PoisonError};

use tokio::task::JoinHandle;

use crate::offload::Offload;

/// Ends of steps that are under way; at most one for each remediation.
#[derive(Debug, Default)]
pub(crate) struct Finishing {
    tasks: Mutex<HashMap<String, JoinHandle<()>>>,
}

impl Finishing {
    /// Sees to the end of a step of the remediation of this uid. In virtual time it has come when this returns.
    pub(crate) async fn start(&self, offload: Offload, uid: &str, end: impl Future<Output = ()> + Send + 'static) {
        match offload {
            Offload::Inline => end.await,
            Offload::BlockingPool => {
                // The one before has been waited for; should it not have been, it comes first all the same.
                let before = self.take(uid);
                let task = tokio::spawn(async move {
                    if let Some(before) = before {
                        ended(before).await;
                    }
                    end.await;
                });
                self.tasks.lock().unwrap_or_else(PoisonError::into_inner).insert(uid.to_owned(), task);
            }
        }
    }

    /// Waits until the remediation's last step has come to its end.
    pub(crate) async fn wait(&self, uid: &str) {
        if let Some(task) = self.take(uid) {
            ended(task).await;
        }
    }

    /// Waits until every step has come to its end.
    pub(crate) async fn wait_all(&self) {
        let tasks = std::mem::take(&mut *self.tasks.lock().unwrap_or_else(PoisonError::into_inner));
        for task in tasks.into_values() {
            ended(task).await;
        }
    }

    /// Forgets the ends that have come; called now and then, so that ended remediations leave nothing behind.
    pub(crate) fn tidy(&self) {
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner).retain(|_, task| !task.is_finished());
    }

    fn take(&self, uid: &str) -> Option<JoinHandle<()>> {
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner).remove(uid)
    }
}

async fn ended(task: JoinHandle<()>) {
    if let Err(error) = task.await {
        tracing::error!(%error, "the end of a step was broken off");
    }
}
