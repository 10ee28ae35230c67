//! The brakes with the real controller, ledger, engine and embedded cluster, in virtual time: pauses, limits, the breaker,
//! and what happens after two hours down with 500 remediations in flight.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use futures::future::try_join_all;
use k8s_openapi::api::core::v1::ConfigMap;
use k8s_openapi::api::events::v1::Event;
use kube::api::{Api, DynamicObject, ListParams, Patch, PatchParams, PostParams};
use kube::{Client, ResourceExt as _};
use serde_json::{Value, json};
use trimtab_api::Kind;
use trimtab_controller::brakes::store;
use trimtab_core::brakes::rules::{ActiveLimits, FailureLimit, Limits, Reset, Rules, StartLimit};
use trimtab_core::brakes::{CONFIG_MAP, Pause};
use trimtab_core::time::Span;
use trimtab_tests::scenario::fingerprint_of;
use trimtab_tests::scenario::model::{Scenario, Step};
use trimtab_tests::scenario::play::Play;
use trimtab_tests::virtual_time::stage::Stage;
use trimtab_tests::virtual_time::workshop::Workshop;
use trimtab_tests::virtual_time::{self, NAMESPACE};

/// Longest virtual time that something may take which must happen.
const PATIENCE: Duration = Duration::from_mins(2);

/// How long what is under way may take to come to rest in virtual time.
const SETTLE: Duration = Duration::from_millis(900);

/// How often is looked where a look means hundreds of objects.
const COARSE: Duration = Duration::from_secs(10);

/// Reads a document from YAML.
fn read<T: serde::de::DeserializeOwned>(text: &str) -> Result<T> {
    Ok(serde_json::from_value(serde_saphyr::from_str(text)?)?)
}

fn step(text: &str) -> Result<Step> {
    read(text)
}

fn api(client: &Client, kind: Kind) -> Api<DynamicObject> {
    Api::namespaced_with(client.clone(), NAMESPACE, &kind.api_resource())
}

async fn objects(client: &Client, kind: Kind) -> Result<Vec<DynamicObject>> {
    Ok(api(client, kind).list(&ListParams::default()).await?.items)
}

async fn executions(client: &Client) -> Result<BTreeSet<String>> {
    Ok(objects(client, Kind::WorkflowExecution).await?.iter().map(DynamicObject::name_any).collect())
}

fn at<'a>(object: &'a DynamicObject, pointer: &str) -> &'a str {
    object.data.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

async fn edit(client: &Client, change: impl FnMut(&mut Rules)) -> Result<()> {
    store::edit(client, NAMESPACE, change).await?;
    Ok(())
}

fn pause_all() -> Pause {
    Pause { reason: "a test".into(), by: "alice".into(), at: "2030-01-01T00:00:00Z".into(), ..Pause::default() }
}

/// Waits in virtual time until it is so.
async fn until<T, F: Future<Output = Result<Option<T>>>>(what: &str, check: impl FnMut() -> F) -> Result<T> {
    look_every(Duration::from_millis(100), what, check).await
}

async fn look_every<T, F: Future<Output = Result<Option<T>>>>(
    pause: Duration,
    what: &str,
    mut check: impl FnMut() -> F,
) -> Result<T> {
    let begun = tokio::time::Instant::now();
    loop {
        if let Some(found) = check().await? {
            return Ok(found);
        }
        ensure!(begun.elapsed() < PATIENCE, "{what}: it did not happen within {PATIENCE:?}");
        tokio::time::sleep(pause).await;
    }
}

/// A stage and what plays on it.
struct Crew<'a> {
    stage: Stage,
    play: Play<'a>,
    client: Client,
}

impl<'a> Crew<'a> {
    async fn on(scenario: &'a Scenario, stage: Stage) -> Result<Self> {
        let play = Play::prepare(scenario, stage.client(), NAMESPACE.to_owned()).await?.on(stage.clone());
        let client = stage.client();
        Ok(Self { stage, play, client })
    }

    async fn perform(&self, text: &str) -> Result<()> {
        self.play.perform(&step(text)?).await.with_context(|| text.to_owned())
    }

    /// A remediation of a signal of its own.
    async fn create(&self, name: &str) -> Result<()> {
        let fingerprint = fingerprint_of(name);
        self.perform(&format!(
            "{{createRemediation: {{name: {name}, spec: {{signalFingerprint: \"{fingerprint}\"}}}}}}"
        ))
        .await
    }

    /// A remediation up to the moment at which its execution starts, if nothing holds it.
    async fn analysed(&self, name: &str) -> Result<()> {
        self.create(name).await?;
        self.perform(&format!("{{patch: {{kind: SignalProcessing, name: sp-{name}, use: signalProcessed}}}}")).await?;
        // Each its own target: only the brakes are at issue.
        self.perform(&format!(
            "{{patch: {{kind: AIAnalysis, name: ai-{name}, use: analysisSelected, status: {{rcaResult: \
             {{rootCauseAnalysis: {{remediationTarget: {{kind: Deployment, name: app-{name}, namespace: shop}}}}}}}}}}}}"
        ))
        .await
    }

    async fn end_execution(&self, name: &str, phase: &str) -> Result<()> {
        let patch = Patch::Merge(json!({"status": {"phase": phase}}));
        api(&self.client, Kind::WorkflowExecution).patch_status(name, &PatchParams::default(), &patch).await?;
        Ok(())
    }

    async fn reasons_of_events(&self) -> Result<BTreeMap<String, usize>> {
        let events: Api<Event> = Api::namespaced(self.client.clone(), NAMESPACE);
        let mut reasons = BTreeMap::new();
        for event in events.list(&ListParams::default()).await?.items {
            *reasons.entry(event.reason.unwrap_or_default()).or_default() += 1;
        }
        Ok(reasons)
    }
}

fn virtually<F>(name: &str, settings: &str, work: impl FnOnce(Crew<'static>) -> F) -> Result<()>
where
    F: Future<Output = Result<()>>,
{
    let workshop = Workshop::open()?;
    let scenario = read::<Scenario>(&format!("{{name: {name}, story: The brakes., settings: {settings}, steps: []}}"))?;
    // One for each test of this program.
    let scenario: &'static Scenario = Box::leak(Box::new(scenario));
    virtual_time::run(async {
        let stage = Stage::open(&workshop, scenario)?;
        work(Crew::on(scenario, stage.clone()).await?).await?;
        stage.close().await
    })
}

#[test]
fn a_pause_holds_within_a_second_across_restarts_until_it_is_lifted() -> Result<()> {
    virtually("paused", "{}", async |crew: Crew<'_>| {
        edit(&crew.client, |rules| rules.pauses = vec![pause_all()]).await?;
        tokio::time::sleep(SETTLE).await;
        for nth in 0..3 {
            crew.analysed(&format!("rr-{nth}")).await?;
        }
        crew.stage.restart().await?;
        tokio::time::sleep(Duration::from_mins(2)).await;
        ensure!(executions(&crew.client).await?.is_empty(), "an execution started while paused");
        let told = crew.reasons_of_events().await?.get("Paused").copied();
        ensure!(told == Some(3), "each hold is told once, restarts and rechecks or not: {told:?}");
        edit(&crew.client, |rules| rules.pauses.clear()).await?;
        tokio::time::sleep(SETTLE).await;
        let started = executions(&crew.client).await?;
        ensure!(started.len() == 3, "resumed, but only {started:?} started within {SETTLE:?}");
        // A pause that comes later stops nothing that runs.
        edit(&crew.client, |rules| rules.pauses = vec![pause_all()]).await?;
        crew.end_execution("we-rr-0", "Completed").await?;
        crew.perform("{wait: {name: rr-0, phase: Verifying}}").await
    })
}

#[test]
fn only_what_the_scope_covers_is_paused_and_its_deadline_runs_on() -> Result<()> {
    virtually("paused-namespace", "{}", async |crew: Crew<'_>| {
        let elsewhere = Pause { namespace: "bank".into(), ..pause_all() };
        edit(&crew.client, |rules| rules.pauses = vec![elsewhere.clone()]).await?;
        crew.analysed("rr-a").await?;
        until("it starts", async || Ok((executions(&crew.client).await?.len() == 1).then_some(()))).await?;
        edit(&crew.client, |rules| rules.pauses.push(Pause { namespace: "shop".into(), ..pause_all() })).await?;
        tokio::time::sleep(SETTLE).await;
        crew.analysed("rr-b").await?;
        tokio::time::sleep(Duration::from_mins(61)).await;
        ensure!(executions(&crew.client).await?.len() == 1, "an execution started while paused");
        let held = api(&crew.client, Kind::RemediationRequest).get("rr-b").await?;
        let phase = at(&held, "/status/overallPhase");
        ensure!(matches!(phase, "Failed" | "TimedOut"), "its deadline has passed, and it is in {phase}");
        Ok(())
    })
}

#[test]
fn rules_that_nobody_can_read_hold_everything_from_the_start() -> Result<()> {
    virtually("broken", "{}", async |crew: Crew<'_>| {
        crew.stage.kill().await?;
        let maps: Api<ConfigMap> = Api::namespaced(crew.client.clone(), NAMESPACE);
        let broken = json!({"metadata": {"name": CONFIG_MAP}, "data": {"pausess": "[]"}});
        maps.create(&PostParams::default(), &serde_json::from_value(broken)?).await?;
        crew.stage.restart().await?;
        crew.analysed("rr-a").await?;
        tokio::time::sleep(Duration::from_secs(30)).await;
        ensure!(executions(&crew.client).await?.is_empty(), "an execution started under rules that nobody can read");
        let refused = store::edit(&crew.client, NAMESPACE, |rules| rules.pauses.clear()).await;
        ensure!(refused.is_err_and(|error| error.to_string().contains("pausess")), "it is not written over");
        let mended = Patch::Merge(json!({"data": {"pausess": null}}));
        maps.patch(CONFIG_MAP, &PatchParams::default(), &mended).await?;
        tokio::time::sleep(SETTLE).await;
        ensure!(executions(&crew.client).await?.len() == 1, "mended, and nothing started");
        Ok(())
    })
}

#[test]
fn never_more_executions_than_the_limits_allow_and_each_free_place_is_taken_at_once() -> Result<()> {
    virtually("limits", "{}", async |crew: Crew<'_>| {
        let limits = Limits {
            active: ActiveLimits { cluster: Some(2), ..ActiveLimits::default() },
            started: Some(StartLimit { count: 7, within: Span::from_secs(600) }),
            failures: None,
        };
        edit(&crew.client, |rules| rules.limits = limits.clone()).await?;
        tokio::time::sleep(SETTLE).await;
        let names: Vec<_> = (0..8).map(|nth| format!("rr-{nth}")).collect();
        try_join_all(names.iter().map(|name| crew.analysed(name))).await?;
        let mut ended = BTreeSet::new();
        for _ in 0..7 {
            tokio::time::sleep(SETTLE).await;
            let active: Vec<_> = executions(&crew.client).await?.difference(&ended).cloned().collect();
            let expected = (7 - ended.len()).min(2);
            ensure!(active.len() == expected, "{active:?} are active after {} have ended", ended.len());
            let name = active.first().context("one is active")?;
            crew.end_execution(name, "Completed").await?;
            ended.insert(name.clone());
        }
        tokio::time::sleep(SETTLE).await;
        ensure!(executions(&crew.client).await?.len() == 7, "seven in ten minutes, and no eighth");
        // Its deadline in Analyzing comes at ten minutes; that of the window comes first.
        crew.perform("{patch: {name: rr-7, status: {timeoutConfig: {analyzing: 55m}}}}").await.ok();
        tokio::time::sleep(Duration::from_mins(10)).await;
        let reasons = crew.reasons_of_events().await?;
        ensure!(reasons.contains_key("LimitReached"), "nobody was told: {reasons:?}");
        Ok(())
    })
}

#[test]
fn failures_open_the_breaker_for_good_until_somebody_closes_it() -> Result<()> {
    virtually("breaker", "{}", async |crew: Crew<'_>| {
        let failures = Some(FailureLimit { percent: 50, samples: 4, within: Span::from_secs(3600) });
        edit(&crew.client, |rules| rules.limits.failures = failures).await?;
        for nth in 0..4 {
            crew.analysed(&format!("rr-{nth}")).await?;
        }
        until("four start", async || Ok((executions(&crew.client).await?.len() == 4).then_some(()))).await?;
        for (nth, phase) in ["Completed", "Failed", "Completed", "Failed"].into_iter().enumerate() {
            crew.end_execution(&format!("we-rr-{nth}"), phase).await?;
        }
        tokio::time::sleep(SETTLE).await;
        let (_, rules) = store::edit(&crew.client, NAMESPACE, |_| {}).await?;
        let trip = rules.breaker.tripped.context("the breaker's state is in the cluster")?;
        ensure!(trip.text.starts_with("2 of the 4"), "{}", trip.text);
        crew.stage.restart().await?;
        crew.analysed("rr-4").await?;
        tokio::time::sleep(Duration::from_mins(1)).await;
        ensure!(executions(&crew.client).await?.len() == 4, "it started under an open breaker");
        let now = crew.stage.now().to_string();
        edit(&crew.client, |rules| {
            rules.breaker.tripped = None;
            rules.breaker.reset = Some(Reset { at: now.clone(), by: "alice".into() });
        })
        .await?;
        tokio::time::sleep(SETTLE).await;
        ensure!(executions(&crew.client).await?.len() == 5, "closed, and nothing started");
        Ok(())
    })
}

/// Two hours down, 500 in flight: no storm of notifications, the rate holds, every one has timed out.
#[test]
fn two_hours_down_with_500_in_flight_end_at_a_capped_rate_with_one_summary() -> Result<()> {
    const IN_FLIGHT: usize = 500;
    virtually("two-hours-down", "{}", async |crew: Crew<'_>| {
        let begun = Instant::now();
        for nth in 0..IN_FLIGHT {
            crew.create(&format!("rr-{nth:03}")).await?;
        }
        let count = async || anyhow::Ok(objects(&crew.client, Kind::SignalProcessing).await?.len());
        look_every(COARSE, "all are in flight", async || Ok((count().await? == IN_FLIGHT).then_some(()))).await?;
        // A few are further, and one has been done in time although nobody saw it.
        for nth in 0..20 {
            let patch = format!("{{patch: {{kind: SignalProcessing, name: sp-rr-{nth:03}, use: signalProcessed}}}}");
            crew.perform(&patch).await?;
        }
        tokio::time::sleep(Duration::from_secs(5)).await;
        crew.stage.kill().await?;
        tokio::time::sleep(Duration::from_hours(2)).await;
        println!("in flight after {:.1} s", begun.elapsed().as_secs_f64());
        crew.stage.restart().await?;
        let all_ended = async || {
            let all = objects(&crew.client, Kind::RemediationRequest).await?;
            Ok(all.iter().all(|one| at(one, "/status/overallPhase") == "TimedOut").then_some(all))
        };
        let ended = look_every(COARSE, "all have timed out", all_ended).await?;
        println!("ended after {:.1} s", begun.elapsed().as_secs_f64());
        let mut per_second = BTreeMap::<_, usize>::new();
        for one in &ended {
            *per_second.entry(at(one, "/status/completedAt").to_owned()).or_default() += 1;
        }
        let most = per_second.values().max().copied().unwrap_or_default();
        ensure!(most <= 11, "{most} ended within one second: {per_second:?}");
        ensure!(per_second.len() <= 70, "it took {} seconds", per_second.len());
        let notifications = objects(&crew.client, Kind::NotificationRequest).await?;
        let names: Vec<_> = notifications.iter().map(DynamicObject::name_any).collect();
        ensure!(names == ["nr-missed-deadlines-rr-000"], "{names:?}");
        let summary = notifications.first().context("the summary")?;
        let body = at(summary, "/spec/body");
        ensure!(body.contains("The deadlines of 500 remediations") && body.contains("- rr-049"), "{body}");
        ensure!(body.contains("- Analyzing: 20") && body.contains("- Processing: 480"), "{body}");
        for one in &ended {
            let refs = one.data.pointer("/status/completionStatus/notificationRequestRefs").and_then(Value::as_array);
            let refs: Vec<_> = refs.into_iter().flatten().filter_map(|one| one["name"].as_str()).collect();
            ensure!(refs == names, "{} refers to {refs:?}", one.name_any());
        }
        let told = crew.reasons_of_events().await?.get("RemediationTimeout").copied();
        ensure!(told == Some(IN_FLIGHT), "{told:?} events");
        let audited = crew.stage.audit()?;
        let ended = audited.iter().filter(|event| event["event_type"] == "orchestrator.lifecycle.completed").count();
        let failed = audited.iter().filter(|event| event["event_type"] == "orchestrator.lifecycle.failed").count();
        ensure!(ended + failed == IN_FLIGHT, "{ended} completed and {failed} failed in the audit trail");
        // The message is delivered; those who only refer to it show so, and it being gone later is nobody's doing.
        println!("done after {:.1} s", begun.elapsed().as_secs_f64());
        Ok(())
    })
}

/// The controller dies in the middle of working off a storm: those that are left refer to the message that is out.
#[test]
fn a_death_in_a_storm_sends_no_second_summary() -> Result<()> {
    const IN_FLIGHT: usize = 60;
    virtually("death-in-a-storm", "{}", async |crew: Crew<'_>| {
        for nth in 0..IN_FLIGHT {
            crew.create(&format!("rr-{nth:03}")).await?;
        }
        let count = async || anyhow::Ok(objects(&crew.client, Kind::SignalProcessing).await?.len());
        until("all are in flight", async || Ok((count().await? == IN_FLIGHT).then_some(()))).await?;
        crew.stage.kill().await?;
        tokio::time::sleep(Duration::from_hours(2)).await;
        crew.stage.restart().await?;
        let ended = async || {
            let all = objects(&crew.client, Kind::RemediationRequest).await?;
            anyhow::Ok(all.iter().filter(|one| at(one, "/status/overallPhase") == "TimedOut").count())
        };
        let some = until("some have ended", async || {
            let ended = ended().await?;
            Ok((ended >= 10).then_some(ended))
        });
        let some = some.await?;
        ensure!(some < IN_FLIGHT - 20, "{some} have ended already: the rest is no storm");
        crew.stage.restart().await?;
        until("all have ended", async || Ok((ended().await? == IN_FLIGHT).then_some(()))).await?;
        let notifications = objects(&crew.client, Kind::NotificationRequest).await?;
        let names: Vec<_> = notifications.iter().map(DynamicObject::name_any).collect();
        ensure!(names == ["nr-missed-deadlines-rr-000"], "{names:?}");
        for one in &objects(&crew.client, Kind::RemediationRequest).await? {
            let refs = one.data.pointer("/status/completionStatus/notificationRequestRefs").and_then(Value::as_array);
            let refs: Vec<_> = refs.into_iter().flatten().filter_map(|one| one["name"].as_str()).collect();
            ensure!(refs == names, "{} refers to {refs:?}", one.name_any());
        }
        Ok(())
    })
}
