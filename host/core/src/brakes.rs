//! Brakes, above every policy: pauses, limits and the breaker hold back new executions; nothing else waits for them.
//!
//! What they look like for a remediation is part of its observation, so that a decision that they change replays.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::manifest::Manifest;
use crate::observation::{ChildKind, Observation};
use crate::phase::Phase;
use crate::plan::{Action, Plan};
use crate::proposal::{Attribute, Explanation};
use crate::time::{Span, Timestamp};

mod deadlines;
mod runs;
mod summary;

pub mod rules;

pub use deadlines::{Running, running_deadlines};
pub use rules::{Pause, Rules, Trip};
pub use runs::{Ending, Run, Subject, top_owner, trip, uses};
pub use summary::{is_summary, summary_name};

pub(crate) use summary::announce;

/// Name of the `ConfigMap` that holds them, in the controller's namespace.
pub const CONFIG_MAP: &str = "trimtab-brakes";

/// A remediation that is held is looked at again after this long, even if nobody says that the brakes have changed.
pub const HELD_RECHECK: Span = Span::from_secs(10);

/// An expiry that comes later than this after its limit was missed: nobody was there in time.
pub const LATE_AFTER: Span = Span::from_secs(60);

/// Key of the attribute that says when the limit of a missed expiry was, in milliseconds since the epoch.
const LATE_SINCE: &str = "overdue-since";

/// What the brakes look like for one remediation at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Brakes {
    /// Why they cannot be read, and so hold everything.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unreadable: Option<String>,
    /// The first pause that covers the remediation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pause: Option<Pause>,
    /// The breaker, where it is open.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trip: Option<Trip>,
    /// Each limit that is set, with its use by others.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub uses: Vec<Use>,
    /// The storm of missed expiries that the remediation is part of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub storm: Option<Storm>,
    /// The policy has used up its rechecks: the next comes no sooner.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recheck_from: Option<Timestamp>,
}

/// A limit on executions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Limit {
    /// Active at once, in all.
    ActiveInCluster,
    /// Active at once in the target's namespace.
    ActiveInNamespace,
    /// Active at once on what the target's owner owns.
    ActiveOnOwner,
    /// Started within a length of time.
    Started,
}

impl Limit {
    /// Its key in the `ConfigMap`.
    pub const fn key(self) -> &'static str {
        match self {
            Self::ActiveInCluster => "limits.active.cluster",
            Self::ActiveInNamespace => "limits.active.namespace",
            Self::ActiveOnOwner => "limits.active.owner",
            Self::Started => "limits.started",
        }
    }
}

/// A limit and how much of it others use.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Use {
    /// The limit.
    pub limit: Limit,
    /// What it counts for: a namespace, an owner, a length of time; empty for the whole cluster.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub of: String,
    /// Executions that count.
    pub used: u32,
    /// How many may.
    pub max: u32,
    /// When time alone makes a place free.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub frees_at: Option<Timestamp>,
}

impl Use {
    /// Whether there is no place for one more.
    pub const fn is_full(&self) -> bool {
        self.used >= self.max
    }

    /// "3 of 3 executions are active in namespace shop".
    pub fn sentence(&self) -> String {
        let Self { used, max, of, .. } = self;
        match self.limit {
            Limit::ActiveInCluster => format!("{used} of {max} executions are active"),
            Limit::ActiveInNamespace => format!("{used} of {max} executions are active in namespace {of}"),
            Limit::ActiveOnOwner => format!("{used} of {max} executions are active on {of}"),
            Limit::Started => format!("{used} of {max} executions were started within {of}"),
        }
    }
}

/// Many expiries that were missed while nobody watched: one summary goes out instead of a notice for each.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Storm {
    /// Name of the summary.
    pub summary: String,
    /// Whom it tells of, for the one remediation whose step creates it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub roll: Option<Roll>,
}

/// The remediations of a storm.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Roll {
    /// How many in each phase.
    pub phases: BTreeMap<String, u32>,
    /// Names of the first [`Roll::NAMES_MAX`].
    pub names: Vec<String>,
}

impl Roll {
    /// Most names.
    pub const NAMES_MAX: usize = 50;

    /// How many in all.
    pub fn total(&self) -> u32 {
        self.phases.values().fold(0, |sum, count| sum.saturating_add(*count))
    }
}

/// Why no execution starts now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hold {
    /// The brake.
    pub rule: Rule,
    /// Reason and mend, for a person.
    pub text: String,
    /// When to look again.
    pub look_at: Timestamp,
}

/// Which brake holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Rule {
    /// Somebody has paused.
    Paused,
    /// Too many executions.
    LimitReached,
    /// Too many failures.
    BreakerOpen,
}

impl Rule {
    /// Every rule.
    pub const ALL: [Self; 3] = [Self::Paused, Self::LimitReached, Self::BreakerOpen];

    /// The stable code.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Paused => "Paused",
            Self::LimitReached => "LimitReached",
            Self::BreakerOpen => "BreakerOpen",
        }
    }

    /// The rule with this code.
    pub fn parse(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|rule| rule.code() == code)
    }
}

impl Brakes {
    /// Whether nothing is on and nothing is limited.
    pub fn is_free(&self) -> bool {
        *self == Self::default()
    }

    /// Why no execution starts at `now`; `None` where one may.
    pub fn hold(&self, now: Timestamp) -> Option<Hold> {
        let later = now.plus(HELD_RECHECK);
        if let Some(fault) = &self.unreadable {
            let text = format!("The brakes cannot be read, so no execution starts: {fault}.");
            return Some(Hold { rule: Rule::Paused, text, look_at: later });
        }
        if let Some(pause) = &self.pause {
            return Some(Hold { rule: Rule::Paused, text: pause.sentence(), look_at: later });
        }
        if let Some(trip) = &self.trip {
            let text = format!(
                "The breaker opened at {}: {}. No execution starts until `trimtab brakes reset`.",
                trip.at, trip.text
            );
            return Some(Hold { rule: Rule::BreakerOpen, text, look_at: later });
        }
        let full = self.uses.iter().find(|one| one.is_full())?;
        let (sentence, key) = (full.sentence(), full.limit.key());
        let text = format!(
            "{sentence}, so this one waits for a place; {key} in ConfigMap {CONFIG_MAP} says how many there may be."
        );
        // INVARIANT: at least a millisecond ahead, or a remediation would be looked at without end.
        let look_at = full.frees_at.map_or(later, |at| at.min(later)).max(now.plus(Span::from_millis(1)));
        Some(Hold { rule: Rule::LimitReached, text, look_at })
    }
}

/// Whether an execution may follow a phase at all, so that the brakes are looked at.
pub const fn can_start_from(phase: Phase) -> bool {
    match phase {
        Phase::Pending | Phase::Processing | Phase::Analyzing | Phase::AwaitingApproval | Phase::Executing => true,
        Phase::Verifying
        | Phase::Blocked
        | Phase::Completed
        | Phase::Failed
        | Phase::TimedOut
        | Phase::Skipped
        | Phase::Cancelled => false,
    }
}

/// The execution that a plan starts, if it starts one.
pub fn execution_of(plan: &Plan) -> Option<&Manifest> {
    plan.actions.iter().find_map(|action| match action {
        Action::Create(manifest) if manifest.kind == ChildKind::WorkflowExecution.name() => Some(manifest),
        _ => None,
    })
}

/// Whether an execution would start as soon as nothing holds it, as far as the children show; a policy may think
/// otherwise.
pub fn is_ready_to_start(observation: &Observation) -> bool {
    let facts = &observation.facts;
    match observation.phase {
        Some(Phase::Analyzing) => {
            let is_done = observation.child(ChildKind::AIAnalysis).is_some_and(|child| child.phase == "Completed");
            let is_approved = |analysis: &crate::observation::Analysis| {
                !analysis.workflow_id.is_empty() && !analysis.approval_required && !analysis.needs_human_review
            };
            is_done && facts.analysis.as_ref().is_some_and(is_approved)
        }
        Some(Phase::AwaitingApproval) => {
            facts.approval.as_ref().is_some_and(|approval| approval.decision == "Approved")
        }
        Some(_) | None => false,
    }
}

/// Why this plan has to wait; `None` where it may go on.
pub(crate) fn hold_back(observation: &Observation, plan: &Plan) -> Option<Hold> {
    execution_of(plan)?;
    observation.brakes.as_ref()?.hold(observation.now)
}

/// Why a move to this phase has to wait: what is created on the way there is asked for only when it may start.
pub(crate) fn hold_move(observation: &Observation, to: Phase) -> Option<Hold> {
    if to != Phase::Executing {
        return None;
    }
    observation.brakes.as_ref()?.hold(observation.now)
}

/// Who is why an ended wait was one: the brakes, or the policy.
pub(crate) fn who_stays(why: &Explanation) -> &'static str {
    if Rule::parse(&why.rule).is_some() { "the brakes hold it" } else { "the policy stays" }
}

/// When a policy that stays is asked again: as it asks, or later where it has used up its rechecks.
pub(crate) fn recheck(observation: &Observation, until: Option<Timestamp>) -> Option<Timestamp> {
    let from = observation.brakes.as_ref().and_then(|brakes| brakes.recheck_from);
    until.map(|asked| from.map_or(asked, |from| asked.max(from)))
}

/// What is noted on an expiry that was missed: when its limit was.
pub(crate) fn lateness(now: Timestamp, limit: Timestamp) -> Vec<Attribute> {
    if now.since(limit) <= LATE_AFTER {
        return Vec::new();
    }
    vec![Attribute { key: LATE_SINCE.to_owned(), value: limit.as_millis().to_string() }]
}

/// When the limit was that this plan is the missed expiry of; `None` for every other plan.
pub fn late_since(plan: &Plan) -> Option<Timestamp> {
    let noted = plan.why.attributes.iter().find(|attribute| attribute.key == LATE_SINCE)?;
    noted.value.parse().ok().map(Timestamp::from_millis)
}

#[cfg(test)]
mod tests;
