//! Each reason to block, in Kubernaut's order, before processing, before an execution and after an approval.

use super::*;
use crate::fixtures::{HOUR, MINUTE, SECOND, analysis_in, child, in_phase, with};
use crate::transitions::decide;
use trimtab_policy_sdk::fact::{
    HistoryEntry, RemediationHistoryPage, RoutingFacts, ScopeFacts, SignalRemediation, SignalRemediationsPage,
    TargetExecution,
};
use trimtab_policy_sdk::{FakeFacts, Target, intents, phases};

/// The target of the fixtures lies in no namespace; here it does.
const NAMESPACE: &str = "demo";

fn of_demo(observation: Observation) -> Observation {
    let target = Target { namespace: Some(NAMESPACE.to_owned()), ..observation.target };
    Observation { target, ..observation }
}

fn pending() -> Observation {
    of_demo(in_phase(phases::PENDING))
}

fn analyzed() -> Observation {
    of_demo(analysis_in("Completed"))
}

fn analysis() -> AnalysisFacts {
    AnalysisFacts {
        reason: "AnalysisCompleted".to_owned(),
        workflow_id: "restart-v1".to_owned(),
        remediation_target: Some(Target { kind: "Deployment".to_owned(), name: "web".to_owned(), ..Target::default() }),
        ..AnalysisFacts::default()
    }
}

fn clear() -> FakeFacts {
    FakeFacts { analysis: Some(analysis()), ..FakeFacts::default() }
}

fn intent(facts: &FakeFacts, observation: &Observation) -> Intent {
    let intent = decide(facts, observation, &[], &Config::default());
    let rule = &intent.why.rule;
    assert!(!rule.is_empty() && rule.len() <= 63 && rule.chars().all(|c| c.is_ascii_alphanumeric()), "{rule}");
    if intent.kind != intents::STAY && intent.kind != intents::ADVANCE {
        assert!(!intent.message.is_empty() && intent.message.len() <= 1_024, "{intent:?}");
    }
    intent
}

fn assert_blocks(intent: &Intent, reason: &str, until: Option<u64>, message: &str) {
    let found = (intent.kind.as_str(), intent.block_reason(), intent.until, intent.message.as_str());
    assert_eq!(found, (intents::BLOCK, reason, until, message), "{intent:?}");
}

fn assert_waits_on(intent: &Intent, reason: &str, source: &str, message: &str) {
    let found = (intent.kind.as_str(), intent.block_reason(), intent.source.as_str(), intent.message.as_str());
    assert_eq!(found, (intents::WAIT_ON, reason, source, message), "{intent:?}");
}

fn assert_goes_on(intent: &Intent, phase: &str) {
    assert_eq!((intent.kind.as_str(), intent.target_phase.as_str()), (intents::ADVANCE, phase), "{intent:?}");
}

/// Another remediation: its phase with what belongs to it after a slash.
fn other(name: &str, state: &str) -> SignalRemediation {
    let (phase, rest) = state.split_once('/').unwrap_or((state, ""));
    let of = |wanted: &str| if phase == wanted { rest.to_owned() } else { String::new() };
    SignalRemediation {
        name: name.to_owned(),
        phase: phase.to_owned(),
        outcome: of(phases::COMPLETED),
        failure_phase: of(phases::FAILED),
        block_reason: of(phases::BLOCKED),
        target_namespace: NAMESPACE.to_owned(),
        comes_first: true,
        created_at: 1,
    }
}

fn with_others(items: Vec<SignalRemediation>) -> FakeFacts {
    let total = u32::try_from(items.len()).expect("a short list");
    FakeFacts { signal_remediations: SignalRemediationsPage { total, items }, ..clear() }
}

/// Others in these states, the newest first.
fn in_states(states: &[&str]) -> FakeFacts {
    with_others(states.iter().map(|state| other("rr-other", state)).collect())
}

#[test]
fn t2_what_nothing_stands_against_goes_on() {
    assert_goes_on(&intent(&clear(), &pending()), phases::PROCESSING);
    assert_goes_on(&intent(&clear(), &analyzed()), phases::EXECUTING);
}

#[test]
fn t3_a_target_that_is_not_managed_is_blocked_and_says_what_mends_it() {
    let scope = ScopeFacts { verdict: "unmanaged".to_owned(), because: "no label".to_owned() };
    let facts = FakeFacts { scope, ..in_states(&["Failed", "Failed", "Failed"]) };
    let message = "Resource demo/Deployment/web (cluster=local) not managed by Kubernaut. \
        Add label kubernaut.ai/managed=true to namespace or resource.";
    for observation in [pending(), analyzed()] {
        let until = Some(observation.now + 5 * SECOND);
        assert_blocks(&intent(&facts, &observation), "UnmanagedResource", until, message);
    }
    let of_cluster = Observation { cluster_id: "edge-1".to_owned(), ..in_phase(phases::PENDING) };
    let intent = intent(&facts, &of_cluster);
    assert!(intent.message.starts_with("Resource Deployment/web (cluster=edge-1) not managed"), "{}", intent.message);
}

#[test]
fn a_scope_that_could_not_be_read_blocks_and_says_so() {
    for verdict in ["unknown", "", "SomethingNew"] {
        let scope = ScopeFacts { verdict: verdict.to_owned(), because: "timed out".to_owned() };
        let intent = intent(&FakeFacts { scope, ..clear() }, &pending());
        let message =
            "Resource demo/Deployment/web (cluster=local) of unknown scope. Waiting until its labels can be read.";
        assert_blocks(&intent, "UnmanagedResource", Some(pending().now + 5 * SECOND), message);
        assert!(intent.why.attributes.iter().any(|one| one.key == "because" && one.value == "timed out"));
    }
}

#[test]
fn failures_in_a_row_block_from_the_third_on() {
    for (states, count) in [
        (&["Failed/SignalProcessing", "Failed/AIAnalysis", "Failed"][..], Some(3)),
        (&["Failed", "Failed", "Failed", "Failed"], Some(4)),
        (&["Failed", "Completed/Inconclusive", "Failed"], Some(3)),
        (&["Failed", "Failed"], None),
        (&["Failed", "Failed", "Completed/Remediated", "Failed"], None),
        (&["Completed/NoActionRequired", "Failed", "Failed", "Failed"], None),
        (&["Failed", "TimedOut", "Cancelled", "Skipped", "Failed", "Failed"], Some(3)),
    ] {
        for observation in [pending(), analyzed()] {
            let found = intent(&in_states(states), &observation);
            match count {
                Some(count) => {
                    let until = observation.now + HOUR;
                    let message = format!("{count} consecutive failures. Cooldown expires: {}", Moment(until));
                    assert_blocks(&found, "ConsecutiveFailures", Some(until), &message);
                }
                None => assert_eq!(found.kind, intents::ADVANCE, "{states:?}: {found:?}"),
            }
        }
    }
}

#[test]
fn q2_a_failure_of_another_ones_and_a_wait_are_no_failures() {
    for states in [
        &["Failed/Deduplicated", "Failed", "Failed"][..],
        &["Failed/Deduplicated", "Failed/Deduplicated", "Failed/Deduplicated"],
    ] {
        assert_goes_on(&intent(&in_states(states), &pending()), phases::PROCESSING);
    }
    let mut waiting = in_states(&["Blocked/DuplicateInProgress", "Blocked/ResourceBusy", "Blocked/UnmanagedResource"]);
    for other in &mut waiting.signal_remediations.items {
        other.comes_first = false;
    }
    assert_goes_on(&intent(&waiting, &pending()), phases::PROCESSING);
}

#[test]
fn d22_after_a_block_for_failures_one_remediation_gets_a_try() {
    for (states, is_blocked) in [
        (&["Failed/Blocked", "Failed", "Failed", "Failed"][..], false),
        (&["Failed/Blocked", "Failed/Blocked", "Failed", "Failed", "Failed"], false),
        (&["Failed/Deduplicated", "Failed/Blocked", "Failed", "Failed", "Failed"], false),
        (&["Failed", "Failed/Blocked", "Failed", "Failed", "Failed"], true),
        (&["Failed", "Failed/Blocked", "Failed"], false),
        (&["Blocked/ConsecutiveFailures", "Failed", "Failed", "Failed"], true),
        (&["Completed/Remediated", "Failed/Blocked", "Failed", "Failed", "Failed"], false),
    ] {
        let mut facts = in_states(states);
        for other in &mut facts.signal_remediations.items {
            other.comes_first = false;
        }
        let found = intent(&facts, &pending());
        assert_eq!(found.block_reason() == "ConsecutiveFailures", is_blocked, "{states:?}: {found:?}");
    }
}

#[test]
fn another_namespace_is_another_signal() {
    let elsewhere =
        |name: &str, state: &str| SignalRemediation { target_namespace: "elsewhere".to_owned(), ..other(name, state) };
    let failed = ["a", "b", "c"].map(|name| elsewhere(name, "Failed"));
    assert_goes_on(&intent(&with_others(failed.to_vec()), &pending()), phases::PROCESSING);
    let at_work = with_others(vec![elsewhere("a", "Executing")]);
    assert_goes_on(&intent(&at_work, &pending()), phases::PROCESSING);
    let of_cluster = in_phase(phases::PENDING);
    assert_goes_on(&intent(&in_states(&["Executing"]), &of_cluster), phases::PROCESSING);
}

#[test]
fn a_duplicate_waits_for_the_oldest_that_came_first_and_is_at_work() {
    let one = |name: &str, state: &str, created_at, comes_first| SignalRemediation {
        created_at,
        comes_first,
        ..other(name, state)
    };
    let message =
        |name: &str| format!("Duplicate of active remediation {name}. Its outcome is taken over when it ends.");
    for phase in ["", "Pending", "Processing", "Analyzing", "AwaitingApproval", "Executing", "Verifying", "Blocked"] {
        for observation in [pending(), analyzed()] {
            let found = intent(&with_others(vec![one("rr-a", phase, 5, true)]), &observation);
            assert_waits_on(&found, "DuplicateInProgress", "rr-a", &message("rr-a"));
            assert_eq!(found.until, None);
        }
        let newer = with_others(vec![one("rr-z", phase, 5, false)]);
        assert_goes_on(&intent(&newer, &pending()), phases::PROCESSING);
    }
    for phase in ["Completed", "Failed", "TimedOut", "Skipped", "Cancelled"] {
        let ended = with_others(vec![one("rr-a", phase, 5, true)]);
        assert_goes_on(&intent(&ended, &pending()), phases::PROCESSING);
    }
    let several = vec![
        one("rr-c", "Executing", 9, true),
        one("rr-b", "Blocked/DuplicateInProgress", 5, true),
        one("rr-a", "Executing", 5, true),
        one("rr-0", "Completed/Inconclusive", 1, true),
    ];
    assert_waits_on(&intent(&with_others(several), &pending()), "DuplicateInProgress", "rr-a", &message("rr-a"));
}

#[test]
fn a_wait_of_its_own_is_kept_to_its_last_millisecond() {
    for observation in [pending(), analyzed()] {
        let at = |next_allowed_at| FakeFacts {
            routing: RoutingFacts { next_allowed_at, ..RoutingFacts::default() },
            ..clear()
        };
        let carried = Observation { consecutive_failures: 2, ..observation };
        let until = carried.now + MINUTE;
        let message = format!("Backing off after 2 failures. Next execution allowed: {}", Moment(until));
        assert_blocks(&intent(&at(Some(until)), &carried), "ExponentialBackoff", Some(until), &message);
        let soon = intent(&at(Some(carried.now + 1)), &carried);
        assert_eq!(soon.until, Some(carried.now + SECOND), "a shorter wait than the host takes is lengthened");
        assert_eq!(intent(&at(Some(carried.now)), &carried).kind, intents::ADVANCE);
    }
}

fn execution(name: &str, workflow_id: &str, phase: &str, completed_at: Option<u64>) -> TargetExecution {
    TargetExecution {
        name: name.to_owned(),
        own: false,
        workflow_id: workflow_id.to_owned(),
        phase: phase.to_owned(),
        completed_at,
    }
}

fn on_target(items: Vec<TargetExecution>) -> FakeFacts {
    let page = TargetExecutionsPage { locked: true, items, ..TargetExecutionsPage::default() };
    FakeFacts { target_executions: page, ..clear() }
}

fn approved() -> Observation {
    let request = child(kinds::REMEDIATION_APPROVAL_REQUEST, "Approved");
    of_demo(with(in_phase(phases::AWAITING_APPROVAL), request))
}

#[test]
fn t13_and_t20_a_busy_target_is_waited_for() {
    let message = "Another workflow (we-other) is running on the same target resource. Waiting for completion.";
    for phase in ["", "Pending", "Running"] {
        let busy = on_target(vec![execution("we-done", "x", "Failed", None), execution("we-other", "x", phase, None)]);
        for observation in [analyzed(), approved()] {
            assert_waits_on(&intent(&busy, &observation), "ResourceBusy", "we-other", message);
        }
        assert_goes_on(&intent(&busy, &pending()), phases::PROCESSING);
    }
    let own = TargetExecution { own: true, ..execution("we-rr-web", "x", "Running", None) };
    for observation in [analyzed(), approved()] {
        assert_goes_on(&intent(&on_target(vec![own.clone()]), &observation), phases::EXECUTING);
    }
}

#[test]
fn a_target_that_is_locked_for_another_is_asked_for_again_in_a_second() {
    for (holder, name) in [("uid-7", "uid-7"), ("", "another remediation")] {
        let page = TargetExecutionsPage { holder: holder.to_owned(), ..TargetExecutionsPage::default() };
        for observation in [analyzed(), approved()] {
            let found = intent(&FakeFacts { target_executions: page.clone(), ..clear() }, &observation);
            assert_eq!((found.kind.as_str(), found.why.rule.as_str()), (intents::STAY, "TargetLocked"));
            assert_eq!(found.until, Some(observation.now + SECOND));
            assert!(found.why.text.contains(name), "{}", found.why.text);
        }
    }
}

#[test]
fn the_same_workflow_does_not_run_on_a_target_twice_within_the_cooldown() {
    let observation = analyzed();
    let ago =
        |name: &str, milliseconds| execution(name, "restart-v1", "Completed", Some(observation.now - milliseconds));
    let until = observation.now + 2 * MINUTE;
    let message = format!("Target was remediated recently (we-new). Cooldown expires: {}", Moment(until));
    let facts = on_target(vec![ago("we-old", 4 * MINUTE), ago("we-new", 3 * MINUTE)]);
    assert_blocks(&intent(&facts, &observation), "RecentlyRemediated", Some(until), &message);
    let last = intent(&on_target(vec![ago("we", 5 * MINUTE - 1)]), &observation);
    assert_eq!((last.block_reason(), last.until), ("RecentlyRemediated", Some(observation.now + SECOND)));
    for harmless in [
        ago("we", 5 * MINUTE),
        execution("we", "another", "Completed", Some(observation.now)),
        execution("we", "restart-v1", "Failed", Some(observation.now)),
        execution("we", "restart-v1", "Completed", None),
        TargetExecution { own: true, ..ago("we", MINUTE) },
    ] {
        assert_goes_on(&intent(&on_target(vec![harmless]), &observation), phases::EXECUTING);
    }
    let approved = approved();
    let facts = on_target(vec![execution("we", "restart-v1", "Completed", Some(approved.now))]);
    assert_goes_on(&intent(&facts, &approved), phases::EXECUTING);
}

fn history(count: u64, now: u64) -> RemediationHistoryPage {
    let entry = |number: u64| HistoryEntry {
        completed_at: now - (count - number) * MINUTE,
        pre_hash: "now".to_owned(),
        ..HistoryEntry::default()
    };
    RemediationHistoryPage { available: true, current_hash: "now".to_owned(), items: (0..count).map(entry).collect() }
}

#[test]
fn a_chain_that_does_not_help_is_a_persons() {
    let observation = analyzed();
    let found = intent(&FakeFacts { remediation_history: history(3, observation.now), ..clear() }, &observation);
    let message = "3 remediations of this target did not help (hash chain). A person has to look.";
    assert_blocks(&found, "IneffectiveChain", None, message);
    assert_eq!((found.outcome.as_str(), found.manual_review), ("ManualReviewRequired", true));
    let unread = RemediationHistoryPage { available: false, ..history(3, observation.now) };
    assert_goes_on(&intent(&FakeFacts { remediation_history: unread, ..clear() }, &observation), phases::EXECUTING);
}

#[test]
fn what_the_workflow_does_is_read_from_the_analysis() {
    let observation = analyzed();
    let step = |minutes, pre: &str, post: &str| HistoryEntry {
        completed_at: observation.now - minutes * MINUTE,
        action_type: "RestartDeployment".to_owned(),
        signal_resolved: Some(false),
        pre_hash: pre.to_owned(),
        post_hash: post.to_owned(),
        ..HistoryEntry::default()
    };
    let items = vec![step(20, "a", "b"), step(10, "b", "now")];
    let remediation_history = RemediationHistoryPage { available: true, current_hash: "now".to_owned(), items };
    for (action, is_blocked) in [("RestartDeployment", true), ("ScaleUp", false)] {
        let object = format!(r#"{{"status":{{"rcaResult":{{"selectedWorkflow":{{"actionType":"{action}"}}}}}}}}"#);
        let objects = [(kinds::AI_ANALYSIS.to_owned(), object)].into();
        let facts = FakeFacts { objects, remediation_history: remediation_history.clone(), ..clear() };
        assert_eq!(intent(&facts, &observation).block_reason() == "IneffectiveChain", is_blocked, "{action}");
    }
}

#[test]
fn the_first_in_kubernauts_order_decides() {
    let observation = analyzed();
    let busy = execution("we-other", "restart-v1", "Running", None);
    let recent = execution("we-done", "restart-v1", "Completed", Some(observation.now));
    let scope = ScopeFacts { verdict: "unmanaged".to_owned(), because: String::new() };
    let everything = FakeFacts {
        scope,
        routing: RoutingFacts { next_allowed_at: Some(observation.now + HOUR), ..RoutingFacts::default() },
        signal_remediations: in_states(&["Executing", "Failed", "Failed", "Failed"]).signal_remediations,
        target_executions: on_target(vec![busy, recent]).target_executions,
        remediation_history: history(5, observation.now),
        ..clear()
    };
    let mut facts = everything;
    let mut found = Vec::new();
    for round in 0..8 {
        let intent = intent(&facts, &observation);
        found.push(intent.block_reason().to_owned());
        match round {
            0 => facts.scope = FakeFacts::default().scope,
            1 => facts.signal_remediations.items.truncate(1),
            2 => facts.signal_remediations.items.clear(),
            3 => drop(facts.target_executions.items.remove(0)),
            4 => facts.target_executions.items.clear(),
            5 => facts.routing.next_allowed_at = None,
            _ => facts.remediation_history.items.clear(),
        }
    }
    let expected = [
        "UnmanagedResource",
        "ConsecutiveFailures",
        "DuplicateInProgress",
        "ResourceBusy",
        "RecentlyRemediated",
        "ExponentialBackoff",
        "IneffectiveChain",
        "",
    ];
    assert_eq!(found, expected);
}

#[test]
fn an_analysis_that_needs_approval_or_a_person_is_not_held_up() {
    let facts = FakeFacts {
        analysis: Some(AnalysisFacts { approval_required: true, ..analysis() }),
        ..in_states(&["Failed"; 3])
    };
    assert_goes_on(&intent(&facts, &analyzed()), phases::AWAITING_APPROVAL);
}
