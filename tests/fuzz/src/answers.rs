//! A guest's answers, sound and broken, through the canonical ABI, the mapping and the guardrails to a plan.

use std::sync::{Arc, LazyLock};

use arbitrary::{Result, Unstructured};
use trimtab_core::decide::{Decision, Need, decide};
use trimtab_core::observation::Observation;
use trimtab_core::ports::{FaultReason, Judge};
use trimtab_core::proposal::{Creations, Intent, Schedule};
use trimtab_core::record::Revision;
use trimtab_core::settings::Settings;
use trimtab_policy_engine::{Component, Limits, PolicySet};

use crate::guest::{IMAGE_BYTES_MAX, echo};
use crate::image::{Answered, Image};
use crate::invariants;
use crate::judge::Given;
use crate::observation::samples;
use crate::proposal;
use crate::sandbox::{LIMITS, engine};

/// Enough fuel for the guest to decode the longest image in each of its three answers.
const FUEL: u64 = 50_000_000;
/// Most bytes of an image that are changed.
const CHANGES_MAX: usize = 8;

/// What one input says.
#[derive(Debug)]
struct Case {
    observation: Observation,
    schedule: Answered<Schedule>,
    intent: Answered<Intent>,
    creations: Answered<Creations>,
    /// Place in the image and new byte.
    changes: Vec<(u16, u8)>,
}

impl Case {
    fn of(bytes: &mut Unstructured<'_>) -> Result<Self> {
        let mut observation = bytes.choose(samples())?.clone();
        if let Some(now) = proposal::perhaps(bytes, proposal::moment)? {
            observation.now = now;
        }
        if bytes.arbitrary()? {
            let finished_at = proposal::perhaps(bytes, proposal::moment)?;
            observation.children.iter_mut().for_each(|child| child.finished_at = finished_at);
        }
        if let Some(analysis) = &mut observation.facts.analysis {
            analysis.approval_required = bytes.arbitrary()?;
        }
        let changes = if bytes.ratio(1, 3)? { bytes.int_in_range(0..=CHANGES_MAX)? } else { 0 };
        let changes = (0..changes).map(|_| bytes.arbitrary()).collect::<Result<_>>()?;
        Ok(Self {
            observation,
            schedule: answered(bytes, proposal::schedule)?,
            intent: answered(bytes, proposal::intent)?,
            creations: answered(bytes, proposal::creations)?,
            changes,
        })
    }

    /// The guest's memory, and whether a decision on it has to be the one on the answers themselves.
    fn image(&self) -> (Vec<u8>, bool) {
        let mut image = Image::of(&self.schedule, &self.intent, &self.creations);
        let is_whole = image.len() <= IMAGE_BYTES_MAX;
        image.truncate(IMAGE_BYTES_MAX);
        for (place, byte) in &self.changes {
            if let Some(changed) = image.get_mut(usize::from(*place)) {
                *changed = *byte;
            }
        }
        // A policy's own refusal is told in its own words, which a judge without a guest does not have.
        let is_answered =
            self.schedule.value().is_some() && self.intent.value().is_some() && self.creations.value().is_some();
        (image, is_whole && is_answered && self.changes.is_empty())
    }

    fn given(&self, revision: &Revision) -> Given {
        Given {
            revision: revision.clone(),
            schedule: self.schedule.value().cloned(),
            intent: self.intent.value().cloned(),
            creations: self.creations.value().cloned(),
        }
    }
}

fn answered<T>(bytes: &mut Unstructured<'_>, answer: fn(&mut Unstructured<'_>) -> Result<T>) -> Result<Answered<T>> {
    if bytes.ratio(1, 16)? {
        return Ok(Answered::Failure(bytes.arbitrary()?, bytes.arbitrary()?));
    }
    answer(bytes).map(Answered::Value)
}

/// Decides with a guest that answers as the bytes say; a sound answer has to mean the same as without a guest.
pub fn run(bytes: &[u8]) {
    static ECHO: LazyLock<Arc<Component>> =
        LazyLock::new(|| engine().load(&echo(), Limits { fuel: FUEL, ..LIMITS }).expect("the guest is sound"));
    let Ok(case) = Case::of(&mut Unstructured::new(bytes)) else { return };
    let (image, is_sound) = case.image();
    let policy = ECHO.configure(&format!("{{\"image\":\"{}\"}}", hex::encode(image))).expect("the guest takes all");
    let set = PolicySet::new(Arc::clone(&policy)).expect("the guest fills every slot");
    let observation = Arc::new(case.observation.clone());
    let asked = decided(&observation, &mut set.session());
    if is_sound {
        let told = decided(&observation, &mut case.given(policy.revision()));
        assert_same(&shown(asked.as_ref()), &shown(told.as_ref()));
    }
}

fn decided(observation: &Arc<Observation>, judge: &mut dyn Judge) -> Option<Decision> {
    let settings = Settings::default();
    let live = Arc::new(Observation { is_live: true, ..Observation::clone(observation) });
    let (seen, outcome) = match decide(observation, judge, &settings) {
        Err(Need::Live) => (&live, decide(&live, judge, &settings)),
        outcome => (observation, outcome),
    };
    let decision = outcome.ok()?;
    invariants::check(seen, &decision);
    for fault in decision.evaluations.iter().filter_map(|one| one.fault.as_ref()) {
        assert_ne!(fault.0, FaultReason::Host.code(), "a guest's answer is no fault of the host: {}", fault.1);
    }
    Some(decision)
}

/// What a decision is, but for what only a guest has.
fn shown(decision: Option<&Decision>) -> String {
    let Some(decision) = decision else { return String::new() };
    let codes = decision.evaluations.iter().map(|one| (one.slot, one.choice, one.fault.as_ref().map(|fault| &fault.0)));
    format!("{:?}", (codes.collect::<Vec<_>>(), decision.wake_at, &decision.why, &decision.verdict))
}

/// Panics with the place where the two part, and not with all of both.
fn assert_same(asked: &str, told: &str) {
    let place = asked.bytes().zip(told.bytes()).take_while(|(one, other)| one == other).count();
    let place = asked.floor_char_boundary(place.saturating_sub(80));
    let part = |text: &str| {
        text.chars().skip(text.get(..place).map_or(0, |same| same.chars().count())).take(200).collect::<String>()
    };
    assert!(asked == told, "an answer changes on its way from guest to plan:\n{}\n{}", part(asked), part(told));
}
