//! Cases against the checked-in components, by the host's own decision.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use trimtab_core::proposal::Slot;
use trimtab_policy_engine::{EngineConfig, Limits};

use super::*;

fn component(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../policies").join(name).join(format!("{name}.wasm"))
}

fn played(policy: &str, text: &str) -> Vec<Played> {
    played_by(&component(policy), text)
}

/// Plays the cases of a file with this text.
fn played_by(file: &Path, text: &str) -> Vec<Played> {
    let policy = file;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("case.yaml");
    std::fs::write(&file, text).unwrap();
    let bench = Workbench::new(EngineConfig { pool: false, ..EngineConfig::default() }).unwrap();
    let (component, _) = bench.load(policy, Limits::DEFAULT).unwrap();
    let set = bench.set_of(&bench.configure(&component, ConfigSource::Default).unwrap()).unwrap();
    let cases = read_cases(&file).unwrap();
    cases
        .iter()
        .map(|case| {
            let own = own_config(&bench, &component, case).unwrap();
            play(case, own.as_ref().unwrap_or(&set), component.slots())
        })
        .collect()
}

fn refused(text: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("case.yaml");
    std::fs::write(&file, text).unwrap();
    read_cases(&file).unwrap_err().to_string()
}

#[test]
fn a_remediation_is_played_from_its_signal_to_its_end() {
    let played = played(
        "kubernaut",
        r"
name: a remediation that works
observation: {phase: ''}
steps:
- expect: {step: {to: Pending}}
  apply: true
- expect: {intent: {kind: advance, targetPhase: Processing}, creations: [{kind: SignalProcessing}]}
  apply: true
- expect: {intent: {kind: stay}, creations: []}
- set: {children: [{kind: SignalProcessing, phase: Completed}], facts: {classification: {environment: Production}}}
  advance: 30s
  expect: {intent: {targetPhase: Analyzing}}
  apply: true
- set: {children: [{kind: AIAnalysis, phase: Completed}], facts: {analysis: {workflowId: restart, approvalRequired: true}}}
  expect: {step: {to: AwaitingApproval}, creations: [{kind: RemediationApprovalRequest}, {kind: NotificationRequest, purpose: approval}]}
  apply: true
- set: {children: [{kind: RemediationApprovalRequest, phase: Approved}]}
  expect: {step: {to: Executing}}
  apply: true
- set: {children: [{kind: WorkflowExecution, phase: Completed}]}
  expect: {intent: {kind: verify}}
  apply: true
- set: {children: [{kind: EffectivenessAssessment, phase: Completed, reason: Full}], facts: {assessment: {alertScore: 1}}}
  expect: {step: {to: Completed, outcome: Remediated}}
",
    );
    assert_eq!(played[0].verdict, Verdicted::Passed);
    assert_eq!((played[0].edges.len(), played[0].outcomes.len()), (6, 1));
}

#[test]
fn time_passes_until_a_deadline_has_passed_and_the_host_ends_the_phase() {
    let played = played(
        "fixed-timeouts",
        r"
name: the analysis has ten minutes
observation: {phase: Analyzing}
steps:
- expect: {deadlines: {Analyzing: {duration: 10m, onExpiry: time-out}, Executing: null}, budgets: {Executing: 30m}, rules: {timeouts: FixedTimeouts}}
- {advance: 1s, until: expired, atMost: 30m, expect: {step: {to: TimedOut}}}
- expect: {deadlines: {Analyzing: {at: '2026-01-01T12:10:00Z'}}}
---
name: two minutes by config, and never by hand
config: {default: {analyzing: 2m}}
observation: {phase: Analyzing, overrides: {Executing: 1h}}
steps:
- expect: {deadlines: {Analyzing: {duration: 2m0s}}, budgets: {Executing: 60m}}
- {advance: 1m, until: expired, atMost: 90s}
---
name: passed over
skip: not yet
steps: [{advance: 1s}]
",
    );
    assert_eq!(played[0].verdict, Verdicted::Passed);
    assert_eq!(
        played[1].verdict,
        Verdicted::Failed { step: 2, differences: vec!["no deadline has passed within 1m30s".to_owned()] }
    );
    assert_eq!(played[2].verdict, Verdicted::Skipped("not yet".to_owned()));
}

#[test]
fn what_differs_is_told_one_line_each() {
    let played = played(
        "kubernaut",
        r"
name: wrong
observation: {phase: Pending}
steps:
- expect:
    intent: {kind: fail, outcome: ''}
    creations: [{kind: AIAnalysis}]
    budgets: {Global: 2h}
    refused: PatchForbidden
",
    );
    assert_eq!(
        played[0].verdict,
        Verdicted::Failed {
            step: 1,
            differences: vec![
                "refused: expected PatchForbidden, found none".to_owned(),
                "budgets.Global: expected \"2h0m0s\", found \"1h0m0s\"".to_owned(),
                "intent.kind: expected \"fail\", found \"advance\"".to_owned(),
                "creations.AIAnalysis: expected, not created".to_owned(),
            ]
        }
    );
}

#[test]
fn a_fault_and_a_refusal_have_to_be_expected() {
    let guest = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/guests/endless-loop.wasm");
    let cases = "name: a\nsteps: [{expect: {fault: FuelExhausted}}]\n---\nname: b\nsteps: [{expect: {fault: Trap}}]\n";
    let verdicts: Vec<_> = played_by(&guest, cases).into_iter().map(|played| played.verdict).collect();
    assert_eq!(verdicts[0], Verdicted::Passed);
    let Verdicted::Failed { differences, .. } = &verdicts[1] else { panic!("{verdicts:?}") };
    assert!(differences[0].starts_with("fault: expected Trap, found FuelExhausted ("), "{differences:?}");

    let evaluation = trimtab_core::decide::Evaluation {
        slot: Slot::Children,
        member: trimtab_core::members::Member::FIRST,
        choice: trimtab_core::ports::Choice::Active,
        revision: None,
        fuel: 0,
        log: Vec::new(),
        fault: Some(("PatchForbidden".into(), "spec/x".into())),
        proposal: None,
    };
    let moment = play::Moment {
        observation: Arc::new(crate::observation::ObservationDocument::default().observation().unwrap()),
        answers: crate::workbench::Answers::default(),
        decision: trimtab_core::decide::Decision {
            verdict: trimtab_core::decide::Verdict::Stay,
            wake_at: None,
            why: trimtab_core::proposal::Explanation::default(),
            evaluations: vec![evaluation],
            combined: None,
        },
    };
    let filled = BTreeSet::from([Slot::Children]);
    let expected = Expectation { refused: Some("PatchForbidden".into()), ..Expectation::default() };
    assert_eq!(expect::differences(&expected, &moment, &filled), Vec::<String>::new());
    let unexpected = expect::differences(&Expectation::default(), &moment, &filled);
    assert_eq!(unexpected, ["refused: expected none, found PatchForbidden (spec/x)"]);
}

#[test]
fn a_case_that_means_nothing_is_refused_with_its_name() {
    assert!(refused("name: x\nsteps: []").ends_with("case \"x\": it has no steps: begin with expect"));
    assert!(refused("name: x\nsteps: [{until: expired}]").contains("step 1: it does nothing"));
    assert!(
        refused("name: x\nsteps: [{expect: {fault: Fuel}}]")
            .contains("no fault has the reason \"Fuel\": use one of Fuel")
    );
    assert!(refused("name: x\nsteps: [{expect: {intent: {kin: stay}}}]").contains(":2:"), "line and column");
    assert!(refused("").contains("there is no case in it"));
}

#[test]
fn results_are_told_to_people_and_machines() {
    let case = |name: &str, verdict| CaseResult::new(name, "t.yaml", &verdict);
    let failed = Verdicted::Failed { step: 2, differences: vec!["a < b".to_owned()] };
    let report = TestReport {
        policy: "p 1".into(),
        digest: "sha256:0".into(),
        cases: vec![
            case("good", Verdicted::Passed),
            case("bad #1", failed),
            case("later", Verdicted::Skipped("why".into())),
        ],
        passed: 1,
        failed: 1,
        skipped: 1,
        coverage: Coverage::of(&BTreeSet::new(), &[]),
        conformance: None,
    };
    assert_eq!(
        report.tap(),
        "TAP version 14\n1..3\nok 1 - good\nnot ok 2 - bad \\#1\n  ---\n  at: t.yaml, step 2\n  message: |\n    a < b\n  ...\nok 3 - later # SKIP why\n"
    );
    let junit = report.junit().unwrap();
    assert!(junit.contains("failures=\"1\"") && junit.contains("a &lt; b"), "{junit}");
    assert!(report.table().contains("FAIL  bad #1 (t.yaml, step 2)\n        a < b\n"), "{}", report.table());
}
