//! The pure heart of Trimtab: what is observed, what policies propose, and what the host makes of it.
//!
//! Synchronous and deterministic: no Kubernetes client, no WebAssembly engine, no clock, no randomness, no files.
//! Read in the order of a reconcile: [`observation`], [`proposal`], [`guardrails`], [`plan`], [`decide`].

pub mod audit;
pub mod block;
pub mod brakes;
pub mod decide;
pub mod go_duration;
pub mod guardrails;
pub mod json;
pub mod manifest;
pub mod members;
pub mod observation;
pub mod phase;
pub mod plan;
pub mod ports;
pub mod proposal;
pub mod record;
pub mod settings;
pub mod status;
pub mod target_hash;
pub mod time;

#[cfg(test)]
mod fixtures;
