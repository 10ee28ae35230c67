//! What becomes of remediations whose timeouts policy traps, under each fail strategy, with the real program.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use kube::api::{Api, DynamicObject, Patch, PatchParams, PostParams};
use serde_json::{Value, json};
use trimtab_api::Kind;
use trimtab_tests::cluster::{Cluster, ClusterKind};
use trimtab_tests::process::{PATIENCE, Run};
use trimtab_tests::scenario::fingerprint_of;
use trimtab_tests::scenario::recorder::Recorder;

fn trap() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("guests/trap.wasm")
}

fn good() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../policies/fixed-timeouts/fixed-timeouts.wasm")
}

/// A cluster, the program with a policy in its timeouts slot, and an onlooker.
struct Stage {
    cluster: Cluster,
    run: Run,
    namespace: String,
    recorder: Recorder,
    policy: PathBuf,
    _folder: tempfile::TempDir,
}

impl Stage {
    async fn set(component: &Path, strategy: &str) -> Result<Self> {
        let cluster = Cluster::start(ClusterKind::Embedded).await?;
        let folder = tempfile::tempdir()?;
        let policy = folder.path().join("timeouts.wasm");
        std::fs::copy(component, &policy)?;
        let arguments =
            ["--policy", &format!("timeouts={}", policy.display()), "--fail-strategy", &format!("timeouts={strategy}")];
        let run = Run::start(cluster.kubeconfig(), &arguments.map(str::to_owned))?;
        let namespace = cluster.namespace().await?;
        let recorder = Recorder::start(&cluster.client()?, &namespace).await?;
        Ok(Self { cluster, run, namespace, recorder, policy, _folder: folder })
    }

    /// Replaces the component's file, whole or not at all.
    fn replace(&self, component: &Path) -> Result<()> {
        let next = self.policy.with_extension("next");
        std::fs::copy(component, &next)?;
        Ok(std::fs::rename(&next, &self.policy)?)
    }

    /// Replaces the component, and waits until the program has noticed.
    async fn swap(&self, component: &Path) -> Result<()> {
        self.replace(component)?;
        let swapped = |line: &Value| (line["message"] == "policy swapped" && line["slot"] == "timeouts").then_some(());
        self.run.process.wait_for_log("the swap", swapped).await
    }

    fn api(&self, kind: Kind) -> Result<Api<DynamicObject>> {
        Ok(Api::namespaced_with(self.cluster.client()?, &self.namespace, &kind.api_resource()))
    }

    async fn create(&self, name: &str) -> Result<()> {
        let object = DynamicObject::new(name, &Kind::RemediationRequest.api_resource()).data(json!({"spec": {
            "signalFingerprint": fingerprint_of(name), "signalName": "S", "signalType": "alert", "severity": "critical",
            "firingTime": "2026-01-01T00:00:00Z", "receivedTime": "2026-01-01T00:00:00Z", "targetType": "kubernetes",
            "targetResource": {"kind": "Deployment", "name": "web", "namespace": "demo"},
        }}));
        self.api(Kind::RemediationRequest)?.create(&PostParams::default(), &object).await?;
        Ok(())
    }

    async fn patch(&self, kind: Kind, name: &str, status: Value) -> Result<()> {
        let patch = Patch::Merge(json!({"status": status}));
        self.api(kind)?.patch_status(name, &PatchParams::default(), &patch).await?;
        Ok(())
    }

    /// Waits for a phase and returns the remediation.
    async fn phase(&self, name: &str, phase: &str) -> Result<Value> {
        let reached = self.recorder.wait(PATIENCE, |seen| {
            let found = seen.object("RemediationRequest", name)?;
            (found["status"]["overallPhase"] == phase).then(|| found.clone())
        });
        let state = || format!("{:?}", self.recorder.seen().object("RemediationRequest", name));
        reached.await.with_context(|| format!("{name} is not {phase}: {}\n{}", state(), self.run.process.tail()))
    }

    async fn child(&self, kind: &str, name: &str) -> Result<Value> {
        self.recorder.wait(PATIENCE, |seen| seen.object(kind, name).cloned()).await.context(name.to_owned())
    }

    /// Reason and count show in the log and in the metrics.
    async fn expect_trap_is_shown(&self) -> Result<()> {
        let told = |line: &Value| {
            let is_it = line["message"] == "an evaluation gave no lawful answer" && line["reason"] == "Trap";
            (is_it && line["line"].as_str().is_some_and(|line| line.contains("hostile guest"))).then_some(())
        };
        self.run.process.wait_for_log("the trap with the guest's own words", told).await?;
        let metrics = self.run.metrics().await?;
        let counted = metrics.lines().any(|line| {
            line.starts_with("trimtab_policy_faults_total{")
                && line.contains("Trap")
                && line.contains("timeouts")
                && !line.ends_with(" 0")
        });
        ensure!(counted, "no fault is counted:\n{metrics}");
        for engine in ["trimtab_compile_cache_rejections_total 0", "trimtab_policy_memory_pooled 1"] {
            ensure!(metrics.lines().any(|line| line == engine), "no {engine}:\n{metrics}");
        }
        Ok(())
    }
}

/// Digest of whoever answered the timeouts slot at the last step.
fn answered(remediation: &Value) -> String {
    let record = trimtab_api::mapping::record(remediation).unwrap_or_default();
    record.slots.get("timeouts").map(|revision| revision.digest.clone()).unwrap_or_default()
}

/// Digest of the component that the program put into the timeouts slot at its start.
async fn digest_in_force(run: &Run) -> Result<String> {
    let digest = |line: &Value| {
        let is_it = line["message"] == "policy in force" && line["slot"] == "timeouts";
        is_it.then(|| line["digest"].as_str().unwrap_or_default().to_owned())
    };
    run.process.wait_for_log("the policy in force", digest).await
}

#[tokio::test]
async fn builtin_answers_for_a_policy_that_traps() -> Result<()> {
    let stage = Stage::set(&trap(), "Builtin").await?;
    stage.create("rr").await?;
    let remediation = stage.phase("rr", "Processing").await?;
    assert_eq!(remediation["status"]["timeoutConfig"]["global"], "1h0m0s", "{remediation}");
    let answered = answered(&remediation);
    assert!(!answered.is_empty());
    assert_ne!(answered, digest_in_force(&stage.run).await?, "the trapping component did not answer");
    stage.expect_trap_is_shown().await
}

#[tokio::test]
async fn last_good_answers_after_a_swap_to_a_policy_that_traps() -> Result<()> {
    let stage = Stage::set(&good(), "LastGood").await?;
    let good = digest_in_force(&stage.run).await?;
    for name in ["one", "two"] {
        stage.create(name).await?;
        let remediation = stage.phase(name, "Processing").await?;
        assert_eq!(answered(&remediation), good);
    }
    stage.swap(&trap()).await?;
    for (name, status) in [("one", "Completed"), ("two", "Failed")] {
        let failure = json!({"phase": status, "completionTime": "2026-01-01T00:00:00Z",
            "signalClassification": {"severity": "critical"}});
        stage.patch(Kind::SignalProcessing, &format!("sp-{name}"), failure).await?;
    }
    for (name, phase) in [("one", "Analyzing"), ("two", "Failed")] {
        let remediation = stage.phase(name, phase).await?;
        assert_eq!(answered(&remediation), good, "{name} was decided by the last good revision");
    }
    stage.create("three").await?;
    assert_eq!(answered(&stage.phase("three", "Processing").await?), good);
    stage.expect_trap_is_shown().await
}

#[tokio::test]
async fn hold_leaves_only_the_ceiling() -> Result<()> {
    let stage = Stage::set(&trap(), "Hold").await?;
    stage.create("rr").await?;
    // The slot's fault touches no other slot: the remediation goes on, without a timeout of its own.
    let remediation = stage.phase("rr", "Processing").await?;
    assert!(remediation["status"]["timeoutConfig"].is_null(), "{remediation}");
    assert!(stage.child("SignalProcessing", "sp-rr").await?["spec"]["timesOutAt"].is_null());
    let hours_ago = |hours: i64| {
        let at = jiff::Timestamp::now() - jiff::SignedDuration::from_hours(hours);
        jiff::Timestamp::from_second(at.as_second()).map(|at| at.to_string())
    };
    stage.patch(Kind::RemediationRequest, "rr", json!({"startTime": hours_ago(23)?})).await?;
    ensure!(stage.recorder.quiet(std::time::Duration::from_secs(2), PATIENCE).await, "no rest");
    stage.phase("rr", "Processing").await?;
    stage.patch(Kind::RemediationRequest, "rr", json!({"startTime": hours_ago(25)?})).await?;
    stage.phase("rr", "TimedOut").await?;
    stage.expect_trap_is_shown().await
}

#[tokio::test]
async fn fail_fails_the_remediation_with_the_reason() -> Result<()> {
    let stage = Stage::set(&trap(), "Fail").await?;
    stage.create("rr").await?;
    let remediation = stage.phase("rr", "Failed").await?;
    let reason = remediation["status"]["completionStatus"]["failureReason"].as_str().unwrap_or_default();
    assert!(reason.contains("timeouts") && reason.contains("Trap"), "{reason}");
    stage.child("NotificationRequest", "nr-escalation-rr").await?;
    stage.expect_trap_is_shown().await
}

#[tokio::test]
async fn a_good_policy_is_in_force_again_once_it_is_swapped_back() -> Result<()> {
    let stage = Stage::set(&good(), "LastGood").await?;
    let digest = digest_in_force(&stage.run).await?;
    stage.create("before").await?;
    stage.phase("before", "Processing").await?;
    stage.swap(&trap()).await?;
    stage.create("between").await?;
    stage.phase("between", "Processing").await?;
    let is_trap = |line: &Value| line["reason"] == "Trap";
    assert!(stage.run.process.count_log(is_trap) > 0);
    stage.replace(&good())?;
    let back = |line: &Value| (line["message"] == "policy swapped" && line["after"] == digest.as_str()).then_some(());
    stage.run.process.wait_for_log("the swap back", back).await?;
    let traps = stage.run.process.count_log(is_trap);
    stage.create("after").await?;
    assert_eq!(answered(&stage.phase("after", "Processing").await?), digest);
    let of_after = |line: &Value| is_trap(line) && line["span"]["remediation"] == "after";
    assert_eq!(stage.run.process.count_log(of_after), 0, "{traps} traps before");
    Ok(())
}
