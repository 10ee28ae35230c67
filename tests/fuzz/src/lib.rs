//! What the fuzz targets do with one input, and how inputs are changed so that they stay near to sound ones.
//!
//! Each target is a plain function of bytes, so that an ordinary test runs every seed through it; `targets/` puts
//! libFuzzer in front. A target panics where the product broke a promise.

#![expect(clippy::expect_used, reason = "a target that cannot be set up, and a broken promise, have to stop the run")]
#![expect(clippy::missing_panics_doc, reason = "to panic is what a target tells its findings by")]

pub mod answers;
pub mod config;
#[cfg(feature = "libfuzzer")]
pub mod engine;
pub mod json_mutator;
pub mod loader;
pub mod observation;
pub mod wasm_mutator;

mod chance;
mod guest;
mod image;
mod invariants;
mod judge;
mod proposal;
mod sandbox;

#[cfg(test)]
mod tests;
