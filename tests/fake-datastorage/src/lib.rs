//! A fake of Kubernaut's `DataStorage`: its audit endpoints with their validation, and faults on demand.
//!
//! It keeps what it accepts in memory, in order, and shows it. In one mode it accepts the sender's event ids and stores
//! each once; in the other it gives ids of its own, as Kubernaut's does, so that a resend is a double.

mod fault;
mod problem;
mod routes;
mod server;
mod store;
mod validate;

pub use fault::{Effect, Fault, On, ScriptInvalid, parse_script};
pub use server::{FakeDataStorage, FakeSettings};
pub use store::{Conditions, Ids, Request, Stored};
