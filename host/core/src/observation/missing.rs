//! What the cluster keeps from the host: kinds that are not served, steps that it refuses.

use serde::{Deserialize, Serialize};

/// A kind of objects that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MissingKind {
    /// Kubernetes kind.
    pub kind: String,
    /// Name of its `CustomResourceDefinition`.
    pub definition: String,
    /// Why.
    pub absence: Absence,
}

/// Why a kind cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Absence {
    /// No version of it is served, or its definition is being deleted, and its objects with it.
    NotServed,
    /// Only these versions of it are served, newest first.
    OtherVersions(Vec<String>),
    /// The API server does not let us, in its words.
    Forbidden(String),
}

/// What kept a step from being carried out, and will again until somebody mends it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Obstacle {
    /// Stable code.
    pub reason: String,
    /// Cause and mend.
    pub message: String,
}
