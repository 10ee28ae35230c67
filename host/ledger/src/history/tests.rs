//! What a ledger in memory has recorded of an object.

use serde_json::json;
use trimtab_core::observation::{Child, ChildKind, Observation, Target};
use trimtab_core::phase::Phase;
use trimtab_core::ports::{DecisionRecord, Ledger as _, Settlement};
use trimtab_core::time::{Span, Timestamp};

use super::*;
use crate::sqlite::tests::fixture::{at, objects, observation, plan, step};

fn child(kind: ChildKind, object: &serde_json::Value) -> Child {
    Child {
        kind,
        name: String::new(),
        attempt: 1,
        found: true,
        phase: "Completed".into(),
        reason: String::new(),
        finished_at: None,
        deadline: None,
        object: Arc::new(object.clone()),
    }
}

/// A remediation in `phase` whose execution worked on `target`.
fn seen(uid: &str, target: &str, score: Option<f64>, phase: Phase) -> Observation {
    let mut seen = observation(&objects(), uid, 1, phase);
    let execution = json!({"spec": {"targetResource": target, "workflowRef": {"actionType": "RestartPod"}}});
    let mut components = json!({"postRemediationSpecHash": "sha256:after", "alertAssessed": score.is_some()});
    components["alertScore"] = json!(score);
    let assessment = json!({"status": {"components": components}});
    seen.children =
        vec![child(ChildKind::WorkflowExecution, &execution), child(ChildKind::EffectivenessAssessment, &assessment)];
    seen.object = Arc::new(json!({"status": {"operatorAudit": {"preRemediationSpecHash": "sha256:before"}}}));
    seen
}

/// Lets a remediation end `seconds` after the start.
fn end(ledger: &SqliteLedger, seen: Observation, seconds: u64, settlement: &Settlement) {
    let objects = objects();
    let uid = seen.uid.clone();
    let mut ending = plan(&objects, &uid, 2, Phase::Completed);
    let changed = Arc::make_mut(&mut ending);
    changed.at = at(seconds);
    changed.audit.clear();
    let mut record: DecisionRecord = step(&objects, &ending);
    record.observation = Arc::new(seen);
    ledger.prepare(&record, &ending).unwrap();
    ledger.settle(&uid, settlement, at(seconds)).unwrap();
}

fn question(now: Timestamp, hash: &str) -> HistoryQuestion {
    HistoryQuestion {
        target: Target {
            kind: "Deployment".into(),
            name: "web".into(),
            namespace: Some("shop".into()),
            api_version: None,
        },
        cluster_id: String::new(),
        current_hash: hash.into(),
        hours: 4,
        now,
        remediation: "me".into(),
    }
}

const TARGET: &str = "shop/Deployment/web";

#[tokio::test]
async fn remediations_of_the_object_that_ended_within_the_time_are_told_with_their_hashes() {
    let ledger = Arc::new(SqliteLedger::in_memory().unwrap());
    let done = Settlement::Confirmed;
    let executing = Phase::Verifying;
    end(&ledger, seen("old", TARGET, None, executing), 10, &done);
    end(&ledger, seen("a", TARGET, Some(0.0), executing), 3600, &done);
    end(&ledger, seen("b", TARGET, Some(1.0), executing), 3700, &done);
    end(&ledger, seen("other", "shop/Deployment/api", None, executing), 3700, &done);
    end(&ledger, seen("me", TARGET, None, executing), 3700, &done);
    end(&ledger, seen("undone", TARGET, None, executing), 3700, &Settlement::Discarded { reason: "Late".into() });
    let mut elsewhere = seen("elsewhere", TARGET, None, executing);
    elsewhere.cluster_id = "east".into();
    end(&ledger, elsewhere, 3700, &done);
    let history = LedgerHistory::of(Arc::clone(&ledger));
    let now = at(3600).plus(Span::from_secs(4 * 3600));
    let found = history.entries(&question(now, "sha256:after")).await.unwrap();
    let told: Vec<_> = found.iter().map(|one| (one.remediation.as_str(), one.signal_resolved)).collect();
    assert_eq!(told, [("b", Some(true)), ("a", Some(false))]);
    let entry = &found[0];
    assert_eq!((entry.completed_at, entry.action_type.as_str()), (at(3700), "RestartPod"));
    assert_eq!((entry.pre_hash.as_str(), entry.post_hash.as_str()), ("sha256:before", "sha256:after"));
    for (hash, expected) in
        [("sha256:before", "preRemediation"), ("sha256:after", "postRemediation"), ("sha256:x", "none"), ("", "none")]
    {
        let found = history.entries(&question(now, hash)).await.unwrap();
        assert_eq!(found[0].hash_match, expected, "{hash}");
    }
}

#[tokio::test]
async fn only_the_end_of_a_remediation_that_had_an_execution_is_noted() {
    let ledger = Arc::new(SqliteLedger::in_memory().unwrap());
    let mut without = seen("without", TARGET, None, Phase::Analyzing);
    without.children.clear();
    end(&ledger, without, 10, &Settlement::Confirmed);
    // Housekeeping after the end leaves what was noted at the end.
    end(&ledger, seen("ended", TARGET, None, Phase::Completed), 20, &Settlement::Confirmed);
    let history = LedgerHistory::of(ledger);
    assert_eq!(history.entries(&question(at(30), "")).await.unwrap(), []);
}

#[tokio::test]
async fn a_ledger_in_a_file_answers_off_the_async_workers_and_forgets_with_retention() {
    let folder = tempfile::tempdir().unwrap();
    let settings = crate::StoreSettings { has_receiver: false, ..crate::StoreSettings::default() };
    let ledger = Arc::new(SqliteLedger::open(folder.path(), settings).unwrap());
    end(&ledger, seen("a", TARGET, None, Phase::Executing), 10, &Settlement::Confirmed);
    let history = LedgerHistory::of(Arc::clone(&ledger));
    assert_eq!(history.entries(&question(at(30), "")).await.unwrap().len(), 1);
    let retention = crate::RetentionSettings { age_max: Span::from_secs(1), ..crate::RetentionSettings::default() };
    ledger.settle("a", &Settlement::Unknown, at(20)).unwrap();
    assert_eq!(ledger.retain(at(3600), retention, &|_| false).unwrap().remediations, 1);
    assert_eq!(history.entries(&question(at(30), "")).await.unwrap(), []);
}
