//! What each step creates, row by row of the peer's transition list.

use super::*;
use crate::fixtures::{child as child_in, in_phase, with};
use trimtab_policy_sdk::{Child, kinds};

fn created(observation: &Observation, intent: &Intent, config: &Config) -> Vec<String> {
    let creations = create(observation, intent, config);
    assert!(!creations.why.rule.is_empty() && !creations.why.text.is_empty());
    assert!(creations.items.iter().all(|item| item.patch.is_empty()), "the standard spec is the peer's");
    let name = |item: &Creation| {
        if item.purpose.is_empty() { item.kind.clone() } else { format!("{}/{}", item.kind, item.purpose) }
    };
    creations.items.iter().map(name).collect()
}

fn why() -> Explanation {
    Explanation::new("Test", "a test")
}

fn from(phase: &str, intent: &Intent) -> Vec<String> {
    created(&in_phase(phase), intent, &Config::default())
}

#[test]
fn each_phase_creates_its_child() {
    for (phase, next, expected) in [
        (phases::PENDING, phases::PROCESSING, vec![kinds::SIGNAL_PROCESSING]),
        (phases::PROCESSING, phases::ANALYZING, vec![kinds::AI_ANALYSIS]),
        (
            phases::ANALYZING,
            phases::AWAITING_APPROVAL,
            vec![kinds::REMEDIATION_APPROVAL_REQUEST, "NotificationRequest/approval"],
        ),
        (phases::ANALYZING, phases::EXECUTING, vec![kinds::WORKFLOW_EXECUTION]),
        (phases::AWAITING_APPROVAL, phases::EXECUTING, vec![kinds::WORKFLOW_EXECUTION]),
    ] {
        assert_eq!(from(phase, &Intent::advance(next, why())), expected, "{phase} to {next}");
    }
    assert_eq!(from(phases::EXECUTING, &Intent::verify(why())), [kinds::EFFECTIVENESS_ASSESSMENT]);
}

#[test]
fn a_phase_that_begins_anew_creates_its_child_again() {
    for (phase, kind) in [
        (phases::PROCESSING, kinds::SIGNAL_PROCESSING),
        (phases::ANALYZING, kinds::AI_ANALYSIS),
        (phases::EXECUTING, kinds::WORKFLOW_EXECUTION),
    ] {
        assert_eq!(from(phase, &Intent::retry(why())), [kind]);
    }
}

#[test]
fn nobody_is_told_of_a_dry_run() {
    assert!(from(phases::ANALYZING, &Intent::complete(outcomes::DRY_RUN, why())).is_empty());
}

#[test]
fn the_end_of_verifying_is_told_whatever_the_outcome() {
    for outcome in [outcomes::REMEDIATED, outcomes::INCONCLUSIVE, outcomes::VERIFICATION_TIMED_OUT] {
        let intent = Intent::complete(outcome, why());
        assert_eq!(from(phases::VERIFYING, &intent), ["NotificationRequest/completion"]);
    }
}

#[test]
fn a_person_is_asked_to_look_where_the_outcome_says_so() {
    let intent = Intent::complete(outcomes::MANUAL_REVIEW_REQUIRED, why()).for_manual_review();
    assert_eq!(from(phases::ANALYZING, &intent), ["NotificationRequest/manual-review"]);
}

#[test]
fn a_signal_that_resolved_by_itself_is_told_only_if_configured() {
    let intent = Intent::complete(outcomes::NO_ACTION_REQUIRED, why());
    assert!(from(phases::ANALYZING, &intent).is_empty());
    let mut config = Config::default();
    config.notifications.notify_self_resolved = true;
    let told = created(&in_phase(phases::ANALYZING), &intent, &config);
    assert_eq!(told, ["NotificationRequest/self-resolved"]);
}

#[test]
fn failures_are_escalated_or_reviewed_as_the_peer_does() {
    let execution = |child: Child| with(in_phase(phases::EXECUTING), child);
    let failed_execution = child_in(kinds::WORKFLOW_EXECUTION, "Failed");
    let gone = Child { found: false, ..failed_execution.clone() };
    let plain = |phase: &str| Intent::fail(phase, "reason", why());
    for (row, observation, intent, purpose) in [
        ("T5", in_phase(phases::PROCESSING), plain(failure_phases::SIGNAL_PROCESSING), "escalation"),
        ("T12", in_phase(phases::ANALYZING), plain(failure_phases::AI_ANALYSIS).for_manual_review(), "manual-review"),
        ("Q13", in_phase(phases::ANALYZING), plain(failure_phases::AI_ANALYSIS), "escalation"),
        ("T22", in_phase(phases::AWAITING_APPROVAL), plain(failure_phases::APPROVAL), "escalation"),
        ("T28", execution(failed_execution), plain(failure_phases::WORKFLOW_EXECUTION), "manual-review"),
        ("T29", execution(gone), plain(failure_phases::WORKFLOW_EXECUTION), "escalation"),
        ("T29", in_phase(phases::EXECUTING), plain(failure_phases::WORKFLOW_EXECUTION), "escalation"),
    ] {
        let told = created(&observation, &intent, &Config::default());
        assert_eq!(told, [format!("NotificationRequest/{purpose}")], "{row}");
    }
}

#[test]
fn an_intent_or_phase_that_is_not_known_creates_nothing() {
    assert!(from(phases::PENDING, &Intent::stay(why())).is_empty());
    assert!(from(phases::PENDING, &Intent { kind: "dream".into(), ..Intent::default() }).is_empty());
    assert!(from(phases::BLOCKED, &Intent::advance(phases::PENDING, why())).is_empty());
}

#[test]
fn people_are_told_of_each_block_and_asked_where_one_has_to_end_it() {
    for (reason, purpose) in [
        (block_reasons::CONSECUTIVE_FAILURES, "block"),
        (block_reasons::RECENTLY_REMEDIATED, "block"),
        (block_reasons::EXPONENTIAL_BACKOFF, "block"),
        (block_reasons::UNMANAGED_RESOURCE, "block"),
        (block_reasons::INEFFECTIVE_CHAIN, "manual-review"),
    ] {
        let intent = Intent::block(reason, "why", why());
        assert_eq!(from(phases::ANALYZING, &intent), [format!("NotificationRequest/{purpose}")], "{reason}");
    }
    for reason in [block_reasons::DUPLICATE_IN_PROGRESS, block_reasons::RESOURCE_BUSY] {
        let intent = Intent::wait_on("other", reason, "why", why());
        assert_eq!(from(phases::ANALYZING, &intent), ["NotificationRequest/block"], "{reason}");
    }
    let intent = Intent::wait_on("we-other", block_reasons::DEDUPLICATED, "why", why());
    assert!(from(phases::EXECUTING, &intent).is_empty(), "the phase stays, so nothing is told");
}

#[test]
fn people_are_told_of_an_inherited_end_only_where_something_ran() {
    let completed = Intent::inherit_completion("other", why());
    assert_eq!(from(phases::EXECUTING, &completed), ["NotificationRequest/completion"]);
    assert!(from(phases::BLOCKED, &completed).is_empty(), "a duplicate has run nothing");
    let failed = Intent::inherit_failure("other", "it failed", why());
    for phase in [phases::EXECUTING, phases::BLOCKED] {
        assert!(from(phase, &failed).is_empty(), "{phase}: the other one's failure is told");
    }
    let expired = Intent::fail(failure_phases::BLOCKED, "its time is over", why());
    assert_eq!(from(phases::BLOCKED, &expired), ["NotificationRequest/escalation"]);
}
