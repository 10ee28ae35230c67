//! From cluster objects to the core's [`Observation`]: reads leniently, judges nothing.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;
use trimtab_core::go_duration;
use trimtab_core::json::{some_text, text};
use trimtab_core::observation::{Child, ChildKind, Observation, Target};
use trimtab_core::phase::Phase;
use trimtab_core::plan::TIMEOUT_MEMBERS;
use trimtab_core::proposal::Budget;
use trimtab_core::record::{CONDITION_TYPE, Record};
use trimtab_core::status::{reference_member, start_time_member};
use trimtab_core::time::{Span, Timestamp};

mod facts;
mod notifications;
mod routing;

pub use notifications::notification_names;

/// An object that is no remediation.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MappingError {
    /// It lacks what every object of the cluster has.
    #[error("{0} is no RemediationRequest: it has no {1}")]
    Incomplete(String, &'static str),
    /// Its record is none that this version can read.
    #[error(
        "the condition trimtab.dev/Decision of RemediationRequest {0} is of another version or was changed by hand: \
         upgrade trimtab, or delete the remediation"
    )]
    UnknownRecord(String),
    /// Its phase is none that this version knows.
    #[error("RemediationRequest {0} is in the unknown phase \"{1}\": upgrade trimtab")]
    UnknownPhase(String, String),
}

/// The objects behind one observation.
#[derive(Debug, Clone, Default)]
pub struct Objects {
    /// The `RemediationRequest`.
    pub remediation: Arc<Value>,
    /// Its children by kind, as the cluster has them; those of another owner are left out by the caller.
    pub children: BTreeMap<ChildKind, Arc<Value>>,
    /// The notifications that it refers to, in that order, by [`notification_names`]; `None` where one is not there.
    pub notifications: Vec<(String, Option<Arc<Value>>)>,
    /// The `RemediationWorkflow` named by an override: outer `None` not gathered, inner `None` not found.
    pub workflow: Option<Option<Arc<Value>>>,
    /// Other remediations of the fingerprint; `None` where not gathered.
    pub related: Option<Vec<Arc<Value>>>,
}

/// What the host remembers of a remediation; the default before its first step.
///
/// A record that cannot be read must not count as none: the numbers of steps and attempts would begin anew.
pub fn record(remediation: &Value) -> Result<Record, MappingError> {
    let condition = remediation
        .pointer("/status/conditions")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .find(|condition| condition["type"] == CONDITION_TYPE);
    match condition {
        None => Ok(Record::default()),
        Some(condition) => Record::parse(text(condition, "/message"))
            .ok_or_else(|| MappingError::UnknownRecord(text(remediation, "/metadata/name").to_owned())),
    }
}

/// Whether an object is owned by the remediation with this uid.
pub fn is_owned_by(object: &Value, uid: &str) -> bool {
    object
        .pointer("/metadata/ownerReferences")
        .and_then(Value::as_array)
        .is_some_and(|owners| owners.iter().any(|owner| owner["uid"] == uid))
}

/// Whether a remediation refers to a child of this kind, or is in the phase that waits for it.
pub fn is_expected(remediation: &Value, kind: ChildKind) -> bool {
    let phase: Option<Phase> = text(remediation, "/status/overallPhase").parse().ok();
    // A remediation in Processing that refers to none has lost it, which is an ending of its own.
    let is_awaited = kind != ChildKind::SignalProcessing && phase.and_then(ChildKind::of_phase) == Some(kind);
    is_awaited
        || reference_member(kind)
            .is_some_and(|member| some_text(remediation, &format!("/status/phaseProgress/{member}/name")).is_some())
}

/// Builds the observation of a remediation at `now`.
pub fn observe(now: Timestamp, is_live: bool, objects: &Objects) -> Result<Observation, MappingError> {
    let object = &*objects.remediation;
    let name = text(object, "/metadata/name").to_owned();
    for (pointer, member) in [("/metadata/uid", "uid"), ("/metadata/resourceVersion", "resourceVersion")] {
        if text(object, pointer).is_empty() {
            return Err(MappingError::Incomplete(name, member));
        }
    }
    let phase = match text(object, "/status/overallPhase") {
        "" => None,
        known => Some(known.parse::<Phase>().map_err(|unknown| MappingError::UnknownPhase(name.clone(), unknown.0))?),
    };
    let record = record(object)?;
    let started_at = started_at(object, &record);
    let (overrides, overrides_fault) = overrides(object, &record);
    let children = children(objects, &name, &record);
    Ok(Observation {
        now,
        is_live,
        uid: text(object, "/metadata/uid").to_owned(),
        namespace: text(object, "/metadata/namespace").to_owned(),
        cluster_id: text(object, "/spec/clusterID").to_owned(),
        generation: object.pointer("/metadata/generation").and_then(Value::as_i64).unwrap_or(1),
        resource_version: text(object, "/metadata/resourceVersion").to_owned(),
        phase,
        started_at,
        phases: phases(object, &record, phase, started_at),
        signal_name: text(object, "/spec/signalName").to_owned(),
        severity: text(object, "/spec/severity").to_owned(),
        target: target(object.pointer("/spec/targetResource").unwrap_or(&Value::Null)),
        overrides,
        overrides_fault,
        notifications: notifications::observe(&objects.notifications),
        failed_creations: Vec::new(),
        missing_kinds: Vec::new(),
        obstacle: None,
        brakes: None,
        consecutive_failures: object
            .pointer("/status/routingStatus/consecutiveFailureCount")
            .and_then(Value::as_u64)
            .and_then(|count| u32::try_from(count).ok())
            .unwrap_or(0),
        facts: facts::observe(objects, phase, &children),
        children,
        record,
        name,
        object: Arc::clone(&objects.remediation),
    })
}

/// A time of the status, to the millisecond where the record has the same second; else a person has moved it.
fn precise(status: Option<Timestamp>, recorded: Option<Timestamp>) -> Option<Timestamp> {
    match (status, recorded) {
        (Some(shown), Some(known)) if known.whole_seconds() == shown => Some(known),
        (Some(shown), _) => Some(shown),
        (None, known) => known,
    }
}

fn recorded(record: &Record, phase: Phase) -> Option<Timestamp> {
    record.phases.iter().find(|(known, _)| *known == phase).map(|(_, at)| *at)
}

fn time(object: &Value, pointer: &str) -> Option<Timestamp> {
    some_text(object, pointer).and_then(Timestamp::parse)
}

fn started_at(object: &Value, record: &Record) -> Option<Timestamp> {
    precise(time(object, "/status/startTime"), recorded(record, Phase::Pending))
}

/// When the phases were entered, the current one last. One that nobody noted, as after taking over from another
/// orchestrator, counts from its status time, else from the last change of Ready, else from the start.
fn phases(
    object: &Value,
    record: &Record,
    phase: Option<Phase>,
    started_at: Option<Timestamp>,
) -> Vec<(Phase, Timestamp)> {
    let shown = |phase: Phase| {
        start_time_member(phase).and_then(|member| time(object, &format!("/status/phaseProgress/{member}")))
    };
    let mut phases: Vec<_> = record
        .phases
        .iter()
        .filter(|(known, _)| Some(*known) != phase)
        .map(|(known, at)| (*known, precise(shown(*known), Some(*at)).unwrap_or(*at)))
        .collect();
    if let Some(phase) = phase {
        let entered = precise(shown(phase), recorded(record, phase))
            .or_else(|| ready_since(object))
            .or(started_at)
            .or_else(|| time(object, "/metadata/creationTimestamp"));
        if let Some(at) = entered {
            phases.push((phase, at));
        }
    }
    phases
}

fn ready_since(object: &Value) -> Option<Timestamp> {
    object
        .pointer("/status/conditions")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .find(|condition| condition["type"] == "Ready")
        .and_then(|condition| time(condition, "/lastTransitionTime"))
}

/// Members of `status.timeoutConfig` that differ from what the host filled in: a person has set them.
fn overrides(object: &Value, record: &Record) -> (Vec<Budget>, Option<String>) {
    let mut set = Vec::new();
    for (member, scope) in TIMEOUT_MEMBERS {
        let shown = text(object, &format!("/status/timeoutConfig/{member}"));
        if shown.is_empty() {
            continue;
        }
        let parsed = go_duration::parse(shown).ok().and_then(|millis| u64::try_from(millis).ok());
        let Some(duration) = parsed.map(Span::from_millis) else {
            let fault = format!(
                "ERR_INVALID_TIMEOUT_CONFIG: status.timeoutConfig.{member} is \"{shown}\"; use a duration of zero or \
                 more, such as 10m"
            );
            return (Vec::new(), Some(fault));
        };
        if record.timeouts.get(member) != Some(&duration) {
            set.push(Budget { phase: scope.name().to_owned(), duration });
        }
    }
    (set, None)
}

fn target(value: &Value) -> Target {
    Target {
        kind: text(value, "/kind").to_owned(),
        name: text(value, "/name").to_owned(),
        namespace: some_text(value, "/namespace").map(str::to_owned),
        api_version: some_text(value, "/apiVersion").map(str::to_owned),
    }
}

/// The children that exist, and those that the remediation refers to, or waits for, although they do not.
fn children(objects: &Objects, remediation: &str, record: &Record) -> Vec<Child> {
    ChildKind::ALL
        .into_iter()
        .filter_map(|kind| {
            let object = objects.children.get(&kind);
            if object.is_none() && !is_expected(&objects.remediation, kind) {
                return None;
            }
            let nothing = Value::Null;
            let status = object.and_then(|object| object.get("status")).unwrap_or(&nothing);
            let spec = object.and_then(|object| object.get("spec")).unwrap_or(&nothing);
            let (phase, reason, finished, deadline) = match kind {
                ChildKind::SignalProcessing => ("/phase", "/reason", "/completionTime", (spec, "/timesOutAt")),
                ChildKind::AIAnalysis => ("/phase", "/reason", "/completedAt", (spec, "/timesOutAt")),
                ChildKind::RemediationApprovalRequest => ("/decision", "/reason", "/decidedAt", (spec, "/requiredBy")),
                ChildKind::WorkflowExecution => {
                    ("/phase", "/failureDetails/reason", "/completionTime", (spec, "/timesOutAt"))
                }
                ChildKind::EffectivenessAssessment => {
                    ("/phase", "/assessmentReason", "/completedAt", (status, "/validityDeadline"))
                }
            };
            Some(Child {
                kind,
                name: record.object_name(kind, remediation),
                attempt: record.attempt_of(kind),
                found: object.is_some(),
                phase: text(status, phase).to_owned(),
                reason: text(status, reason).to_owned(),
                finished_at: time(status, finished),
                deadline: time(deadline.0, deadline.1),
                object: object.cloned().unwrap_or_default(),
            })
        })
        .collect()
}
