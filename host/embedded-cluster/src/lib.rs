//! A Kubernetes API in one process, for development, demonstrations and tests.
//!
//! It serves discovery, `OpenAPI`, Tables, LIST, WATCH, create, PUT, merge and JSON patch, `/status`,
//! pruning, defaulting, validation, garbage collection, finalizers, Events and Leases, well enough
//! for kubectl and for a `kube::Client`. What a remediation can be about (Pods, Deployments,
//! `StatefulSets`, `DaemonSets`, `ReplicaSets`, Jobs, `CronJobs`) is stored like any other object: no
//! controller, scheduler or node is behind it, and nothing is defaulted. What it leaves out
//! (server-side apply, admission, aggregation, conversion, quotas, token review, CEL beyond a small
//! table) answers 501 by name.
//!
//! With a data folder every acknowledged write survives a killed process (not a power cut: there is
//! no fsync). Watches resume within one process; after a restart an older one is told 410.

mod cluster;
mod discovery;
mod failure;
mod gc;
mod identity;
mod jsonpath;
mod kinds;
mod listen;
mod log;
mod metadata;
mod openapi;
mod patch;
mod protobuf;
mod request;
mod routes;
mod schema;
mod selector;
pub mod stand_ins;
mod store;
mod table;
mod verbs;
mod view;
mod watch;

pub use self::cluster::{ApiService, ClusterConfig, ClusterError, EmbeddedCluster};
pub use self::identity::WallClock;
pub use self::listen::Listening;
pub use self::stand_ins::{Laws, StandIns, StandInsRunning};
