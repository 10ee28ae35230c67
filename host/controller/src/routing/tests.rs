//! The facts of routing, gathered from caches and an API server in memory.

use std::collections::HashMap;

use serde_json::{Value, json};
use trimtab_api::mapping::{self, Objects};
use trimtab_core::observation::ChildKind;
use trimtab_core::observation::{HistoryEntry, TargetHash};
use trimtab_core::ports::{Clock, HistoryAnswer, HistoryFailure, HistoryQuestion};
use trimtab_core::time::{Span, Timestamp};

use super::*;
use crate::cache::Cache;
use crate::discovery::Discovery;
use crate::fake::Store;
use crate::written::Written;

const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);
const EXECUTIONS: &str = "/apis/kubernaut.ai/v1alpha1/namespaces/ns/workflowexecutions";
const REMEDIATIONS: &str = "/apis/kubernaut.ai/v1alpha1/namespaces/ns/remediationrequests";

#[derive(Debug)]
struct Still;

impl Clock for Still {
    fn now(&self) -> Timestamp {
        NOW
    }
}

/// A history that counts how often it is asked.
#[derive(Debug, Default)]
struct Told {
    entries: Vec<HistoryEntry>,
    is_broken: bool,
    asked: Mutex<Vec<HistoryQuestion>>,
}

impl History for Told {
    fn entries<'a>(&'a self, question: &'a HistoryQuestion) -> HistoryAnswer<'a> {
        self.asked.lock().unwrap().push(question.clone());
        let failure = HistoryFailure { target: question.target.qualified(), why: "it is down".into() };
        let answer = if self.is_broken { Err(failure) } else { Ok(self.entries.clone()) };
        Box::pin(std::future::ready(answer))
    }
}

/// A process: its routing, its caches and what it knows the cluster by.
struct Process {
    routing: Routing,
    cluster: Cluster,
    remediations: Arc<Cache>,
    executions: Arc<Cache>,
}

fn process(store: &Store, history: &Arc<Told>) -> Process {
    let client = store.client();
    let (remediations, executions) = (Arc::<Cache>::default(), Arc::<Cache>::default());
    let caches = HashMap::from([
        (Kind::RemediationRequest, Arc::clone(&remediations)),
        (Kind::WorkflowExecution, Arc::clone(&executions)),
    ]);
    let discovery = Arc::new(Discovery::new(client.clone()));
    let wakes: Arc<Wakes<Key>> = Arc::default();
    let metrics = Metrics::default();
    let routing = Routing {
        scopes: Scopes::new(client.clone()),
        executions: Executions::new(client.clone()),
        history: Arc::clone(history) as Arc<dyn History>,
        locks: Locks::new(client.clone(), "own", Arc::new(Still), metrics.clone(), Arc::clone(&wakes)),
        is_observer: false,
        index: Mutex::default(),
        wakes,
        metrics,
    };
    Process {
        routing,
        cluster: Cluster::new(client, caches, Arc::new(Written::default()), discovery),
        remediations,
        executions,
    }
}

impl Process {
    /// Lets the watch tell of a remediation.
    fn show_remediation(&self, object: &Value) {
        let change = watcher::Event::Apply(serde_json::from_value(object.clone()).unwrap());
        self.remediations.apply(&change);
        self.routing.changed(Kind::RemediationRequest, &change);
    }

    /// Lets the watch tell of an execution.
    fn show_execution(&self, object: &Value) {
        let change = watcher::Event::Apply(serde_json::from_value(object.clone()).unwrap());
        self.executions.apply(&change);
        self.routing.changed(Kind::WorkflowExecution, &change);
    }

    async fn executions(&self, observation: &Observation) -> TargetExecutions {
        let asked = LazyFact::TargetExecutions.group();
        self.routing.executions(&self.cluster, &asked, observation).await.unwrap().unwrap()
    }

    async fn others(&self, observation: &Observation) -> SignalRemediationsOf {
        let mut observation = observation.clone();
        self.routing.gather(&self.cluster, &[LazyFact::SignalRemediations], &mut observation).await.unwrap();
        let found = observation.facts.signal_remediations.unwrap();
        found.items.iter().map(|one| (one.name.clone(), one.phase.clone(), one.comes_first)).collect()
    }

    async fn past(&self, observation: &Observation, hours: u32) -> RemediationHistory {
        let mut observation = observation.clone();
        let asked = [LazyFact::RemediationHistory(hours)];
        self.routing.gather(&self.cluster, &asked, &mut observation).await.unwrap();
        observation.facts.remediation_history.unwrap()
    }
}

type SignalRemediationsOf = Vec<(String, String, bool)>;

fn remediation(name: &str, second: u32, phase: &str, namespace: &str) -> Value {
    json!({
        "apiVersion": "kubernaut.ai/v1alpha1",
        "kind": "RemediationRequest",
        "metadata": {
            "name": name, "namespace": "ns", "uid": format!("uid-{name}"), "resourceVersion": "1",
            "creationTimestamp": format!("2026-11-22T08:00:{second:02}Z"),
        },
        "spec": {
            "signalFingerprint": "f".repeat(64),
            "targetResource": {"kind": "Deployment", "name": "web", "namespace": namespace},
        },
        "status": {"overallPhase": phase},
    })
}

/// A remediation whose analysis is there.
fn seen(name: &str) -> Observation {
    let analysis = json!({"metadata": {"name": format!("ai-{name}"), "uid": "a"}, "status": {"phase": "Completed"}});
    let mut objects =
        Objects { remediation: Arc::new(remediation(name, 30, "Analyzing", "shop")), ..Objects::default() };
    objects.children.insert(ChildKind::AIAnalysis, Arc::new(analysis));
    mapping::observe(NOW, false, &objects).unwrap()
}

fn execution(name: &str, owner: &str, target: &str, phase: &str) -> Value {
    json!({
        "apiVersion": "kubernaut.ai/v1alpha1",
        "kind": "WorkflowExecution",
        "metadata": {
            "name": name, "namespace": "ns", "uid": format!("uid-{name}"), "resourceVersion": "5",
            "creationTimestamp": "2026-11-22T08:00:00Z", "ownerReferences": [{"uid": format!("uid-{owner}")}],
        },
        "spec": {"targetResource": target, "workflowRef": {"workflowId": "restart"}},
        "status": {"phase": phase},
    })
}

const TARGET: &str = "shop/Deployment/web";

fn put(store: &Store, object: &Value) {
    let list = if object["kind"] == "WorkflowExecution" { EXECUTIONS } else { REMEDIATIONS };
    store.put(&format!("{list}/{}", object["metadata"]["name"].as_str().unwrap()), object.clone());
}

fn names(found: &TargetExecutions) -> Vec<&str> {
    found.items.iter().map(|one| one.name.as_str()).collect()
}

#[tokio::test]
async fn executions_are_read_live_under_the_lock_and_without_it_nothing_is_said() {
    for can_select in [true, false] {
        let (store, history) = (Store::default(), Arc::default());
        if can_select {
            store.select_by("spec.targetResource");
        }
        for object in [
            execution("we-old", "old", TARGET, "Completed"),
            execution("we-b", "b", TARGET, "Running"),
            execution("we-x", "x", "shop/Deployment/other", "Running"),
        ] {
            put(&store, &object);
        }
        let (one, other) = (process(&store, &history), process(&store, &history));
        let found = one.executions(&seen("b")).await;
        assert_eq!((found.locked, found.holder.as_str(), found.target.as_str()), (true, "uid-b", TARGET));
        assert_eq!(names(&found), ["we-b", "we-old"], "those that go on come first; select: {can_select}");
        assert!(found.items[0].own && !found.items[1].own && found.items[1].workflow_id == "restart");
        let refused = other.executions(&seen("c")).await;
        assert_eq!((refused.locked, refused.holder.as_str(), refused.total), (false, "uid-b", 0));
        one.routing.finish(&one.cluster, "uid-b").await;
        assert_eq!(other.executions(&seen("c")).await.busy_with().map(|one| one.name.as_str()), Some("we-b"));
    }
}

#[tokio::test]
async fn without_an_analysis_there_is_no_object_and_no_lock() {
    let (store, history) = (Store::default(), Arc::default());
    let process = process(&store, &history);
    let objects = Objects { remediation: Arc::new(remediation("a", 0, "Pending", "shop")), ..Objects::default() };
    let found = process.executions(&mapping::observe(NOW, false, &objects).unwrap()).await;
    assert_eq!(found, TargetExecutions::default());
    assert_eq!(store.requests(), [""; 0]);
}

#[tokio::test]
async fn under_one_lock_executions_are_listed_once_and_brought_up_to_date_from_the_watch() {
    let (store, history) = (Store::default(), Arc::default());
    store.select_by("spec.targetResource");
    put(&store, &execution("we-b", "b", TARGET, "Running"));
    let process = process(&store, &history);
    assert!(process.executions(&seen("a")).await.busy_with().is_some());
    store.requests();
    let mut ended = execution("we-b", "b", TARGET, "Completed");
    ended["metadata"]["uid"] = store.object(&format!("{EXECUTIONS}/we-b")).unwrap()["metadata"]["uid"].clone();
    process.show_execution(&ended);
    assert!(process.executions(&seen("a")).await.busy_with().is_none());
    assert_eq!(store.requests(), [""; 0]);
    // Under another lock they are read live again.
    process.routing.finish(&process.cluster, "uid-a").await;
    store.requests();
    process.executions(&seen("a")).await;
    assert!(store.requests().contains(&format!("GET {EXECUTIONS}")));
}

#[tokio::test]
async fn an_earlier_remediation_that_goes_on_is_asked_live_and_the_rest_is_not() {
    let (store, history) = (Store::default(), Arc::default());
    let process = process(&store, &history);
    for object in [
        remediation("done", 0, "Completed", "shop"),
        remediation("first", 1, "Executing", "shop"),
        remediation("second", 2, "Processing", "shop"),
        remediation("elsewhere", 3, "Processing", "other"),
        remediation("late", 50, "Processing", "shop"),
        remediation("me", 30, "Analyzing", "shop"),
    ] {
        put(&store, &object);
        process.show_remediation(&object);
    }
    let found = process.others(&seen("me")).await;
    let named = |name: &str| found.iter().find(|(known, ..)| known == name).cloned().unwrap();
    assert_eq!(found.len(), 5);
    assert_eq!(found[4].0, "done", "those that have ended come last");
    assert_eq!(named("first"), ("first".into(), "Executing".into(), true));
    assert!(!named("late").2);
    assert_eq!(store.requests(), [format!("GET {REMEDIATIONS}/first")]);
    // The cache lags: the first has ended, the second is gone.
    put(&store, &remediation("first", 1, "Completed", "shop"));
    store.remove(&format!("{REMEDIATIONS}/second"));
    let found = process.others(&seen("me")).await;
    let phases: Vec<_> = found.iter().filter(|(_, phase, first)| *first && phase == "Executing").collect();
    assert!(phases.is_empty() && found.iter().all(|(name, ..)| name != "second"), "{found:?}");
}

#[tokio::test]
async fn of_two_created_in_one_second_the_name_that_sorts_first_comes_first() {
    let (store, history) = (Store::default(), Arc::default());
    let process = process(&store, &history);
    for name in ["a", "m", "z"] {
        let object = remediation(name, 30, "Pending", "shop");
        put(&store, &object);
        process.show_remediation(&object);
    }
    let found = process.others(&seen("m")).await;
    let first: Vec<_> = found.iter().filter(|(_, _, first)| *first).map(|(name, ..)| name.as_str()).collect();
    assert_eq!(first, ["a"]);
}

fn entry(uid: &str, hours_ago: u64) -> HistoryEntry {
    let at = Timestamp::from_millis(NOW.as_millis() - Span::from_secs(hours_ago * 3600).as_millis());
    HistoryEntry { remediation: uid.into(), completed_at: at, ..HistoryEntry::default() }
}

#[tokio::test]
async fn the_past_is_cut_to_the_hours_asked_for_in_the_order_of_its_ends() {
    let told = Told { entries: vec![entry("b", 1), entry("old", 9), entry("a", 3)], ..Told::default() };
    let (store, history) = (Store::default(), Arc::new(told));
    let process = process(&store, &history);
    let mut observation = seen("me");
    observation.facts.target_hash = Some(TargetHash::Known("sha256:x".into()));
    let found = process.past(&observation, 4).await;
    assert_eq!((found.hours, found.available, found.current_hash.as_str()), (4, true, "sha256:x"));
    let order: Vec<_> = found.items.iter().map(|one| one.remediation.as_str()).collect();
    assert_eq!(order, ["a", "b"]);
    let asked = history.asked.lock().unwrap();
    assert_eq!((asked[0].target.qualified(), asked[0].remediation.as_str()), (TARGET.to_owned(), "uid-me"));
}

#[tokio::test]
async fn a_past_that_cannot_be_read_is_not_available_and_under_one_lock_it_is_asked_for_once() {
    let (store, history) = (Store::default(), Arc::new(Told { is_broken: true, ..Told::default() }));
    let process = process(&store, &history);
    assert!(!process.past(&seen("me"), 4).await.available);
    process.executions(&seen("me")).await;
    for hours in [4, 4, 24] {
        process.past(&seen("me"), hours).await;
    }
    assert_eq!(history.asked.lock().unwrap().len(), 3, "once before the lock, then once for each question");
}

#[tokio::test]
async fn a_block_that_begins_or_ends_changes_the_gauge() {
    let (store, history) = (Store::default(), Arc::default());
    let process = process(&store, &history);
    let gauge = |process: &Process, count| {
        let line = format!("\nkubernaut_remediationorchestrator_current_blocked{{namespace=\"ns\"}} {count}\n");
        let text = process.routing.metrics.encode();
        assert!(text.contains(&line), "{line} in {text}");
    };
    process.show_remediation(&remediation("a", 0, "Blocked", "shop"));
    gauge(&process, 1);
    process.show_remediation(&remediation("a", 0, "Pending", "shop"));
    gauge(&process, 0);
}
