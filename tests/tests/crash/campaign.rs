//! A campaign: remediations with scripts, played once undisturbed and once under kills, and compared.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use kube::api::{Api, DynamicObject, ListParams, Patch, PatchParams, PostParams};
use kube::{Client, ResourceExt as _};
use serde_json::{Value, json};
use trimtab_api::Kind;
use trimtab_tests::cluster::{manage_targets, read_kubeconfig};
use trimtab_tests::process::{PATIENCE, Run, Trimtab};

use trimtab_fake_datastorage::{FakeDataStorage, FakeSettings, Fault, Ids};

use crate::ledger;

/// Where the stand-ins work.
const NAMESPACE: &str = "kubernaut-system";

/// How often is looked whether everything has ended.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// How long a remediation may take from the last kill to its end.
const END_PATIENCE: Duration = Duration::from_mins(1);

/// The scripts, in turn; the last one times out.
const SCRIPTS: [(&str, &str); 9] = [
    (
        "completed",
        r#""analysis":{"seconds":0.6,"outcome":"Workflow"},"execution":{"seconds":1.2,"outcome":"Completed"}"#,
    ),
    (
        "approved",
        r#""analysis":{"seconds":0.5,"outcome":"Approval"},"approval":{"seconds":0.9,"outcome":"Approved"},"execution":{"seconds":0.7,"outcome":"Completed"}"#,
    ),
    (
        "rejected",
        r#""analysis":{"seconds":0.8,"outcome":"Approval"},"approval":{"seconds":1.1,"outcome":"Rejected","message":"too risky"}"#,
    ),
    ("no-workflow", r#""analysis":{"seconds":1.5,"outcome":"NoWorkflow"}"#),
    ("manual-review", r#""analysis":{"seconds":0.7,"outcome":"ManualReview"}"#),
    ("analysis-failed", r#""analysis":{"seconds":0.4,"outcome":"Failed"}"#),
    (
        "execution-failed",
        r#""analysis":{"seconds":0.5,"outcome":"Workflow"},"execution":{"seconds":1.4,"outcome":"Failed"}"#,
    ),
    ("processing-failed", r#""signalProcessing":{"seconds":1.3,"outcome":"Failed"}"#),
    ("timed-out", r#""signalProcessing":{"outcome":"Never"}"#),
];

/// What a campaign does.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Campaign {
    pub(crate) seed: u64,
    pub(crate) remediations: usize,
    pub(crate) run_kills: usize,
    pub(crate) cluster_kills: usize,
    /// Shortest and longest time between two kills, in milliseconds.
    pub(crate) gap_ms: (u64, u64),
    /// Whose ids `DataStorage` keeps.
    pub(crate) ids: Ids,
}

/// How one remediation ended: everything that must not depend on kills.
#[derive(Debug, Clone, PartialEq, Eq)]
struct End {
    status: String,
    children: Vec<String>,
    /// Types and outcomes of its audit events in the order in which `DataStorage` has them, doubles left out.
    audit: Vec<String>,
}

/// What a campaign came to.
#[derive(Debug)]
pub(crate) struct Report {
    ends: BTreeMap<String, End>,
    ledger: ledger::Account,
    /// Events that `DataStorage` holds, and how many of them twice.
    stored: usize,
    doubles: usize,
    run_starts: usize,
    length: Duration,
}

/// Plays the campaign with and without kills, beside each other, and fails where anything differs.
pub(crate) async fn compare(campaign: &Campaign) -> Result<Report> {
    let undisturbed = Campaign { run_kills: 0, cluster_kills: 0, ids: Ids::Ours, ..*campaign };
    let (disturbed, undisturbed) = tokio::try_join!(play(campaign), play(&undisturbed))?;
    for (name, expected) in &undisturbed.ends {
        let found = disturbed.ends.get(name).with_context(|| format!("{name} is lost"))?;
        ensure!(found == expected, "{name}: undisturbed {expected:#?}\nunder kills {found:#?}");
    }
    ensure!(disturbed.ends.len() == undisturbed.ends.len(), "under kills there are more remediations");
    Ok(disturbed)
}

async fn play(campaign: &Campaign) -> Result<Report> {
    let begun = Instant::now();
    let mut world = World::start(campaign.ids).await?;
    let mut draws = Draws(campaign.seed);
    let mut kills: Vec<bool> =
        (0..campaign.run_kills + campaign.cluster_kills).map(|nth| nth < campaign.run_kills).collect();
    draws.shuffle(&mut kills);
    let first = campaign.remediations.div_ceil(2);
    for nth in 0..first {
        world.create(nth).await?;
    }
    for (nth, kills_run) in kills.iter().enumerate() {
        let gap = draws.between(campaign.gap_ms);
        tokio::time::sleep(Duration::from_millis(gap)).await;
        // Answers get lost as well, whether the events were stored or not.
        world.datastorage.add_fault(Fault::hang_up(nth % 2 == 0, 1));
        if *kills_run {
            world.kill_run()?;
        } else {
            world.kill_cluster().await?;
        }
        // The other half arrives between the kills.
        let due = first + (nth + 1) * (campaign.remediations - first) / kills.len();
        world.create_up_to(due).await?;
    }
    world.create_up_to(campaign.remediations).await?;
    let mut ends = world.ends(campaign.remediations).await?;
    let ledger = world.settled_ledger().await?;
    world.check_sequences(&ledger).await?;
    let (stored, doubles) = world.check_audit(&ledger, campaign.ids, &mut ends)?;
    Ok(Report { ends, ledger, stored, doubles, run_starts: world.run_starts, length: begun.elapsed() })
}

/// Both processes and what they keep.
struct World {
    folder: tempfile::TempDir,
    port: u16,
    client: Client,
    cluster: Trimtab,
    datastorage: FakeDataStorage,
    delivery: Vec<String>,
    run: Run,
    run_starts: usize,
    created: usize,
}

impl World {
    async fn start(ids: Ids) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        // Free now; nothing else asks for it between two lives of the cluster.
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let cluster = start_cluster(folder.path(), port).await?;
        let kubeconfig = kubeconfig(folder.path());
        let client = Client::try_from(read_kubeconfig(&kubeconfig).await?)?;
        manage_targets(client.clone()).await?;
        let datastorage = FakeDataStorage::start(FakeSettings { ids, ..FakeSettings::default() }).await?;
        let whose = if ids == Ids::Ours { "ours" } else { "theirs" };
        let delivery =
            ["--datastorage-url", &datastorage.url(), "--datastorage-ids", whose].map(str::to_owned).to_vec();
        let run = Run::start_in(&kubeconfig, &folder.path().join("run"), &delivery)?;
        Ok(Self { folder, port, client, cluster, datastorage, delivery, run, run_starts: 1, created: 0 })
    }

    fn kill_run(&mut self) -> Result<()> {
        self.run.process.kill()?;
        self.restart_run()
    }

    fn restart_run(&mut self) -> Result<()> {
        let data = self.folder.path().join("run");
        self.run = Run::start_in(&kubeconfig(self.folder.path()), &data, &self.delivery)?;
        self.run_starts += 1;
        Ok(())
    }

    async fn kill_cluster(&mut self) -> Result<()> {
        self.cluster.kill()?;
        self.cluster = start_cluster(self.folder.path(), self.port).await?;
        self.supervise()
    }

    /// A controller that finds no API at its start ends, and whoever runs it starts it again.
    fn supervise(&mut self) -> Result<()> {
        if self.run.process.is_running() { Ok(()) } else { self.restart_run() }
    }

    fn api(&self, kind: Kind) -> Api<DynamicObject> {
        Api::namespaced_with(self.client.clone(), NAMESPACE, &kind.api_resource())
    }

    async fn create_up_to(&mut self, count: usize) -> Result<()> {
        while self.created < count {
            self.create(self.created).await?;
        }
        Ok(())
    }

    async fn create(&mut self, nth: usize) -> Result<()> {
        let (label, script) = SCRIPTS[nth % SCRIPTS.len()];
        let name = format!("rr-{nth:02}-{label}");
        let processing = if script.contains("signalProcessing") {
            ""
        } else {
            r#""signalProcessing":{"seconds":0.4,"outcome":"Completed"},"#
        };
        let script = format!(r#"{{{processing}{script},"assessment":{{"seconds":0.8,"outcome":"Full"}}}}"#);
        let remediation = remediation(&name, nth, &script);
        self.api(Kind::RemediationRequest).create(&PostParams::default(), &remediation).await.context(name.clone())?;
        if label == "timed-out" {
            let patch = Patch::Merge(json!({"status": {"timeoutConfig": {"processing": "3s"}}}));
            self.api(Kind::RemediationRequest).patch_status(&name, &PatchParams::default(), &patch).await?;
        }
        self.created = nth + 1;
        Ok(())
    }

    /// Waits until every remediation has ended and its children with it.
    async fn ends(&mut self, count: usize) -> Result<BTreeMap<String, End>> {
        let begun = Instant::now();
        let mut ticks = tokio::time::interval(LOOK_EVERY);
        loop {
            ticks.tick().await;
            self.supervise()?;
            let ends = self.look().await?;
            let open: Vec<_> = ends.iter().filter(|(_, end)| end.is_none()).map(|(name, _)| name.clone()).collect();
            if open.is_empty() && ends.len() == count {
                return Ok(ends.into_iter().filter_map(|(name, end)| Some((name, end?))).collect());
            }
            if std::env::var_os("TRIMTAB_PROGRESS").is_some() {
                eprintln!(
                    "{:>6.1} s: {} of {count} there; open: {}",
                    begun.elapsed().as_secs_f64(),
                    ends.len(),
                    open.join(", ")
                );
            }
            if begun.elapsed() > END_PATIENCE {
                let (run, cluster) = (self.run.process.tail(), self.cluster.tail());
                let first = open.first().map(String::as_str).unwrap_or_default();
                let state = self.state(first).await?;
                bail!(
                    "{} of {count} there; not ended: {}\n{state}\nrun: {run}\ncluster: {cluster}",
                    ends.len(),
                    open.join(", ")
                );
            }
        }
    }

    /// A remediation and its children, for failure messages.
    async fn state(&self, name: &str) -> Result<String> {
        let mut text = String::new();
        for kind in Kind::ALL {
            for object in self.api(kind).list(&ListParams::default()).await? {
                if object.name_any().ends_with(name) {
                    text.push_str(&serde_json::to_string(&object)?);
                    text.push('\n');
                }
            }
        }
        Ok(text)
    }

    async fn look(&self) -> Result<BTreeMap<String, Option<End>>> {
        let mut ends = BTreeMap::new();
        let mut children: BTreeMap<String, Vec<String>> = BTreeMap::new();
        let mut unfinished: Vec<String> = Vec::new();
        for kind in
            Kind::ALL.into_iter().filter(|kind| !matches!(kind, Kind::RemediationRequest | Kind::RemediationWorkflow))
        {
            for child in self.api(kind).list(&ListParams::default()).await? {
                let owner = child.owner_references().first().map(|owner| owner.name.clone()).unwrap_or_default();
                let member = if kind == Kind::RemediationApprovalRequest { "decision" } else { "phase" };
                let phase = child.data["status"][member].as_str().unwrap_or_default();
                let is_worked_on = !matches!(kind, Kind::RemediationApprovalRequest);
                if is_worked_on && !matches!(phase, "Completed" | "Failed" | "Sent") {
                    unfinished.push(owner.clone());
                }
                children.entry(owner).or_default().push(format!("{kind} {} {phase}", child.name_any()));
            }
        }
        for remediation in self.api(Kind::RemediationRequest).list(&ListParams::default()).await? {
            let name = remediation.name_any();
            let phase = remediation.data["status"]["overallPhase"].as_str().unwrap_or_default();
            let is_ended = matches!(phase, "Completed" | "Failed" | "TimedOut") && !unfinished.contains(&name);
            let end = is_ended.then(|| End {
                status: shown_status(&remediation.data["status"]),
                children: children.remove(&name).unwrap_or_default(),
                audit: Vec::new(),
            });
            ends.insert(name, end);
        }
        Ok(ends)
    }

    /// Waits until the ledger has no open step and every audit event is delivered.
    async fn settled_ledger(&self) -> Result<ledger::Account> {
        let begun = Instant::now();
        let mut ticks = tokio::time::interval(LOOK_EVERY);
        loop {
            ticks.tick().await;
            let account = ledger::Account::read(self.run.data())?;
            if account.open.is_empty() && account.undelivered == 0 {
                return Ok(account);
            }
            let (open, undelivered) = (&account.open, account.undelivered);
            let patience = PATIENCE * 2;
            ensure!(
                begun.elapsed() < patience,
                "open steps stay: {open:?}; {undelivered} events are not delivered\n{}",
                self.run.process.tail()
            );
        }
    }

    /// `DataStorage` has every event of the ledger, and no other; where our ids count, once.
    fn check_audit(
        &self,
        ledger: &ledger::Account,
        ids: Ids,
        ends: &mut BTreeMap<String, End>,
    ) -> Result<(usize, usize)> {
        let (stored, doubles) = (self.datastorage.stored(), self.datastorage.doubles());
        ensure!(stored.len() - doubles == ledger.events, "{} stored, {doubles} twice, {}", stored.len(), ledger.events);
        ensure!(ids == Ids::Theirs || doubles == 0, "{doubles} events are there twice although our ids count");
        let mut told = BTreeSet::new();
        for event in &stored {
            let name = event.text("correlation_id");
            let end = ends.get_mut(name).with_context(|| format!("an event of {name}, which does not exist"))?;
            let said = (name.to_owned(), event.text("event_type").to_owned(), event.body["event_data"].to_string());
            if told.insert(said) {
                end.audit.push(format!("{} {}", event.text("event_type"), event.text("event_outcome")));
            }
        }
        Ok((stored.len(), doubles))
    }

    /// The ledger confirms every step of every remediation, once each.
    async fn check_sequences(&self, ledger: &ledger::Account) -> Result<()> {
        for remediation in self.api(Kind::RemediationRequest).list(&ListParams::default()).await? {
            let last = trimtab_api::mapping::record(&serde_json::to_value(&remediation)?)?.sequence;
            let confirmed = ledger.confirmed.get(&remediation.uid().unwrap_or_default()).cloned().unwrap_or_default();
            let expected: Vec<u64> = (1..=last).collect();
            ensure!(
                confirmed == expected,
                "{}: its ledger confirms {confirmed:?} of {last} steps",
                remediation.name_any()
            );
        }
        Ok(())
    }
}

async fn start_cluster(folder: &Path, port: u16) -> Result<Trimtab> {
    let data = folder.join("cluster");
    std::fs::create_dir_all(&data)?;
    let arguments =
        ["cluster", "--data", data.to_str().context("not UTF-8")?, "--listen", &format!("127.0.0.1:{port}")];
    let cluster = Trimtab::start(arguments)?;
    cluster.wait_for_log("that it is ready", |line| (line["message"] == "cluster ready").then_some(())).await?;
    Ok(cluster)
}

fn kubeconfig(folder: &Path) -> PathBuf {
    folder.join("cluster").join("kubeconfig")
}

fn remediation(name: &str, nth: usize, script: &str) -> DynamicObject {
    DynamicObject::new(name, &Kind::RemediationRequest.api_resource()).data(json!({"spec": {
        "signalFingerprint": format!("{nth:064x}"),
        "signalName": "KubePodCrashLooping", "signalType": "alert", "severity": "critical", "targetType": "kubernetes",
        "firingTime": "2026-01-01T00:00:00Z", "receivedTime": "2026-01-01T00:00:00Z",
        "targetResource": {"apiVersion": "apps/v1", "kind": "Deployment", "name": format!("app-{nth}"), "namespace": "demo"},
        "signalAnnotations": {"stand-ins.trimtab.dev/script": script},
    }}))
}

/// What of a status must not depend on kills.
fn shown_status(status: &Value) -> String {
    let completion = &status["completionStatus"];
    let references = completion["notificationRequestRefs"].as_array().into_iter().flatten();
    let notifications: Vec<_> = references.filter_map(|reference| reference["name"].as_str()).collect();
    format!(
        "{} outcome={} failurePhase={} reason={} timeoutPhase={} notifications={}",
        status["overallPhase"],
        completion["outcome"],
        completion["failurePhase"],
        completion["failureReason"],
        completion["timeoutPhase"],
        notifications.join(",")
    )
}

/// Reproducible draws (splitmix64).
struct Draws(u64);

impl Draws {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    fn between(&mut self, (least, most): (u64, u64)) -> u64 {
        least + self.next() % (most - least + 1)
    }

    fn shuffle(&mut self, list: &mut [bool]) {
        for at in (1..list.len()).rev() {
            let other = usize::try_from(self.next() % (at as u64 + 1)).unwrap_or(0);
            list.swap(at, other);
        }
    }
}

impl Report {
    /// What came of the audit events, in one sentence.
    pub(crate) fn delivered(&self, campaign: &Campaign) -> String {
        format!(
            "DataStorage, which lost an answer for each of {} kills and keeps {} ids, has every one of {} audit events: {} stored, \
             0 lost, 0 invented, {} doubled.",
            campaign.run_kills,
            if campaign.ids == Ids::Ours { "our" } else { "its own" },
            self.ledger.events,
            self.stored,
            self.doubles,
        )
    }

    /// The report as a page.
    pub(crate) fn markdown(&self, campaign: &Campaign) -> String {
        let mut page = format!(
            "# Kill campaign\n\n`cargo test -p trimtab-tests --test crash -- --ignored --nocapture full_campaign` rewrites this page.\n\n\
             {} remediations, seed {}; `trimtab run` killed {} times and `trimtab cluster` {} times (SIGKILL), {} to {} ms apart; \
             `trimtab run` was started {} times; {:.0} s in all.\n\n\
             Every remediation ended as in an undisturbed run with the same scripts: same phase, outcome, reason, children and \
             notifications. No remediation was lost, and none has a child or notification (by kind and name) that the undisturbed one lacks.\n\n\
             | ledger | count |\n|---|---|\n| steps prepared | {} |\n| confirmed | {} |\n| discarded | {} |\n| unknown | {} |\n| open at the end | {} |\n| audit events | {} |\n\n{}\n\n",
            campaign.remediations,
            campaign.seed,
            campaign.run_kills,
            campaign.cluster_kills,
            campaign.gap_ms.0,
            campaign.gap_ms.1,
            self.run_starts,
            self.length.as_secs_f64(),
            self.ledger.prepared,
            self.ledger.settled_confirmed,
            self.ledger.discarded,
            self.ledger.unknown,
            self.ledger.open.len(),
            self.ledger.events,
            self.delivered(campaign),
        );
        page.push_str("| remediation | end |\n|---|---|\n");
        for (name, end) in &self.ends {
            let _ = writeln!(page, "| {name} | {} |", end.status.replace('|', "/"));
        }
        page
    }
}
