//! Why an evaluation ended without an answer, found out in a fixed order.

use trimtab_core::observation::LazyFact;
use trimtab_core::ports::{Fault, FaultReason, Interruption};
use trimtab_core::record::Revision;
use wasmtime::{Trap, WasmBacktrace};

use crate::instance::{Refused, State};
use crate::limits::Limits;
use crate::parts::TABLE_ELEMENTS_MAX;

/// Most bytes of a message.
const MESSAGE_BYTES_MAX: usize = 1024;
/// What the engine says when a guest hands over more than the store allows; its type is not public.
const LIFT_REFUSED: &str = "fuel allocated for hostcalls has been exhausted";
/// Functions that stand between a panic and the code that caused it: by their whole paths, and by the last two words of
/// these, as the toolchain of policies leaves them.
const PANIC_MACHINERY: [&str; 23] = [
    "core::",
    "std::",
    "alloc::",
    "<core::",
    "<std::",
    "<alloc::",
    "__rust",
    "rust_panic",
    "rust_begin_unwind",
    "abort",
    "dlmalloc",
    "cabi_realloc",
    "panicking::",
    "panic_count::",
    "panic_handler::",
    "panic_const::",
    "begin_panic_handler::",
    "backtrace::__rust",
    "result::unwrap_failed",
    "option::unwrap_failed",
    "option::expect_failed",
    "index::slice_",
    "log::report_panics",
];

/// What to do about an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// Trying again later may help.
    Transient,
    /// Nothing changes until the component, its config or its limits do.
    Permanent,
    /// The host is at fault: stop.
    Bug,
}

/// Raised by a fact that is not gathered yet. The policy never sees it.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("fact {0:?} is not gathered yet")]
pub(crate) struct MissingFact(pub(crate) LazyFact);

/// Raised when facts have moved more than allowed.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error(
    "the answer of {function} takes {bytes} bytes and {left} of {most} are left: ask for less, or raise transferBytes"
)]
pub(crate) struct TransferExceeded {
    pub(crate) function: &'static str,
    pub(crate) bytes: u64,
    pub(crate) left: u64,
    pub(crate) most: u64,
}

/// Raised when facts are asked for where there is no observation.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error(
    "{function} was asked outside of an evaluation: there is no observation in describe, config-schema and validate-config"
)]
pub(crate) struct NoObservation {
    pub(crate) function: &'static str,
}

/// An evaluation that ended without an answer, with everything that is known of it.
#[derive(Debug)]
pub(crate) enum Crash {
    /// It needs a fact.
    Missing(LazyFact),
    /// It faulted.
    Fault {
        /// For records and conditions.
        fault: Fault,
        /// The frames of the guest, for a person who debugs.
        backtrace: Option<String>,
    },
}

impl Crash {
    /// A fault of this reason that the host found by itself.
    pub(crate) fn of(reason: FaultReason, message: impl Into<String>, fuel: u64) -> Self {
        let message = one_line(&message.into());
        Self::Fault { fault: Fault { reason, message, revision: None, fuel }, backtrace: None }
    }

    /// As the core wants it; the backtrace goes to the trace.
    pub(crate) fn interruption(self, revision: &Revision) -> Interruption {
        match self {
            Self::Missing(fact) => Interruption::Missing(fact),
            Self::Fault { mut fault, backtrace } => {
                fault.revision = Some(revision.clone());
                tracing::debug!(
                    reason = fault.reason.code(),
                    message = fault.message,
                    digest = revision.digest,
                    backtrace,
                    "a policy has faulted"
                );
                Interruption::Fault(fault)
            }
        }
    }

    /// As a fault, where no fact can be missing.
    pub(crate) fn fault(self) -> Fault {
        match self {
            Self::Fault { fault, .. } => fault,
            Self::Missing(fact) => Fault {
                reason: FaultReason::FactsUnsettled,
                message: format!("asked for {fact:?} where no facts can be gathered"),
                revision: None,
                fuel: 0,
            },
        }
    }
}

/// How far a question had come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    /// There was no instance yet: what fails without a trap is a lack of the host's.
    Instantiation,
    /// The guest was at work: whatever fails is its doing.
    Question,
}

/// Names the cause: what the host raised, then what it refused, then what ran out, then what the guest said.
pub(crate) fn classify(error: &wasmtime::Error, state: &State, reached: Stage, fuel: u64) -> Crash {
    if let Some(missing) = error.downcast_ref::<MissingFact>() {
        return Crash::Missing(missing.0);
    }
    let frames = error.downcast_ref::<WasmBacktrace>();
    let (reason, message) = cause(error, state, reached, frames);
    let message = one_line(&message);
    let backtrace = frames.map(WasmBacktrace::to_string).filter(|text| !text.is_empty());
    Crash::Fault { fault: Fault { reason, message, revision: None, fuel }, backtrace }
}

fn cause(
    error: &wasmtime::Error,
    state: &State,
    reached: Stage,
    frames: Option<&WasmBacktrace>,
) -> (FaultReason, String) {
    let function = frames.and_then(culprit);
    let at = function.as_ref().map_or(String::new(), |name| format!(" in {name}"));
    if let Some(refused) = state.memory_refused() {
        return (FaultReason::MemoryLimit, refused_growth(refused, &state.limits, &at));
    }
    if let Some(exceeded) = error.downcast_ref::<TransferExceeded>() {
        return (FaultReason::TransferLimit, exceeded.to_string());
    }
    if error.root_cause().to_string().contains(LIFT_REFUSED) {
        return lift_refused(frames, &state.limits);
    }
    let trap = error.downcast_ref::<Trap>();
    if let Some(ended) = trap.and_then(|trap| ran_out(*trap, &state.limits, &at)) {
        return ended;
    }
    let (reason, what) = match (state.last_error(), trap, reached) {
        (Some(said), ..) => (FaultReason::Trap, said.to_owned()),
        // The stack of a guest lies first in its memory, so that it runs out of bounds there.
        (None, Some(Trap::MemoryOutOfBounds), _) => {
            (FaultReason::Trap, "out of bounds memory access (endless recursion ends like this, too)".to_owned())
        }
        (None, Some(trap), _) => (FaultReason::Trap, trap.to_string()),
        (None, None, Stage::Question) => (FaultReason::Trap, error.root_cause().to_string()),
        (None, None, Stage::Instantiation) => {
            let text = format!(
                "no instance could be made, raise the engine's instances or decide less at once: {}",
                error.root_cause()
            );
            (FaultReason::Host, text)
        }
    };
    (reason, function.map_or(what.clone(), |name| format!("{name}: {what}")))
}

fn refused_growth(refused: Refused, limits: &Limits, at: &str) -> String {
    match refused {
        Refused::Memory(bytes) => {
            let most = limits.memory_bytes;
            format!("{bytes} bytes of memory were asked for{at}, {most} are allowed: use less, or raise memoryBytes")
        }
        Refused::Table(elements) => {
            format!("a table of {elements} elements was asked for{at}, {TABLE_ELEMENTS_MAX} are allowed: use less")
        }
    }
}

/// The meters.
fn ran_out(trap: Trap, limits: &Limits, at: &str) -> Option<(FaultReason, String)> {
    match trap {
        Trap::OutOfFuel => {
            let text = format!("{} units of fuel are used up{at}: do less, or raise fuel", limits.fuel);
            Some((FaultReason::FuelExhausted, text))
        }
        Trap::Interrupt => {
            let text = format!("{} ms have passed{at}: do less, or raise wallClockMillis", limits.wall_clock_millis);
            Some((FaultReason::DeadlineExceeded, text))
        }
        _ => None,
    }
}

/// In a host call the guest is still on the stack; while an answer is read it is not.
fn lift_refused(frames: Option<&WasmBacktrace>, limits: &Limits) -> (FaultReason, String) {
    if frames.is_some_and(|frames| !frames.frames().is_empty()) {
        let text = "a host call was handed more than the host takes in one piece: hand over less";
        return (FaultReason::TransferLimit, text.to_owned());
    }
    let text =
        format!("the answer takes far more than {} bytes: answer less, or raise answerBytes", limits.answer_bytes);
    (FaultReason::AnswerTooLarge, text)
}

/// The innermost function of the guest that is not the machinery of a panic.
fn culprit(frames: &WasmBacktrace) -> Option<String> {
    let mut names = frames.frames().iter().filter_map(|frame| frame.func_name()).map(|name| {
        let short = format!("{:#}", rustc_demangle::demangle(name));
        cut(&short, 200).to_owned()
    });
    let innermost = names.next()?;
    if !is_machinery(&innermost) {
        return Some(innermost);
    }
    Some(names.find(|name| !is_machinery(name)).unwrap_or(innermost))
}

fn is_machinery(name: &str) -> bool {
    PANIC_MACHINERY.iter().any(|prefix| name.starts_with(prefix))
}

/// The text as one line of bounded length.
pub(crate) fn one_line(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    cut(&line, MESSAGE_BYTES_MAX).to_owned()
}

/// At most this many bytes of the text, whole characters only.
pub(crate) fn cut(text: &str, bytes_max: usize) -> &str {
    &text[..text.floor_char_boundary(bytes_max)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_one_line_of_bounded_length() {
        assert_eq!(one_line("panicked at src/lib.rs:5:9:\nno  phase"), "panicked at src/lib.rs:5:9: no phase");
        assert!(one_line(&"ä".repeat(2000)).len() <= MESSAGE_BYTES_MAX);
    }

    #[test]
    fn the_machinery_of_a_panic_is_not_the_culprit() {
        assert!(is_machinery("core::panicking::panic_fmt"));
        assert!(is_machinery("__rustc::rust_begin_unwind"));
        assert!(is_machinery("panicking::panic_with_hook"));
        assert!(!is_machinery("trimtab_policy_kubernaut::timeouts::evaluate"));
    }
}
