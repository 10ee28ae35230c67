//! One engine with a small pool, a good policy in every slot, and what must hold after an attack.

use std::path::Path;
use std::sync::Arc;

use trimtab_core::members::Member;
use trimtab_core::observation::Observation;
use trimtab_core::ports::{Choice, Fault, FaultReason, Interruption, Judge};
use trimtab_core::proposal::{Creations, Intent, Schedule, Slot};
use trimtab_policy_engine::{
    Allocation, BUILTIN, CacheConfig, ConfiguredPolicy, Engine, EngineConfig, Limits, PolicySet, Session, WallClock,
};

use crate::observations::processing;

/// Instances of the pool: few, so that one that is lost is missed at once.
const INSTANCES: u32 = 3;

/// The checked-in component of this name under `tests/guests`.
pub(crate) fn guest(name: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("guests/{name}.wasm"));
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Answers of the good policy in every slot.
type GoodAnswers = (Schedule, Intent, Creations);

/// An engine under attack.
pub(crate) struct Sandbox {
    pub(crate) engine: Engine,
    pub(crate) set: PolicySet,
    pub(crate) seen: Arc<Observation>,
    before: GoodAnswers,
}

impl Sandbox {
    /// A pooled engine with the built-in policy in every slot. Compiled once for all tests of all runs.
    pub(crate) fn new(wall_clock: WallClock) -> Self {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("hostile-cache");
        let cache = Some(CacheConfig::new(folder, [3; 32]));
        let config = EngineConfig { cache, instances: INSTANCES, wall_clock, ..EngineConfig::default() };
        let engine = Engine::new(config).expect("an engine");
        assert_eq!(*engine.pool(), Allocation::Pool, "the attacks are on the pool");
        // That a busy machine is slow to answer is not what is tested.
        let limits = Limits { wall_clock_millis: Limits::CEILING.wall_clock_millis, ..Limits::DEFAULT };
        let builtin = engine.load(BUILTIN, limits).expect("the built-in policy");
        let set = PolicySet::new(builtin.configure("").expect("its config")).expect("every slot");
        let seen = Arc::new(processing("Completed"));
        let before = good_answers(&set, &seen);
        Self { engine, set, seen, before }
    }

    /// The component under these limits, ready to fill a slot.
    pub(crate) fn policy(&self, bytes: &[u8], config: &str, limits: Limits) -> Arc<ConfiguredPolicy> {
        self.engine.load(bytes, limits).expect("it loads").configure(config).expect("its config")
    }

    /// The good policy answers as it did before, and every place of the pool is free again.
    pub(crate) fn assert_unharmed(&self) {
        for slot in Slot::ALL {
            self.set.reset(slot).expect("the built-in policy fills every slot");
        }
        assert_eq!(good_answers(&self.set, &self.seen), self.before, "the good policy answers otherwise");
        let mut held: Vec<Session> = Vec::new();
        for number in 0..INSTANCES {
            let mut session = self.set.session();
            let answer = session.timeouts(Member::FIRST, Choice::Active, &self.seen);
            assert!(answer.is_ok(), "{number} of {INSTANCES} places are left: {answer:?}");
            held.push(session);
        }
        let beyond = fault(self.set.session().timeouts(Member::FIRST, Choice::Active, &self.seen).map(drop));
        assert_eq!(beyond.reason, FaultReason::Host, "the pool has {INSTANCES} places and no more: {beyond}");
    }
}

/// What the built-in policy answers in every slot.
fn good_answers(set: &PolicySet, seen: &Arc<Observation>) -> GoodAnswers {
    let mut session = set.session();
    let schedule = session.timeouts(Member::FIRST, Choice::Builtin, seen).expect("a schedule").value;
    let intent = session.transitions(Choice::Builtin, seen, &[]).expect("an intent").value;
    let creations = session.children(Choice::Builtin, seen, &intent).expect("creations").value;
    (schedule, intent, creations)
}

/// The fault of an evaluation that must have one.
pub(crate) fn fault(outcome: Result<(), Interruption>) -> Fault {
    match outcome {
        Err(Interruption::Fault(fault)) => fault,
        other => panic!("no fault: {other:?}"),
    }
}
