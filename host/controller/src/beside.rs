//! Beside another orchestrator: leaves alone what that one has begun, or changes nothing at all and compares.
//!
//! An acting controller looks at who has written `status.overallPhase`. An observing one decides and plans as ever, and
//! holds each write of the other against the plan that it would have carried out on what the other had before it.

mod comparison;
mod explain;
mod hindsight;
mod life;
mod metrics;
mod objects;
mod owner;
mod watch;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use kube::ResourceExt as _;
use kube_runtime::watcher::Event;
use trimtab_api::Kind;
use trimtab_core::json::text;
use trimtab_core::observation::Observation;
use trimtab_core::time::Timestamp;

pub use comparison::{Aspect, Comparison, Difference, Move, Verdict};
pub use explain::NAMES;
pub use metrics::BesideMetrics;

pub(crate) use owner::mark;
pub(crate) use watch::watch;

use crate::cache::Cache;
use crate::object::Object;
use life::{Life, Write};

/// How a controller stands to another orchestrator; the default acts on what nobody else has begun.
#[derive(Debug, Clone, Default)]
pub struct Beside {
    /// What it does.
    pub stance: Stance,
    /// What it counts.
    pub metrics: BesideMetrics,
}

/// What a controller does beside another orchestrator.
#[derive(Debug, Clone)]
pub enum Stance {
    /// It acts, except on what another manager has begun.
    Act {
        /// Managers that have stopped: what they have begun is gone on with.
        take_over: Vec<String>,
    },
    /// It changes nothing, and tells how its decisions compare.
    Observe(Arc<dyn Witness>),
}

impl Default for Stance {
    fn default() -> Self {
        Self::Act { take_over: Vec::new() }
    }
}

/// Keeps what was compared.
pub trait Witness: Send + Sync + std::fmt::Debug {
    /// Takes a comparison. One that cannot be kept is logged and lost.
    fn note(&self, comparison: &Comparison);
}

/// The stance of a running controller, and what it remembers of each remediation.
#[derive(Debug)]
pub(crate) struct Standing {
    beside: Beside,
    /// Managers of the remediations that are left alone, by uid.
    left: Mutex<HashMap<String, String>>,
    /// What is known of each remediation that is watched, by uid.
    lives: Mutex<HashMap<String, Life>>,
}

impl Standing {
    pub(crate) fn new(beside: Beside) -> Self {
        Self { beside, left: Mutex::default(), lives: Mutex::default() }
    }

    /// Whether it changes nothing.
    pub(crate) fn is_observer(&self) -> bool {
        matches!(self.beside.stance, Stance::Observe(_))
    }

    /// Whether a remediation is another manager's, and so left alone; told once for each.
    pub(crate) fn leaves_alone(&self, seen: &Observation) -> bool {
        let Stance::Act { take_over } = &self.beside.stance else { return false };
        let manager = owner::of(&seen.object).filter(|manager| !take_over.iter().any(|name| name == manager));
        let mut left = lock(&self.left);
        let Some(manager) = manager else {
            if left.remove(&seen.uid).is_some() {
                self.beside.metrics.left_alone(left.len());
            }
            return false;
        };
        let known = left.insert(seen.uid.clone(), manager.to_owned());
        self.beside.metrics.left_alone(left.len());
        drop(left);
        if known.as_deref() != Some(manager) {
            tracing::warn!(
                remediation = seen.name,
                namespace = seen.namespace,
                manager,
                phase = text(&seen.object, "/status/overallPhase"),
                "left alone: another manager owns its phase; run with --observe beside that one, or stop it and run with \
                 --take-over and its name"
            );
        }
        true
    }

    /// A change of a remediation, before `cache` has it.
    pub(crate) fn hear(&self, change: &Event<Object>, cache: &Cache, now: Timestamp) {
        if !self.is_observer() {
            return;
        }
        let (Event::Apply(after) | Event::InitApply(after)) = change else { return };
        let Some(uid) = after.uid() else { return };
        let before = cache.get(&after.namespace().unwrap_or_default(), &after.name_any());
        let before = before.filter(|before| text(before, "/metadata/uid") == uid);
        let mut lives = lock(&self.lives);
        match before {
            // Whoever is first seen with a phase has a past that nobody here knows.
            None => {
                let is_new = after.phase(Kind::RemediationRequest).is_empty();
                lives.entry(uid).or_insert_with(|| Life::new(is_new));
            }
            Some(before) if life::is_step(&before, after.json()) => {
                let write = Write::new(before, Arc::clone(after.json()), now);
                lives.entry(uid).or_insert_with(|| Life::new(false)).push(write);
            }
            Some(_) => {}
        }
    }

    /// A remediation is gone; what was not compared to its end can never be.
    pub(crate) fn forget(&self, uid: &str) {
        {
            let mut left = lock(&self.left);
            if left.remove(uid).is_some() {
                self.beside.metrics.left_alone(left.len());
            }
        }
        let Some(life) = lock(&self.lives).remove(uid) else { return };
        for comparison in life.give_up() {
            self.note(&comparison);
        }
    }

    /// Tells a comparison.
    fn note(&self, comparison: &Comparison) {
        let Stance::Observe(witness) = &self.beside.stance else { return };
        self.beside.metrics.compared(&comparison.verdict);
        if !comparison.is_explained() {
            tracing::warn!(
                remediation = comparison.name,
                namespace = comparison.namespace,
                from = comparison.from,
                theirs = comparison.theirs.to,
                ours = comparison.ours.as_ref().map_or("(stays)", |ours| ours.to.as_str()),
                "the other orchestrator has decided otherwise, and no known difference explains it"
            );
        }
        tracing::info!(
            remediation = comparison.name,
            namespace = comparison.namespace,
            from = comparison.from,
            to = comparison.theirs.to,
            "a step was compared"
        );
        witness.note(comparison);
    }

    /// Works on what is known of a remediation.
    fn with<T>(&self, uid: &str, work: impl FnOnce(&mut Life) -> T) -> T {
        work(lock(&self.lives).entry(uid.to_owned()).or_insert_with(|| Life::new(false)))
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
