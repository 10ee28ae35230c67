//! The conformance kit: what every policy must keep, each rule a check with a name, counts and the first example.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::Serialize;
use trimtab_core::observation::Observation;
use trimtab_core::proposal::Slot;
use trimtab_policy_engine::{ConfiguredPolicy, Limits};

use super::asking::Panel;
use super::case::{Case, cases};
use super::remediation::sealed;
use super::search::instants;
use super::variations::shifted;
use super::vocabulary::Vocabulary;
use super::{ExploreError, Named};

mod config;
mod rules;
mod run;

use rules::Rules;
use run::Run;

/// Most observations that a policy's own deadlines add.
const DERIVED_MAX: usize = 1_500;
/// Observations from one report of progress to the next.
const PROGRESS_EVERY: u64 = 32;
/// Faults after which the rest is not looked at any more: each may take as long as the limits allow.
const FAULTS_MAX: u64 = 48;
/// How much of a limit may be used for the headroom to count as enough: half.
const HEADROOM: u64 = 2;

/// How a check ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// Kept wherever it was tried.
    Passed,
    /// Broken, but a policy may still be used.
    Warned,
    /// Broken: the policy does not conform.
    Failed,
    /// Nothing to check: the policy does not fill the slot.
    NotApplicable,
}

/// One case in which a rule was broken.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Failure {
    /// Situation and variation, for people; empty where it is not about an observation.
    pub case: String,
    /// Stable code: a fault's, a refusal's, or the check's own.
    pub reason: String,
    /// What was wrong, in one line.
    pub message: String,
    /// The slot that answered, where it is about one.
    pub slot: Option<Slot>,
    /// What was asked about, where it is about an observation.
    pub observation: Option<Arc<Observation>>,
}

/// One rule that every policy must keep.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Check {
    /// Stable name: "total".
    pub name: &'static str,
    /// The rule, in one sentence.
    pub rule: &'static str,
    /// How it ended.
    pub outcome: Outcome,
    /// How often it was tried.
    pub tried: u64,
    /// How often it was broken.
    pub broken: u64,
    /// How often by each reason.
    pub by_reason: BTreeMap<String, u64>,
    /// The first case in which it was broken, the smallest observation first; failures before warnings.
    pub first: Option<Failure>,
}

/// The most of one limit that was used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Share {
    /// Most that one decision, or one answer, used.
    pub used: u64,
    /// The default limit.
    pub limit: u64,
}

impl Share {
    fn note(&mut self, used: u64) {
        self.used = self.used.max(used);
    }

    fn is_enough(self) -> bool {
        self.used.saturating_mul(HEADROOM) <= self.limit
    }
}

/// How far the policy stays from the default limits. Memory and host-call transfer are not measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Headroom {
    /// Fuel of one decision over all its slots.
    pub fuel: Share,
    /// Bytes of one answer: its strings, and 32 for each record.
    pub answer_bytes: Share,
    /// Bytes logged in one decision.
    pub log_bytes: Share,
}

impl Default for Headroom {
    fn default() -> Self {
        let of = |limit| Share { used: 0, limit };
        let limits = Limits::DEFAULT;
        Self { fuel: of(limits.fuel), answer_bytes: of(limits.answer_bytes), log_bytes: of(limits.log_bytes) }
    }
}

/// Whether a policy keeps what every policy must keep.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ConformanceReport {
    /// The policy.
    pub policy: Named,
    /// The slots that it fills.
    pub slots: BTreeSet<Slot>,
    /// Observations that it was asked about.
    pub observations: u64,
    /// Questions that it was asked.
    pub evaluations: u64,
    /// How far it stays from the limits.
    pub headroom: Headroom,
    /// Whether every planned observation was tried; a policy that faults again and again is given up.
    pub is_complete: bool,
    /// Every rule.
    pub checks: Vec<Check>,
}

impl ConformanceReport {
    /// Whether no rule is broken; warnings do not count.
    pub fn is_conformant(&self) -> bool {
        self.checks.iter().all(|check| check.outcome != Outcome::Failed)
    }

    /// The check of this name.
    pub fn check(&self, name: &str) -> Option<&Check> {
        self.checks.iter().find(|check| check.name == name)
    }
}

/// Holds a policy against every rule, on the boundary observations and around the deadlines that it names itself.
///
/// `progress` is told how many observations are done and how many are planned; the plan grows once.
pub fn conformance(
    policy: &Arc<ConfiguredPolicy>,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<ConformanceReport, ExploreError> {
    let panel = Panel::of(policy)?;
    let slots = panel.slots().clone();
    let mut run = Run { panel: &panel, rules: Rules::new(&slots), headroom: Headroom::default(), evaluations: 0 };
    // What is passed is for the policy's own timeouts, or the built-in ones, to say.
    let mut list: Vec<Case> = cases(&slots, &Vocabulary::of(&[policy]));
    list.retain(|case| case.expired.is_empty());
    let mut known = BTreeSet::new();
    let mut more = Vec::new();
    let mut done: u64 = 0;
    let count = |list: &[Case]| u64::try_from(list.len()).unwrap_or(u64::MAX);
    let mut planned = count(&list);
    for case in &list {
        if run.rules.faults() >= FAULTS_MAX {
            break;
        }
        let answers = run.hold(case);
        for (scope, at) in instants(&answers) {
            if more.len() < DERIVED_MAX {
                more.extend(around(case, &scope, at, &mut known));
            }
        }
        done += 1;
        if done.is_multiple_of(PROGRESS_EVERY) {
            progress(done, planned);
        }
    }
    planned += count(&more);
    for case in &more {
        if run.rules.faults() >= FAULTS_MAX {
            break;
        }
        run.hold(case);
        done += 1;
        if done.is_multiple_of(PROGRESS_EVERY) {
            progress(done, planned);
        }
    }
    config::hold(policy, &mut run.rules);
    run.rules.hold_headroom(&run.headroom);
    progress(done, done);
    Ok(ConformanceReport {
        policy: Named::of(policy),
        slots,
        observations: done,
        evaluations: run.evaluations,
        headroom: run.headroom,
        is_complete: done == planned,
        checks: run.rules.into_checks(),
    })
}

type Known = BTreeSet<(String, String, i128)>;

/// The case one millisecond before, at and after a moment that the policy named; each distance from the entry once.
fn around(case: &Case, scope: &str, at: trimtab_core::time::Timestamp, known: &mut Known) -> Vec<Case> {
    let seen = &case.observation;
    let entered = seen.phase_entered_at().unwrap_or(seen.now);
    let situation = case.name.split(' ').next().unwrap_or_default().to_owned();
    let distance = i128::from(at.as_millis()) - i128::from(entered.as_millis());
    if !known.insert((situation, scope.to_owned(), distance)) {
        return Vec::new();
    }
    let made = [-1, 0, 1].map(|shift| Case {
        name: format!("{} now={scope}{shift:+}", case.name),
        observation: Arc::new(sealed(Observation { now: shifted(at, shift), ..Observation::clone(seen) })),
        expired: Vec::new(),
        is_consistent: case.is_consistent,
    });
    made.into()
}
