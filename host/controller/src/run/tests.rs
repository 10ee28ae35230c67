//! The controller against API servers that answer late or never.

use futures::StreamExt as _;
use http::{Request, Response};
use kube::client::Body;
use kube_runtime::watcher;
use serde_json::json;
use trimtab_core::observation::Observation;
use trimtab_core::plan::Plan;
use trimtab_core::ports::{DecisionRecord, ForeignStep, LedgerFailure};
use trimtab_core::record::SetRevision;
use trimtab_core::time::Timestamp;

use super::*;
use crate::ports::Responsible;

mod removal;

/// Longest wait for something that must happen.
const PATIENCE: Duration = Duration::from_secs(30);

/// Nothing is ever decided here.
#[derive(Debug)]
struct Unused;

impl Policies for Unused {
    fn responsible(&self, _: &Observation) -> Result<Responsible, LedgerFailure> {
        panic!("no remediation is known, so no policy is asked")
    }

    fn settle(&self, _: &DecisionRecord) {}

    fn found(&self, _: &str, _: &SetRevision) {}

    fn forget(&self, _: &str) {}

    fn tidy(&self, _: &dyn Fn(&str) -> bool) {}
}

impl Ledger for Unused {
    fn prepare(&self, _: &DecisionRecord, _: &Arc<Plan>) -> Result<(), LedgerFailure> {
        Ok(())
    }

    fn settle(&self, _: &str, _: &Settlement, _: Timestamp) -> Result<(), LedgerFailure> {
        Ok(())
    }

    fn unsettled(&self, _: &str) -> Option<Arc<Plan>> {
        None
    }

    fn open_remediations(&self) -> Vec<String> {
        Vec::new()
    }

    fn note(&self, _: &DecisionRecord) -> Result<(), LedgerFailure> {
        Ok(())
    }

    fn knows(&self, _: &str, _: u64) -> bool {
        true
    }

    fn tidy(&self, _: Timestamp, _: &dyn Fn(&str) -> bool) -> Result<(), LedgerFailure> {
        Ok(())
    }

    fn adopt(&self, _: &ForeignStep) -> Result<(), LedgerFailure> {
        Ok(())
    }
}

fn config() -> ControllerConfig {
    ControllerConfig {
        namespaces: Vec::new(),
        workers: 1,
        settings: SettingsInForce::default(),
        policies: Arc::new(Unused),
        ledger: Arc::new(Unused),
        history: Arc::new(trimtab_core::ports::NoHistory),
        clock: Arc::new(crate::SystemClock),
        offload: Offload::BlockingPool,
        metrics: Metrics::default(),
        brakes: BrakesConfig::of("ns"),
        beside: Beside::default(),
        policies_in_force: watch::channel(true).1,
        swapped: watch::channel(0).1,
        ready: watch::channel(false).0,
    }
}

/// An API server that answers this many requests with an empty list, and no other. Tells of each that it leaves open.
fn silent_after(answered: usize) -> (Client, watch::Receiver<usize>) {
    let (sender, left_open) = watch::channel(0);
    let asked = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let service = tower::service_fn(move |_: Request<Body>| {
        let nth = asked.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let sender = sender.clone();
        async move {
            if nth >= answered {
                sender.send_modify(|count| *count += 1);
                std::future::pending::<()>().await;
            }
            let list = json!({
                "apiVersion": "kubernaut.ai/v1alpha1", "kind": "RemediationRequestList",
                "metadata": {"resourceVersion": "1"}, "items": [],
            });
            Ok::<_, std::convert::Infallible>(Response::new(Body::from(list.to_string().into_bytes())))
        }
    });
    (Client::new(service, "default"), left_open)
}

async fn ends_once_told(answered: usize) {
    let (client, mut left_open) = silent_after(answered);
    let (stop, stopped) = watch::channel(false);
    let stopped = async move {
        let mut stopped = stopped;
        let _ = stopped.wait_for(|stopped| *stopped).await;
    };
    let running = tokio::spawn(run(client, config(), stopped));
    tokio::time::timeout(PATIENCE, left_open.wait_for(|count| *count > 0)).await.expect("a request").expect("a server");
    stop.send_replace(true);
    tokio::time::timeout(PATIENCE, running).await.expect("it ends").expect("no panic").expect("no error");
}

#[tokio::test]
async fn it_ends_while_the_first_request_is_open() {
    ends_once_told(0).await;
}

#[tokio::test]
async fn it_ends_before_the_remediations_are_known() {
    ends_once_told(1).await;
}

#[tokio::test(start_paused = true)]
async fn a_server_that_does_not_answer_the_first_request_is_told_of() {
    let (client, _left_open) = silent_after(0);
    let checked = tokio::time::timeout(PATIENCE, namespaces::check(&client, &[])).await.expect("it ends");
    let message = checked.unwrap_err().to_string();
    assert!(message.contains("no answer within 10 s"), "{message}");
}

#[tokio::test]
async fn whoever_waits_for_the_first_list_takes_the_wake_from_nobody() {
    let (told, changes) = futures::channel::mpsc::unbounded();
    let (known, shown) = super::known(changes.boxed());
    let names = known.names.clone();
    let queue = tokio::spawn(async move { names.wait_until_ready().await.is_ok() });
    tokio::task::yield_now().await;
    let others = [known.clone(), known].map(|known| tokio::spawn(async move { known.wait().await }));
    tokio::task::yield_now().await;
    told.unbounded_send(watcher::Event::InitDone).unwrap();
    let _shown = tokio::spawn(shown.for_each(|_| std::future::ready(())));
    let soon = Duration::from_secs(5);
    assert!(tokio::time::timeout(soon, queue).await.unwrap().unwrap());
    for other in others {
        tokio::time::timeout(soon, other).await.unwrap().unwrap();
    }
}
