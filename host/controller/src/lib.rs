//! The controller: watches remediations and their children, and takes each through observe, decide, plan, perform.

pub mod client;
pub mod metrics;
pub mod ports;
pub mod run;

mod backoff;
mod cluster;
mod events;
mod observe;
mod perform;
mod reconcile;
mod written;

pub use client::connect;
pub use metrics::Metrics;
pub use ports::{Policies, SystemClock};
pub use run::{ControllerConfig, ControllerError, run};
