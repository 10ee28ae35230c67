//! The differences from Kubernaut in `policies/README.md`: each line names a test or a scenario that holds it, and those
//! that no other test holds are held here.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::{Value, json};
use trimtab_api::mapping::{self, Objects};
use trimtab_core::decide::{Verdict, decide};
use trimtab_core::manifest::notification::{self, Purpose};
use trimtab_core::manifest::{Manifest, ai_analysis};
use trimtab_core::members::{Member, Seat};
use trimtab_core::observation::{ChildKind, Observation};
use trimtab_core::phase::{FailurePhase, Move, Outcome, Phase, is_edge};
use trimtab_core::plan::Plan;
use trimtab_core::ports::{Answer, Choice, FailStrategy, Fault, FaultReason, Interruption, Judge};
use trimtab_core::proposal::{Creations, Intent, Schedule};
use trimtab_core::settings::Settings;
use trimtab_core::time::{Span, Timestamp};

const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);
/// The last quirk of the specification.
const QUIRKS: u32 = 22;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Name, and what holds it, of every line of the table.
fn lines() -> Vec<(String, Vec<String>)> {
    let readme = std::fs::read_to_string(root().join("policies/README.md")).expect("policies/README.md");
    let section = readme.split("## Differences from Kubernaut").nth(1).expect("the section of differences");
    let section = section.split("\n## ").next().expect("a section");
    let rows = section.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| | Kubernaut"));
    rows.map(|row| {
        let cells: Vec<_> = row.trim_matches('|').split(" | ").map(str::trim).collect();
        assert_eq!(cells.len(), 4, "name, Kubernaut, here, held by: {row}");
        let holders = cells[3].split('`').skip(1).step_by(2).map(str::to_owned).collect();
        (cells[0].to_owned(), holders)
    })
    .collect()
}

/// Every function of the sources, which is more than every test.
fn functions(folder: &Path, found: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(folder).expect("a folder of sources") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            functions(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = std::fs::read_to_string(&path).expect("a source");
            let names = text.split("fn ").skip(1).filter_map(|rest| rest.split_once('('));
            found.extend(names.map(|(name, _)| name.to_owned()));
        }
    }
}

#[test]
fn every_line_names_an_existing_test_or_scenario() {
    let mut known = BTreeSet::new();
    for folder in ["host", "policies", "tests/tests", "tests/src"] {
        functions(&root().join(folder), &mut known);
    }
    let scenarios = std::fs::read_dir(root().join("tests/scenarios")).expect("the scenarios");
    known.extend(
        scenarios.filter_map(|entry| Some(entry.ok()?.file_name().to_str()?.strip_suffix(".yaml")?.to_owned())),
    );
    let mut names = BTreeSet::new();
    for (name, holders) in lines() {
        assert!(names.insert(name.clone()), "{name} twice");
        assert!(!holders.is_empty(), "{name} is held by nothing");
        for holder in holders {
            assert!(known.contains(&holder), "{name}: there is neither a test nor a scenario {holder}");
        }
    }
    for quirk in 1..=QUIRKS {
        assert!(names.contains(&format!("Q{quirk}")), "Q{quirk} has no line");
    }
}

/// A remediation of another cluster's signal in this phase.
fn observation(phase: &str, children: &[(ChildKind, Value)]) -> Observation {
    let remediation = json!({
        "metadata": {"name": "rr", "namespace": "ns", "uid": "u-1", "resourceVersion": "7", "generation": 1},
        "spec": {
            "signalFingerprint": "f".repeat(64), "signalName": "KubePodCrashLooping", "signalType": "alert",
            "severity": "critical", "clusterID": "edge-1", "targetType": "kubernetes",
            "targetResource": {"kind": "Deployment", "name": "shop", "namespace": "prod", "apiVersion": "apps/v1"},
            "firingTime": "2023-11-14T22:00:00Z", "receivedTime": "2023-11-14T22:00:00Z",
        },
        "status": {"overallPhase": phase, "startTime": "2023-11-14T22:00:00Z"},
    });
    let owned = |(kind, status): &(ChildKind, Value)| {
        let owner = json!([{"uid": "u-1"}]);
        let metadata = json!({"name": kind.object_name("rr", 1), "resourceVersion": "5", "ownerReferences": owner});
        (*kind, Arc::new(json!({"metadata": metadata, "status": status})))
    };
    let children = children.iter().map(owned).collect();
    let objects = Objects { remediation: Arc::new(remediation), children, ..Objects::default() };
    mapping::observe(NOW, true, &objects).expect("a remediation")
}

fn purposes() -> Vec<Purpose> {
    let (timeout, started_at, phase) = (Span::from_secs(600), NOW, Phase::Analyzing);
    vec![
        Purpose::Approval,
        Purpose::Completion { outcome: Outcome::Remediated },
        review("AIAnalysis", "LowConfidence"),
        Purpose::Escalation { failure_phase: FailurePhase::AIAnalysis, reason: "it broke".into() },
        Purpose::SelfResolved,
        Purpose::Overdue { phase: Some(phase), lasted: timeout, started_at, ends_at: NOW },
        Purpose::GlobalTimeout { phase, timeout, started_at },
        Purpose::PhaseTimeout { phase, timeout, started_at },
    ]
}

fn review(source: &str, sub_reason: &str) -> Purpose {
    Purpose::ManualReview {
        source: source.into(),
        reason: "HumanReviewRequired".into(),
        sub_reason: sub_reason.into(),
        message: "look".into(),
    }
}

fn notification(purpose: &Purpose) -> Manifest {
    notification::manifest(&observation("Analyzing", &[]), &Settings::default(), purpose, None)
}

#[test]
fn d15_every_notification_names_the_cluster_of_its_signal() {
    for purpose in purposes() {
        let manifest = notification(&purpose);
        assert_eq!(manifest.object["spec"]["clusterID"], "edge-1", "{}", manifest.name);
    }
}

#[test]
fn q17_notifications_block_a_foreground_deletion_as_the_peers_do() {
    for purpose in purposes() {
        let manifest = notification(&purpose);
        assert_eq!(manifest.object["metadata"]["ownerReferences"][0]["blockOwnerDeletion"], true, "{}", manifest.name);
    }
}

#[test]
fn q12_the_priority_of_a_review_knows_both_spellings() {
    for (pascal, snake, priority) in [
        ("WorkflowNotFound", "workflow_not_found", "High"),
        ("ImageMismatch", "image_mismatch", "High"),
        ("ParameterValidationFailed", "parameter_validation_failed", "High"),
        ("LLMParsingError", "llm_parsing_error", "High"),
        ("DecisionExpired", "decision_expired", "High"),
        ("LowConfidence", "low_confidence", "Medium"),
    ] {
        for sub_reason in [pascal, snake] {
            let manifest = notification(&review("AIAnalysis", sub_reason));
            assert_eq!(manifest.object["spec"]["priority"], priority, "{sub_reason}");
        }
    }
    let alignment = notification(&review("AIAnalysis", "alignment_check_failed"));
    assert_eq!(alignment.object["spec"]["priority"], "Critical");
}

#[test]
fn q19_an_analysis_is_told_the_signals_name_and_not_its_type() {
    for (status, name) in [
        (json!({"phase": "Completed"}), "KubePodCrashLooping"),
        (json!({"phase": "Completed", "signalClassification": {"signalName": "Crash"}}), "Crash"),
    ] {
        let processed = observation("Processing", &[(ChildKind::SignalProcessing, status)]);
        let manifest = ai_analysis::manifest(&processed, None);
        assert_eq!(manifest.object["spec"]["analysisRequest"]["signalContext"]["signalName"], name);
    }
}

#[test]
fn q21_nothing_leads_to_skipped_or_cancelled() {
    for from in Phase::ALL {
        for how in Move::ALL {
            for to in [Phase::Skipped, Phase::Cancelled] {
                assert!(!is_edge(from, how, to), "{from} {how:?} {to}");
            }
        }
    }
}

/// Nobody who answers.
#[derive(Debug)]
struct Nobody;

fn silence<T>() -> Result<Answer<T>, Interruption> {
    let message = "nobody is there".to_owned();
    Err(Interruption::Fault(Fault { reason: FaultReason::Unavailable, message, revision: None, fuel: 0 }))
}

impl Judge for Nobody {
    fn timeouts(&mut self, _: Member, _: Choice, _: &Arc<Observation>) -> Result<Answer<Schedule>, Interruption> {
        silence()
    }

    fn transitions(&mut self, _: Choice, _: &Arc<Observation>, _: &[String]) -> Result<Answer<Intent>, Interruption> {
        silence()
    }

    fn children(&mut self, _: Choice, _: &Arc<Observation>, _: &Intent) -> Result<Answer<Creations>, Interruption> {
        silence()
    }

    fn strategy(&self, _: Seat) -> FailStrategy {
        FailStrategy::Fail
    }
}

fn ended(observation: Observation) -> Plan {
    match decide(&Arc::new(observation), &mut Nobody, &Settings::default()).expect("a decision").verdict {
        Verdict::Step(plan) => Arc::unwrap_or_clone(plan),
        Verdict::Stay => panic!("it ends"),
    }
}

#[test]
fn d16_a_failure_of_the_hosts_own_waits_by_the_hosts_settings() {
    let mut unreadable = observation("Processing", &[]);
    unreadable.overrides_fault = Some("status.timeoutConfig.global is \"-1h\"".into());
    for failed in [unreadable, observation("Processing", &[])] {
        let settings = Settings::default();
        for (carried, least) in [(0, 60), (1, 108), (2, 0)] {
            let plan = ended(Observation { consecutive_failures: carried, ..failed.clone() });
            assert_eq!(plan.to, Some(Phase::Failed));
            let status = plan.status.expect("it is written");
            assert_eq!(status["routingStatus"]["consecutiveFailureCount"], carried + 1);
            let next = status.pointer("/routingStatus/nextAllowedExecution").and_then(Value::as_str);
            let waits = next.and_then(Timestamp::parse).map(|next| next.since(NOW).as_millis() / 1000);
            if carried + 1 < settings.failure_threshold {
                let most = settings.failure_backoff_max.as_millis() / 1000;
                assert!(waits.is_some_and(|waits| (least..=most).contains(&waits)), "{carried} carried: {waits:?} s");
            } else {
                assert_eq!(next, None, "from the threshold on the signal is blocked instead");
            }
        }
    }
}
