//! Every reason of the core to refuse or fault, and who causes it: the rule breaker, another hostile guest, or nobody.

use std::collections::BTreeSet;
use std::sync::Arc;

use trimtab_core::decide::{self, Decision, Need, Verdict};
use trimtab_core::guardrails::RefusalReason;
use trimtab_core::guardrails::retry::ATTEMPTS_MAX;
use trimtab_core::observation::{Analysis, Execution, Observation, TargetExecution, TargetExecutions};
use trimtab_core::phase::Phase;
use trimtab_core::ports::{Choice, FaultReason};
use trimtab_core::proposal::Slot;
use trimtab_core::settings::Settings;
use trimtab_core::time::{Span, Timestamp};
use trimtab_policy_engine::{Limits, WallClock};

use crate::observations::{START, analyzed, awaiting, executing, processing, selected};
use crate::roster::{End, Hostile};
use crate::sandbox::{Sandbox, guest};

/// Decides once with the sandbox's policies, as the controller does: an observation here is live and has every fact.
pub(crate) fn decided(sandbox: &Sandbox, seen: &Arc<Observation>) -> Decision {
    match decide::decide(seen, &mut sandbox.set.session(), &Settings::default()) {
        Ok(decision) => decision,
        Err(need @ (Need::Live | Need::Fact(_))) => panic!("{need:?} is gathered already"),
    }
}

/// The slots in which a rule can be broken, and the remediation on which it is.
fn broken(reason: RefusalReason) -> (&'static [Slot], Observation) {
    use RefusalReason as Reason;
    let advancing = || processing("Completed");
    match reason {
        Reason::TooMany | Reason::Duplicate | Reason::PatchInvalid | Reason::PatchForbidden => {
            (&[Slot::Timeouts, Slot::Children], advancing())
        }
        Reason::PhaseUnknown => (&[Slot::Timeouts, Slot::Transitions], advancing()),
        Reason::OnExpiryUnknown => (&[Slot::Timeouts], advancing()),
        Reason::IntentUnknown
        | Reason::IntentUnsupported
        | Reason::FieldMissing
        | Reason::FieldInvalid
        | Reason::EdgeIllegal => (&[Slot::Transitions], advancing()),
        Reason::ApprovalMissing => (&[Slot::Transitions], analyzed("Completed", selected(true))),
        Reason::WorkflowIncomplete => {
            let mut without = analyzed("Completed", Analysis { workflow_id: String::new(), ..selected(false) });
            without.children.iter_mut().for_each(|child| child.object = Arc::default());
            (&[Slot::Transitions], without)
        }
        Reason::AttemptsExhausted => {
            let mut last = advancing();
            last.record.attempt = ATTEMPTS_MAX;
            (&[Slot::Transitions], last)
        }
        Reason::ExecutionUnsettled => (&[Slot::Transitions], executing("Completed", Execution::default())),
        Reason::TargetBusy => {
            let mut busy = analyzed("Completed", selected(false));
            let other = TargetExecution { name: "we-other".to_owned(), ..TargetExecution::default() };
            let target = busy.remediation_target().qualified();
            let items = vec![other];
            busy.facts.target_executions =
                Some(TargetExecutions { target, locked: true, holder: String::new(), total: 1, items });
            (&[Slot::Transitions], busy)
        }
        Reason::SourceInvalid => (&[Slot::Transitions], analyzed("Completed", selected(false))),
        // The passed deadline is the guest's own, so it fills the timeouts slot as well.
        Reason::ExpiredDeadlineIgnored => (&[Slot::Transitions], awaiting("")),
        Reason::CreationUnexpected | Reason::ChildMissing => (&[Slot::Children], advancing()),
    }
}

/// Who causes a fault: a guest of the roster, or nobody, and why.
fn cause(reason: FaultReason) -> Result<Hostile, &'static str> {
    match reason {
        FaultReason::FuelExhausted => Ok(Hostile::EndlessLoop),
        FaultReason::MemoryLimit => Ok(Hostile::MemoryHog),
        FaultReason::DeadlineExceeded => Ok(Hostile::ClockEater),
        FaultReason::Trap => Ok(Hostile::Panics),
        FaultReason::AnswerTooLarge => Ok(Hostile::HugeAnswer),
        FaultReason::TransferLimit => Ok(Hostile::EndlessHostCalls),
        FaultReason::PolicyFailure => Ok(Hostile::Sulks),
        FaultReason::FactsUnsettled => Err("there are fewer facts to gather than rounds, so no guest can use them up"),
        FaultReason::Unavailable => Err("a slot without such a revision is the administrator's doing"),
        FaultReason::Host => Err("a pool that is full of other decisions is the host's doing"),
    }
}

#[test]
fn every_reason_of_the_core_has_a_guest_that_causes_it_or_says_why_none_can() {
    let mut known = BTreeSet::new();
    for reason in FaultReason::ALL {
        known.insert(reason.code());
        match cause(reason) {
            Ok(guest) => assert_eq!(guest.end(), End::Faults(reason), "{guest:?}"),
            Err(why) => assert!(!why.is_empty()),
        }
    }
    known.extend(RefusalReason::ALL.map(RefusalReason::code));
    assert_eq!(decide::reasons().into_iter().collect::<BTreeSet<_>>(), known);
}

#[test]
fn each_broken_rule_is_refused_with_its_reason_and_the_builtin_policy_answers() {
    let sandbox = Sandbox::new(WallClock::Stopped);
    let bytes = guest("rule-breaker");
    for reason in RefusalReason::ALL {
        let config = format!(r#"{{"breaks":"{}"}}"#, reason.code());
        let breaker = sandbox.policy(&bytes, &config, Limits::DEFAULT);
        let (slots, seen) = broken(reason);
        let seen = Arc::new(seen);
        for slot in slots {
            sandbox.set.swap(*slot, &breaker).expect("it fills every slot");
            if reason == RefusalReason::ExpiredDeadlineIgnored {
                sandbox.set.swap(Slot::Timeouts, &breaker).expect("it fills every slot");
            }
            let decision = decided(&sandbox, &seen);
            let asked: Vec<_> = decision.evaluations.iter().filter(|one| one.slot == *slot).collect();
            let active = asked.iter().find(|one| one.choice == Choice::Active).expect("the active one was asked");
            let (code, line) = active.fault.as_ref().unwrap_or_else(|| panic!("{reason:?} in {slot}: no refusal"));
            assert_eq!(code, reason.code(), "{slot}: {line}");
            assert_eq!(active.revision.as_ref(), Some(breaker.revision()));
            let builtin = asked.iter().find(|one| one.choice == Choice::Builtin).expect("the built-in one was asked");
            assert_eq!(builtin.fault, None, "{reason:?} in {slot}");
            for slot in Slot::ALL {
                sandbox.set.reset(slot).expect("the built-in policy fills every slot");
            }
        }
    }
    sandbox.assert_unharmed();
}

fn lying(lie: &str, seen: &Arc<Observation>) -> Decision {
    let sandbox = Sandbox::new(WallClock::Stopped);
    let config = format!(r#"{{"lie":"{lie}"}}"#);
    let liar = sandbox.policy(&guest("false-deadlines"), &config, Limits::DEFAULT);
    sandbox.set.swap(Slot::Timeouts, &liar).expect("it fills every slot");
    let decision = decided(&sandbox, seen);
    sandbox.assert_unharmed();
    decision
}

/// The phase that a decision leads to, where it leads to one.
fn led_to(decision: &Decision) -> Option<Phase> {
    match &decision.verdict {
        Verdict::Step(plan) => plan.to,
        Verdict::Stay => None,
    }
}

#[test]
fn a_deadline_in_the_past_times_out_what_is_at_work_and_nothing_that_was_done() {
    let at_work = lying("past", &Arc::new(processing("Enriching")));
    assert_eq!(led_to(&at_work), Some(Phase::TimedOut), "{at_work:?}");
    let mut long_done = processing("Completed");
    long_done.children[0].finished_at = Some(Timestamp::from_millis(0));
    let done = lying("past", &Arc::new(long_done));
    assert_ne!(led_to(&done), Some(Phase::TimedOut), "{done:?}");
}

#[test]
fn a_deadline_in_the_year_9999_or_at_the_end_of_time_is_cut_to_the_ceiling() {
    let ceiling = Settings::default().deadline_ceiling;
    for lie in ["year-9999", "end-of-time"] {
        let decision = lying(lie, &Arc::new(processing("Enriching")));
        let last = START.plus(ceiling).plus(Span::from_millis(1));
        assert_eq!((led_to(&decision), decision.wake_at), (None, Some(last)), "{lie}");
        let mut late = processing("Enriching");
        late.now = last;
        assert_eq!(led_to(&lying(lie, &Arc::new(late))), Some(Phase::TimedOut), "{lie}");
    }
}

#[test]
fn a_duration_that_does_not_match_changes_no_moment_and_what_children_are_told_stays_below_the_ceiling() {
    let honest = lying("", &Arc::new(processing("Enriching")));
    let lied = lying("duration", &Arc::new(processing("Enriching")));
    assert_eq!((led_to(&lied), lied.wake_at), (None, honest.wake_at));
    let seen = analyzed("Completed", selected(false));
    let decision = lying("duration", &Arc::new(seen.clone()));
    let Verdict::Step(plan) = &decision.verdict else { panic!("{decision:?}") };
    let text = format!("{:?}", plan.actions);
    let latest = seen.now.plus(Settings::default().deadline_ceiling);
    assert!(!text.contains("9999-") && text.contains(&latest.to_string()), "{text}");
}

#[test]
fn an_expiry_that_nobody_knows_is_refused() {
    let decision = lying("on-expiry", &Arc::new(processing("Enriching")));
    let (code, line) = decision.evaluations[0].fault.as_ref().expect("a refusal");
    assert_eq!(code, RefusalReason::OnExpiryUnknown.code(), "{line}");
}

#[test]
fn a_recheck_storm_is_slowed_to_one_look_a_second() {
    let sandbox = Sandbox::new(WallClock::Stopped);
    let storm = sandbox.policy(&guest("recheck-storm"), "", Limits::DEFAULT);
    sandbox.set.swap(Slot::Transitions, &storm).expect("it fills every slot");
    let mut seen = processing("Enriching");
    let mut looks = 0;
    let until = seen.now.plus(Span::from_secs(600));
    while seen.now < until {
        let decision = decided(&sandbox, &Arc::new(seen.clone()));
        // The built-in deadline of Processing ends the storm, if nothing else does.
        if led_to(&decision) == Some(Phase::TimedOut) {
            break;
        }
        assert_eq!(decision.verdict, Verdict::Stay);
        let wake = decision.wake_at.expect("it asks to be asked again");
        looks += 1;
        seen.now = wake;
    }
    assert!((250..=600).contains(&looks), "{looks} looks in {}", seen.now.since(START));
    sandbox.assert_unharmed();
}
