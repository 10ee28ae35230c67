//! What becomes of the notifications that a remediation refers to, and of children that cannot be created.

use serde::{Deserialize, Serialize};

use super::ChildKind;

/// Most notifications of one remediation that are followed: the first of its references.
pub const NOTIFICATIONS_MAX: usize = 10;

/// A notification that the remediation refers to, as it was observed.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Notification {
    /// Its name.
    pub name: String,
    /// Whether the cluster has it; its absence was read live.
    pub found: bool,
    /// Its phase; empty before the first write of the notification service.
    pub phase: String,
    /// What the notification service says of the delivery.
    pub message: String,
}

/// A child that could not be created, try after try.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailedCreation {
    /// Its kind.
    pub kind: ChildKind,
    /// Why, in one line.
    pub message: String,
}
