//! Blocks: why a remediation waits instead of going on, and what ends the wait.

use serde::{Deserialize, Serialize};

use crate::time::Timestamp;

/// Attribute of an intent that names its [`BlockReason`], or [`DEDUPLICATED`].
pub const ATTRIBUTE: &str = "block-reason";

/// What a remediation in Executing says whose execution was deduplicated: it waits without leaving its phase. Also the
/// code of such an execution's failure.
pub const DEDUPLICATED: &str = "Deduplicated";

/// `status.routingStatus.blockReason`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[expect(missing_docs, reason = "each name is the value itself, as Kubernaut's enum has it")]
pub enum BlockReason {
    ConsecutiveFailures,
    DuplicateInProgress,
    ResourceBusy,
    RecentlyRemediated,
    ExponentialBackoff,
    UnmanagedResource,
    IneffectiveChain,
}

impl BlockReason {
    /// Every value.
    pub const ALL: [Self; 7] = [
        Self::ConsecutiveFailures,
        Self::DuplicateInProgress,
        Self::ResourceBusy,
        Self::RecentlyRemediated,
        Self::ExponentialBackoff,
        Self::UnmanagedResource,
        Self::IneffectiveChain,
    ];

    /// The text in the status.
    pub const fn name(self) -> &'static str {
        match self {
            Self::ConsecutiveFailures => "ConsecutiveFailures",
            Self::DuplicateInProgress => "DuplicateInProgress",
            Self::ResourceBusy => "ResourceBusy",
            Self::RecentlyRemediated => "RecentlyRemediated",
            Self::ExponentialBackoff => "ExponentialBackoff",
            Self::UnmanagedResource => "UnmanagedResource",
            Self::IneffectiveChain => "IneffectiveChain",
        }
    }

    /// The value with this name.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|value| value.name() == text)
    }

    /// Kind of the object that is waited for; `None` where time or a person ends the block.
    pub const fn awaited_kind(self) -> Option<&'static str> {
        match self {
            Self::DuplicateInProgress => Some("RemediationRequest"),
            Self::ResourceBusy => Some("WorkflowExecution"),
            Self::ConsecutiveFailures
            | Self::RecentlyRemediated
            | Self::ExponentialBackoff
            | Self::UnmanagedResource
            | Self::IneffectiveChain => None,
        }
    }

    /// Member of `status.routingStatus` that names the object waited for.
    pub const fn awaited_member(self) -> Option<&'static str> {
        match self {
            Self::DuplicateInProgress => Some("duplicateOf"),
            Self::ResourceBusy => Some("blockingWorkflowExecution"),
            Self::ConsecutiveFailures
            | Self::RecentlyRemediated
            | Self::ExponentialBackoff
            | Self::UnmanagedResource
            | Self::IneffectiveChain => None,
        }
    }

    /// Whether people have to hear of it at once, beyond an update.
    pub const fn is_escalated(self) -> bool {
        match self {
            Self::ConsecutiveFailures | Self::UnmanagedResource => true,
            Self::DuplicateInProgress
            | Self::ResourceBusy
            | Self::RecentlyRemediated
            | Self::ExponentialBackoff
            | Self::IneffectiveChain => false,
        }
    }

    /// Whether only what comes after an analysis can be blocked by it.
    pub const fn follows_analysis(self) -> bool {
        match self {
            Self::ResourceBusy | Self::RecentlyRemediated | Self::IneffectiveChain => true,
            Self::ConsecutiveFailures
            | Self::DuplicateInProgress
            | Self::ExponentialBackoff
            | Self::UnmanagedResource => false,
        }
    }
}

/// A lawful block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Block {
    /// Why.
    pub reason: BlockReason,
    /// Until when; `None` where another object, or a person, ends it.
    pub until: Option<Timestamp>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_back_and_those_that_wait_for_an_object_say_where_it_is_named() {
        for reason in BlockReason::ALL {
            assert_eq!(BlockReason::parse(reason.name()), Some(reason));
            assert_eq!(reason.awaited_kind().is_some(), reason.awaited_member().is_some());
        }
        assert_eq!(BlockReason::parse(DEDUPLICATED), None, "it is no block: the phase stays");
    }
}
