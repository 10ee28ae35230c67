//! Policy sets from a folder, with the real program: swapped, pinned, rolled back, left, refused.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use kube::api::{Api, DynamicObject, Patch, PatchParams, PostParams};
use serde_json::{Value, json};
use trimtab_api::Kind;
use trimtab_core::record::SetRevision;
use trimtab_fake_registry::{FakeRegistry, Settings};
use trimtab_tests::cluster::{Cluster, ClusterKind};
use trimtab_tests::process::{PATIENCE, Run, program, read_page};
use trimtab_tests::scenario::model::merge;
use trimtab_tests::scenario::recorder::Recorder;
use trimtab_tests::scenario::remediation;

/// The file of trust rules, where there is one; what starts with a dot is no document of policies.
const TRUST: &str = ".trust.yaml";

/// A component of this repository.
fn component(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)
}

/// A cluster, a folder of policies, a ledger that outlives the program, and an onlooker.
struct Stage {
    cluster: Cluster,
    run: Option<Run>,
    namespace: String,
    recorder: Recorder,
    folder: tempfile::TempDir,
    data: tempfile::TempDir,
}

impl Stage {
    /// With one policy, `lengths`, and no set yet.
    async fn set() -> Result<Self> {
        let cluster = Cluster::start(ClusterKind::Embedded).await?;
        let namespace = cluster.namespace().await?;
        let recorder = Recorder::start(&cluster.client()?, &namespace).await?;
        let (folder, data) = (tempfile::tempdir()?, tempfile::tempdir()?);
        let stage = Self { cluster, run: None, namespace, recorder, folder, data };
        stage.put("policies/fixed-timeouts/fixed-timeouts.wasm")?;
        let policy = json!({"apiVersion": "trimtab.dev/v1alpha1", "kind": "Policy", "metadata": {"name": "lengths"},
            "spec": {"source": {"file": {"path": "lengths.wasm"}}}});
        stage.write("policy.yaml", &policy.to_string())?;
        Ok(stage)
    }

    /// Replaces the component of `lengths`.
    fn put(&self, path: &str) -> Result<()> {
        let next = self.folder.path().join(".next");
        std::fs::copy(component(path), &next)?;
        Ok(std::fs::rename(&next, self.folder.path().join("lengths.wasm"))?)
    }

    fn write(&self, file: &str, text: &str) -> Result<()> {
        let next = self.folder.path().join(".next");
        std::fs::write(&next, text)?;
        Ok(std::fs::rename(&next, self.folder.path().join(file))?)
    }

    /// Writes the set `all`: so many seconds for processing, and `more` in its spec.
    fn write_set(&self, seconds: u32, more: &Value) -> Result<()> {
        let config = json!({"default": {"processing": format!("{seconds}s")}});
        let mut spec = json!({"slots": {"timeouts": {"policy": "lengths", "config": config}}});
        merge(&mut spec, more);
        let set = json!({"apiVersion": "trimtab.dev/v1alpha1", "kind": "PolicySet", "metadata": {"name": "all"}, "spec": spec});
        self.write("set.yaml", &set.to_string())
    }

    fn start(&mut self) -> Result<()> {
        let folder = self.folder.path().display().to_string();
        let mut arguments = vec!["--policies".to_owned(), folder];
        let trust = self.folder.path().join(TRUST);
        if trust.is_file() {
            arguments.extend(["--policy-trust".to_owned(), trust.display().to_string()]);
        }
        self.run = Some(Run::start_in(self.cluster.kubeconfig(), self.data.path(), &arguments)?);
        Ok(())
    }

    /// Ends the program as a crash would, and starts it again.
    fn start_again(&mut self) -> Result<()> {
        self.run()?.process.kill()?;
        self.start()
    }

    fn run(&mut self) -> Result<&mut Run> {
        self.run.as_mut().context("the program was not started")
    }

    /// Waits for the log to tell that the set has left this revision, or none, and returns its active one.
    async fn in_force(&mut self, before: Option<&str>) -> Result<String> {
        let changed = |line: &Value| {
            let is_it = line["message"] == "policy set in force" && line["before"].as_str() == before;
            line["after"].as_str().filter(|_| is_it).map(str::to_owned)
        };
        self.run()?.process.wait_for_log("another revision of the set", changed).await
    }

    fn api(&self, kind: Kind) -> Result<Api<DynamicObject>> {
        Ok(Api::namespaced_with(self.cluster.client()?, &self.namespace, &kind.api_resource()))
    }

    async fn create(&self, name: &str, metadata: &Value) -> Result<()> {
        let mut object = remediation(name, name, &json!({}))?;
        if let Some(annotations) = metadata.get("annotations") {
            object.metadata.annotations = serde_json::from_value(annotations.clone())?;
        }
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
        let log = || self.run.as_ref().map_or_else(String::new, |run| run.process.tail());
        reached.await.with_context(|| format!("{name} is not {phase}: {}\n{}", state(), log()))
    }

    /// Lets the signal processing of a remediation complete.
    async fn process(&self, name: &str) -> Result<()> {
        let child = format!("sp-{name}");
        self.recorder.wait(PATIENCE, |seen| seen.object("SignalProcessing", &child).cloned()).await?;
        let status = json!({
            "phase": "Completed", "signalClassification": {"severity": "critical", "signalMode": "reactive"},
            "environmentClassification": {"environment": "Production"}, "priorityAssignment": {"priority": "P1"},
        });
        self.patch(Kind::SignalProcessing, &child, status).await
    }

    /// Each record has the set and the revision that answered, and all of them can be decided again to the last byte.
    fn check_ledger(&self, name: &str, revision: &str) -> Result<()> {
        let data = self.data.path().to_str().context("a path that is not UTF-8")?;
        let explained = trimtab(&["explain", name, "--data", data])?;
        ensure!(explained.contains(&format!("  policy set  all@{revision}\n")), "{explained}");
        let bundle = self.folder.path().join("bundle");
        let bundle = bundle.to_str().context("a path that is not UTF-8")?;
        trimtab(&["policy", "record", "--since", "1h", "--data", data, "--out", bundle])?;
        let replayed = trimtab(&["policy", "replay", bundle])?;
        ensure!(replayed.contains("the same to the last byte"), "{replayed}");
        Ok(())
    }

    /// What the program shows of its sets.
    async fn report(&mut self) -> Result<Value> {
        let address = self.run()?.process.address(1).await?;
        Ok(serde_json::from_str(&read_page(address, "/policies").await?)?)
    }
}

/// What the program prints; it must succeed.
fn trimtab(arguments: &[&str]) -> Result<String> {
    let output = Command::new(program()?).args(arguments).output()?;
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    ensure!(output.status.success(), "trimtab {arguments:?} ended with {}:\n{stdout}\n{stderr}", output.status);
    Ok(stdout.into_owned())
}

/// The revision that a remediation's last step was made with.
fn revision(remediation: &Value) -> Result<SetRevision> {
    let record = trimtab_api::mapping::record(remediation)?;
    record.set_revision.with_context(|| format!("no revision is recorded: {remediation}"))
}

/// Revisions of the only set, each with its remediations in flight.
fn in_flight(report: &Value) -> Vec<(&str, u64)> {
    let revisions = report["sets"][0]["revisions"].as_array().into_iter().flatten();
    revisions.map(|one| (one["name"].as_str().unwrap_or(""), one["inFlight"].as_u64().unwrap_or(0))).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_remediation_finishes_with_the_revision_that_it_started_with_over_swap_restart_and_rollback() -> Result<()> {
    let mut stage = Stage::set().await?;
    stage.write_set(3600, &json!({}))?;
    stage.start()?;
    let patient = stage.in_force(None).await?;
    stage.create("rr-old", &json!({})).await?;
    ensure!(revision(&stage.phase("rr-old", "Processing").await?)?.revision == patient);
    stage.write_set(2, &json!({}))?;
    let hasty = stage.in_force(Some(&patient)).await?;
    stage.create("rr-new", &json!({})).await?;
    ensure!(revision(&stage.phase("rr-new", "TimedOut").await?)?.revision == hasty);
    let old = stage.phase("rr-old", "Processing").await?;
    ensure!(revision(&old)?.revision == patient, "it has gone on with another revision: {old}");
    ensure!(in_flight(&stage.report().await?) == [(hasty.as_str(), 0), (patient.as_str(), 1)]);
    stage.start_again()?;
    stage.process("rr-old").await?;
    ensure!(revision(&stage.phase("rr-old", "Analyzing").await?)?.revision == patient, "the restart has moved it");
    let back = |in_flight: &str| json!({"rollback": {"to": patient, "inFlight": in_flight}});
    stage.create("rr-hasty", &json!({})).await?;
    ensure!(revision(&stage.phase("rr-hasty", "TimedOut").await?)?.revision == hasty);
    stage.write_set(2, &back("drain"))?;
    ensure!(stage.in_force(Some(&hasty)).await? == patient);
    stage.create("rr-after", &json!({})).await?;
    ensure!(revision(&stage.phase("rr-after", "Processing").await?)?.revision == patient);
    stage.check_ledger("rr-new", &hasty)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_swap_reaches_what_follows_or_is_pinned_anew_and_a_value_set_by_hand_wins() -> Result<()> {
    let mut stage = Stage::set().await?;
    let following = json!({"pin": "Active"});
    stage.write_set(3600, &following)?;
    stage.start()?;
    let patient = stage.in_force(None).await?;
    for name in ["rr-follows", "rr-by-hand"] {
        stage.create(name, &json!({})).await?;
        stage.phase(name, "Processing").await?;
    }
    stage.patch(Kind::RemediationRequest, "rr-by-hand", json!({"timeoutConfig": {"processing": "50m"}})).await?;
    stage.write_set(1, &following)?;
    let hasty = stage.in_force(Some(&patient)).await?;
    ensure!(revision(&stage.phase("rr-follows", "TimedOut").await?)?.revision == hasty);
    ensure!(stage.phase("rr-by-hand", "Processing").await?["status"]["timeoutConfig"]["processing"] == "50m");
    stage.write_set(3600, &json!({}))?;
    ensure!(stage.in_force(Some(&hasty)).await? == patient, "the same content is the same revision");
    let repinned = json!({"annotations": {"trimtab.dev/policy-revision": hasty}});
    stage.create("rr-pinned", &repinned).await?;
    ensure!(revision(&stage.phase("rr-pinned", "TimedOut").await?)?.revision == hasty);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everybody_leaves_a_revision_that_faults_too_often() -> Result<()> {
    let mut stage = Stage::set().await?;
    stage.write_set(3600, &json!({"breaker": {"inARow": 2}}))?;
    stage.start()?;
    let good = stage.in_force(None).await?;
    stage.put("tests/guests/trap.wasm")?;
    // The guest takes no config.
    let bare = json!({"slots": {"timeouts": {"config": null}}, "breaker": {"inARow": 2}});
    stage.write_set(3600, &bare)?;
    let bad = stage.in_force(Some(&good)).await?;
    stage.create("rr-struck", &json!({})).await?;
    let left = |line: &Value| {
        (line["message"] == "a policy revision has faulted too often: everybody leaves it").then(|| line.clone())
    };
    let told = stage.run()?.process.wait_for_log("the breaker", left).await?;
    ensure!(told["revision"] == bad.as_str() && told["next"] == good.as_str(), "{told}");
    ensure!(told["why"] == "2 faults in a row of the timeouts slot", "{told}");
    stage.phase("rr-struck", "Processing").await?;
    stage.process("rr-struck").await?;
    ensure!(revision(&stage.phase("rr-struck", "Analyzing").await?)?.revision == good, "it has not left");
    stage.start_again()?;
    stage.create("rr-later", &json!({})).await?;
    ensure!(revision(&stage.phase("rr-later", "Processing").await?)?.revision == good, "the restart has forgotten");
    let report = stage.report().await?;
    ensure!(report["sets"][0]["active"] == good.as_str(), "{report}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_used_is_refused_by_name_and_what_was_in_force_stays() -> Result<()> {
    let mut stage = Stage::set().await?;
    stage.write_set(3600, &json!({}))?;
    stage.start()?;
    let good = stage.in_force(None).await?;
    for (more, words) in [
        (
            json!({"slots": {"timeouts": {"policy": "other"}}}),
            "no Policy is called \"other\" here: name one of lengths",
        ),
        (json!({"slots": {"timeouts": {"config": {"petrol": 1}}}}), "petrol"),
        (json!({"slots": {"transitions": {"policy": "lengths"}}}), "does not fill the transitions slot"),
        (json!({"rollback": {"to": "ffff"}}), "no revision of all is called ffff"),
        (json!({"ramp": {"percent": 101}}), "spec.ramp.percent is 101: set it between 0 and 100"),
    ] {
        stage.write_set(3600, &more)?;
        let refused = |line: &Value| {
            let reason = line["reason"].as_str().filter(|_| line["message"] == "policy set refused");
            reason.filter(|reason| reason.contains(words)).map(str::to_owned)
        };
        stage.run()?.process.wait_for_log(words, refused).await?;
        let report = stage.report().await?;
        ensure!(report["sets"][0]["active"] == good.as_str(), "{report}");
        ensure!(report["sets"][0]["refused"].as_str().is_some_and(|line| line.contains(words)), "{report}");
    }
    stage.put("tests/guests/foreign-import.wasm")?;
    stage.write_set(3600, &json!({}))?;
    let foreign = |line: &Value| {
        let reason = line["reason"].as_str().filter(|_| line["message"] == "policy set refused");
        reason.filter(|reason| reason.contains("imports wasi:")).map(str::to_owned)
    };
    stage.run()?.process.wait_for_log("the foreign import", foreign).await?;
    stage.write("broken.yaml", "kind: PolicySet\n  spec: [")?;
    let broken = |line: &Value| {
        (line["message"] == "policies refused" && line["reason"].as_str()?.contains("broken.yaml:2")).then_some(())
    };
    stage.run()?.process.wait_for_log("the broken file", broken).await?;
    // Even a new process goes on with what the ledger has kept.
    stage.start_again()?;
    stage.create("rr-still", &json!({})).await?;
    ensure!(revision(&stage.phase("rr-still", "Processing").await?)?.revision == good);
    Ok(())
}

/// A key pair in PEM, by the usual tool.
fn key(folder: &Path, name: &str) -> Result<(String, String)> {
    let private = folder.join(format!(".{name}.pem"));
    let private = private.to_str().context("a path that is not UTF-8")?;
    let openssl = |arguments: &[&str]| {
        let output = Command::new("openssl").args(arguments).output();
        let output = output.context("openssl cannot be started: apt-get install openssl")?;
        ensure!(output.status.success(), "openssl {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        anyhow::Ok(String::from_utf8(output.stdout)?)
    };
    openssl(&["genpkey", "-algorithm", "ed25519", "-out", private])?;
    Ok((private.to_owned(), openssl(&["pkey", "-in", private, "-pubout"])?))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_component_of_a_registry_runs_once_its_signature_is_trusted_and_goes_on_without_the_registry() -> Result<()> {
    let mut stage = Stage::set().await?;
    let registry = FakeRegistry::start(Settings::default()).await?;
    let tag = registry.reference("acme/lengths:1");
    let file = stage.folder.path().join("lengths.wasm");
    let pushed = trimtab(&["policy", "push", file.to_str().context("a path")?, &tag, "--plain-http"])?;
    let pinned = pushed.lines().next().context("no reference")?.to_owned();
    let source = |reference: &str| {
        json!({"apiVersion": "trimtab.dev/v1alpha1", "kind": "Policy", "metadata": {"name": "lengths"},
            "spec": {"source": {"oci": {"reference": reference, "plainHttp": true}}}})
        .to_string()
    };
    let (private, public) = key(stage.folder.path(), "acme")?;
    let rules = json!({"requireDigest": true, "rules": [
        {"registry": registry.reference("acme"), "required": true, "keys": [{"name": "acme", "publicKey": public}]},
    ]});
    stage.write(TRUST, &rules.to_string())?;
    stage.write("policy.yaml", &source(&tag))?;
    stage.write_set(3600, &json!({}))?;
    stage.start()?;
    let refused = |words: &'static str| {
        move |line: &Value| {
            let reason = line["reason"].as_str().filter(|_| line["message"] == "policy set refused");
            reason.filter(|reason| reason.contains(words)).map(str::to_owned)
        }
    };
    stage.run()?.process.wait_for_log("the tag", refused("digest")).await?;
    stage.write("policy.yaml", &source(&pinned))?;
    stage.run()?.process.wait_for_log("the missing signature", refused("requires a signature")).await?;
    trimtab(&["policy", "sign", &pinned, "--key", &private, "--plain-http"])?;
    // What could not be fetched is tried again after half a minute, or at the next start.
    stage.start_again()?;
    let good = stage.in_force(None).await?;
    stage.create("rr-signed", &json!({})).await?;
    ensure!(revision(&stage.phase("rr-signed", "Processing").await?)?.revision == good);
    let told = &stage.report().await?["policies"][0];
    ensure!(told["signature"] == "Verified" && told["resolved"] == pinned.as_str(), "{told}");
    drop(registry);
    stage.start_again()?;
    let kept = |line: &Value| (line["message"] == "policy set refused" && line["kept"] == good.as_str()).then_some(());
    stage.run()?.process.wait_for_log("what was kept", kept).await?;
    stage.create("rr-alone", &json!({})).await?;
    ensure!(revision(&stage.phase("rr-alone", "Processing").await?)?.revision == good);
    Ok(())
}
