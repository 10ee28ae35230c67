//! Writes a Trimtab policy as a plain type with plain functions.
//!
//! A policy implements [`Policy`] and one trait for each slot it fills ([`Timeouts`], [`Transitions`], [`Children`]),
//! is tested natively with [`FakeFacts`], and becomes a component by one line of [`export!`].
//!
//! ```
//! use trimtab_policy_sdk::{
//!     Budget, Deadline, Explanation, Facts, Failure, GoDuration, Observation, Policy, Schedule, Timeouts, entered_at, phases,
//! };
//!
//! #[derive(Debug, Default, serde::Deserialize, schemars::JsonSchema)]
//! #[serde(deny_unknown_fields, default)]
//! struct Config {
//!     analyzing: GoDuration,
//! }
//!
//! struct Patience;
//!
//! impl Policy for Patience {
//!     type Config = Config;
//!     const NAME: &'static str = "patience";
//!     const VERSION: &'static str = "0.1.0";
//!     const SUMMARY: &'static str = "Gives the analysis a fixed time.";
//! }
//!
//! impl Timeouts for Patience {
//!     fn schedule<F: Facts>(_: &F, observation: &Observation, config: &Config) -> Result<Schedule, Failure> {
//!         let length = config.analyzing.milliseconds();
//!         let entered = entered_at(observation, phases::ANALYZING);
//!         Ok(Schedule {
//!             deadlines: entered.map(|at| Deadline::time_out(phases::ANALYZING, at, length)).into_iter().collect(),
//!             budgets: vec![Budget::new(phases::ANALYZING, length)],
//!             why: Explanation::new("FixedTimeout", format!("the analysis may last {}", config.analyzing)),
//!             attributes: Vec::new(),
//!         })
//!     }
//! }
//!
//! trimtab_policy_sdk::export!(Patience: timeouts);
//! ```

/// Memory is taken from a component's initial pages in a row and never given back: an instance answers one decision.
#[cfg(target_arch = "wasm32")]
#[global_allocator]
static MEMORY: mini_alloc::MiniAlloc = mini_alloc::MiniAlloc;

mod answers;
mod bindings;
mod config;
mod export;
mod facts;
mod go_duration;
mod json;
pub mod log;
mod moment;
mod observation;
mod policy;
#[cfg(not(target_arch = "wasm32"))]
pub mod testing;
mod words;

pub use bindings::exports::{Creation, Creations, Deadline, Schedule, meta::ConfigFault, meta::Description};
pub use bindings::imports::{facts as fact, types::*};
pub use config::parse as parse_config;
#[doc(hidden)]
pub use export::glue;
pub use facts::{Facts, FakeFacts, HostFacts};
pub use go_duration::{GoDuration, NotADuration};
pub use json::table::{Field, Place, Table, no_such_word, read_table};
pub use json::{compact, compact_length, string_at};
pub use moment::Moment;
pub use observation::{child, effective, entered_at, is_overridden};
pub use policy::{Children, Policy, Timeouts, Transitions, generated_schema};
pub use words::{
    attributes, block_reasons, child_phases, failure_phases, intents, kinds, on_expiry, outcomes, phases, purposes,
    scopes,
};
