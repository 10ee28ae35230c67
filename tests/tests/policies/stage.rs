//! A cluster, documents of policies, a ledger that outlives the program, and an onlooker.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context as _, Result, ensure};
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{Api, DynamicObject, ObjectMeta, Patch, PatchParams, PostParams};
use serde_json::{Value, json};
use trimtab_api::{Kind, PolicyKind};
use trimtab_core::record::SetRevision;
use trimtab_tests::cluster::{Cluster, ClusterKind, leaves_out_real};
use trimtab_tests::process::{PATIENCE, Run, program, read_page};
use trimtab_tests::scenario::model::merge;
use trimtab_tests::scenario::recorder::Recorder;
use trimtab_tests::scenario::remediation;
use trimtab_tests::services::Services;

/// The file of trust rules, where there is one; what starts with a dot is no document of policies.
const TRUST: &str = ".trust.yaml";

/// The component of the policy `lengths`: file, `ConfigMap` key.
const COMPONENT: &str = "lengths.wasm";

/// Where the documents of policies are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// Files in a folder, beside the embedded cluster.
    Folder,
    /// Objects of a cluster.
    Objects(ClusterKind),
}

/// Where policies are objects.
pub(crate) const OBJECTS: [Place; 2] = [Place::Objects(ClusterKind::Embedded), Place::Objects(ClusterKind::Real)];

impl Place {
    const ALL: [Self; 3] = [Self::Folder, OBJECTS[0], OBJECTS[1]];

    const fn cluster(self) -> ClusterKind {
        match self {
            Self::Folder => ClusterKind::Embedded,
            Self::Objects(kind) => kind,
        }
    }
}

/// Plays the same everywhere.
pub(crate) async fn everywhere(play: impl AsyncFn(Stage) -> Result<()>) -> Result<()> {
    at(&Place::ALL, play).await
}

/// Plays the same in these places.
pub(crate) async fn at(places: &[Place], play: impl AsyncFn(Stage) -> Result<()>) -> Result<()> {
    for place in places.iter().copied() {
        if place.cluster() == ClusterKind::Real && leaves_out_real("policies as objects") {
            continue;
        }
        play(Stage::set(place).await?).await.with_context(|| format!("with documents in {place:?}"))?;
    }
    Ok(())
}

/// A component of this repository.
pub(crate) fn component(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)
}

/// One program and what is around it.
pub(crate) struct Stage {
    pub(crate) place: Place,
    cluster: Cluster,
    run: Option<Run>,
    pub(crate) namespace: String,
    recorder: Recorder,
    folder: tempfile::TempDir,
    data: tempfile::TempDir,
}

impl Stage {
    /// With one policy, `lengths`, and no set yet.
    async fn set(place: Place) -> Result<Self> {
        let cluster = Cluster::start(place.cluster()).await?;
        let namespace = cluster.namespace().await?;
        let recorder = Recorder::start(&cluster.client()?, &namespace).await?;
        let (folder, data) = (tempfile::tempdir()?, tempfile::tempdir()?);
        let stage = Self { place, cluster, run: None, namespace, recorder, folder, data };
        stage.put("policies/fixed-timeouts/fixed-timeouts.wasm").await?;
        let source = match place {
            Place::Folder => json!({"file": {"path": COMPONENT}}),
            Place::Objects(_) => json!({"configMap": {"name": "lengths", "key": COMPONENT}}),
        };
        stage.write_policy(&source).await?;
        Ok(stage)
    }

    /// The file of the component, for commands.
    pub(crate) fn component_file(&self) -> Result<String> {
        Ok(self.folder.path().join(COMPONENT).to_str().context("a path that is not UTF-8")?.to_owned())
    }

    /// A folder for the test's own files; what starts with a dot is no document.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Replaces the component of `lengths`.
    pub(crate) async fn put(&self, path: &str) -> Result<()> {
        let next = self.folder.path().join(".next");
        std::fs::copy(component(path), &next)?;
        std::fs::rename(&next, self.folder.path().join(COMPONENT))?;
        if self.place == Place::Folder {
            return Ok(());
        }
        self.put_as("lengths", std::fs::read(component(path))?).await
    }

    /// Writes a `ConfigMap` that has these bytes for a component.
    pub(crate) async fn put_as(&self, name: &str, bytes: Vec<u8>) -> Result<()> {
        let map = ConfigMap {
            metadata: ObjectMeta { name: Some(name.to_owned()), ..ObjectMeta::default() },
            binary_data: Some([(COMPONENT.to_owned(), ByteString(bytes))].into()),
            ..ConfigMap::default()
        };
        let api: Api<ConfigMap> = Api::namespaced(self.cluster.client()?, &self.namespace);
        match api.create(&PostParams::default(), &map).await {
            Err(kube::Error::Api(status)) if status.code == 409 => {
                api.replace(name, &PostParams::default(), &map).await?;
            }
            created => drop(created?),
        }
        Ok(())
    }

    /// Writes a file into the folder, as a whole.
    pub(crate) fn write(&self, file: &str, text: &str) -> Result<()> {
        let next = self.folder.path().join(".next");
        std::fs::write(&next, text)?;
        Ok(std::fs::rename(&next, self.folder.path().join(file))?)
    }

    /// Writes the rules of trust, which are read at the next start.
    pub(crate) fn write_trust(&self, rules: &Value) -> Result<()> {
        self.write(TRUST, &rules.to_string())
    }

    /// Writes the policy `lengths`.
    pub(crate) async fn write_policy(&self, source: &Value) -> Result<()> {
        self.write_policy_spec(json!({"source": source})).await
    }

    /// Writes the policy `lengths`, with more than its source.
    pub(crate) async fn write_policy_spec(&self, spec: Value) -> Result<()> {
        self.document(PolicyKind::Policy, "lengths", spec).await
    }

    /// Writes the set `all`: so many seconds for processing, and `more` in its spec.
    pub(crate) async fn write_set(&self, seconds: u32, more: &Value) -> Result<()> {
        self.write_named_set("all", seconds, more).await
    }

    /// The same for a set of another name.
    pub(crate) async fn write_named_set(&self, name: &str, seconds: u32, more: &Value) -> Result<()> {
        let config = json!({"default": {"processing": format!("{seconds}s")}});
        let mut spec = json!({"slots": {"timeouts": {"policy": "lengths", "config": config}}});
        merge(&mut spec, more);
        self.document(PolicyKind::PolicySet, name, spec).await
    }

    /// Writes the set `all` with this spec.
    pub(crate) async fn write_spec(&self, spec: Value) -> Result<()> {
        self.document(PolicyKind::PolicySet, "all", spec).await
    }

    /// As many requests as a swap makes, its status included, and none that changes what the set says.
    pub(crate) async fn touch_set(&self, name: &str) -> Result<()> {
        let api = self.objects(PolicyKind::PolicySet)?;
        api.get(name).await?;
        for _ in 0..2 {
            let touched = json!({"metadata": {"annotations": {"touched": format!("{:?}", SystemTime::now())}}});
            api.patch(name, &PatchParams::default(), &Patch::Merge(touched)).await?;
        }
        Ok(())
    }

    async fn document(&self, kind: PolicyKind, name: &str, spec: Value) -> Result<()> {
        let document = json!({"apiVersion": "trimtab.dev/v1alpha1", "kind": kind.kind(), "metadata": {"name": name},
            "spec": spec});
        if self.place == Place::Folder {
            return self.write(&format!("{kind}-{name}.yaml"), &document.to_string());
        }
        let (api, parameters) = (self.objects(kind)?, PostParams::default());
        loop {
            let written = match api.get_opt(name).await? {
                None => api.create(&parameters, &serde_json::from_value(document.clone())?).await,
                Some(mut present) => {
                    present.data["spec"] = spec.clone();
                    api.replace(name, &parameters, &present).await
                }
            };
            match written {
                // The program has written its status meanwhile.
                Err(kube::Error::Api(status)) if status.code == 409 => {}
                written => return Ok(written.map(drop)?),
            }
        }
    }

    /// The objects that describe policies.
    pub(crate) fn objects(&self, kind: PolicyKind) -> Result<Api<DynamicObject>> {
        Ok(Api::namespaced_with(self.cluster.client()?, &self.namespace, &kind.api_resource()))
    }

    /// Kubernaut's other services, for children of these names.
    pub(crate) fn services(&self, is_served: fn(&str) -> bool) -> Result<Services> {
        Services::start_for(&self.cluster, &self.namespace, "served", is_served)
    }

    /// The folder of the ledger.
    pub(crate) fn data(&self) -> &Path {
        self.data.path()
    }

    /// Waits until a set's active revision is another than this one, and returns it.
    pub(crate) async fn left(&mut self, set: &str, before: &str) -> Result<String> {
        let left = self.left_within(set, before, PATIENCE, Duration::from_millis(10)).await?;
        let log = || self.run.as_ref().map_or_else(String::new, |run| run.process.tail());
        left.with_context(|| format!("{set} stays {before}\n{}", log()))
    }

    /// Looks for so long, now and then and at the end, whether a set's active revision is this one still.
    pub(crate) async fn stays(&mut self, set: &str, revision: &str, time: Duration) -> Result<()> {
        let left = self.left_within(set, revision, time, Duration::from_millis(100)).await?;
        ensure!(left.is_none(), "{set} has left {revision} for {left:?}");
        Ok(())
    }

    /// The active revision of a set once it is another than before; looked for every `period` for so long, and at the end.
    async fn left_within(
        &mut self,
        set: &str,
        before: &str,
        time: Duration,
        period: Duration,
    ) -> Result<Option<String>> {
        let since = Instant::now();
        loop {
            let is_last = since.elapsed() >= time;
            let report = self.report().await?;
            let found = report["sets"].as_array().into_iter().flatten().find(|one| one["name"] == set);
            let active = found.and_then(|set| set["active"].as_str()).filter(|active| *active != before);
            if let Some(active) = active {
                return Ok(Some(active.to_owned()));
            }
            if is_last {
                return Ok(None);
            }
            tokio::time::sleep(period.min(time.saturating_sub(since.elapsed()))).await;
        }
    }

    /// Waits until so many remediations run with each of these revisions of the only set.
    pub(crate) async fn runs_with(&mut self, expected: &[(&str, u64)]) -> Result<()> {
        let since = Instant::now();
        loop {
            let report = self.report().await?;
            let found = in_flight(&report);
            if expected.iter().all(|one| found.contains(one)) {
                return Ok(());
            }
            ensure!(since.elapsed() < PATIENCE, "not {expected:?}: {report}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Waits until an object is as it should be, or gone where that is what should be, and returns it.
    pub(crate) async fn object_is(
        &self,
        kind: PolicyKind,
        name: &str,
        should: impl Fn(Option<&DynamicObject>) -> bool,
    ) -> Result<Option<DynamicObject>> {
        let api = self.objects(kind)?;
        let since = Instant::now();
        loop {
            let found = api.get_opt(name).await?;
            if should(found.as_ref()) {
                return Ok(found);
            }
            let log = || self.run.as_ref().map_or_else(String::new, |run| run.process.tail());
            ensure!(since.elapsed() < PATIENCE, "{kind} {name} stays {}\n{}", serde_json::to_string(&found)?, log());
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    pub(crate) fn start(&mut self) -> Result<()> {
        self.start_with(&[])
    }

    /// Starts the program with more arguments.
    pub(crate) fn start_with(&mut self, more: &[&str]) -> Result<()> {
        let mut arguments: Vec<_> = more.iter().map(|&one| one.to_owned()).collect();
        if self.place == Place::Folder {
            arguments.extend(["--policies".to_owned(), self.folder.path().display().to_string()]);
        }
        let trust = self.folder.path().join(TRUST);
        if trust.is_file() {
            arguments.extend(["--policy-trust".to_owned(), trust.display().to_string()]);
        }
        let (kubeconfig, data) = (self.cluster.kubeconfig(), self.data.path());
        self.run = Some(Run::start_for(kubeconfig, data, &self.namespace, &arguments)?);
        Ok(())
    }

    /// Ends the program as a crash would, and starts it again.
    pub(crate) fn start_again(&mut self) -> Result<()> {
        self.run()?.process.kill()?;
        self.start()
    }

    pub(crate) fn run(&mut self) -> Result<&mut Run> {
        self.run.as_mut().context("the program was not started")
    }

    /// Waits for the log to tell that the set has left this revision, or none, and returns its active one.
    pub(crate) async fn in_force(&mut self, before: Option<&str>) -> Result<String> {
        let changed = |line: &Value| {
            let is_it = line["message"] == "policy set in force" && line["before"].as_str() == before;
            line["after"].as_str().filter(|_| is_it).map(str::to_owned)
        };
        self.run()?.process.wait_for_log("another revision of the set", changed).await
    }

    pub(crate) fn api(&self, kind: Kind) -> Result<Api<DynamicObject>> {
        Ok(Api::namespaced_with(self.cluster.client()?, &self.namespace, &kind.api_resource()))
    }

    pub(crate) async fn create(&self, name: &str, more: &Value) -> Result<()> {
        let spec = more.get("spec").cloned().unwrap_or_else(|| json!({}));
        let mut object = remediation(name, name, &spec)?;
        if let Some(annotations) = more.get("annotations") {
            object.metadata.annotations = serde_json::from_value(annotations.clone())?;
        }
        self.api(Kind::RemediationRequest)?.create(&PostParams::default(), &object).await?;
        Ok(())
    }

    pub(crate) async fn patch(&self, kind: Kind, name: &str, status: Value) -> Result<()> {
        let patch = Patch::Merge(json!({"status": status}));
        self.api(kind)?.patch_status(name, &PatchParams::default(), &patch).await?;
        Ok(())
    }

    /// Waits for a phase and returns the remediation.
    pub(crate) async fn phase(&self, name: &str, phase: &str) -> Result<Value> {
        let reached = self.recorder.wait(PATIENCE, |seen| {
            let found = seen.object("RemediationRequest", name)?;
            (found["status"]["overallPhase"] == phase).then(|| found.clone())
        });
        let state = || format!("{:?}", self.recorder.seen().object("RemediationRequest", name));
        let log = || self.run.as_ref().map_or_else(String::new, |run| run.process.tail());
        reached.await.with_context(|| format!("{name} is not {phase}: {}\n{}", state(), log()))
    }

    /// Lets the signal processing of a remediation complete.
    pub(crate) async fn process(&self, name: &str) -> Result<()> {
        let child = format!("sp-{name}");
        self.recorder.wait(PATIENCE, |seen| seen.object("SignalProcessing", &child).cloned()).await?;
        let status = json!({
            "phase": "Completed", "signalClassification": {"severity": "critical", "signalMode": "reactive"},
            "environmentClassification": {"environment": "Production"}, "priorityAssignment": {"priority": "P1"},
        });
        self.patch(Kind::SignalProcessing, &child, status).await
    }

    /// Each record has the set and the revision that answered, and all of them can be decided again to the last byte.
    pub(crate) fn check_ledger(&self, name: &str, revision: &str) -> Result<()> {
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
    pub(crate) async fn report(&mut self) -> Result<Value> {
        let address = self.run()?.process.address(1).await?;
        Ok(serde_json::from_str(&read_page(address, "/policies").await?)?)
    }
}

/// What the program prints; it must succeed.
pub(crate) fn trimtab(arguments: &[&str]) -> Result<String> {
    let output = Command::new(program()?).args(arguments).output()?;
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    ensure!(output.status.success(), "trimtab {arguments:?} ended with {}:\n{stdout}\n{stderr}", output.status);
    Ok(stdout.into_owned())
}

/// The revision that a remediation's last step was made with.
pub(crate) fn revision(remediation: &Value) -> Result<SetRevision> {
    let record = trimtab_api::mapping::record(remediation)?;
    record.set_revision.with_context(|| format!("no revision is recorded: {remediation}"))
}

/// Revisions of the only set, each with its remediations in flight.
pub(crate) fn in_flight(report: &Value) -> Vec<(&str, u64)> {
    let revisions = report["sets"][0]["revisions"].as_array().into_iter().flatten();
    revisions.map(|one| (one["name"].as_str().unwrap_or(""), one["inFlight"].as_u64().unwrap_or(0))).collect()
}
