//! How far a policy or a set has come on its way into force, and why no further.

use std::fmt;

use trimtab_api::condition::Condition;
use trimtab_core::ports::LedgerFailure;
use trimtab_policy_engine::sets::SetError;
use trimtab_policy_engine::trust::Verification;
use trimtab_policy_engine::{Class, ConfigError, LoadError};

/// Most characters of a condition's message.
const MESSAGE_CHARS_MAX: usize = 2000;

/// The steps in their order; each is a condition of the same name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Stage {
    Fetched,
    Verified,
    Compatible,
    Compiled,
    ConfigValid,
    Active,
}

impl Stage {
    const ALL: [Self; 6] =
        [Self::Fetched, Self::Verified, Self::Compatible, Self::Compiled, Self::ConfigValid, Self::Active];

    const fn name(self) -> &'static str {
        match self {
            Self::Fetched => "Fetched",
            Self::Verified => "Verified",
            Self::Compatible => "Compatible",
            Self::Compiled => "Compiled",
            Self::ConfigValid => "ConfigValid",
            Self::Active => "Active",
        }
    }
}

/// Why something went no further.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refusal {
    /// The step that failed.
    pub(super) stage: Stage,
    /// Stable code.
    pub(super) reason: &'static str,
    /// Cause and mend, in one line.
    pub(super) message: String,
    /// The policy whose fault it is, where it is one's.
    pub(super) policy: Option<String>,
    /// Whether it may pass by itself.
    pub(super) is_passing: bool,
}

impl Refusal {
    pub(super) fn new(stage: Stage, reason: &'static str, message: impl fmt::Display) -> Self {
        Self { stage, reason, message: message.to_string(), policy: None, is_passing: false }
    }

    /// The same, which may pass by itself.
    pub(super) const fn passing(mut self, is_passing: bool) -> Self {
        self.is_passing = is_passing;
        self
    }

    /// The same, with what it is about before its words.
    pub(super) fn about(mut self, what: impl fmt::Display) -> Self {
        self.message = format!("{what}: {}", self.message);
        self
    }

    /// The same, as this policy's fault.
    pub(super) fn of(mut self, policy: Option<&str>) -> Self {
        self.policy = policy.map(str::to_owned);
        self
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl From<LoadError> for Refusal {
    fn from(error: LoadError) -> Self {
        let stage = if matches!(error, LoadError::Compile { .. }) { Stage::Compiled } else { Stage::Compatible };
        let is_passing = load_may_pass(&error);
        Self::new(stage, error.reason(), error).passing(is_passing)
    }
}

/// Whether what kept a component from being loaded may pass by itself.
fn load_may_pass(error: &LoadError) -> bool {
    // The compiler is a process of its own, which the machine may have ended.
    matches!(error, LoadError::Compile { .. }) || error.class() == Class::Transient
}

/// Whether what kept a file's policy from being put in force may pass by itself.
pub(super) fn may_pass(error: &anyhow::Error) -> bool {
    if let Some(error) = error.downcast_ref() {
        return load_may_pass(error);
    }
    let of_config = error.downcast_ref::<ConfigError>();
    of_config.map_or_else(|| error.is::<LedgerFailure>(), |error| error.class() == Class::Transient)
}

impl From<ConfigError> for Refusal {
    fn from(error: ConfigError) -> Self {
        let is_passing = error.class() == Class::Transient;
        Self::new(Stage::ConfigValid, error.reason(), error).passing(is_passing)
    }
}

impl From<SetError> for Refusal {
    fn from(error: SetError) -> Self {
        let (stage, reason) = match &error {
            SetError::Slot(_) => (Stage::Compatible, "SlotNotFilled"),
            SetError::UnknownRevision { .. } => (Stage::Active, "UnknownRevision"),
            SetError::Tripped { .. } => (Stage::Active, "RevisionTripped"),
            SetError::Smoke { .. } => (Stage::Active, "SmokeRunFaulted"),
            SetError::Restore { .. } => (Stage::Active, "RevisionNotLoaded"),
            SetError::Archive(_) => (Stage::Active, "LedgerFailed"),
        };
        let is_passing = error.class() == Class::Transient;
        Self::new(stage, reason, error).passing(is_passing)
    }
}

/// What one condition says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mark {
    pub(super) status: &'static str,
    pub(super) reason: &'static str,
    pub(super) message: String,
}

impl Mark {
    pub(super) fn of(holds: bool, reason: &'static str, message: impl Into<String>) -> Self {
        Self { status: if holds { "True" } else { "False" }, reason, message: message.into() }
    }

    pub(super) fn unknown(reason: &'static str, message: impl Into<String>) -> Self {
        Self { status: "Unknown", reason, message: message.into() }
    }

    /// What a component's signatures say; where none is good, this is one that needs none, or it had been refused.
    pub(super) fn verified(verification: Option<&Verification>) -> Self {
        match verification {
            None => Self::of(true, "Builtin", "the host carries it"),
            Some(found @ Verification::Verified { .. }) => Self::of(true, found.code(), found.to_string()),
            Some(found) => Self::unknown(found.code(), format!("{found}; no trust rule requires a signature")),
        }
    }
}

/// The conditions: `told` for what is to be said of a step that was passed, and of [`Stage::Active`] always. What lies behind
/// the step that failed is unknown. Times and generation are for whoever writes them.
pub(super) fn conditions(refusal: Option<&Refusal>, told: impl Fn(Stage) -> Option<Mark>) -> Vec<Condition> {
    let mark = |stage: Stage| match refusal {
        _ if stage == Stage::Active => told(stage),
        Some(refusal) if stage == refusal.stage => Some(Mark::of(false, refusal.reason, refusal.message.clone())),
        Some(refusal) if stage > refusal.stage => {
            Some(Mark::unknown("NotReached", format!("{} comes first", refusal.stage.name())))
        }
        _ => told(stage),
    };
    let condition = |stage: Stage| {
        let Mark { status, reason, message } = mark(stage).unwrap_or_else(|| Mark::of(true, stage.name(), ""));
        Condition {
            type_: stage.name().to_owned(),
            status: status.to_owned(),
            reason: reason.to_owned(),
            message: message.chars().take(MESSAGE_CHARS_MAX).collect(),
            ..Condition::default()
        }
    };
    Stage::ALL.map(condition).to_vec()
}
