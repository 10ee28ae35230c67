//! One instance of a component: its store, its meters, and how a question is put to it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use trimtab_core::ports::LogLine;
use wasmtime::component::{Instance as Exports, InstancePre};
use wasmtime::{ResourceLimiter, Store};

use crate::engine::{Engine, TICK_MILLIS, WallClock};
use crate::facts::FactAnswers;
use crate::fault::{self, Crash, Stage};
use crate::limits::Limits;
use crate::parts::TABLE_ELEMENTS_MAX;

/// Most log lines that are kept of one instance.
const LOG_LINES_MAX: usize = 64;
/// Most bytes that are kept of the last line of level error, whatever the log holds.
const LAST_ERROR_BYTES_MAX: usize = 1024;
/// Bytes of host memory for each element of a table.
const TABLE_ELEMENT_BYTES: usize = 8;
/// The host's types are larger than an answer's count, and a guest may hand over UTF-16.
const LIFT_BYTES_PER_ANSWER_BYTE: u64 = 4;
/// A deadline that no epoch reaches.
const NEVER_TICKS: u64 = u64::MAX / 2;

/// What instances are made of.
pub(crate) struct Runnable {
    pub(crate) engine: Engine,
    pub(crate) limits: Limits,
    pub(crate) pre: InstancePre<State>,
}

/// What the host keeps for one instance.
#[derive(Debug)]
pub(crate) struct State {
    memory: MemoryMeter,
    log: Log,
    /// Bytes of facts that may still go over.
    pub(crate) transfer_bytes_left: u64,
    /// What was allowed, for messages.
    pub(crate) limits: Limits,
    /// Answers to facts; absent outside of an evaluation.
    pub(crate) answers: Option<Arc<FactAnswers>>,
    /// Answer of `host-capabilities`.
    pub(crate) capabilities: Arc<Vec<String>>,
}

impl State {
    /// What was refused to the present question.
    pub(crate) fn memory_refused(&self) -> Option<Refused> {
        self.memory.refused
    }

    /// The last line of level error of the present question.
    pub(crate) fn last_error(&self) -> Option<&str> {
        self.log.last_error.as_deref()
    }

    /// Keeps a log line as far as there is room.
    pub(crate) fn log(&mut self, level: &'static str, message: String) {
        self.log.push(level, message);
    }
}

/// A growth that was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refused {
    /// Of all memories and tables together, to this many bytes.
    Memory(usize),
    /// Of one table, to this many elements.
    Table(usize),
}

/// Refuses memory above the limit and remembers that it did.
#[derive(Debug)]
struct MemoryMeter {
    bytes_max: usize,
    bytes: usize,
    refused: Option<Refused>,
}

impl MemoryMeter {
    fn grow(&mut self, current: usize, desired: usize) -> bool {
        let total = self.bytes.saturating_add(desired.saturating_sub(current));
        if total > self.bytes_max {
            self.refused = Some(Refused::Memory(total));
            return false;
        }
        self.bytes = total;
        true
    }
}

impl ResourceLimiter for State {
    fn memory_growing(&mut self, current: usize, desired: usize, maximum: Option<usize>) -> wasmtime::Result<bool> {
        // A growth past the memory's own maximum fails by itself and must not be counted.
        if maximum.is_some_and(|maximum| desired > maximum) {
            return Ok(false);
        }
        Ok(self.memory.grow(current, desired))
    }

    fn table_growing(&mut self, current: usize, desired: usize, maximum: Option<usize>) -> wasmtime::Result<bool> {
        // Before the table's own maximum: in the pool that is its room, and a guest must not see where it runs.
        if desired > TABLE_ELEMENTS_MAX {
            self.memory.refused = Some(Refused::Table(desired));
            return Ok(false);
        }
        if maximum.is_some_and(|maximum| desired > maximum) {
            return Ok(false);
        }
        let bytes = |elements: usize| elements.saturating_mul(TABLE_ELEMENT_BYTES);
        Ok(self.memory.grow(bytes(current), bytes(desired)))
    }
}

/// The lines of one instance.
#[derive(Debug)]
struct Log {
    lines: Vec<LogLine>,
    lines_left: usize,
    bytes_max: usize,
    bytes_left: usize,
    bytes_cut: usize,
    last_error: Option<String>,
}

impl Log {
    fn push(&mut self, level: &'static str, mut message: String) {
        if level == "error" {
            self.last_error = Some(fault::cut(&message, LAST_ERROR_BYTES_MAX).to_owned());
        }
        let room = if self.lines_left == 0 { 0 } else { self.bytes_left };
        let kept = fault::cut(&message, room).len();
        self.bytes_cut += message.len() - kept;
        if self.lines_left == 0 || (kept == 0 && !message.is_empty()) {
            return;
        }
        message.truncate(kept);
        self.bytes_left -= kept;
        self.lines_left -= 1;
        self.lines.push(LogLine { level: level.to_owned(), message });
    }

    fn take(&mut self) -> Vec<LogLine> {
        let mut lines = std::mem::take(&mut self.lines);
        let cut = std::mem::take(&mut self.bytes_cut);
        if cut > 0 {
            let message = format!(
                "{cut} bytes of log were cut: {} bytes in {LOG_LINES_MAX} lines are allowed for a decision",
                self.bytes_max
            );
            lines.push(LogLine { level: "warn".to_owned(), message });
        }
        self.last_error = None;
        lines
    }
}

/// An answer as the guest gave it, and what it took.
#[derive(Debug)]
pub(crate) struct Taken<R> {
    pub(crate) value: R,
    pub(crate) fuel: u64,
    pub(crate) log: Vec<LogLine>,
}

/// A live instance.
pub(crate) struct Instance {
    store: Store<State>,
    exports: Option<Exports>,
    fuel_left: u64,
    wall_clock: WallClock,
    wall_left: Duration,
}

impl std::fmt::Debug for Instance {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Instance").field("fuel_left", &self.fuel_left).finish_non_exhaustive()
    }
}

impl Instance {
    /// A fresh store; the instance itself is made with the first question.
    pub(crate) fn new(runnable: &Runnable) -> Self {
        let engine = &runnable.engine;
        let limits = runnable.limits;
        let size = |bytes: u64| usize::try_from(bytes).unwrap_or(usize::MAX);
        let state = State {
            memory: MemoryMeter { bytes_max: size(limits.memory_bytes), bytes: 0, refused: None },
            log: Log {
                lines: Vec::new(),
                lines_left: LOG_LINES_MAX,
                bytes_max: size(limits.log_bytes),
                bytes_left: size(limits.log_bytes),
                bytes_cut: 0,
                last_error: None,
            },
            transfer_bytes_left: limits.transfer_bytes,
            limits,
            answers: None,
            capabilities: Arc::clone(engine.capabilities()),
        };
        let mut store = Store::new(engine.wasmtime(), state);
        store.limiter(|state| state);
        store.set_hostcall_fuel(size(limits.answer_bytes.saturating_mul(LIFT_BYTES_PER_ANSWER_BYTE)));
        Self {
            store,
            exports: None,
            fuel_left: limits.fuel,
            wall_clock: engine.config().wall_clock,
            wall_left: Duration::from_millis(limits.wall_clock_millis),
        }
    }

    /// Bytes of all memories and tables that it has, which never shrink.
    pub(crate) fn memory_bytes(&self) -> usize {
        self.store.data().memory.bytes
    }

    /// What facts are answered from.
    pub(crate) fn observe(&mut self, answers: Arc<FactAnswers>) {
        self.store.data_mut().answers = Some(answers);
    }

    /// Puts one question. After an error the instance is of no use and has to be dropped.
    pub(crate) fn ask<R>(
        &mut self,
        runnable: &Runnable,
        question: impl FnOnce(&mut Store<State>, &Exports) -> wasmtime::Result<R>,
    ) -> Result<Taken<R>, Box<Crash>> {
        let fuel_before = self.fuel_left;
        self.store.data_mut().memory.refused = None;
        let started = self.start_clock();
        let outcome = match self.enter(runnable) {
            Ok(exports) => question(&mut self.store, &exports).map_err(|error| (Stage::Question, error)),
            Err(error) => Err((Stage::Instantiation, error)),
        };
        if let Some(started) = started {
            self.wall_left = self.wall_left.saturating_sub(started.elapsed());
        }
        self.fuel_left = self.store.get_fuel().unwrap_or(0);
        let fuel = fuel_before.saturating_sub(self.fuel_left);
        match outcome {
            Ok(value) => Ok(Taken { value, fuel, log: self.store.data_mut().log.take() }),
            Err((stage, error)) => Err(Box::new(fault::classify(&error, self.store.data(), stage, fuel))),
        }
    }

    fn enter(&mut self, runnable: &Runnable) -> wasmtime::Result<Exports> {
        if let Some(exports) = self.exports {
            return Ok(exports);
        }
        self.store.set_fuel(self.fuel_left)?;
        let exports = runnable.pre.instantiate(&mut self.store)?;
        self.exports = Some(exports);
        Ok(exports)
    }

    /// Sets the deadline; `None` where no clock runs.
    fn start_clock(&mut self) -> Option<Instant> {
        match self.wall_clock {
            WallClock::Ticking => {
                // The tick under way has begun already, so this many ticks end within the limit.
                let ticks = self.wall_left.as_millis().div_ceil(u128::from(TICK_MILLIS));
                self.store.set_epoch_deadline(u64::try_from(ticks).unwrap_or(NEVER_TICKS));
                Some(Instant::now())
            }
            WallClock::Stopped => {
                self.store.set_epoch_deadline(NEVER_TICKS);
                None
            }
        }
    }
}
