//! Open steps of remediations that are gone: a removal has done what it was to do, of any other nobody can tell.

use std::sync::Mutex;

use serde_json::Value;
use trimtab_core::plan::{Action as PlannedAction, Plan};
use trimtab_core::ports::Judge;
use trimtab_core::proposal::Explanation;
use trimtab_core::settings::Settings;

use super::*;
use crate::beside::Standing;

/// One open step, and how it was settled.
#[derive(Debug)]
struct OneOpen {
    open: Mutex<Option<Arc<Plan>>>,
    settled: Mutex<Vec<Settlement>>,
}

impl OneOpen {
    fn of(plan: Plan) -> Arc<Self> {
        Arc::new(Self { open: Mutex::new(Some(Arc::new(plan))), settled: Mutex::default() })
    }
}

impl Ledger for OneOpen {
    fn prepare(&self, _: &DecisionRecord, _: &Arc<Plan>) -> Result<(), LedgerFailure> {
        Ok(())
    }

    fn settle(&self, _: &str, settlement: &Settlement, _: Timestamp) -> Result<(), LedgerFailure> {
        if self.open.lock().unwrap().take().is_some() {
            self.settled.lock().unwrap().push(settlement.clone());
        }
        Ok(())
    }

    fn unsettled(&self, _: &str) -> Option<Arc<Plan>> {
        self.open.lock().unwrap().clone()
    }

    fn open_remediations(&self) -> Vec<String> {
        self.open.lock().unwrap().iter().map(|plan| plan.uid.clone()).collect()
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

fn ended() -> Value {
    json!({
        "metadata": {"name": "rr", "namespace": "ns", "uid": "u-1", "resourceVersion": "7"},
        "status": {"overallPhase": "Completed", "retentionExpiryTime": "2020-01-01T00:00:00Z"},
    })
}

fn observed() -> Observation {
    let objects = trimtab_api::mapping::Objects { remediation: Arc::new(ended()), ..Default::default() };
    trimtab_api::mapping::observe(Timestamp::from_millis(1_700_000_000_000), true, &objects).unwrap()
}

/// The removal of a remediation, as the core plans it.
fn removal() -> Plan {
    let mut judge = NoJudge;
    let decided = trimtab_core::decide::decide(&Arc::new(observed()), &mut judge, &Settings::default()).unwrap();
    match decided.verdict {
        trimtab_core::decide::Verdict::Step(plan) => Arc::unwrap_or_clone(plan),
        trimtab_core::decide::Verdict::Stay => panic!("a step was expected"),
    }
}

/// Nobody is asked about what has ended.
struct NoJudge;

impl Judge for NoJudge {
    fn timeouts(
        &mut self,
        _: trimtab_core::members::Member,
        _: trimtab_core::ports::Choice,
        _: &Arc<Observation>,
    ) -> Result<trimtab_core::ports::Answer<trimtab_core::proposal::Schedule>, trimtab_core::ports::Interruption> {
        panic!("nobody is asked")
    }

    fn transitions(
        &mut self,
        _: trimtab_core::ports::Choice,
        _: &Arc<Observation>,
        _: &[String],
    ) -> Result<trimtab_core::ports::Answer<trimtab_core::proposal::Intent>, trimtab_core::ports::Interruption> {
        panic!("nobody is asked")
    }

    fn children(
        &mut self,
        _: trimtab_core::ports::Choice,
        _: &Arc<Observation>,
        _: &trimtab_core::proposal::Intent,
    ) -> Result<trimtab_core::ports::Answer<trimtab_core::proposal::Creations>, trimtab_core::ports::Interruption> {
        panic!("nobody is asked")
    }

    fn strategy(&self, _: trimtab_core::members::Seat) -> trimtab_core::ports::FailStrategy {
        trimtab_core::ports::FailStrategy::Hold
    }
}

fn memory(ledger: Arc<OneOpen>) -> Memory {
    let clock = Arc::new(crate::SystemClock);
    let client = silent_after(0).0;
    let routing = Routing::new(&client, &config());
    let gate = Gate::new(BrakesConfig::of("ns"), client, Arc::clone(&clock) as _, &Settings::default());
    Memory {
        gate,
        routing,
        beside: Arc::new(Standing::new(Beside::default())),
        ended: Arc::default(),
        policies: Arc::new(Unused),
        written: Arc::default(),
        backoff: Arc::default(),
        tries: Arc::default(),
        ledger,
        clock,
        finishing: Arc::default(),
        offload: Offload::Inline,
    }
}

fn forgotten(plan: Plan) -> Vec<Settlement> {
    let ledger = OneOpen::of(plan);
    let object = Object::new(ended());
    memory(Arc::clone(&ledger)).heard(Kind::RemediationRequest, &watcher::Event::Delete(object));
    ledger.settled.lock().unwrap().clone()
}

#[tokio::test]
async fn a_removal_whose_remediation_is_gone_is_confirmed_once() {
    let plan = removal();
    assert!(plan.is_removal());
    assert_eq!(plan.audit.len(), 1, "its event goes out with it");
    assert_eq!(forgotten(plan), [Settlement::Confirmed]);
}

#[tokio::test]
async fn a_removal_that_died_with_its_process_is_confirmed_when_the_next_one_finds_nothing() {
    let ledger = OneOpen::of(removal());
    let memory = memory(Arc::clone(&ledger));
    for uid in ledger.open_remediations() {
        memory.conclude(&uid, Settlement::Unknown);
    }
    assert_eq!(*ledger.settled.lock().unwrap(), [Settlement::Confirmed]);
}

#[tokio::test]
async fn any_other_open_step_of_a_remediation_that_is_gone_stays_unknown() {
    let other = PlannedAction::Delete {
        kind: "NotificationRequest".into(),
        name: "nr".into(),
        uid: "another".into(),
        resource_version: "1".into(),
    };
    let why = Explanation::default();
    let plan = Plan { actions: vec![other], status: Some(json!({})), why, ..removal() };
    assert_eq!(forgotten(plan), [Settlement::Unknown]);
}

#[tokio::test]
async fn an_error_about_a_remediation_that_went_meanwhile_is_not_waited_out() {
    let store = crate::fake::Store::default();
    store.refuse(http::Method::GET, "/apis", 500);
    let memory = memory(OneOpen::of(removal()));
    let discovery = Arc::new(Discovery::new(store.client()));
    let remediations = Arc::new(Cache::default());
    let caches = HashMap::from([(Kind::RemediationRequest, Arc::clone(&remediations))]);
    let ControllerConfig { policies, clock, offload, settings, metrics, .. } = config();
    let context = Arc::new(Context {
        events: Events::new(store.client()),
        cluster: Cluster::new(store.client(), caches, memory.written, discovery),
        ledger: memory.ledger,
        backoff: memory.backoff,
        tries: memory.tries,
        gate: memory.gate,
        routing: memory.routing,
        beside: memory.beside,
        finishing: memory.finishing,
        policies,
        clock,
        offload,
        settings,
        metrics,
    });
    let object = Arc::new(Object::new(ended()));
    remediations.apply(&watcher::Event::Apply(Object::new(ended())));
    let error = work(Arc::clone(&object), Arc::clone(&context)).await.unwrap_err();
    wait(&object, &error, &context);
    assert_eq!(context.backoff.waiting(), 1, "it is there, so it is tried again");
    remediations.apply(&watcher::Event::Delete(Object::new(ended())));
    assert_eq!(work(object, Arc::clone(&context)).await.unwrap(), Action::await_change());
    assert_eq!(context.backoff.waiting(), 0);
}
