//! Plays the incidents: raises them, follows them, and brings on the three moments.

use std::time::{Duration, Instant};

use anyhow::Context as _;
use futures::{StreamExt as _, TryStreamExt as _};
use kube::api::{Api, DynamicObject, PostParams};
use kube::runtime::{WatchStreamExt as _, watcher};
use kube::{Client, ResourceExt as _};
use serde_json::Value;
use trimtab_api::Kind;
use trimtab_controller::SystemClock;
use trimtab_core::json::text;
use trimtab_core::ports::Clock as _;

use super::cast::{Entry, FIRST_TWIN, Incident, NAMESPACE, SECOND_TWIN, cast};
use super::report::{Report, line};
use super::stage::{Component, Stage};

/// The whole demo ends within this time after the processes run.
const LIMIT: Duration = Duration::from_secs(58);

/// Time between two incidents.
const PACE: Duration = Duration::from_millis(60);

/// How often the moments are looked at.
const TICK: Duration = Duration::from_millis(250);

/// Where the story is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Moment {
    /// Until the first twin has expired.
    FirstTwin,
    /// Until the second component is in force.
    Swap,
    /// Until the hostile component is refused.
    Refusal,
    /// Until everything has ended.
    Ends,
}

/// The story and its report.
pub(crate) struct Story {
    api: Api<DynamicObject>,
    report: Report,
    cast: Vec<Incident>,
    moment: Moment,
}

impl Story {
    pub(crate) fn new(client: Client, report: Report, has_swap: bool) -> Self {
        let api = Api::namespaced_with(client, NAMESPACE, &Kind::RemediationRequest.api_resource());
        let moment = if has_swap { Moment::FirstTwin } else { Moment::Ends };
        Self { api, report, cast: cast(), moment }
    }

    pub(crate) fn into_report(self) -> Report {
        self.report
    }

    /// Plays until everything has ended, or the limit is reached.
    pub(crate) async fn play(&mut self, stage: &mut Stage) -> anyhow::Result<()> {
        let begun = Instant::now();
        let watched = watcher(self.api.clone(), watcher::Config::default()).default_backoff().applied_objects();
        let mut changes = watched.boxed();
        self.raise(Entry::AtOnce).await?;
        if self.moment == Moment::Ends {
            self.raise(Entry::AfterSwap).await?;
        }
        let mut ticks = tokio::time::interval(TICK);
        while !self.is_over() {
            tokio::select! {
                change = changes.try_next() => {
                    // A watch that fails is tried again by itself.
                    if let Ok(Some(object)) = change {
                        self.report.saw(&object.name_any(), &object.data);
                    }
                }
                _ = ticks.tick() => {
                    stage.check()?;
                    self.advance(stage).await?;
                    self.report.draw(&self.cast);
                }
            }
            if begun.elapsed() > LIMIT {
                line("The time is up.");
                break;
            }
        }
        self.report.ended(&self.cast, begun.elapsed());
        Ok(())
    }

    fn is_over(&self) -> bool {
        self.moment == Moment::Ends && self.report.has_ended(&self.cast)
    }

    async fn raise(&mut self, entry: Entry) -> anyhow::Result<()> {
        let now = SystemClock.now().to_string();
        for incident in self.cast.iter().filter(|incident| incident.entry == entry) {
            let request = incident.request(&now)?;
            self.api
                .create(&PostParams::default(), &request)
                .await
                .with_context(|| format!("cannot raise {}", incident.name))?;
            tokio::time::sleep(PACE).await;
        }
        Ok(())
    }

    /// Brings on the next moment once the one before it has come.
    async fn advance(&mut self, stage: &Stage) -> anyhow::Result<()> {
        let (first, second) = (Component::First.digest(), Component::Second.digest());
        match self.moment {
            Moment::FirstTwin if self.report.phase(FIRST_TWIN) == "TimedOut" => {
                self.report.moment(&format!(
                    "{FIRST_TWIN} expired: {first} gives an analysis 6 s (6 min) and it takes 8 s. Swapping in {second}."
                ));
                stage.put(Component::Second)?;
                self.moment = Moment::Swap;
            }
            Moment::Swap => {
                if let Some(line) = find(stage, "policy swapped") {
                    self.report.moment(&format!(
                        "Swapped live from {} to {}: an analysis has 10 s (10 min) now. Raising the twin {SECOND_TWIN}.",
                        short(&line, "before"),
                        short(&line, "after")
                    ));
                    self.raise(Entry::AfterSwap).await?;
                    stage.put(Component::Hostile)?;
                    self.moment = Moment::Refusal;
                }
            }
            Moment::Refusal => {
                if let Some(line) = find(stage, "policy refused") {
                    self.report.moment(&format!(
                        "A hostile component was refused: {}. {} stays in force, nothing else noticed.",
                        text(&line, "/reason"),
                        short(&line, "kept")
                    ));
                    stage.put(Component::Second)?;
                    self.moment = Moment::Ends;
                }
            }
            Moment::FirstTwin | Moment::Ends => {}
        }
        Ok(())
    }
}

fn find(stage: &Stage, message: &str) -> Option<Value> {
    stage.log_lines().into_iter().find(|line| text(line, "/message") == message)
}

fn short(line: &Value, member: &str) -> String {
    text(line, &format!("/{member}")).chars().take("sha256:".len() + 12).collect()
}
