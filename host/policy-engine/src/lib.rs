//! Runs policies: untrusted WebAssembly components behind `wit/`, in a sandbox that bounds what they use.
//!
//! Bytes come from a file, a `ConfigMap`, a server or a registry ([`source`]), and signatures say whose they are
//! ([`trust`]).
//!
//! The way of a component: bytes → digest → size → gate (imports by name) → compile, or the authenticated
//! cache → link (signatures) → slots → description and schema ([`Engine::load`]) → config
//! ([`Component::configure`]) → slot ([`PolicySet`]) → decision ([`Session`], one fresh instance for each
//! component).

#![deny(unsafe_code)]

mod bindings;
mod cache;
mod compiler;
mod component;
mod config;
mod digest;
mod engine;
mod facts;
mod fault;
mod imports;
mod instance;
mod limits;
mod mapping;
mod parts;
mod policy_set;
mod schema;
mod session;
pub mod sets;
pub mod source;
mod times;
pub mod trust;

/// The default policy, as a component; it fills every slot.
pub const BUILTIN: &[u8] = include_bytes!("../../../policies/kubernaut/kubernaut.wasm");

pub use cache::{CacheConfig, CacheReport, CacheState};
pub use compiler::{Compiler, CompilerFailure};
pub use component::{Component, Description, LoadError};
pub use config::{CONFIG_BYTES_MAX, Checker, ConfigError, ConfigFault, ConfiguredPolicy};
pub use digest::{Digest, MalformedDigest};
pub use engine::{Allocation, Engine, EngineConfig, EngineError, WallClock};
pub use fault::Class;
pub use limits::{LimitOutOfBounds, Limits};
pub use policy_set::{PolicySet, Settled, SlotView, SwapError};
pub use session::{Session, smoke};
pub use times::{EVALUATION_BOUNDS, EvaluationTimes, Outcome, Times, WORK_BOUNDS, WorkReport};
