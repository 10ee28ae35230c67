//! What came of policies and sets, for people: at `/policies`, and as the status of their objects.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use trimtab_api::policy::{ComponentName, PolicyLimits};
use trimtab_api::policy_set::{PolicyRevision, PolicyRevisionMember, PolicyRevisionSlot, PolicySmoke};
use trimtab_api::{PolicyKind, PolicySetStatus, PolicyStatus};
use trimtab_core::record::SetRevision;
use trimtab_policy_engine::Limits;
use trimtab_policy_engine::sets::{Pin, PolicyDocument, RevisionView, Selector, SetView};

use super::documents::SetSpec;
use super::fetching::Fetched;
use super::sets::{LoadedPolicy, Outcome, SetOutcome};
use super::stage::{Mark, Refusal, Stage, conditions};

/// Everything.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SetsReport {
    /// In the order of their names.
    pub(super) policies: Vec<PolicyReport>,
    /// In the order of their names.
    pub(super) sets: Vec<SetReport>,
    /// Files and documents that cannot be used, and why.
    refused: Vec<String>,
}

/// A policy.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PolicyReport {
    pub(super) name: String,
    #[serde(flatten)]
    pub(super) status: PolicyStatus,
    /// Whether a set names it or a remediation runs with it.
    pub(super) is_used: bool,
}

/// A set.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct SetReport {
    pub(super) name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    selector: Option<Selector>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pin: Option<Pin>,
    #[serde(flatten)]
    pub(super) status: PolicySetStatus,
}

/// Puts together what came of documents and what is in force.
pub(super) fn of(outcome: &Outcome, views: &[SetView]) -> SetsReport {
    let unread = |kind: PolicyKind| {
        let of_kind = outcome.documents.faults.iter().filter_map(move |fault| match &fault.document {
            Some((other, name)) if *other == kind => Some((name.clone(), unreadable(&fault.line))),
            _ => None,
        });
        of_kind.collect::<BTreeMap<_, _>>()
    };
    let (bad_policies, bad_sets) = (unread(PolicyKind::Policy), unread(PolicyKind::PolicySet));
    let refused = bad_policies.iter().map(|(name, refusal)| (name, Err(refusal)));
    let loaded = outcome.policies.iter().map(|(name, loaded)| (name, loaded.as_ref()));
    let policies: BTreeMap<_, _> = refused.chain(loaded).collect();
    let written = outcome.sets.keys().map(|name| (name, None));
    let broken = bad_sets.iter().map(|(name, refusal)| (name, Some(refusal)));
    let left = views.iter().map(|view| (&view.name, None));
    let sets: BTreeMap<_, _> = left.chain(broken).chain(written).collect();
    let view = |name: &str| views.iter().find(|view| view.name == name);
    SetsReport {
        policies: policies.into_iter().map(|(name, loaded)| policy_report(name, loaded, outcome, views)).collect(),
        sets: sets.into_iter().map(|(name, fault)| set_report(name, fault, outcome, view(name))).collect(),
        refused: outcome.documents.faults.iter().map(|fault| fault.line.clone()).collect(),
    }
}

fn unreadable(line: &str) -> Refusal {
    Refusal::new(Stage::Fetched, "SpecInvalid", line)
}

fn policy_report(
    name: &str,
    loaded: Result<&LoadedPolicy, &Refusal>,
    outcome: &Outcome,
    views: &[SetView],
) -> PolicyReport {
    let names = |(_, spec): &(&String, &SetSpec)| spec.policies().any(|policy| policy == name);
    let sets: Vec<String> = outcome.documents.sets.iter().filter(names).map(|(set, _)| set.clone()).collect();
    let revisions = views.iter().flat_map(|view| view.revisions.iter().map(|one| (view.name.as_str(), one)));
    let digest = loaded.ok().map(|policy| policy.fetched.digest.to_string());
    let is_leaving = outcome.documents.leaving.contains(name);
    let asked = Asked { policy: name, digest: digest.as_deref(), is_leaving };
    let is_made_with = |set: &str, one: &RevisionView| is_made_with(&asked, (set, one), outcome);
    let in_flight: i64 =
        revisions.filter(|(set, one)| is_made_with(set, one)).map(|(_, one)| count(one.in_flight)).sum();
    let is_used = !sets.is_empty() || in_flight > 0;
    let config = || -> Option<Mark> {
        if sets.is_empty() {
            return Some(Mark::unknown("NotNamed", "no set names it"));
        }
        let refused = sets.iter().filter_map(|set| Some((set, outcome.sets.get(set)?.refusal.as_ref()?)));
        let is_own = |(_, refusal): &(&String, &Refusal)| {
            refusal.stage == Stage::ConfigValid && refusal.policy.as_deref() == Some(name)
        };
        let mut own = refused.filter(is_own);
        own.next().map(|(set, refusal)| Mark::of(false, refusal.reason, format!("PolicySet {set}: {refusal}")))
    };
    let active = || {
        let answers = |view: &&SetView| {
            let active = view.revisions.iter().find(|one| one.name == view.active);
            sets.contains(&view.name) && active.is_some_and(|one| is_made_with(&view.name, one))
        };
        let answering: Vec<_> = views.iter().filter(answers).map(|view| view.name.as_str()).collect();
        if is_leaving && is_used {
            let by = if sets.is_empty() { String::new() } else { format!(", named by {}", sets.join(", ")) };
            let message = format!(
                "it is deleted once nobody needs it: {in_flight} remediations run with it{by}; take it out of the sets, and let the remediations finish or move them"
            );
            Mark::of(!answering.is_empty(), "HeldUntilDrained", message)
        } else if !answering.is_empty() {
            Mark::of(true, "Answers", format!("in {}", answering.join(", ")))
        } else if in_flight > 0 {
            Mark::of(false, "Draining", format!("{in_flight} remediations run with it and finish with it"))
        } else {
            Mark::of(false, "NotInForce", "no set's active revision has it")
        }
    };
    let (policy, refusal) = (loaded.ok(), loaded.err());
    let verification = policy.and_then(|policy| policy.fetched.verification.as_ref());
    let told = |stage: Stage| match stage {
        Stage::Fetched => Some(Mark::of(true, "Fetched", policy?.fetched.resolved.clone())),
        Stage::Verified => policy.map(|_| Mark::verified(verification)),
        Stage::Compatible | Stage::Compiled => None,
        Stage::ConfigValid => config(),
        Stage::Active => Some(active()),
    };
    let status = PolicyStatus {
        conditions: Some(conditions(refusal, told)),
        in_flight: Some(in_flight),
        // A tag that was resolved once stays so, whatever else fails.
        resolved: outcome.resolved.get(name).cloned(),
        sets: Some(sets.clone()),
        ..policy.map(described).unwrap_or_default()
    };
    PolicyReport { name: name.to_owned(), status, is_used }
}

/// What a component says of itself.
fn described(policy: &LoadedPolicy) -> PolicyStatus {
    let LoadedPolicy { fetched, component, imports } = policy;
    let description = component.description();
    PolicyStatus {
        component: Some(ComponentName { name: description.name.clone(), version: description.version.clone() }),
        digest: Some(fetched.digest.to_string()),
        imports: Some(imports.clone()),
        limits: Some(limits(component.limits())),
        slots: Some(component.slots().iter().map(|slot| slot.name().to_owned()).collect()),
        ..PolicyStatus::default()
    }
}

fn limits(limits: &Limits) -> PolicyLimits {
    let number = |value: u64| Some(i64::try_from(value).unwrap_or(i64::MAX));
    PolicyLimits {
        answer_bytes: number(limits.answer_bytes),
        component_bytes: number(limits.component_bytes),
        fuel: number(limits.fuel),
        log_bytes: number(limits.log_bytes),
        memory_bytes: number(limits.memory_bytes),
        transfer_bytes: number(limits.transfer_bytes),
        wall_clock_millis: number(limits.wall_clock_millis),
    }
}

/// A policy that may be in a revision.
struct Asked<'a> {
    policy: &'a str,
    digest: Option<&'a str>,
    /// Whether somebody has deleted it.
    is_leaving: bool,
}

/// Whether a revision was made with a policy. Of one from before this process only components are known: there the policy's
/// digest decides, and that of the built-in one says nothing. A component that is no policy's now may have been that of one that
/// is leaving, which rather stays too long than goes too early.
fn is_made_with(asked: &Asked<'_>, (set, revision): (&str, &RevisionView), outcome: &Outcome) -> bool {
    let name = SetRevision { set: set.to_owned(), revision: revision.name.clone() };
    if let Some(named) = outcome.made_with.get(&name) {
        return named.contains(asked.policy);
    }
    let builtin = Fetched::builtin().digest.to_string();
    let present: BTreeSet<String> =
        outcome.policies.values().flatten().map(|policy| policy.fetched.digest.to_string()).collect();
    let mut digests = revision.document.slots.values().flat_map(|slot| &slot.policies).map(|one| &one.revision.digest);
    digests.any(|digest| {
        *digest != builtin
            && (asked.digest == Some(digest.as_str()) || (asked.is_leaving && !present.contains(digest.as_str())))
    })
}

fn count(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn set_report(name: &str, unread: Option<&Refusal>, outcome: &Outcome, view: Option<&SetView>) -> SetReport {
    let of_set = outcome.sets.get(name).cloned().unwrap_or_default();
    let SetOutcome { refusal, smoke } = of_set;
    let refusal = refusal.as_ref().or(unread);
    let named: Vec<&str> = outcome.documents.sets.get(name).into_iter().flat_map(SetSpec::policies).collect();
    let verified = || {
        let unsigned = named.iter().find_map(|policy| {
            let loaded = outcome.policies.get(*policy)?.as_ref().ok()?;
            let mark = Mark::verified(loaded.fetched.verification.as_ref());
            (mark.status != "True")
                .then(|| Mark { message: format!("the policy {policy} is {}", mark.message), ..mark })
        });
        unsigned.unwrap_or_else(|| Mark::of(true, "Verified", ""))
    };
    let told = |stage: Stage| match stage {
        Stage::Verified => Some(verified()),
        Stage::Active => Some(active(refusal, view)),
        _ => None,
    };
    let revisions = view.into_iter().flat_map(|view| &view.revisions).map(revision).collect::<Vec<_>>();
    let status = PolicySetStatus {
        active: view.map(|view| view.active.clone()).filter(|active| !active.is_empty()),
        conditions: Some(conditions(refusal, told)),
        in_flight: Some(revisions.iter().map(|one| one.in_flight).sum()),
        observed_generation: None,
        revisions: Some(revisions),
        smoke: smoke.map(|(_, smoke)| PolicySmoke {
            observations: count(smoke.observations),
            differing: smoke.differing.iter().map(|(slot, many)| (slot.name().to_owned(), count(*many))).collect(),
        }),
    };
    let (selector, pin) = (view.map(|view| view.selector.clone()), view.map(|view| view.pin));
    SetReport { name: name.to_owned(), selector, pin, status }
}

/// Whether a set answers, with what, and why not with what is written.
fn active(refusal: Option<&Refusal>, view: Option<&SetView>) -> Mark {
    let Some(view) = view else {
        let why = refusal.map_or_else(String::new, |refusal| format!(": {refusal}"));
        let message = format!("it has no revision; other sets and the policies of the command line answer{why}");
        return Mark::of(false, "NoRevision", message);
    };
    if view.active.is_empty() {
        return Mark::of(false, "Removed", "remediations finish with it");
    }
    let mut tripped = view.revisions.iter().filter_map(|one| Some((one, one.tripped.as_ref()?)));
    let active = &view.active;
    let is_newest = view.revisions.first().is_some_and(|newest| newest.name == *active);
    let mend = |one: &RevisionView| format!("list {} under breaker.forgive to use it again", one.name);
    if let Some(other) = &view.never_answers_because_of {
        Mark::of(false, "NeverAnswers", format!("the set {other} selects the same and goes first: narrow one of them"))
    } else if let Some((one, why)) = tripped.clone().find(|(one, _)| one.name == *active) {
        let message =
            format!("only fail strategies answer: {active} has no other revision beside it: {why}; {}", mend(one));
        Mark::of(false, "BreakerTripped", message)
    } else if let Some(refusal) = refusal {
        Mark::of(true, "LastGood", format!("{active} goes on: {refusal}"))
    } else if view.rolled_back.is_some() {
        Mark::of(true, "RolledBack", active.clone())
    } else if let Some((one, why)) = tripped.next().filter(|_| !is_newest) {
        let message = format!("{active} goes on; everybody has left {}: {why}; {}", one.name, mend(one));
        Mark::of(true, "BreakerTripped", message)
    } else {
        Mark::of(true, "Answers", active.clone())
    }
}

fn revision(view: &RevisionView) -> PolicyRevision {
    let policy = |one: &PolicyDocument| PolicyRevisionMember {
        config: one.revision.config.clone(),
        digest: one.revision.digest.clone(),
        fail_strategy: format!("{:?}", one.fail_strategy),
    };
    let slots = view.document.slots.iter().map(|(slot, filled)| {
        let rule = (filled.policies.len() > 1).then(|| filled.rule.name().to_owned());
        let policies = filled.policies.iter().map(policy).collect();
        (slot.name().to_owned(), PolicyRevisionSlot { policies, rule })
    });
    PolicyRevision {
        in_flight: count(view.in_flight),
        name: view.name.clone(),
        slots: slots.collect(),
        tripped: view.tripped.clone(),
    }
}
