//! The embedded API as its clients see it: in process, over HTTP, with kubectl, across kills.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a failed step fails the test")]

mod common;
mod durability;
mod http;
mod kubectl;
mod stand_ins;
mod verbs;
mod watches;
