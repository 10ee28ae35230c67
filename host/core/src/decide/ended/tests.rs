//! Every way to end, and what is seen of it: events, counts, notifications, audit events and conditions.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::{Value, json};

use crate::audit::of_observed;
use crate::block::BlockReason;
use crate::decide::{Verdict, decide};
use crate::fixtures::carried_out::carried_out;
use crate::fixtures::{
    Fixed, START, analyzed, awaiting, awaiting_object, blocked, create, deduplicated, executed, in_phase, inherit,
    intent, schedule, stay, with_child,
};
use crate::json::text;
use crate::observation::{Assessment, ChildKind, Observation};
use crate::phase::{Move, Outcome, Phase, is_edge};
use crate::plan::counts::{Count, counts_of};
use crate::plan::{Action, Plan};
use crate::ports::{FailStrategy, FaultReason};
use crate::proposal::{Deadline, Intent, Schedule};
use crate::record::CONDITION_TYPE;
use crate::settings::Settings;
use crate::time::Span;

mod table;

/// A way to end: the phase before, the one after, and the outcome.
type Path = (Phase, Phase, Option<Outcome>);

/// What is seen of an end. A transition counts always, and is not listed.
struct Expected {
    events: &'static [&'static str],
    counts: &'static [&'static str],
    notifications: &'static [&'static str],
    audit: &'static [&'static str],
    conditions: &'static [&'static str],
}

struct Row {
    name: String,
    path: Path,
    observation: Observation,
    judge: Fixed,
    expected: Expected,
}

/// Every path that the phases, the edges and the outcomes allow, and those that others take.
fn paths() -> BTreeSet<(Phase, Phase, Option<&'static str>)> {
    let mut paths = BTreeSet::new();
    let ends = Phase::ALL.into_iter().filter(|phase| phase.is_terminal());
    let begins = Phase::ALL.into_iter().filter(|phase| !phase.is_terminal());
    for (from, to) in begins.flat_map(|from| ends.clone().map(move |to| (from, to))) {
        let outcomes = Outcome::ALL.into_iter().filter(|outcome| outcome.is_reachable_from(from));
        if is_edge(from, Move::Complete, to) {
            paths.extend(outcomes.map(|outcome| (from, to, Some(outcome.name()))));
        }
        if is_edge(from, Move::Inherit, to) && to == Phase::Completed {
            paths.insert((from, to, Some(Outcome::Remediated.name())));
        }
        let is_others = matches!(to, Phase::Cancelled | Phase::Skipped);
        if is_others
            || [Move::Fail, Move::TimeOut, Move::Inherit]
                .into_iter()
                .filter(|_| to != Phase::Completed)
                .any(|how| is_edge(from, how, to))
        {
            paths.insert((from, to, None));
        }
    }
    paths
}

fn told(plan: &Plan) -> Vec<String> {
    let line = |event: &crate::audit::AuditEvent| {
        let kind = event.event_type.trim_start_matches("orchestrator.").to_owned();
        format!("{kind} {} {}", text(&event.body, "/event_action"), text(&event.body, "/event_outcome"))
    };
    plan.audit.iter().map(line).collect()
}

fn counted(plan: &Plan, observation: &Observation) -> Vec<String> {
    let line = |count: Count| match count {
        Count::PhaseTransition { from, to } => format!("transition {} {to}", from.map_or("", Phase::name)),
        Count::Timeout { phase } => format!("timeout {phase}"),
        Count::NoActionNeeded { reason } => format!("no action {reason}"),
        Count::ChildCreated { kind } => format!("created {}", kind.name()),
        Count::ApprovalDecided { decision } => format!("approval {decision}"),
        Count::OverrideApplied { what } => format!("override {what}"),
        Count::Blocked { reason, .. } => format!("blocked {reason}"),
    };
    counts_of(plan, observation).into_iter().map(line).collect()
}

fn notified(plan: &Plan) -> Vec<&str> {
    let name = |action: &'_ Action| match action {
        Action::Create(manifest) if manifest.kind == "NotificationRequest" => Some(manifest.name.clone()),
        _ => None,
    };
    let created: Vec<_> = plan.actions.iter().filter_map(name).collect();
    let references =
        plan.status.as_ref().and_then(|status| status.pointer("/completionStatus/notificationRequestRefs"));
    let references: Vec<_> =
        references.and_then(Value::as_array).into_iter().flatten().map(|one| text(one, "/name")).collect();
    assert_eq!(created, references, "each is referred to");
    references
}

fn conditions(observation: &Observation) -> Vec<String> {
    let list = observation.object.pointer("/status/conditions").and_then(Value::as_array).cloned().unwrap_or_default();
    let ours = list.iter().filter(|one| one["type"] != CONDITION_TYPE);
    let mut lines: Vec<_> =
        ours.map(|one| format!("{} {} {}", text(one, "/type"), text(one, "/status"), text(one, "/reason"))).collect();
    lines.sort();
    lines
}

#[test]
fn every_way_to_end_has_its_events_counts_notifications_audit_events_and_conditions() {
    for Row { name, path: (from, to, outcome), observation, mut judge, expected } in table::rows() {
        let decision = decide(&Arc::new(observation.clone()), &mut judge, &Settings::default());
        let Ok(decision) = decision else { panic!("{name}: {decision:?}") };
        let Verdict::Step(plan) = decision.verdict else { panic!("{name}: {decision:?}") };
        assert_eq!((plan.to, plan.outcome.filter(|_| to == Phase::Completed)), (Some(to), outcome), "{name}: {plan:?}");
        let events: Vec<_> = plan.events.iter().map(|event| event.reason.as_str()).collect();
        assert_eq!(events, expected.events, "{name}: events");
        let mut counts: Vec<_> = expected.counts.iter().map(|count| (*count).to_owned()).collect();
        let is_ours = plan.from == Some(from);
        if is_ours {
            counts.insert(0, format!("transition {from} {to}"));
        }
        assert_eq!(counted(&plan, &observation), counts, "{name}: counts");
        assert_eq!(notified(&plan), expected.notifications, "{name}: notifications");
        assert_eq!(told(&plan), expected.audit, "{name}: audit");
        let after = carried_out(&observation, &plan);
        assert_eq!(conditions(&after), expected.conditions, "{name}: conditions");
        assert!(after.object.pointer("/status/retentionExpiryTime").is_some(), "{name}: retention");
        assert_eq!(after.object.pointer("/status/completedAt").is_some(), is_ours, "{name}: completedAt");
        assert_eq!(of_observed(&after).unwrap().audit, plan.audit, "{name}: told again by whoever takes over");
        assert_eq!(counted(&plan, &after), counts, "{name}: counted the same when it is confirmed later");
    }
}

#[test]
fn no_way_to_end_is_without_a_row() {
    let covered: BTreeSet<_> =
        table::rows().iter().map(|row| (row.path.0, row.path.1, row.path.2.map(Outcome::name))).collect();
    let missing: Vec<_> = paths().into_iter().filter(|path| !covered.contains(path)).collect();
    assert!(missing.is_empty(), "no row for {missing:?}");
    let unlawful: Vec<_> = covered.difference(&paths()).copied().collect();
    assert!(unlawful.is_empty(), "no such path: {unlawful:?}");
}
