//! Executions as the limits and the breaker count them.

use std::collections::BTreeMap;

use serde_json::Value;

use super::rules::{FailureLimit, Limits, Trip};
use super::{Limit, Use};
use crate::json::text;
use crate::observation::{ChildKind, Observation, Target};
use crate::time::{Span, Timestamp};

/// What a pause and a limit look at in a remediation.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Subject {
    /// Labels of the remediation.
    pub labels: BTreeMap<String, String>,
    /// Namespaces of what is to be healed and of what the signal points at.
    pub namespaces: Vec<String>,
    /// Raw and normalised severity.
    pub severities: Vec<String>,
    /// Namespace that its execution counts for; empty for a target without one.
    pub namespace: String,
    /// Owner that its execution counts for.
    pub owner: String,
}

impl Subject {
    /// Reads a remediation.
    pub fn of(observation: &Observation) -> Self {
        let labels = observation.object.pointer("/metadata/labels").and_then(Value::as_object);
        let labels = labels.into_iter().flatten();
        let target = observation.remediation_target();
        let namespaces = [target, &observation.target].into_iter().filter_map(|target| target.namespace.clone());
        let classified = observation.facts.classification.as_ref().map(|found| found.severity.clone());
        let signal = observation.child(ChildKind::SignalProcessing).map_or(&Value::Null, |child| &*child.object);
        Self {
            labels: labels.map(|(key, value)| (key.clone(), value.as_str().unwrap_or_default().to_owned())).collect(),
            namespaces: namespaces.collect(),
            severities: std::iter::once(observation.severity.clone()).chain(classified).collect(),
            namespace: target.namespace.clone().unwrap_or_default(),
            owner: top_owner(target, signal),
        }
    }
}

/// The topmost owner of a target, as `namespace/Kind/name`: the end of the chain that signal processing found where the
/// target is part of it, else the target itself.
pub fn top_owner(target: &Target, signal_processing: &Value) -> String {
    let is_target = |kind: &str, name: &str| kind == target.kind && name == target.name;
    let chain = signal_processing.pointer("/status/kubernetesContext/ownerChain").and_then(Value::as_array);
    let Some(top) = chain.and_then(|chain| chain.last()) else { return target.qualified() };
    let is_in_chain = chain.into_iter().flatten().any(|one| is_target(text(one, "/kind"), text(one, "/name")));
    let spec = "/spec/signal/targetResource";
    let is_signals =
        is_target(text(signal_processing, &format!("{spec}/kind")), text(signal_processing, &format!("{spec}/name")));
    if !is_in_chain && !is_signals {
        return target.qualified();
    }
    let owner = Target {
        kind: text(top, "/kind").to_owned(),
        name: text(top, "/name").to_owned(),
        namespace: Some(text(top, "/namespace").to_owned()).filter(|namespace| !namespace.is_empty()),
        api_version: None,
    };
    owner.qualified()
}

/// One execution.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Run {
    /// Namespace of its target; empty for one without.
    pub namespace: String,
    /// Topmost owner of its target.
    pub owner: String,
    /// When it was started, where known.
    pub started_at: Option<Timestamp>,
    /// How it ended; `None` while it is active.
    pub ending: Option<Ending>,
}

/// How an execution ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ending {
    /// When, where known.
    pub at: Option<Timestamp>,
    /// Whether it says something about success, and then whether it failed.
    pub has_failed: Option<bool>,
}

/// Every limit that is set and its use by `others`, for one more execution of `subject`.
pub fn uses<'a>(
    limits: &Limits,
    subject: &Subject,
    others: impl Iterator<Item = &'a Run> + Clone,
    now: Timestamp,
) -> Vec<Use> {
    let count = |fits: &dyn Fn(&Run) -> bool| {
        let count = others.clone().filter(|run| run.ending.is_none() && fits(run)).count();
        u32::try_from(count).unwrap_or(u32::MAX)
    };
    let mut uses = Vec::new();
    let mut active = |limit, max: Option<u32>, of: &str, fits: &dyn Fn(&Run) -> bool| {
        if let Some(max) = max {
            uses.push(Use { limit, of: of.to_owned(), used: count(fits), max, frees_at: None });
        }
    };
    active(Limit::ActiveInCluster, limits.active.cluster, "", &|_| true);
    active(Limit::ActiveInNamespace, limits.active.namespace, &subject.namespace, &|run| {
        run.namespace == subject.namespace
    });
    active(Limit::ActiveOnOwner, limits.active.owner, &subject.owner, &|run| run.owner == subject.owner);
    if let Some(limit) = limits.started {
        let mut starts = starts_within(others, limit.within, now);
        starts.sort_unstable();
        // So many have to grow old before there is a place.
        let last = starts.len().checked_sub(limit.count as usize).and_then(|nth| starts.get(nth));
        let frees_at = last.map(|start| start.plus(limit.within).plus(Span::from_millis(1)));
        let frees_at = frees_at.filter(|_| limit.count > 0);
        let count = u32::try_from(starts.len()).unwrap_or(u32::MAX);
        let of = limit.within.to_string();
        uses.push(Use { limit: Limit::Started, of, used: count, max: limit.count, frees_at });
    }
    uses
}

/// When the executions were started that were started within this time. One that is active and does not say when counts
/// as started now.
fn starts_within<'a>(runs: impl Iterator<Item = &'a Run>, within: Span, now: Timestamp) -> Vec<Timestamp> {
    runs.filter_map(|run| run.started_at.or_else(|| run.ending.is_none().then_some(now)))
        .filter(|start| now.since(*start) <= within)
        .collect()
}

/// Whether failures open the breaker now; what ended until `since` does not count.
pub fn trip<'a>(
    limit: &FailureLimit,
    runs: impl Iterator<Item = &'a Run>,
    since: Option<Timestamp>,
    now: Timestamp,
) -> Option<Trip> {
    let (mut ended, mut failed) = (0_u64, 0_u64);
    for ending in runs.filter_map(|run| run.ending) {
        let (Some(at), Some(has_failed)) = (ending.at, ending.has_failed) else { continue };
        if now.since(at) <= limit.within && since.is_none_or(|since| at > since) {
            ended += 1;
            failed += u64::from(has_failed);
        }
    }
    let is_open = ended >= u64::from(limit.samples.max(1)) && failed * 100 >= ended * u64::from(limit.percent.max(1));
    is_open.then(|| Trip {
        at: now.to_string(),
        text: format!("{failed} of the {ended} executions that ended within {} have failed", limit.within),
    })
}
