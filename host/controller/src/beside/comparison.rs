//! A step of the other orchestrator held against the plan that would have been carried out here: pure.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use trimtab_core::json::text;
use trimtab_core::manifest::Manifest;
use trimtab_core::phase::Phase;
use trimtab_core::plan::{Action, Plan};
use trimtab_core::time::{Span, Timestamp};

/// How far times may lie apart: whole seconds, and the way from a write to its being seen.
pub(super) const TIME_TOLERANCE: Span = Span::from_secs(5);

/// How much, in percent of the wait, times may lie apart to which either side adds its own chance.
const JITTER_PERCENT: u64 = 25;

/// How much later than here the other may take a step.
pub(super) const PROMPT: Span = Span::from_secs(15);

/// One step, compared.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Comparison {
    /// When the other's write was seen, in milliseconds since the Unix epoch.
    pub at: Timestamp,
    /// Namespace of the remediation.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its uid.
    pub uid: String,
    /// The phase before; empty before the first.
    pub from: String,
    /// What the other did.
    pub theirs: Move,
    /// What would have been done here; absent where the remediation would have stayed, or nobody can tell.
    pub ours: Option<Move>,
    /// The rule behind ours.
    pub rule: String,
    /// How they compare.
    pub verdict: Verdict,
}

impl Comparison {
    /// Whether there is nothing that nobody can explain.
    pub fn is_explained(&self) -> bool {
        match &self.verdict {
            Verdict::Agreed | Verdict::Undecidable(_) => true,
            Verdict::Differing(differences) => differences.iter().all(|difference| difference.name.is_some()),
        }
    }
}

/// A change of phase and what was said with it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Move {
    /// The phase after.
    pub to: String,
    /// The outcome of an end; else empty.
    pub outcome: String,
    /// Failure phase of a failure, reason of a block; else empty.
    pub reason: String,
}

/// How a step compares.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Verdict {
    /// In everything that is compared.
    Agreed,
    /// In these.
    Differing(Vec<Difference>),
    /// It cannot be told, for this reason.
    Undecidable(String),
}

/// One thing that differs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Difference {
    /// What differs.
    pub aspect: Aspect,
    /// Which one of several: a child's name, a member of the status; else empty.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub of: String,
    /// What it is with the other.
    pub theirs: String,
    /// What it would be here.
    pub ours: String,
    /// The quirk (Q…) or difference (D…) of policies/README.md that explains it; absent where none does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

/// What can differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Aspect {
    /// The phase after the step, or whether there is a step.
    Phase,
    /// The outcome.
    Outcome,
    /// The failure phase, or the reason of the block.
    Reason,
    /// A child.
    Child,
    /// A notification.
    Notification,
    /// A time in a status, or in what is created.
    Time,
    /// When the step is taken.
    Moment,
}

impl Aspect {
    /// The word for it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Phase => "phase",
            Self::Outcome => "outcome",
            Self::Reason => "reason",
            Self::Child => "child",
            Self::Notification => "notification",
            Self::Time => "time",
            Self::Moment => "moment",
        }
    }
}

impl Difference {
    pub(super) fn new(aspect: Aspect, of: &str, theirs: impl Into<String>, ours: impl Into<String>) -> Self {
        Self { aspect, of: of.to_owned(), theirs: theirs.into(), ours: ours.into(), name: None }
    }
}

impl Move {
    /// What a status says of the step into its phase.
    pub(super) fn of_status(object: &Value) -> Self {
        let to = text(object, "/status/overallPhase").to_owned();
        let phase: Option<Phase> = to.parse().ok();
        let said = |pointer: &str| text(object, pointer).to_owned();
        Self {
            outcome: if phase.is_some_and(Phase::is_terminal) {
                said("/status/completionStatus/outcome")
            } else {
                String::new()
            },
            reason: match phase {
                Some(Phase::Failed) => said("/status/completionStatus/failurePhase"),
                Some(Phase::Blocked) => said("/status/routingStatus/blockReason"),
                _ => String::new(),
            },
            to,
        }
    }

    /// What the object would be after a plan.
    pub(super) fn of_plan(before: &Value, plan: &Plan) -> Self {
        Self::of_status(&carried_out(before, plan))
    }
}

/// The object as a plan's status write would leave it.
pub(super) fn carried_out(before: &Value, plan: &Plan) -> Value {
    let mut after = before.clone();
    if let Some(status) = &plan.status {
        merge_patch(&mut after["status"], status);
    }
    after
}

/// A JSON merge patch (RFC 7386).
fn merge_patch(target: &mut Value, patch: &Value) {
    let Value::Object(members) = patch else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = Value::Object(serde_json::Map::new());
    }
    for (key, value) in members {
        if value.is_null() {
            if let Value::Object(target) = target {
                target.remove(key);
            }
        } else {
            merge_patch(&mut target[key], value);
        }
    }
}

/// Compares where two steps lead.
pub(super) fn moves(from: &str, theirs: &Move, ours: Option<&Move>) -> Vec<Difference> {
    let Some(ours) = ours else {
        return vec![Difference::new(Aspect::Phase, "", theirs.to.as_str(), format!("stays in {}", shown(from)))];
    };
    if theirs.to != ours.to {
        return vec![Difference::new(Aspect::Phase, "", theirs.to.as_str(), ours.to.as_str())];
    }
    let pairs = [(Aspect::Outcome, &theirs.outcome, &ours.outcome), (Aspect::Reason, &theirs.reason, &ours.reason)];
    let differing = pairs.into_iter().filter(|(_, theirs, ours)| theirs != ours);
    differing.map(|(aspect, theirs, ours)| Difference::new(aspect, "", shown(theirs), shown(ours))).collect()
}

fn shown(text: &str) -> &str {
    if text.is_empty() { "(none)" } else { text }
}

/// Times of the status that either side writes with a step, and whether chance is in them.
const STATUS_TIMES: [(&str, bool); 8] = [
    ("/status/startTime", false),
    ("/status/phaseProgress/processingStartTime", false),
    ("/status/phaseProgress/analyzingStartTime", false),
    ("/status/phaseProgress/executingStartTime", false),
    ("/status/completedAt", false),
    ("/status/completionStatus/timeoutTime", false),
    ("/status/routingStatus/blockedUntil", true),
    ("/status/routingStatus/nextAllowedExecution", true),
];

/// Compares the times that both sides have written. `now` is when.
pub(super) fn status_times(theirs: &Value, ours: &Value, now: Timestamp) -> Vec<Difference> {
    STATUS_TIMES
        .into_iter()
        .filter_map(|(pointer, has_jitter)| {
            time(pointer.trim_start_matches("/status/"), theirs, ours, pointer, (now, has_jitter))
        })
        .collect()
}

fn time(
    of: &str,
    theirs: &Value,
    ours: &Value,
    pointer: &str,
    (now, has_jitter): (Timestamp, bool),
) -> Option<Difference> {
    let read = |object: &Value| Timestamp::parse(text(object, pointer));
    let (theirs, ours) = (read(theirs)?, read(ours)?);
    let apart = theirs.since(ours).max(ours.since(theirs));
    let chance = if has_jitter { ours.since(now).as_millis() / 100 * JITTER_PERCENT } else { 0 };
    let allowed = TIME_TOLERANCE.max(Span::from_millis(chance));
    (apart > allowed).then(|| Difference::new(Aspect::Time, of, theirs.to_string(), ours.to_string()))
}

/// What is compared of an object that a step creates: times, and texts.
fn compared(kind: &str) -> (&'static [&'static str], &'static [&'static str]) {
    match kind {
        "SignalProcessing" | "AIAnalysis" => (&["/spec/timesOutAt"], &[]),
        "RemediationApprovalRequest" => (&["/spec/requiredBy"], &["/spec/recommendedWorkflow/workflowId"]),
        "WorkflowExecution" => (&[], &["/spec/workflowRef/workflowId", "/spec/targetResource"]),
        "NotificationRequest" => (&[], &["/spec/type", "/spec/priority"]),
        _ => (&[], &[]),
    }
}

/// Whether it is a notification or a child.
pub(super) fn aspect_of(kind: &str) -> Aspect {
    if kind == "NotificationRequest" { Aspect::Notification } else { Aspect::Child }
}

/// Compares an object that a plan creates with the one that is there.
pub(super) fn creation(planned: &Manifest, found: Option<&Value>, now: Timestamp) -> Vec<Difference> {
    let aspect = aspect_of(&planned.kind);
    let Some(found) = found else {
        return vec![Difference::new(aspect, &planned.name, "(none)", format!("creates the {}", planned.kind))];
    };
    let (times, texts) = compared(&planned.kind);
    let named = |pointer: &str| format!("{}{}", planned.name, pointer.trim_start_matches("/spec").replace('/', "."));
    let times = times.iter().filter_map(|pointer| time(&named(pointer), found, &planned.object, pointer, (now, false)));
    let texts = texts.iter().filter_map(|pointer| {
        let (theirs, ours) = (text(found, pointer), text(&planned.object, pointer));
        (theirs != ours).then(|| Difference::new(aspect, &named(pointer), shown(theirs), shown(ours)))
    });
    times.chain(texts).collect()
}

/// What a plan creates.
pub(super) fn creations(plan: &Plan) -> impl Iterator<Item = &Manifest> {
    plan.actions.iter().filter_map(|action| match action {
        Action::Create(manifest) => Some(manifest),
        Action::PatchStatus { .. } | Action::Delete { .. } => None,
    })
}

#[cfg(test)]
mod tests;
