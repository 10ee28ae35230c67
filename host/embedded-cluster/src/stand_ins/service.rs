//! One service: watches its kind, keeps due times, writes statuses.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use futures::StreamExt as _;
use jiff::{SignedDuration, Timestamp};
use kube::api::{Api, DynamicObject, Patch, PatchParams};
use kube::runtime::{WatchStreamExt as _, watcher};
use kube::{Client, ResourceExt as _};
use serde_json::{Value, json};
use tokio::sync::watch::Receiver;
use trimtab_api::Kind;

use super::draw::draw;
use super::laws::{Law, Laws};
use super::outcomes::Outcome;
use super::script::{Script, Scripts, Step};
use super::statuses::{self, Moment, VALIDITY_MINUTES};
use crate::identity::{WallClock, stamp};
use crate::listen::is_stopping;

/// First pause after a failed request; doubles with each failure.
const PAUSE_MIN: Duration = Duration::from_millis(100);
/// Longest pause after a failed request.
const PAUSE_MAX: Duration = Duration::from_secs(10);

/// Which service is played.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    Processing,
    Analysis,
    Approval,
    Execution,
    Assessment,
    Notification,
}

impl Role {
    pub(super) const ALL: [Self; 6] =
        [Self::Processing, Self::Analysis, Self::Approval, Self::Execution, Self::Assessment, Self::Notification];

    fn kind(self) -> Kind {
        match self {
            Self::Processing => Kind::SignalProcessing,
            Self::Analysis => Kind::AIAnalysis,
            Self::Approval => Kind::RemediationApprovalRequest,
            Self::Execution => Kind::WorkflowExecution,
            Self::Assessment => Kind::EffectivenessAssessment,
            Self::Notification => Kind::NotificationRequest,
        }
    }

    /// Whether nothing more is to be done with a status, by whomever it was written.
    fn is_terminal(self, status: &Value) -> bool {
        let phase = status["phase"].as_str().unwrap_or_default();
        match self {
            Self::Approval => {
                status["decision"].as_str().is_some_and(|decision| !decision.is_empty()) || status["expired"] == true
            }
            Self::Notification => matches!(phase, "Sent" | "PartiallySent" | "Failed"),
            Self::Processing | Self::Analysis | Self::Execution | Self::Assessment => {
                matches!(phase, "Completed" | "Failed")
            }
        }
    }

    /// The status at the beginning of the work, where the service writes one.
    fn begun(self, started: Timestamp) -> Option<Value> {
        match self {
            Self::Execution => Some(statuses::execution_begun(&stamp(started))),
            Self::Assessment => {
                let deadline = started.saturating_add(SignedDuration::from_mins(VALIDITY_MINUTES));
                let deadline = deadline.unwrap_or(Timestamp::MAX);
                Some(statuses::assessment_begun(&stamp(deadline)))
            }
            Self::Processing | Self::Analysis | Self::Approval | Self::Notification => None,
        }
    }
}

/// What will become of one object.
struct Plan {
    seconds: f64,
    message: Option<String>,
    ending: Ending,
}

/// The outcome, bound to its service; `None` is never.
type Ending = Option<Box<dyn Fn(&Value, &Moment) -> Value + Send + Sync>>;

/// An object that is not finished yet.
struct Open {
    object: DynamicObject,
    /// When the work began; latency counts from here.
    started: Timestamp,
    /// Absent until the script has been read.
    plan: Option<Plan>,
    due: Timestamp,
    failures: u32,
}

/// One running service.
pub(super) struct Worker {
    role: Role,
    objects: Api<DynamicObject>,
    laws: Laws,
    clock: WallClock,
    scripts: Scripts,
    open: HashMap<String, Open>,
    schedule: BTreeSet<(Timestamp, String)>,
}

impl Worker {
    pub(super) fn new(
        role: Role,
        client: &Client,
        namespace: &str,
        laws: Laws,
        clock: WallClock,
        scripts: Scripts,
    ) -> Self {
        let objects = Api::namespaced_with(client.clone(), namespace, &role.kind().api_resource());
        Self { role, objects, laws, clock, scripts, open: HashMap::new(), schedule: BTreeSet::new() }
    }

    /// Works until told to stop.
    pub(super) async fn run(mut self, mut stopped: Receiver<bool>) {
        let events = watcher(self.objects.clone(), watcher::Config::default()).default_backoff();
        let mut events = std::pin::pin!(events);
        loop {
            let wait = self.schedule.first().map(|(due, _)| self.until(*due));
            let due = async {
                match wait {
                    Some(wait) => tokio::time::sleep(wait).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = is_stopping(&mut stopped) => return,
                event = events.next() => match event {
                    Some(Ok(event)) => self.observe(event),
                    // The watcher backs off and recovers by itself.
                    Some(Err(error)) => tracing::debug!(role = ?self.role, %error, "watch interrupted"),
                    None => return,
                },
                () = due => self.act().await,
            }
        }
    }

    fn until(&self, due: Timestamp) -> Duration {
        Duration::try_from(due.duration_since(self.clock.now())).unwrap_or(Duration::ZERO)
    }

    fn observe(&mut self, event: watcher::Event<DynamicObject>) {
        match event {
            watcher::Event::Apply(object) | watcher::Event::InitApply(object) => self.consider(object),
            watcher::Event::Delete(object) => self.forget(&object.name_any()),
            watcher::Event::Init | watcher::Event::InitDone => {}
        }
    }

    fn forget(&mut self, name: &str) {
        if let Some(open) = self.open.remove(name) {
            self.schedule.remove(&(open.due, name.to_owned()));
        }
    }

    /// Takes up an object that is not finished; keeps what is known of one taken up before.
    fn consider(&mut self, object: DynamicObject) {
        let name = object.name_any();
        let is_over = object.metadata.deletion_timestamp.is_some() || self.role.is_terminal(&object.data["status"]);
        let is_another = self.open.get(&name).is_some_and(|open| open.object.metadata.uid != object.metadata.uid);
        if is_over || is_another {
            self.forget(&name);
        }
        if is_over {
            return;
        }
        if let Some(open) = self.open.get_mut(&name) {
            open.object = object;
            return;
        }
        let now = self.clock.now();
        // Creation is told in whole seconds, so a step may come up to a second early; a better
        // guess at the moment would not survive a restart.
        let started = object.metadata.creation_timestamp.as_ref().map_or(now, |time| time.0);
        self.schedule.insert((now, name.clone()));
        self.open.insert(name, Open { object, started, plan: None, due: now, failures: 0 });
    }

    /// Carries out the earliest due step.
    async fn act(&mut self) {
        let Some((_, name)) = self.schedule.pop_first() else { return };
        let Some(mut open) = self.open.remove(&name) else { return };
        let next = match self.step(&mut open).await {
            Ok(next) => {
                open.failures = 0;
                next
            }
            Err(kube::Error::Api(status)) if status.code == 404 => return,
            Err(error) => self.after_failure(&name, &mut open, &error).await,
        };
        // Without a next step the object is finished, or stays open for ever: either way it is
        // no longer on the schedule, and a later event of a finished one is ignored.
        if let Some(due) = next {
            open.due = due;
            self.schedule.insert((due, name.clone()));
            self.open.insert(name, open);
        } else if open.plan.as_ref().is_some_and(|plan| plan.ending.is_none()) {
            self.open.insert(name, open);
        }
    }

    /// One step of one object; answers when the next is due, if there is one.
    async fn step(&self, open: &mut Open) -> kube::Result<Option<Timestamp>> {
        let Some(plan) = &open.plan else {
            let script = self.scripts.of(&open.object).await?;
            if let Some(status) = self.role.begun(open.started)
                && open.object.data["status"]["phase"].as_str().unwrap_or_default() != status["phase"]
            {
                self.write(open, status).await?;
            }
            let plan = self.plan(&open.object.name_any(), script);
            let latency = SignedDuration::try_from_secs_f64(plan.seconds).unwrap_or(SignedDuration::ZERO);
            let due = open.started.saturating_add(latency).unwrap_or(Timestamp::MAX);
            let is_never = plan.ending.is_none();
            open.plan = Some(plan);
            return Ok((!is_never).then_some(due));
        };
        let Some(ending) = &plan.ending else { return Ok(None) };
        let now = self.clock.now();
        let moment = Moment {
            started: stamp(open.started),
            ended: stamp(now),
            seconds: now.duration_since(open.started).as_secs().max(0),
            message: plan.message.clone(),
        };
        let status = ending(&open.object.data["spec"], &moment);
        self.write(open, status).await?;
        Ok(None)
    }

    /// Writes a status on the version that was seen, so that a finished object is never touched.
    async fn write(&self, open: &mut Open, status: Value) -> kube::Result<()> {
        if self.role.is_terminal(&open.object.data["status"]) {
            return Ok(());
        }
        let metadata = json!({"resourceVersion": open.object.metadata.resource_version});
        let patch = Patch::Merge(json!({"metadata": metadata, "status": status}));
        let name = open.object.name_any();
        open.object = self.objects.patch_status(&name, &PatchParams::default(), &patch).await?;
        Ok(())
    }

    /// Looks at the object anew after a conflict, and pauses; answers when to try again.
    async fn after_failure(&self, name: &str, open: &mut Open, error: &kube::Error) -> Option<Timestamp> {
        tracing::debug!(role = ?self.role, name, %error, "status not written; trying again");
        if matches!(error, kube::Error::Api(status) if status.code == 409) {
            match self.objects.get_opt(name).await {
                Ok(Some(object)) if object.metadata.uid == open.object.metadata.uid => open.object = object,
                Ok(_) => return None,
                Err(error) => tracing::debug!(role = ?self.role, name, %error, "object not read"),
            }
            if self.role.is_terminal(&open.object.data["status"]) {
                return None;
            }
        }
        let pause = PAUSE_MIN.saturating_mul(2_u32.saturating_pow(open.failures)).min(PAUSE_MAX);
        open.failures = open.failures.saturating_add(1);
        let pause = SignedDuration::try_from(pause).unwrap_or(SignedDuration::ZERO);
        self.clock.now().saturating_add(pause).ok()
    }

    fn plan(&self, name: &str, script: Script) -> Plan {
        let (laws, seed) = (&self.laws, self.laws.seed);
        match self.role {
            Role::Processing => {
                planned(&laws.signal_processing, seed, name, script.signal_processing, statuses::processing)
            }
            Role::Analysis => planned(&laws.analysis, seed, name, script.analysis, statuses::analysis),
            Role::Approval => planned(&laws.approval, seed, name, script.approval, |_, outcome, moment| {
                statuses::approval(outcome, moment)
            }),
            Role::Execution => planned(&laws.execution, seed, name, script.execution, |_, outcome, moment| {
                statuses::execution(outcome, moment)
            }),
            Role::Assessment => planned(&laws.assessment, seed, name, script.assessment, |_, outcome, moment| {
                statuses::assessment(outcome, moment)
            }),
            Role::Notification => planned(&laws.notification, seed, name, script.notification, |_, outcome, moment| {
                statuses::notification(outcome, moment)
            }),
        }
    }
}

/// The plan of one object: its script's step first, draws for what that leaves out.
fn planned<O: Outcome + Send + Sync + 'static>(
    law: &Law<O>,
    seed: u64,
    name: &str,
    step: Step<O>,
    status: fn(&Value, O, &Moment) -> Value,
) -> Plan {
    let drawn = draw(law, seed, name);
    let outcome = step.outcome.or(drawn.outcome).filter(|outcome| !outcome.is_never());
    let ending: Ending = outcome.map(|outcome| {
        let ending = move |spec: &Value, moment: &Moment| status(spec, outcome, moment);
        Box::new(ending) as Box<dyn Fn(&Value, &Moment) -> Value + Send + Sync>
    });
    Plan { seconds: step.seconds.unwrap_or(drawn.seconds), message: step.message, ending }
}
