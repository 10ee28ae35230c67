//! The controller: watches remediations and their children, and takes each through observe, decide, plan, perform.

pub mod beside;
pub mod brakes;
pub mod client;
pub mod metrics;
pub mod policies;
pub mod ports;
pub mod run;

mod backoff;
mod cache;
mod cluster;
mod discovery;
mod errors;
mod events;
#[cfg(test)]
mod fake;
mod finish;
mod object;
mod observe;
mod offload;
mod perform;
mod reconcile;
mod routing;
mod settings_in_force;
mod target;
mod tries;
mod waited;
mod wakes;
mod written;

pub use beside::Beside;
pub use brakes::BrakesConfig;
pub use client::{connect, connect_read_only};
pub use metrics::Metrics;
pub use offload::Offload;
pub use policies::{PolicyBook, PolicyObjects, PolicyVerdict};
pub use ports::{Policies, Responsible, SystemClock};
pub use run::{ControllerConfig, ControllerError, run};
pub use settings_in_force::SettingsInForce;
