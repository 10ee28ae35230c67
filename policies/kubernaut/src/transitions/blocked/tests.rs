//! What ends each block, and when; names begin with the row of the peer's list.

use super::*;
use crate::fixtures::{MINUTE, SECOND, child, in_phase, with};
use crate::transitions::decide;
use trimtab_policy_sdk::fact::{ExecutionFacts, ScopeFacts};
use trimtab_policy_sdk::{FakeFacts, intents, kinds, outcomes};

fn blocked() -> Observation {
    in_phase(phases::BLOCKED)
}

fn facts(reason: &str, until: Option<u64>, from: &str) -> FakeFacts {
    let routing = RoutingFacts {
        block_reason: reason.to_owned(),
        blocked_until: until,
        blocked_from: from.to_owned(),
        ..RoutingFacts::default()
    };
    FakeFacts { routing, ..FakeFacts::default() }
}

fn awaiting(reason: &str, name: &str, phase: Option<&str>) -> FakeFacts {
    let awaited = AwaitedObject {
        name: name.to_owned(),
        found: phase.is_some(),
        phase: phase.unwrap_or_default().to_owned(),
        ..AwaitedObject::default()
    };
    let mut facts = facts(reason, None, phases::PENDING);
    facts.routing.awaited = Some(awaited);
    facts
}

fn intent(facts: &FakeFacts) -> Intent {
    decide(facts, &blocked(), &[], &Config::default())
}

fn assert_resumes(intent: &Intent, phase: &str) {
    assert_eq!((intent.kind.as_str(), intent.target_phase.as_str()), (intents::ADVANCE, phase), "{intent:?}");
}

fn assert_stays(intent: &Intent, rule: &str, until: Option<u64>) {
    let found = (intent.kind.as_str(), intent.why.rule.as_str(), intent.until);
    assert_eq!(found, (intents::STAY, rule, until), "{intent:?}");
}

#[test]
fn a_block_is_waited_for_to_its_end() {
    let until = blocked().now + MINUTE;
    for reason in [
        block_reasons::CONSECUTIVE_FAILURES,
        block_reasons::RECENTLY_REMEDIATED,
        block_reasons::EXPONENTIAL_BACKOFF,
        block_reasons::UNMANAGED_RESOURCE,
        "SomebodysOwn",
    ] {
        assert_stays(&intent(&facts(reason, Some(until), phases::PENDING)), "BlockNotOver", Some(until));
    }
    let soon = facts(block_reasons::CONSECUTIVE_FAILURES, Some(blocked().now + 1), phases::PENDING);
    assert_stays(&intent(&soon), "BlockNotOver", Some(blocked().now + SECOND));
}

#[test]
fn a_block_without_an_end_is_a_persons() {
    for reason in [block_reasons::INEFFECTIVE_CHAIN, block_reasons::CONSECUTIVE_FAILURES, "", "SomebodysOwn"] {
        assert_stays(&intent(&facts(reason, None, phases::PENDING)), "BlockedForAPerson", None);
    }
}

#[test]
fn failures_in_a_row_fail_when_their_cooldown_is_over() {
    for reason in [block_reasons::CONSECUTIVE_FAILURES, block_reasons::INEFFECTIVE_CHAIN, "SomebodysOwn"] {
        let found = intent(&facts(reason, Some(blocked().now), phases::PENDING));
        let expected = format!("cooldown expired after blocking due to {reason}");
        assert_eq!(
            (found.kind.as_str(), found.failure_phase.as_str(), found.reason.as_str()),
            (intents::FAIL, failure_phases::BLOCKED, expected.as_str())
        );
        assert_eq!(found.next_allowed_at, None, "the signal may come again at once");
    }
}

#[test]
fn q6_a_cooldown_that_is_over_goes_on_where_it_was_blocked() {
    for reason in [block_reasons::RECENTLY_REMEDIATED, block_reasons::EXPONENTIAL_BACKOFF] {
        for from in [phases::PENDING, phases::ANALYZING] {
            assert_resumes(&intent(&facts(reason, Some(blocked().now), from)), from);
        }
        assert_resumes(&intent(&facts(reason, Some(blocked().now), "")), phases::PENDING);
    }
}

#[test]
fn a_target_that_is_managed_now_begins_anew_and_another_is_looked_at_more_rarely() {
    let mut over = facts(block_reasons::UNMANAGED_RESOURCE, Some(blocked().now), phases::PENDING);
    assert_resumes(&intent(&over), phases::PENDING);
    for verdict in ["unmanaged", "unknown"] {
        over.scope = ScopeFacts { verdict: verdict.to_owned(), because: String::new() };
        for (counted, seconds) in [(0, 5), (1, 10), (2, 20), (6, 300), (u32::MAX, 300)] {
            let observation = Observation { consecutive_failures: counted, ..blocked() };
            let found = decide(&over, &observation, &[], &Config::default());
            assert_eq!((found.kind.as_str(), found.block_reason()), (intents::BLOCK, "UnmanagedResource"));
            let wait = found.until.expect("a time") - observation.now;
            let length = seconds * SECOND;
            assert!(wait.abs_diff(length) <= length / 10, "counted {counted}: {wait}");
        }
    }
}

#[test]
fn a_duplicate_ends_as_its_original() {
    let reason = block_reasons::DUPLICATE_IN_PROGRESS;
    for phase in ["", "Pending", "Analyzing", "Executing", "Verifying", "Blocked"] {
        assert_stays(&intent(&awaiting(reason, "rr-a", Some(phase))), "WaitsForAnother", None);
    }
    let completed = intent(&awaiting(reason, "rr-a", Some("Completed")));
    assert_eq!(
        (completed.kind.as_str(), completed.source.as_str(), completed.outcome.as_str()),
        (intents::INHERIT, "rr-a", outcomes::REMEDIATED)
    );
    for (phase, how) in [
        (Some("Failed"), "ended as Failed"),
        (Some("TimedOut"), "ended as TimedOut"),
        (Some("Skipped"), "ended as Skipped"),
        (Some("Cancelled"), "ended as Cancelled"),
        (None, "was deleted"),
    ] {
        let failed = intent(&awaiting(reason, "rr-a", phase));
        assert_eq!(
            (failed.kind.as_str(), failed.source.as_str(), failed.failure_phase.as_str(), failed.outcome.as_str()),
            (intents::INHERIT, "rr-a", failure_phases::DEDUPLICATED, "")
        );
        assert_eq!(failed.reason, format!("rr-a stands for it and {how}"));
    }
    assert_resumes(&intent(&facts(reason, None, phases::PENDING)), phases::PENDING);
}

#[test]
fn a_target_that_is_free_again_leads_back_to_the_analysis() {
    let reason = block_reasons::RESOURCE_BUSY;
    for phase in ["", "Pending", "Running"] {
        assert_stays(&intent(&awaiting(reason, "we-a", Some(phase))), "WaitsForAnother", None);
    }
    for phase in [Some("Completed"), Some("Failed"), None] {
        assert_resumes(&intent(&awaiting(reason, "we-a", phase)), phases::ANALYZING);
    }
    assert_resumes(&intent(&facts(reason, None, phases::ANALYZING)), phases::ANALYZING);
}

/// The other execution in this phase; `None`: it is gone.
fn standing(phase: Option<&str>) -> FakeFacts {
    awaiting("", "we-other", phase)
}

/// A remediation whose execution the one of this name stands for.
fn deduplicated(by: &str, facts: FakeFacts) -> Intent {
    let execution = ExecutionFacts {
        failure_code: "Deduplicated".to_owned(),
        deduplicated_by: by.to_owned(),
        ..ExecutionFacts::default()
    };
    let facts = FakeFacts { execution: Some(execution), ..facts };
    let observation = with(in_phase(phases::EXECUTING), child(kinds::WORKFLOW_EXECUTION, "Failed"));
    decide(&facts, &observation, &[], &Config::default())
}

#[test]
fn t25_a_deduplicated_execution_waits_for_the_other_one() {
    let at_work = ["", "Pending", "Running"].map(|phase| standing(Some(phase)));
    for facts in at_work.into_iter().chain([FakeFacts::default()]) {
        let found = deduplicated("we-other", facts);
        assert_eq!(
            (found.kind.as_str(), found.block_reason(), found.source.as_str()),
            (intents::WAIT_ON, block_reasons::DEDUPLICATED, "we-other"),
            "{found:?}"
        );
    }
    assert_stays(&deduplicated("", FakeFacts::default()), "WorkflowExecutionDeduplicated", None);
    let unread = deduplicated("we-third", standing(Some("Completed")));
    assert_eq!(unread.kind, intents::WAIT_ON, "what is known is of another object");
}

#[test]
fn t26_and_t27_a_deduplicated_execution_ends_as_the_other_one() {
    let completed = deduplicated("we-other", standing(Some("Completed")));
    assert_eq!(
        (completed.kind.as_str(), completed.source.as_str(), completed.outcome.as_str()),
        (intents::INHERIT, "we-other", outcomes::REMEDIATED)
    );
    for (phase, how) in [(Some("Failed"), "failed"), (None, "was deleted")] {
        let failed = deduplicated("we-other", standing(phase));
        assert_eq!(
            (failed.kind.as_str(), failed.failure_phase.as_str(), failed.reason.as_str()),
            (intents::INHERIT, failure_phases::DEDUPLICATED, format!("we-other stands for it and {how}").as_str())
        );
        assert_eq!(failed.next_allowed_at, None);
    }
}
