//! What `wit/` says, as Rust types. The host's only `bindgen!`.
#![allow(
    missing_docs,
    missing_debug_implementations,
    unreachable_pub,
    unsafe_code,
    dead_code,
    clippy::all,
    clippy::pedantic,
    reason = "generated from wit/"
)]

// The host functions are linked in `facts`, because they need the store to charge fuel.
wasmtime::component::bindgen!({
    world: "policy",
    path: "../../wit",
});
