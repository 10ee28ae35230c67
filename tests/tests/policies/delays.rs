//! How long reconciles take while sets are swapped, and while they are not, in turns and under the same load.

use std::fmt::Write as _;
use std::ops::Range;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result, bail, ensure};
use jiff::Timestamp;
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use trimtab_api::Kind;
use trimtab_tests::spread::Spread;

use crate::stage::Stage;

/// What the program has to log.
pub(crate) const FILTER: &str = "info,trimtab_controller::run=debug";

/// Pause between two touches of remediations that wait: each asks for a reconcile, with swaps and without.
const TOUCH_PERIOD: Duration = Duration::from_millis(50);

/// How the names of remediations begin that wait throughout.
pub(crate) const WAITS: &str = "rr-waits-";

/// Since 1970.
pub(crate) fn now() -> Result<Duration> {
    Ok(SystemTime::now().duration_since(UNIX_EPOCH)?)
}

/// What is timed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum What {
    /// A reconcile of a remediation that waits, for which nothing is asked of the API server.
    Look,
    /// Another reconcile.
    Reconcile,
    /// The part of such a one in which no answer of the API server is awaited.
    Own,
    /// A write of the test itself.
    Write,
}

/// Something that took a time.
struct Timed {
    what: What,
    began: Duration,
    took: Duration,
}

impl Timed {
    /// A reconcile, as its log line tells of it.
    fn of(line: &Value) -> Option<Vec<Self>> {
        let micros = |member: &str| line[member].as_u64().map(Duration::from_micros);
        let took = micros("micros").filter(|_| line["message"] == "reconciled")?;
        let own = took.saturating_sub(micros("waited")?);
        let ended: Timestamp = line["timestamp"].as_str()?.parse().ok()?;
        let began = Duration::from_micros(u64::try_from(ended.as_microsecond()).ok()?).saturating_sub(took);
        let timed = |what, took| Self { what, began, took };
        let waits = line["span"]["remediation"].as_str()?.starts_with(WAITS);
        Some(if waits {
            vec![timed(What::Look, took)]
        } else {
            vec![timed(What::Reconcile, took), timed(What::Own, own)]
        })
    }
}

/// Listens to the program while sets are swapped and while they are not.
pub(crate) struct Delays {
    touching: JoinHandle<Result<()>>,
    touches: mpsc::UnboundedReceiver<Timed>,
    /// The log line to go on with.
    line: usize,
    all: Vec<Timed>,
    /// When sets were swapped.
    swapping: Vec<Range<Duration>>,
    began: Duration,
}

impl Delays {
    /// Begins to touch these remediations, and sets are swapped from now on.
    pub(crate) fn start(stage: &mut Stage, waiting: &[String]) -> Result<Self> {
        let (api, names) = (stage.api(Kind::RemediationRequest)?, waiting.to_vec());
        let (_, line) = stage.run()?.process.read_log(0, |_| Some(()))?;
        let (sender, touches) = mpsc::unbounded_channel();
        let touching = tokio::spawn(async move {
            let mut ticks = tokio::time::interval(TOUCH_PERIOD);
            for (touch, name) in names.iter().cycle().enumerate() {
                ticks.tick().await;
                let patch = Patch::Merge(json!({"metadata": {"annotations": {"touched": touch.to_string()}}}));
                let (began, start) = (now()?, Instant::now());
                api.patch(name, &PatchParams::default(), &patch).await?;
                sender.send(Timed { what: What::Write, began, took: start.elapsed() })?;
            }
            bail!("there is nothing to touch")
        });
        Ok(Self { touching, touches, line, all: Vec::new(), swapping: Vec::new(), began: now()? })
    }

    /// Sets have been swapped until now.
    pub(crate) fn rest(&mut self, stage: &mut Stage) -> Result<()> {
        self.swapping.push(self.began..now()?);
        self.read(stage)
    }

    /// Sets are swapped again from now on.
    pub(crate) fn go_on(&mut self, stage: &mut Stage) -> Result<()> {
        self.began = now()?;
        self.read(stage)
    }

    fn read(&mut self, stage: &mut Stage) -> Result<()> {
        ensure!(!self.touching.is_finished(), "the remediations that wait cannot be touched");
        let (reconciles, line) = stage.run()?.process.read_log(self.line, Timed::of)?;
        self.all.extend(reconciles.into_iter().flatten());
        self.all.extend(std::iter::from_fn(|| self.touches.try_recv().ok()));
        self.line = line;
        Ok(())
    }

    /// What came of it.
    pub(crate) fn end(mut self, stage: &mut Stage) -> Result<Delayed> {
        self.read(stage)?;
        self.touching.abort();
        let first = self.swapping.first().context("no set was swapped")?.start;
        let measured = first..self.began;
        let halves = |what: What| -> Result<Halves> {
            let measured = self.all.iter().filter(|one| one.what == what && measured.contains(&one.began));
            let (with, without): (Vec<_>, Vec<_>) =
                measured.partition(|one| self.swapping.iter().any(|range| range.contains(&one.began)));
            let took = |timed: Vec<&Timed>| Spread::of(timed.iter().map(|one| one.took).collect());
            Ok(Halves { with: took(with)?, without: took(without)? })
        };
        let [looks, own, others, writes] = [What::Look, What::Own, What::Reconcile, What::Write].map(halves);
        Ok(Delayed { looks: looks?, own: own?, others: others?, writes: writes? })
    }
}

/// How long everything took.
pub(crate) struct Delayed {
    /// Reconciles of remediations that wait, for which nothing is asked of the API server.
    pub(crate) looks: Halves,
    /// What the other reconciles take beside their waits for the API server.
    pub(crate) own: Halves,
    /// The other reconciles.
    pub(crate) others: Halves,
    /// Writes of the test itself.
    pub(crate) writes: Halves,
}

/// What began while sets were swapped, and what began while they were left alone.
pub(crate) struct Halves {
    with: Spread<Duration>,
    without: Spread<Duration>,
}

impl Halves {
    /// A table, in milliseconds.
    pub(crate) fn table(&self) -> String {
        let Self { with, without } = self;
        let mut table =
            format!("| | with swaps | without |\n|---|---|---|\n| count | {} | {} |\n", with.count(), without.count());
        for (name, of_thousand) in [("p50", 500), ("p90", 900), ("p99", 990), ("p99.9", 999), ("longest", 1000)] {
            let millis = |spread: &Spread<Duration>| spread.at(of_thousand).as_secs_f64() * 1000.0;
            // INVARIANT: writing to a String cannot fail.
            let _ = writeln!(table, "| {name} | {:.1} | {:.1} |", millis(with), millis(without));
        }
        table
    }
}
