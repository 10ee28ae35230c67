//! Plays a scenario and compares what came of it with its golden.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, bail};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::Client;
use kube::api::{Api, ApiResource, DeleteParams, DynamicObject, PatchParams, PostParams};
use kube::core::GroupVersionKind;
use serde_json::{Value, json};
use trimtab_api::Kind;

use super::expect::Expect;
use super::mask::Mask;
use super::model::{Creation, Patch, Scenario, Step, Wait, contains, duration, merge, read_yaml};
use super::recorder::{Recorder, Seen};
use super::template::Names;
use super::transcript::Story;
use crate::diff;
use crate::process::PATIENCE;
use crate::virtual_time::stage::Stage;

/// How long nothing may change before a transcript counts as final.
const QUIET: Duration = Duration::from_millis(700);

/// The same where a golden is written: a controller that is slow must not cut it short.
const QUIET_FOR_GOLDEN: Duration = Duration::from_secs(4);

/// What a limit is longer by in real time, on a machine that others share: still less than the period in which the peer polls.
const SLACK: Duration = Duration::from_secs(20);

/// One performance of a scenario in a namespace of its own.
pub struct Play<'a> {
    scenario: &'a Scenario,
    client: Client,
    namespace: String,
    names: Names,
    statuses: Value,
    remediation: Value,
    recorder: Recorder,
    mask: Mask,
    stage: Option<Stage>,
    is_disturbed: bool,
}

impl std::fmt::Debug for Play<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Play")
            .field("scenario", &self.scenario.name)
            .field("namespace", &self.namespace)
            .finish_non_exhaustive()
    }
}

/// What to do with the transcript.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Golden {
    /// It must be equal.
    Compare,
    /// It is written anew.
    Write,
}

impl<'a> Play<'a> {
    /// Prepares a performance.
    pub async fn prepare(scenario: &'a Scenario, client: Client, namespace: String) -> anyhow::Result<Self> {
        let names = scenario.names_in(&namespace);
        let recorder = Recorder::start(&client, &namespace).await?;
        let statuses = read_yaml(&super::folder().join("statuses.yaml"))?;
        let mut remediation = read_yaml(&super::folder().join("remediation.yaml"))?;
        if !scenario.spec.is_null() {
            merge(&mut remediation, &json!({"spec": scenario.spec}));
        }
        let (mask, stage, is_disturbed) = (Mask::read()?, None, false);
        Ok(Self { scenario, client, namespace, names, statuses, remediation, recorder, mask, stage, is_disturbed })
    }

    /// On a stage in virtual time.
    #[must_use]
    pub fn on(mut self, stage: Stage) -> Self {
        self.names.on(stage.clone());
        Self { stage: Some(stage), ..self }
    }

    /// The controller may be slow or die on the way: nobody insists that it does nothing at a time.
    #[must_use]
    pub fn disturbed(self) -> Self {
        Self { is_disturbed: true, ..self }
    }

    /// Plays every step.
    pub async fn play(&self) -> anyhow::Result<()> {
        for (nth, step) in self.scenario.steps.iter().enumerate() {
            let result = self.perform(step).await;
            result
                .with_context(|| format!("step {} of {}: {step:?}{}", nth + 1, self.scenario.name, self.situation()))?;
        }
        Ok(())
    }

    /// Settles the transcript against the golden, or writes the golden.
    pub async fn settle(&self, golden: Golden) -> anyhow::Result<()> {
        let path = golden_path(&self.scenario.name);
        if golden == Golden::Write {
            if !self.recorder.quiet(QUIET_FOR_GOLDEN, PATIENCE).await {
                bail!("{}: it does not come to rest", self.scenario.name);
            }
            return std::fs::write(&path, self.transcript()).with_context(|| path.display().to_string());
        }
        let expected = std::fs::read_to_string(&path)
            .with_context(|| format!("{} cannot be read; UPDATE=1 writes it", path.display()))?;
        let seen_equal = self.recorder.wait(PATIENCE, |seen| (self.write(seen) == expected).then_some(())).await;
        // Equal once is not enough: nothing may be added afterwards.
        let _ = self.recorder.quiet(QUIET, PATIENCE).await;
        let actual = self.transcript();
        if actual == expected {
            return Ok(());
        }
        let when = if seen_equal.is_ok() { "it was equal and changed afterwards" } else { "it never became equal" };
        bail!(
            "{}: the transcript differs from {} ({when}):\n{}",
            self.scenario.name,
            path.display(),
            diff::show(&expected, &actual)
        )
    }

    /// The transcript so far.
    pub fn transcript(&self) -> String {
        self.write(&self.recorder.seen())
    }

    /// The namespace it is played in.
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// What has been seen.
    pub const fn recorder(&self) -> &Recorder {
        &self.recorder
    }

    fn write(&self, seen: &Seen) -> String {
        Story::of(seen, &self.namespace).write(self.mask.clone())
    }

    fn situation(&self) -> String {
        let transcript = self.transcript();
        let errors = self.recorder.seen().errors.join("\n");
        format!("\nthe situation:\n{transcript}{errors}")
    }

    /// Plays one step.
    pub async fn perform(&self, step: &Step) -> anyhow::Result<()> {
        match step {
            Step::CreateRemediation(creation) => self.create_remediation(creation).await,
            Step::Create(object) => self.create(object).await,
            Step::Wait(wait) => self.wait(wait).await,
            Step::Patch(patch) => self.patch(patch).await,
            Step::Edit(edit) => {
                let (api, name) = self.api(&edit.kind, &edit.name)?;
                let patch = kube::api::Patch::Merge(self.names.fill(&edit.patch)?);
                api.patch(&name, &PatchParams::default(), &patch).await?;
                Ok(())
            }
            Step::Delete(named) => {
                let (api, name) = self.api(&named.kind, &named.name)?;
                api.delete(&name, &DeleteParams::background()).await?;
                Ok(())
            }
            Step::Still(seconds) => self.still(Duration::from_secs(*seconds)).await,
            Step::Expect(expect) => self.expect(expect).await,
            Step::Pass(length) => {
                tokio::time::sleep(duration(length)?).await;
                Ok(())
            }
            Step::ApiFails(_)
            | Step::RestartController {}
            | Step::RemoveKind(_)
            | Step::InstallKind(_)
            | Step::Stale(_)
            | Step::Fresh(_) => self.direct(step).await,
        }
    }

    /// What only goes in virtual time.
    async fn direct(&self, step: &Step) -> anyhow::Result<()> {
        let stage = self.stage.as_ref().context("this step is played in virtual time only")?;
        match step {
            Step::ApiFails(law) => stage.fail(law.clone()),
            Step::RestartController {} => stage.restart().await?,
            Step::Stale(kind) => stage.lag().hold(kind),
            Step::Fresh(kind) => stage.lag().release(kind)?,
            Step::RemoveKind(kind) => {
                let name = definition(kind)?.metadata.name.unwrap_or_default();
                self.definitions().delete(&name, &DeleteParams::background()).await?;
            }
            Step::InstallKind(kind) => {
                self.definitions().create(&PostParams::default(), &definition(kind)?).await?;
            }
            other => bail!("{other:?} goes without"),
        }
        Ok(())
    }

    fn definitions(&self) -> Api<CustomResourceDefinition> {
        Api::all(self.client.clone())
    }

    async fn expect(&self, expect: &Expect) -> anyhow::Result<()> {
        if let Some(part) = &expect.notification {
            let part = self.names.fill(part)?;
            let name = part["name"].as_str().context("a notification has a name")?.to_owned();
            let mut part = part.clone();
            part.as_object_mut().map(|members| members.remove("name"));
            let kind = Kind::NotificationRequest.kind();
            let accept = |seen: &Seen| seen.object(kind, &name).filter(|found| contains(found, &part)).map(|_| ());
            self.recorder.wait(PATIENCE, accept).await.with_context(|| format!("the notification {name}"))?;
        }
        match &self.stage {
            Some(stage) => expect.meet(stage, &self.names).await,
            None if expect.needs_stage() => {
                eprintln!("left out in real time: what {} expects of metrics or audit events", self.scenario.name);
                Ok(())
            }
            None => Ok(()),
        }
    }

    async fn create_remediation(&self, creation: &Creation) -> anyhow::Result<()> {
        let mut object = self.remediation.clone();
        if !creation.spec.is_null() {
            merge(&mut object, &json!({"spec": creation.spec}));
        }
        let mut object = self.names.fill(&object)?;
        let (api, name) = self.api("", &creation.name)?;
        object["metadata"] = json!({"name": name, "labels": creation.labels, "annotations": creation.annotations});
        api.create(&PostParams::default(), &serde_json::from_value(object)?).await?;
        Ok(())
    }

    async fn create(&self, object: &Value) -> anyhow::Result<()> {
        let object = self.names.fill(object)?;
        let name = object["metadata"]["name"].as_str().context("an object has a name")?.to_owned();
        let elsewhere = object["metadata"]["namespace"].as_str();
        let namespace = elsewhere.unwrap_or(&self.namespace);
        let api: Api<DynamicObject> = Api::namespaced_with(self.client.clone(), namespace, &resource_of(&object)?);
        match api.create(&PostParams::default(), &serde_json::from_value(object.clone())?).await {
            Err(kube::Error::Api(status)) if status.code == 409 && elsewhere.is_some() => return Ok(()),
            created => created.map(drop)?,
        }
        if let Some(status) = object.get("status") {
            let patch = kube::api::Patch::Merge(json!({"status": status}));
            api.patch_status(&name, &PatchParams::default(), &patch).await?;
        }
        Ok(())
    }

    async fn wait(&self, wait: &Wait) -> anyhow::Result<()> {
        let (kind, name) = self.object(&wait.kind, &wait.name)?;
        let mut part = wait.has.as_ref().map(|part| self.names.fill(part)).transpose()?.unwrap_or_else(|| json!({}));
        if let Some(phase) = &wait.phase {
            let member = if kind == Kind::RemediationRequest.kind() { "overallPhase" } else { "phase" };
            merge(&mut part, &json!({"status": {member: phase}}));
        }
        let accept = |seen: &Seen| match seen.object(&kind, &name) {
            Some(object) => (!wait.gone && contains(object, &part)).then_some(()),
            None => wait.gone.then_some(()),
        };
        let within = wait.within.as_deref().map(duration).transpose()?;
        let patience = match within {
            None => PATIENCE,
            // Whoever takes over from a controller that was struck may have to wait for its lock.
            Some(within) if self.is_disturbed => PATIENCE.max(within + SLACK),
            Some(within) if self.stage.is_some() => within,
            Some(within) => within + SLACK,
        };
        self.recorder.wait(patience, accept).await
    }

    async fn patch(&self, patch: &Patch) -> anyhow::Result<()> {
        let mut status = match &patch.start {
            None => json!({}),
            Some(entry) => self.statuses.get(entry).cloned().with_context(|| format!("no status is called {entry}"))?,
        };
        if !patch.status.is_null() {
            overlay(&mut status, &patch.status);
        }
        let status = self.names.fill(&status)?;
        let (kind, name) = self.object(&patch.kind, &patch.name)?;
        // The child may not be there yet.
        self.recorder.wait(PATIENCE, |seen| seen.object(&kind, &name).map(|_| ())).await?;
        let (api, name) = self.api(&patch.kind, &patch.name)?;
        let body = kube::api::Patch::Merge(json!({"status": status}));
        api.patch_status(&name, &PatchParams::default(), &body).await?;
        Ok(())
    }

    async fn still(&self, length: Duration) -> anyhow::Result<()> {
        // What is still under way when the step begins may come in.
        self.recorder.quiet(QUIET, PATIENCE).await;
        if self.is_disturbed {
            return Ok(());
        }
        let before = self.recorder.count();
        tokio::time::timeout(
            length,
            self.recorder.wait(length * 2, |_| (self.recorder.count() != before).then_some(())),
        )
        .await
        .map_or(Ok(()), |_| bail!("something changed within {length:?}"))
    }

    fn object(&self, kind: &str, name: &str) -> anyhow::Result<(String, String)> {
        let kind = if kind.is_empty() { Kind::RemediationRequest.kind() } else { kind };
        if !name.is_empty() {
            return Ok((kind.to_owned(), self.names.fill_text(name)?));
        }
        let prefix = match Kind::from_kind(kind) {
            Some(Kind::RemediationRequest) => "",
            Some(Kind::SignalProcessing) => "sp-",
            Some(Kind::AIAnalysis) => "ai-",
            Some(Kind::RemediationApprovalRequest) => "rar-",
            Some(Kind::WorkflowExecution) => "we-",
            Some(Kind::EffectivenessAssessment) => "ea-",
            Some(Kind::NotificationRequest | Kind::RemediationWorkflow) | None => bail!("a {kind} needs a name"),
        };
        Ok((kind.to_owned(), format!("{prefix}{}", self.scenario.remediation())))
    }

    fn api(&self, kind: &str, name: &str) -> anyhow::Result<(Api<DynamicObject>, String)> {
        let (kind, name) = self.object(kind, name)?;
        let resource = match Kind::from_kind(&kind) {
            Some(kind) => kind.api_resource(),
            None => ApiResource::from_gvk(&GroupVersionKind::gvk("", "v1", &kind)),
        };
        Ok((Api::namespaced_with(self.client.clone(), &self.namespace, &resource), name))
    }
}

/// The resource of an object by its own words.
fn resource_of(object: &Value) -> anyhow::Result<ApiResource> {
    let kind = object["kind"].as_str().context("an object has a kind")?;
    if let Some(known) = Kind::from_kind(kind) {
        return Ok(known.api_resource());
    }
    let version = object["apiVersion"].as_str().context("an object has an API version")?;
    let (group, version) = version.rsplit_once('/').unwrap_or(("", version));
    Ok(ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, kind)))
}

/// The definition of one of Kubernaut's kinds.
fn definition(kind: &str) -> anyhow::Result<CustomResourceDefinition> {
    let found = trimtab_api::crds().into_iter().find(|definition| definition.spec.names.kind == kind);
    found.with_context(|| format!("no definition of {kind}"))
}

/// Merges like a merge patch, but keeps a null: it is part of the patch that is sent.
fn overlay(base: &mut Value, patch: &Value) {
    match (base, patch) {
        (Value::Object(base), Value::Object(patch)) => {
            for (key, value) in patch {
                overlay(base.entry(key.clone()).or_insert(Value::Null), value);
            }
        }
        (base, patch) => *base = patch.clone(),
    }
}

/// Where the golden of a scenario lies.
pub fn golden_path(name: &str) -> PathBuf {
    super::folder().join(format!("{name}.golden"))
}
