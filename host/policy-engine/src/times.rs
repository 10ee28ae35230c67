//! How long things take, in microseconds: counted here, read at each scrape.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use trimtab_core::ports::Interruption;
use trimtab_core::proposal::Slot;

/// Upper bounds of the buckets of an evaluation, in microseconds: 10 µs to 100 ms.
pub const EVALUATION_BOUNDS: [u64; 13] =
    [10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000];

/// Upper bounds of the buckets of loads, compilations and swaps, in microseconds: 10 µs to 100 s.
pub const WORK_BOUNDS: [u64; 15] = [
    10,
    100,
    500,
    1_000,
    2_500,
    5_000,
    10_000,
    25_000,
    50_000,
    100_000,
    250_000,
    1_000_000,
    5_000_000,
    20_000_000,
    100_000_000,
];

/// Counts lengths by size.
#[derive(Debug)]
pub(crate) struct Histogram {
    bounds: &'static [u64],
    /// One for each bound, and one for what is longer than all of them.
    counts: Box<[AtomicU64]>,
    sum: AtomicU64,
}

impl Histogram {
    fn new(bounds: &'static [u64]) -> Self {
        let counts = std::iter::repeat_with(AtomicU64::default).take(bounds.len() + 1).collect();
        Self { bounds, counts, sum: AtomicU64::new(0) }
    }

    /// Counts what took so long.
    pub(crate) fn note(&self, took: Duration) {
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        let place = self.bounds.partition_point(|bound| *bound < micros);
        if let Some(count) = self.counts.get(place) {
            count.fetch_add(1, Ordering::Relaxed);
            self.sum.fetch_add(micros, Ordering::Relaxed);
        }
    }

    fn read(&self) -> Times {
        let counts = self.counts.iter().map(|count| count.load(Ordering::Relaxed)).collect();
        Times { bounds: self.bounds, counts, sum_micros: self.sum.load(Ordering::Relaxed) }
    }
}

/// What was counted until now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Times {
    /// Upper bounds of the buckets, in microseconds.
    pub bounds: &'static [u64],
    /// How many were longer than the bound before and no longer than this one; last, those longer than all bounds.
    pub counts: Vec<u64>,
    /// Of all of them together, in microseconds.
    pub sum_micros: u64,
}

impl Times {
    /// How many there were.
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// Adds what was counted elsewhere with the same bounds.
    pub(crate) fn add(&mut self, other: &Self) {
        for (count, more) in self.counts.iter_mut().zip(&other.counts) {
            *count += more;
        }
        self.sum_micros += other.sum_micros;
    }
}

/// How an evaluation ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Outcome {
    /// The policy answered; the host may still refuse the answer.
    Answered,
    /// It asked for a fact that has to be gathered first, and is asked again.
    Gathering,
    /// It faulted.
    Faulted,
}

impl Outcome {
    /// Every outcome.
    pub const ALL: [Self; 3] = [Self::Answered, Self::Gathering, Self::Faulted];

    /// The word in metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Answered => "answered",
            Self::Gathering => "gathering",
            Self::Faulted => "faulted",
        }
    }

    pub(crate) fn of<T>(asked: &Result<T, Interruption>) -> Self {
        match asked {
            Ok(_) => Self::Answered,
            Err(Interruption::Missing(_)) => Self::Gathering,
            Err(Interruption::Fault(_)) => Self::Faulted,
        }
    }
}

/// How long evaluations took.
pub type EvaluationTimes = Vec<((Slot, Outcome), Times)>;

/// The histograms of one set of slots: they are gone with it.
#[derive(Debug, Default)]
pub(crate) struct Evaluations([[OnceLock<Histogram>; Outcome::ALL.len()]; Slot::ALL.len()]);

impl Evaluations {
    pub(crate) fn note(&self, slot: Slot, outcome: Outcome, began: Instant) {
        let [timeouts, transitions, children] = &self.0;
        let [answered, gathering, faulted] = match slot {
            Slot::Timeouts => timeouts,
            Slot::Transitions => transitions,
            Slot::Children => children,
        };
        let cell = match outcome {
            Outcome::Answered => answered,
            Outcome::Gathering => gathering,
            Outcome::Faulted => faulted,
        };
        cell.get_or_init(|| Histogram::new(&EVALUATION_BOUNDS)).note(began.elapsed());
    }

    /// What there was something of.
    pub(crate) fn read(&self) -> EvaluationTimes {
        let of_slot = |(slot, cells): (Slot, &[OnceLock<Histogram>; Outcome::ALL.len()])| {
            let counted = Outcome::ALL.into_iter().zip(cells);
            let counted = counted.filter_map(move |(outcome, cell)| Some(((slot, outcome), cell.get()?.read())));
            counted.collect::<Vec<_>>()
        };
        Slot::ALL.into_iter().zip(&self.0).flat_map(of_slot).collect()
    }
}

/// What an engine does, and what of components it holds.
#[derive(Debug)]
pub(crate) struct Work {
    pub(crate) load: Histogram,
    pub(crate) compile: Histogram,
    pub(crate) swap: Histogram,
    components: AtomicU64,
    code_bytes: AtomicU64,
}

impl Default for Work {
    fn default() -> Self {
        let [load, compile, swap] = std::array::from_fn(|_| Histogram::new(&WORK_BOUNDS));
        Self { load, compile, swap, components: AtomicU64::new(0), code_bytes: AtomicU64::new(0) }
    }
}

impl Work {
    pub(crate) fn report(&self) -> WorkReport {
        WorkReport {
            load: self.load.read(),
            compile: self.compile.read(),
            swap: self.swap.read(),
            components: self.components.load(Ordering::Relaxed),
            code_bytes: self.code_bytes.load(Ordering::Relaxed),
        }
    }
}

/// What an engine has done since its start, and what it holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkReport {
    /// From a component's bytes until it can be asked; compiling is part of it. Refused components are not counted.
    pub load: Times,
    /// Compiling alone, in this process or another one.
    pub compile: Times,
    /// Until a loaded policy, or a revision of a set with its smoke run, is in force.
    pub swap: Times,
    /// Components that are loaded.
    pub components: u64,
    /// Bytes of their native code.
    pub code_bytes: u64,
}

/// Counts a component for as long as it is loaded.
#[derive(Debug)]
pub(crate) struct Loaded {
    work: Arc<Work>,
    code_bytes: u64,
}

impl Loaded {
    pub(crate) fn count(work: &Arc<Work>, code_bytes: u64) -> Self {
        work.components.fetch_add(1, Ordering::Relaxed);
        work.code_bytes.fetch_add(code_bytes, Ordering::Relaxed);
        Self { work: Arc::clone(work), code_bytes }
    }
}

impl Drop for Loaded {
    fn drop(&mut self) {
        self.work.components.fetch_sub(1, Ordering::Relaxed);
        self.work.code_bytes.fetch_sub(self.code_bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_length_counts_in_the_first_bucket_that_it_fits() {
        let histogram = Histogram::new(&EVALUATION_BOUNDS);
        for micros in [0, 10, 11, 100_000, 100_001, 7_000_000] {
            histogram.note(Duration::from_micros(micros));
        }
        let mut read = histogram.read();
        assert_eq!((read.count(), read.sum_micros), (6, 7_200_022));
        assert_eq!(read.counts, [2, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 2]);
        read.add(&histogram.read());
        assert_eq!((read.count(), read.sum_micros), (12, 14_400_044));
    }

    #[test]
    fn bounds_rise() {
        assert!(EVALUATION_BOUNDS.is_sorted() && WORK_BOUNDS.is_sorted());
        assert_eq!((EVALUATION_BOUNDS.first(), EVALUATION_BOUNDS.last()), (Some(&10), Some(&100_000)));
    }

    #[test]
    fn only_what_there_was_something_of_is_told() {
        let evaluations = Evaluations::default();
        evaluations.note(Slot::Children, Outcome::Faulted, Instant::now());
        let told: Vec<_> = evaluations.read().into_iter().map(|(of, times)| (of, times.count())).collect();
        assert_eq!(told, [((Slot::Children, Outcome::Faulted), 1)]);
    }

    #[test]
    fn a_component_counts_as_long_as_it_is_loaded() {
        let work = Arc::default();
        let (one, other) = (Loaded::count(&work, 5), Loaded::count(&work, 7));
        assert_eq!((work.report().components, work.report().code_bytes), (2, 12));
        drop((one, other));
        assert_eq!((work.report().components, work.report().code_bytes), (0, 0));
    }
}
