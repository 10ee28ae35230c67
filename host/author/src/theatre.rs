//! Plays a remediation by the real core and components into a ledger of its own, for tests.

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use trimtab_core::decide::{Verdict, decide};
use trimtab_core::members::{Member, Members, Rule, Seat};
use trimtab_core::observation::Observation;
use trimtab_core::ports::{
    Answer, Choice, DecisionRecord, FailStrategy, Fault, Interruption, Judge, Ledger as _, Settlement,
};
use trimtab_core::proposal::{Creations, Intent, Schedule, Slot};
use trimtab_core::settings::Settings;
use trimtab_core::time::{Span, Timestamp};
use trimtab_ledger::{BlobKind, SqliteLedger, StoreSettings};
use trimtab_policy_engine::{
    BUILTIN, CacheConfig, ConfiguredPolicy, Engine, EngineConfig, Limits, PolicySet, Session, WallClock,
};

use crate::Surroundings;
use crate::cli::Command;
use crate::environment::Environment;
use crate::observation::{ObservationDocument, Time, merge};
use crate::test::{CaseDocument, apply, pin};

/// An engine, a set and a ledger in a folder of their own.
pub(crate) struct Theatre {
    pub(crate) folder: tempfile::TempDir,
    engine: Engine,
    set: PolicySet,
    pub(crate) settings: Settings,
    ledger: Option<SqliteLedger>,
    pub(crate) now: Timestamp,
    struck: Option<(Slot, Fault)>,
}

/// A session that the wall clock strikes at one slot, as the engine would have it.
struct Struck<'a> {
    session: Session,
    set: &'a PolicySet,
    blow: Option<&'a (Slot, Fault)>,
}

impl Struck<'_> {
    fn strikes(&mut self, seat: Seat, choice: Choice) -> Result<(), Interruption> {
        match self.blow {
            Some((at, fault)) if *at == seat.slot && choice == Choice::Active => {
                // The other policies of a slot have instances of their own.
                if seat.member.is_first() {
                    self.session.release();
                }
                let revision = self.set.policy(seat, choice).map(|policy| policy.revision().clone());
                Err(Interruption::Fault(Fault { revision, ..fault.clone() }))
            }
            _ => Ok(()),
        }
    }
}

impl Judge for Struck<'_> {
    fn members(&self, slot: Slot) -> Members {
        self.session.members(slot)
    }

    fn timeouts(
        &mut self,
        member: Member,
        choice: Choice,
        seen: &Arc<Observation>,
    ) -> Result<Answer<Schedule>, Interruption> {
        self.strikes(Seat { slot: Slot::Timeouts, member }, choice)?;
        self.session.timeouts(member, choice, seen)
    }

    fn transitions(
        &mut self,
        choice: Choice,
        seen: &Arc<Observation>,
        expired: &[String],
    ) -> Result<Answer<Intent>, Interruption> {
        self.strikes(Slot::Transitions.into(), choice)?;
        self.session.transitions(choice, seen, expired)
    }

    fn children(
        &mut self,
        choice: Choice,
        seen: &Arc<Observation>,
        intent: &Intent,
    ) -> Result<Answer<Creations>, Interruption> {
        self.strikes(Slot::Children.into(), choice)?;
        self.session.children(choice, seen, intent)
    }

    fn strategy(&self, seat: Seat) -> FailStrategy {
        self.session.strategy(seat)
    }
}

/// Every test compiles a component once: they share a cache.
pub(crate) fn engine() -> EngineConfig {
    static CACHE: OnceLock<tempfile::TempDir> = OnceLock::new();
    let folder = CACHE.get_or_init(|| tempfile::tempdir().unwrap()).path().to_owned();
    let cache = Some(CacheConfig::new(folder, [7; 32]));
    // A busy machine must not strike where a test does not want it.
    EngineConfig { cache, pool: false, wall_clock: WallClock::Stopped, ..EngineConfig::default() }
}

/// A checked-in component.
pub(crate) fn component(name: &str) -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let policy = root.join("policies").join(name).join(format!("{name}.wasm"));
    if policy.is_file() { policy } else { root.join("tests/guests").join(format!("{name}.wasm")) }
}

impl Theatre {
    /// The built-in policy in every slot.
    pub(crate) fn new() -> Self {
        Self::with(WallClock::Stopped)
    }

    /// The same, with or without a wall clock.
    pub(crate) fn with(wall_clock: WallClock) -> Self {
        let engine = Engine::new(EngineConfig { wall_clock, ..engine() }).unwrap();
        let builtin = engine.load(BUILTIN, Limits::DEFAULT).unwrap().configure("").unwrap();
        let folder = tempfile::tempdir().unwrap();
        let ledger = SqliteLedger::open(&folder.path().join("data"), StoreSettings::default()).unwrap();
        let set = PolicySet::new(Arc::clone(&builtin)).unwrap();
        let now = ObservationDocument::default().moment();
        let theatre =
            Self { folder, engine, set, settings: Settings::default(), ledger: Some(ledger), now, struck: None };
        theatre.keep(&builtin, BUILTIN);
        theatre.announce();
        theatre
    }

    fn ledger(&self) -> &SqliteLedger {
        self.ledger.as_ref().unwrap()
    }

    fn keep(&self, policy: &ConfiguredPolicy, bytes: &[u8]) {
        let revision = policy.revision();
        self.ledger().keep(BlobKind::Component, &revision.digest, bytes).unwrap();
        self.ledger().keep(BlobKind::Config, &revision.config, policy.config().as_bytes()).unwrap();
    }

    pub(crate) fn announce(&self) {
        self.ledger().set_environment(&Environment::of(&self.settings, &self.set).to_json()).unwrap();
    }

    /// Puts a component into slots.
    pub(crate) fn put(&self, slots: &[Slot], name: &str, config: &str, limits: Limits) {
        let bytes = std::fs::read(component(name)).unwrap();
        let policy = self.engine.load(&bytes, limits).unwrap().configure(config).unwrap();
        self.keep(&policy, &bytes);
        for slot in slots {
            self.set.swap(*slot, &policy).unwrap();
        }
        self.announce();
    }

    /// Puts several components into the timeouts slot.
    pub(crate) fn put_several(&self, rule: Rule, policies: &[(&str, &str, Limits, FailStrategy)]) {
        let loaded = policies.iter().map(|(name, config, limits, strategy)| {
            let bytes = std::fs::read(component(name)).unwrap();
            let policy = self.engine.load(&bytes, *limits).unwrap().configure(config).unwrap();
            self.keep(&policy, &bytes);
            (policy, *strategy)
        });
        self.set.fill(Slot::Timeouts, rule, &loaded.collect::<Vec<_>>()).unwrap();
        self.announce();
    }

    pub(crate) fn strategy(&self, slot: Slot, strategy: FailStrategy) {
        self.set.set_strategy(slot, strategy);
        self.announce();
    }

    /// From now on the wall clock strikes the active revision of a slot.
    pub(crate) fn strike(&mut self, slot: Slot, fault: Fault) {
        self.struck = Some((slot, fault));
    }

    /// Plays the steps of a case; each is seen and decided once, and a step of the host is carried out.
    pub(crate) fn play(&mut self, yaml: &str) {
        let case: CaseDocument = serde_saphyr::from_str(yaml).unwrap();
        let mut document = case.observation.unwrap_or_default();
        pin(&mut document);
        for step in case.steps {
            if let Some(change) = &step.set {
                document = merge(&document, change).unwrap();
                pin(&mut document);
            }
            if let Some(length) = step.advance {
                document.now = Some(Time(document.moment().plus(length.0)));
            }
            self.decide(&mut document);
        }
        self.now = self.now.max(document.moment());
    }

    fn decide(&self, document: &mut ObservationDocument) {
        let observation = Arc::new(document.observation().unwrap());
        let mut session = Struck { session: self.set.session(), set: &self.set, blow: self.struck.as_ref() };
        let decision = decide(&observation, &mut session, &self.settings).unwrap();
        for one in &decision.evaluations {
            if let Some(revision) = &one.revision {
                self.set.settle(one.seat(), revision, one.fault.is_none());
            }
        }
        let record = DecisionRecord { observation: Arc::clone(&observation), decision, basis: None };
        match &record.decision.verdict {
            Verdict::Stay => self.ledger().note(&record).unwrap(),
            Verdict::Step(plan) => {
                self.ledger().prepare(&record, plan).unwrap();
                let at = observation.now.plus(Span::from_millis(20));
                self.ledger().settle(&observation.uid, &Settlement::Confirmed, at).unwrap();
                apply(document, plan);
            }
        }
    }

    /// Changes the file behind the ledger's back.
    pub(crate) fn damage(&self, sql: &str) {
        let file = rusqlite::Connection::open(self.folder.path().join("data/ledger.db")).unwrap();
        let triggers = "DROP TRIGGER IF EXISTS entry_never_changes; DROP TRIGGER IF EXISTS event_never_changes;";
        file.execute_batch(&format!("{triggers} {sql};")).unwrap();
    }

    /// Ends the writing, so that all of it is stored.
    pub(crate) fn close(&mut self) -> &mut Self {
        drop(self.ledger.take());
        self
    }

    /// Types a line in the folder: exit code, what was printed or the error's line, and what was told beside it.
    pub(crate) fn typed(&self, line: &str) -> (u8, String, Vec<String>) {
        #[derive(clap::Parser)]
        struct Line {
            #[command(subcommand)]
            command: Command,
        }
        let words = std::iter::once("trimtab").chain(line.split_whitespace());
        let command = <Line as clap::Parser>::try_parse_from(words).unwrap().command;
        let (mut told, mut printed) = (Vec::new(), String::new());
        let mut surroundings = Surroundings {
            folder: self.folder.path().to_owned(),
            engine: engine(),
            data: Ok(command.data().map_or_else(|| self.folder.path().join("data"), Path::to_owned)),
            now: self.now,
            print: &mut |text| {
                printed.push_str(text);
                Ok(())
            },
            progress: &mut |_| {},
            tell: &mut |text| told.push(text.to_owned()),
        };
        let result = crate::execute(&command, &mut surroundings);
        match result {
            Ok(outcome) => (outcome.exit_code, printed + &outcome.text, told),
            Err(error) => (error.exit_code(), error.to_string(), told),
        }
    }

    /// A path in the folder, as it is typed.
    pub(crate) fn path(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }
}

/// A remediation until its analysis; steps follow.
pub(crate) const UNTIL_ANALYZED: &str = r"
name: story
observation: {phase: '', name: rr-oom, uid: u-1, namespace: shop}
steps:
- {}
- advance: 200ms
- advance: 1s
- advance: 1s
- set: {children: [{kind: SignalProcessing, phase: Completed, finishedAt: '2026-01-01T12:00:03Z'}], facts: {classification: {environment: Production}}}
  advance: 2s
- advance: 5s
";

/// It goes on to its good end.
pub(crate) const COMPLETED: &str = r"
- set: {children: [{kind: AIAnalysis, phase: Completed, finishedAt: '2026-01-01T12:00:28Z'}], facts: {analysis: {workflowId: grow, confidence: 0.92}}}
  advance: 20s
- advance: 1s
- set: {children: [{kind: WorkflowExecution, phase: Completed, finishedAt: '2026-01-01T12:01:10Z'}]}
  advance: 40s
- advance: 1s
- set: {children: [{kind: EffectivenessAssessment, phase: Completed, reason: Full, finishedAt: '2026-01-01T12:07:00Z', deadline: '2026-01-01T12:30:00Z'}], facts: {assessment: {alertScore: 1}}}
  advance: 6m
- advance: 1s
- advance: 1s
- advance: 1s
";

/// A person is asked.
pub(crate) const ASKED: &str = r"
- set: {children: [{kind: AIAnalysis, phase: Completed, finishedAt: '2026-01-01T12:00:28Z'}], facts: {analysis: {workflowId: grow, confidence: 0.62, approvalRequired: true, approvalReason: confidence is low}}}
  advance: 20s
- advance: 1m
";

/// The person refuses.
pub(crate) const REJECTED: &str = r"
- set: {children: [{kind: RemediationApprovalRequest, phase: Rejected, finishedAt: '2026-01-01T12:03:00Z'}], facts: {approval: {decidedBy: alice, message: not during the sale}}}
  advance: 2m
- advance: 1s
";

/// Nobody answers.
pub(crate) const UNANSWERED: &str = r"
- advance: 14m30s
- advance: 1s
";

/// The analysis takes too long, although a person has given it more time.
pub(crate) const TIMED_OUT: &str = r"
- set: {overrides: {Analyzing: 12m}}
  advance: 5m
- advance: 8m
- advance: 1s
";

/// Processing fails.
pub(crate) const FAILED: &str = r"
name: story
observation: {phase: '', name: rr-disk, uid: u-2, namespace: shop, signalName: DiskFull}
steps:
- {}
- advance: 200ms
- advance: 1s
- set: {children: [{kind: SignalProcessing, phase: Failed, reason: EnrichmentFailed, finishedAt: '2026-01-01T12:00:09Z'}]}
  advance: 9s
- advance: 1s
";
