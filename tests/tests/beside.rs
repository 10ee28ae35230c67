//! Beside another orchestrator: its recorded writes played back to an observing controller, and an acting one that
//! leaves alone what another manager has begun.

#[path = "beside/playback.rs"]
mod playback;

use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use kube::ResourceExt as _;
use kube::api::PostParams;
use serde_json::{Value, json};
use trimtab_api::Kind;
use trimtab_tests::cluster::{Cluster, ClusterKind, leaves_out_real};
use trimtab_tests::process::{Run, program, read_page};

use playback::{MANAGER, Recording, Stage};

/// Recordings that are played one after the other: each builds on those before it.
const STORIES: [&[&str]; 8] = [
    &["completed"],
    &["rejected"],
    &["spfailed"],
    &["noworkflow"],
    &["unmanaged"],
    &["resourcebusy"],
    &["fail-1", "fail-2", "fail-3", "fail-4"],
    &["timeout-processing"],
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_recorded_peer_is_agreed_with_on_the_embedded_cluster() -> Result<()> {
    agree(ClusterKind::Embedded).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_recorded_peer_is_agreed_with_on_the_real_api_server() -> Result<()> {
    if leaves_out_real("observing the recorded peer") {
        return Ok(());
    }
    agree(ClusterKind::Real).await
}

/// Plays every recording as the writes of another manager; nothing may differ that no name explains.
async fn agree(kind: ClusterKind) -> Result<()> {
    let stage = Stage::set(kind).await?;
    let data = tempfile::tempdir()?;
    let run = stage.run(data.path(), &["--observe"])?;
    let is_running = |line: &Value| (line["message"] == "running" && line["observe"] == true).then_some(());
    run.wait_for_log("that it observes", is_running).await?;
    let plays = STORIES.map(|story| {
        let stage = &stage;
        async move {
            let mut steps = 0;
            for name in story {
                steps += stage.play(&Recording::read(name)?).await.with_context(|| (*name).to_owned())?;
            }
            Ok::<_, anyhow::Error>(steps)
        }
    });
    let steps: usize = futures::future::try_join_all(plays).await?.into_iter().sum();
    let is_compared = |line: &Value| line["message"] == "a step was compared" && stage.has(line);
    let compared = stage.until("a comparison of every step", async || Ok(run.count_log(is_compared) >= steps));
    compared.await.with_context(|| run.tail())?;
    let report = report(data.path())?;
    ensure!(
        report["unexplained"] == 0 && report["undecidable"] == 0 && report["agreed"] != 0,
        "{report:#}\n{}",
        run.tail()
    );
    stage.is_untouched().await
}

fn report(data: &Path) -> Result<Value> {
    let output = Command::new(program()?).args(["observe", "report", "--json", "--data"]).arg(data).output()?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(serde_json::from_slice(&output.stdout)?)
}

/// A remediation that another manager has begun is left alone, named once, and gone on with once it is taken over.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_another_manager_has_begun_is_left_alone_on_the_real_api_server() -> Result<()> {
    if leaves_out_real("leaving alone what another manager has begun") {
        return Ok(());
    }
    let stage = Stage::set(ClusterKind::Real).await?;
    let recording = Recording::read("completed")?;
    stage.begin(&recording).await?;
    let before = stage.remediation(&recording.name).await?;
    let data = tempfile::tempdir()?;
    let run = stage.run(data.path(), &[])?;
    let told = |line: &Value| {
        let is_told = line["message"].as_str().is_some_and(|text| text.starts_with("left alone"));
        (is_told && stage.has(line)).then(|| line["manager"].clone())
    };
    ensure!(run.wait_for_log("who owns it", told).await? == MANAGER);
    let metrics = read_page(run.address(0).await?, "/metrics").await?;
    ensure!(metrics.lines().any(|line| line == "trimtab_remediations_of_others 1"), "{metrics}");
    let after = stage.remediation(&recording.name).await?;
    ensure!(before.resource_version() == after.resource_version(), "it was written");
    ensure!(stage.count(Kind::SignalProcessing).await? == 0, "a child was created");
    drop(run);
    let heir = stage.run(data.path(), &["--take-over", MANAGER])?;
    stage
        .until("the next phase", async || {
            Ok(stage.remediation(&recording.name).await?.data["status"]["overallPhase"] == "Processing")
        })
        .await
        .with_context(|| heir.tail())
}

/// Two namespaces are watched; in one of them nothing may be read, and a third is nobody's.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_namespace_without_rights_keeps_nobody_from_the_others_on_the_real_api_server() -> Result<()> {
    if leaves_out_real("namespaces with different rights") {
        return Ok(());
    }
    let cluster = Cluster::start(ClusterKind::Real).await?;
    let (open, closed) = (Stage::within(&cluster).await?, Stage::within(&cluster).await?);
    let folder = tempfile::tempdir()?;
    let kubeconfig = open.kubeconfig_with_rights(folder.path()).await?;
    let recording = Recording::read("completed")?;
    for stage in [&open, &closed] {
        let api = stage.api(Kind::RemediationRequest);
        api.create(&PostParams::default(), &recording.remediation(stage)?).await?;
    }
    let data = folder.path().join("data");
    let process = playback::start(&kubeconfig, &data, &["--namespace", open.name(), "--namespace", closed.name()])?;
    let refused = |line: &Value| (line["namespace"] == closed.name() && line["level"] == "WARN").then_some(());
    process.wait_for_log("the namespace that may not be read", refused).await?;
    open.until("a phase", async || {
        Ok(open.remediation(&recording.name).await?.data["status"]["overallPhase"] == "Processing")
    })
    .await
    .with_context(|| process.tail())?;
    ensure!(closed.is_new(&recording.name).await?, "it was written without a right to");
    Ok(())
}

/// A change of the config file holds while the program runs; one that cannot be used changes nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_config_file_is_followed() -> Result<()> {
    let cluster = Cluster::start(ClusterKind::Embedded).await?;
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("remediationorchestrator.yaml");
    let write = |text: &str| -> Result<()> {
        let next = file.with_extension("next");
        std::fs::write(&next, text)?;
        Ok(std::fs::rename(&next, &file)?)
    };
    write("timeouts: {processing: 5m}\nretention: {period: 24h}\n")?;
    let run = Run::start(cluster.kubeconfig(), &["--config".to_owned(), file.display().to_string()])?;
    let says = |message: &'static str| move |line: &Value| (line["message"] == message).then(|| line.clone());
    run.process.wait_for_log("that it runs", says("running")).await?;
    write("timeouts: {processing: 0s}\n")?;
    let refused = run.process.wait_for_log("the refusal", says("config refused; what held before still holds")).await?;
    let reason = refused["reason"].as_str().unwrap_or_default();
    ensure!(reason.contains(":1:24: timeouts.processing is \"0s\": it has to be longer than 0"), "{reason}");
    write("timeouts: {processing: 4m}\nretention: {period: 1h}\ncontroller: {metricsAddr: \":1\"}\n")?;
    let message = "config changed; these keys hold from the next start on";
    let changed = run.process.wait_for_log("the change", says(message)).await?;
    ensure!(changed["keys"] == "controller.metricsAddr", "{changed}");
    let stage = Stage::within(&cluster).await?;
    let recording = Recording::read("completed")?;
    let api = stage.api(Kind::RemediationRequest);
    api.create(&PostParams::default(), &recording.remediation(&stage)?).await?;
    stage
        .until("its timeouts", async || {
            let timeouts = stage.remediation(&recording.name).await?.data["status"]["timeoutConfig"].clone();
            Ok(timeouts
                == json!({"global": "1h0m0s", "processing": "4m0s", "analyzing": "10m0s", "executing": "30m0s"}))
        })
        .await
        .with_context(|| run.process.tail())
}
