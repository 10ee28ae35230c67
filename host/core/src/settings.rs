//! What the administrator of a cluster sets, once for every remediation.

use serde::{Deserialize, Serialize};

use crate::time::Span;

/// The host's own settings; no policy can change them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Settings {
    /// The longest that a deadline may lie after its phase's entry; also the deadline of a phase that has none.
    pub deadline_ceiling: Span,
    /// How long an ended remediation is kept.
    pub retention: Span,
    /// How long the target is left alone before an assessment.
    pub stabilization_window: Span,
    /// Added to an assessment's hash delay where `GitOps` manages the target.
    pub git_ops_sync_delay: Span,
    /// Added to an assessment's hash delay where an operator manages the target (its kind is not built in).
    pub operator_reconcile_delay: Span,
    /// Delay of an assessment's alert check for proactive signals.
    pub proactive_alert_delay: Span,
    /// Shown in notifications as the cluster: name and uid, either may be empty.
    pub cluster: String,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            deadline_ceiling: Span::from_secs(24 * 3600),
            retention: Span::from_secs(24 * 3600),
            stabilization_window: Span::from_secs(300),
            git_ops_sync_delay: Span::from_secs(180),
            operator_reconcile_delay: Span::from_secs(60),
            proactive_alert_delay: Span::from_secs(300),
            cluster: String::new(),
        }
    }
}
