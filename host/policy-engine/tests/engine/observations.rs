//! One remediation to ask about, and engines to ask with.

use std::sync::{Arc, LazyLock};

use serde_json::json;
use trimtab_core::observation::{Facts, Observation, Signal, Target};
use trimtab_core::phase::Phase;
use trimtab_core::record::Record;
use trimtab_core::time::Timestamp;
use trimtab_policy_engine::{BUILTIN, Component, ConfiguredPolicy, Engine, EngineConfig, Limits, PolicySet, WallClock};

use crate::guests::Guest;

/// The engine of most tests: without cache, pool and clock, so that a busy machine changes nothing.
pub(crate) fn engine() -> Engine {
    static ENGINE: LazyLock<Engine> = LazyLock::new(|| {
        Engine::new(EngineConfig { pool: false, wall_clock: WallClock::Stopped, ..EngineConfig::default() }).unwrap()
    });
    ENGINE.clone()
}

/// The built-in policy on that engine.
pub(crate) fn builtin() -> Arc<ConfiguredPolicy> {
    static BUILTIN_POLICY: LazyLock<Arc<ConfiguredPolicy>> =
        LazyLock::new(|| engine().load(BUILTIN, Limits::DEFAULT).unwrap().configure("").unwrap());
    Arc::clone(&BUILTIN_POLICY)
}

/// The guest's component under these limits.
pub(crate) fn component(guest: &Guest, limits: Limits) -> Arc<Component> {
    engine().load(&guest.build(), limits).unwrap()
}

/// The guest, loaded and configured with nothing.
pub(crate) fn policy(guest: &Guest, limits: Limits) -> Arc<ConfiguredPolicy> {
    component(guest, limits).configure("").unwrap()
}

/// A guest that fills every slot, stays and creates nothing; its timeouts count the questions of an instance.
pub(crate) fn all_slots() -> Guest {
    let mut guest = Guest::new("policy");
    let rule = guest.text("Counted");
    let (schedule, duration) = guest.schedule(rule);
    let (stay, none) = (guest.stay(), guest.no_creations());
    let count = format!("(i64.store (i32.const {duration}) (i64.add (i64.load (i32.const {duration})) (i64.const 1)))");
    guest
        .slot("timeouts", &format!("{count} (i32.const {schedule})"))
        .slot("transitions", &format!("{count} (i32.const {stay})"))
        .slot("children", &format!("{count} (i32.const {none})"))
}

/// A set whose built-in policy is [`all_slots`].
pub(crate) fn set() -> PolicySet {
    static COUNTING: LazyLock<Arc<ConfiguredPolicy>> = LazyLock::new(|| policy(&all_slots(), Limits::DEFAULT));
    PolicySet::new(Arc::clone(&COUNTING)).unwrap()
}

/// A remediation in Processing, without the facts that cost I/O.
pub(crate) fn observation() -> Arc<Observation> {
    let at = Timestamp::from_millis(1_800_000_000_000);
    Arc::new(Observation {
        now: at,
        is_live: false,
        uid: "8a1f0f9e-0000-4000-8000-000000000001".into(),
        name: "rr-1".into(),
        namespace: "kubernaut-system".into(),
        cluster_id: String::new(),
        generation: 1,
        resource_version: "12".into(),
        phase: Some(Phase::Processing),
        started_at: Some(at),
        phases: vec![(Phase::Pending, at), (Phase::Processing, at)],
        signal_name: "KubePodCrashLooping".into(),
        severity: "critical".into(),
        target: Target {
            kind: "Deployment".into(),
            name: "shop".into(),
            namespace: Some("web".into()),
            api_version: None,
        },
        overrides: Vec::new(),
        overrides_fault: None,
        children: Vec::new(),
        notifications: Vec::new(),
        failed_creations: Vec::new(),
        missing_kinds: Vec::new(),
        obstacle: None,
        consecutive_failures: 0,
        brakes: None,
        facts: Facts { signal: Signal { fingerprint: "f".repeat(64), ..Signal::default() }, ..Facts::default() },
        record: Record::default(),
        object: Arc::new(json!({"kind": "RemediationRequest", "metadata": {"name": "rr-1"}})),
    })
}
