//! What a step leaves behind: the remediation after it, and its children.

use std::borrow::Cow;

use serde_json::{Value, json};

use crate::json::{merge_apply, some_text, text};
use crate::observation::{ChildKind, Observation};
use crate::phase::Phase;
use crate::plan::{Action, Plan};
use crate::record::{CONDITION_TYPE, Record};
use crate::time::{Span, Timestamp};

/// A step as it can be seen when it is done.
#[derive(Debug)]
pub struct StepView<'a> {
    uid: &'a str,
    namespace: &'a str,
    name: &'a str,
    object: &'a Value,
    status: Cow<'a, Value>,
    children: Vec<Seen<'a>>,
    record: Record,
    at: Timestamp,
    from: Option<Phase>,
    to: Phase,
    target_group: Option<&'a str>,
}

#[derive(Debug)]
struct Seen<'a> {
    kind: ChildKind,
    name: &'a str,
    object: Cow<'a, Value>,
}

impl<'a> StepView<'a> {
    /// What the plan will leave behind where it is carried out. `None` where it does not write the remediation.
    pub fn planned(observation: &'a Observation, plan: &'a Plan) -> Option<Self> {
        let change = plan.status.as_ref()?;
        let mut status = observation.object.get("status").cloned().unwrap_or_default();
        merge_apply(&mut status, change);
        let mut children = found(observation);
        for action in &plan.actions {
            apply(action, &mut children);
        }
        Self::of(observation, Cow::Owned(status), children)
    }

    /// What the remediation's last step has left behind. `None` where no step is recorded.
    pub fn observed(observation: &'a Observation) -> Option<Self> {
        let status = observation.object.get("status")?;
        Self::of(observation, Cow::Borrowed(status), found(observation))
    }

    /// The step that deletes the remediation, which leaves nothing behind. `None` for any other.
    pub fn removed(observation: &'a Observation, plan: &Plan) -> Option<Self> {
        let to = plan.to.filter(|_| plan.is_removal())?;
        let Observation { uid, namespace, name, object, .. } = observation;
        let status = object.get("status").map_or_else(|| Cow::Owned(Value::Null), Cow::Borrowed);
        let (sequence, at, from) = (plan.sequence, plan.at, plan.from);
        let target_group = observation.facts.target_group.as_deref();
        let record = Record { sequence, at: Some(at), from, ..observation.record.clone() };
        Some(Self {
            uid,
            namespace,
            name,
            object,
            status,
            children: found(observation),
            record,
            at,
            from,
            to,
            target_group,
        })
    }

    fn of(observation: &'a Observation, status: Cow<'a, Value>, children: Vec<Seen<'a>>) -> Option<Self> {
        let record = Record::parse(text(condition(&status, CONDITION_TYPE)?, "/message"))?;
        if record.sequence == 0 {
            return None;
        }
        // The phase that the step itself has left, whatever somebody else wrote into the status since.
        let last = record.phases.last().copied();
        let to = last.map(|(phase, _)| phase).or_else(|| text(&status, "/overallPhase").parse().ok())?;
        let at = record.at.or(last.map(|(_, at)| at))?;
        // A record from before steps noted their origin knows only in which order the phases were entered.
        let from = match record.at {
            Some(_) => record.from,
            None => record.phases.iter().rev().nth(1).map(|(phase, _)| *phase),
        };
        let Observation { uid, namespace, name, object, .. } = observation;
        let target_group = observation.facts.target_group.as_deref();
        Some(Self { uid, namespace, name, object, status, children, record, at, from, to, target_group })
    }

    /// API group of the object to be healed, where nothing but its kind tells.
    pub(super) const fn target_group(&self) -> Option<&'a str> {
        self.target_group
    }

    /// Uid of the remediation.
    pub const fn uid(&self) -> &'a str {
        self.uid
    }

    /// Its namespace.
    pub const fn namespace(&self) -> &'a str {
        self.namespace
    }

    /// Its name.
    pub const fn name(&self) -> &'a str {
        self.name
    }

    /// Number of the step, from 1.
    pub const fn sequence(&self) -> u64 {
        self.record.sequence
    }

    /// When the step was decided.
    pub const fn at(&self) -> Timestamp {
        self.at
    }

    /// The phase before; `None` for the first step.
    pub const fn from(&self) -> Option<Phase> {
        self.from
    }

    /// The phase after.
    pub const fn to(&self) -> Phase {
        self.to
    }

    /// Whether an earlier step told of the decision about this approval request.
    pub(super) fn has_told_decision(&self, request: &Value) -> bool {
        self.record.has_told_decision(self.record.sequence, text(request, "/metadata/uid"))
    }

    /// Whether the step entered a phase. To be blocked again, while blocked, is to enter.
    pub(super) fn has_entered(&self) -> bool {
        let entered_at = self.record.phases.last().map(|(_, at)| *at);
        self.from != Some(self.to)
            || self.record.begun_again
            || (self.to == Phase::Blocked && entered_at == Some(self.at))
    }

    /// What the host filled into `status.timeoutConfig`, of this member; empty for nothing.
    pub(super) fn filled_timeout(&self, member: &str) -> Option<Span> {
        self.record.timeouts.get(member).copied()
    }

    /// Whether the host filled in `status.timeoutConfig`.
    pub(super) fn has_filled_timeouts(&self) -> bool {
        !self.record.timeouts.is_empty()
    }

    /// The rule by which the step was made.
    pub(super) fn rule(&self) -> &str {
        self.record.why.split_once(": ").map_or("", |(rule, _)| rule)
    }

    /// Text of the remediation's spec, by JSON Pointer; empty for none.
    pub(super) fn spec(&self, pointer: &str) -> &str {
        self.object.get("spec").map_or("", |spec| text(spec, pointer))
    }

    /// Text of the remediation's status, by JSON Pointer; empty for none.
    pub(super) fn status(&self, pointer: &str) -> &str {
        text(&self.status, pointer)
    }

    /// Whether the remediation's status has a condition of this type.
    pub(super) fn has_condition(&self, kind: &str) -> bool {
        condition(&self.status, kind).is_some()
    }

    /// The child of this kind of the current attempt.
    pub(super) fn child(&self, kind: ChildKind) -> Option<&Value> {
        self.children.iter().find(|child| child.kind == kind).map(|child| &*child.object)
    }

    /// The name that this kind of child has in the current attempt.
    pub(super) fn child_name(&self, kind: ChildKind) -> String {
        self.record.object_name(kind, self.name)
    }

    /// How long the remediation had lasted; `None` where nobody noted when it started.
    pub(super) fn lasted(&self) -> Option<Span> {
        let shown = some_text(&self.status, "/startTime").and_then(Timestamp::parse);
        let known = self.record.phases.iter().find(|(phase, _)| *phase == Phase::Pending).map(|(_, at)| *at);
        // The status has whole seconds; the record is finer, but a person may have moved the time in the status.
        let started = match (shown, known) {
            (Some(shown), Some(known)) if known.whole_seconds() == shown => Some(known),
            (shown, known) => shown.or(known),
        };
        started.map(|started| self.at.since(started))
    }
}

/// The condition of this type in a status.
pub(super) fn condition<'v>(status: &'v Value, kind: &str) -> Option<&'v Value> {
    let conditions = status.get("conditions").and_then(Value::as_array)?;
    conditions.iter().find(|condition| condition["type"] == kind)
}

fn found(observation: &Observation) -> Vec<Seen<'_>> {
    let there = observation.children.iter().filter(|child| child.found);
    there.map(|child| Seen { kind: child.kind, name: &child.name, object: Cow::Borrowed(&*child.object) }).collect()
}

/// Applies an action to the children: one that is there is taken as created, as it is.
fn apply<'a>(action: &'a Action, children: &mut Vec<Seen<'a>>) {
    match action {
        Action::Create(manifest) => {
            let Some(kind) = ChildKind::parse(&manifest.kind) else { return };
            if !children.iter().any(|child| child.kind == kind && child.name == manifest.name) {
                children.retain(|child| child.kind != kind);
                children.push(Seen { kind, name: &manifest.name, object: Cow::Borrowed(&manifest.object) });
            }
        }
        Action::PatchStatus { kind, name, status, .. } => {
            let patched = children.iter_mut().find(|child| child.kind.name() == kind && child.name == name);
            if let Some(child) = patched {
                merge_apply(child.object.to_mut(), &json!({"status": status}));
            }
        }
        Action::Delete { kind, name, .. } => {
            children.retain(|child| child.kind.name() != kind || child.name != name);
        }
    }
}
