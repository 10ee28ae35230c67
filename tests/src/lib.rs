//! What the tests that cross a boundary share: clusters, child processes, scenarios and their transcripts.

pub mod cluster;
pub mod control_plane;
pub mod diff;
pub mod layering;
pub mod process;
pub mod scenario;
pub mod services;
pub mod spread;
pub mod virtual_time;
