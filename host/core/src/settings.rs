//! What the administrator of a cluster sets, once for every remediation.

use serde::{Deserialize, Serialize};

use crate::time::Span;

/// Standard of [`Settings::late_expiries_per_second`].
const LATE_EXPIRIES_PER_SECOND: u32 = 10;

/// Standard of [`Settings::storm_size`].
const STORM_SIZE: u32 = 20;

/// Standard of [`Settings::rechecks_per_hour`].
const RECHECKS_PER_HOUR: u32 = 120;

/// Standard of [`Settings::failure_backoff_base`].
const FAILURE_BACKOFF_BASE: Span = Span::from_secs(60);

/// Standard of [`Settings::failure_backoff_max`].
const FAILURE_BACKOFF_MAX: Span = Span::from_secs(600);

/// Standard of [`Settings::failure_threshold`].
const FAILURE_THRESHOLD: u32 = 3;

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
    /// Most expiries a second of those that were missed by more than a minute, after downtime; at least 1.
    #[serde(skip_serializing_if = "is_standard_rate")]
    pub late_expiries_per_second: u32,
    /// More missed expiries than this at once are a storm: one summary goes out instead of a notice for each.
    #[serde(skip_serializing_if = "is_standard_storm")]
    pub storm_size: u32,
    /// How often a policy that stays may ask to be asked again, for each remediation and hour; at least 1.
    #[serde(skip_serializing_if = "is_standard_rechecks")]
    pub rechecks_per_hour: u32,
    /// How long a signal waits after its first failure in a row that the host itself has decided; each further one
    /// doubles it.
    #[serde(skip_serializing_if = "is_standard_base")]
    pub failure_backoff_base: Span,
    /// The longest that it waits.
    #[serde(skip_serializing_if = "is_standard_max")]
    pub failure_backoff_max: Span,
    /// From so many failures in a row on no wait is set: the signal is blocked then, not delayed.
    #[serde(skip_serializing_if = "is_standard_threshold")]
    pub failure_threshold: u32,
    /// How long a remediation may stay without its phase's input before it shows that it is stalled.
    pub input_patience: Span,
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
            late_expiries_per_second: LATE_EXPIRIES_PER_SECOND,
            storm_size: STORM_SIZE,
            rechecks_per_hour: RECHECKS_PER_HOUR,
            failure_backoff_base: FAILURE_BACKOFF_BASE,
            failure_backoff_max: FAILURE_BACKOFF_MAX,
            failure_threshold: FAILURE_THRESHOLD,
            input_patience: Span::from_secs(300),
            cluster: String::new(),
        }
    }
}

// What is as it always was is left out of records, so that older ones stay the same.

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
const fn is_standard_rate(value: &u32) -> bool {
    *value == LATE_EXPIRIES_PER_SECOND
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
const fn is_standard_storm(value: &u32) -> bool {
    *value == STORM_SIZE
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
const fn is_standard_rechecks(value: &u32) -> bool {
    *value == RECHECKS_PER_HOUR
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
fn is_standard_base(value: &Span) -> bool {
    *value == FAILURE_BACKOFF_BASE
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
fn is_standard_max(value: &Span) -> bool {
    *value == FAILURE_BACKOFF_MAX
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
const fn is_standard_threshold(value: &u32) -> bool {
    *value == FAILURE_THRESHOLD
}
