//! The delivery against the fake `DataStorage`, over loopback.

mod crash;
mod lost;
mod order;
mod outbox;
mod plain;
mod refused;
mod support;
mod tls;
mod unwell;
