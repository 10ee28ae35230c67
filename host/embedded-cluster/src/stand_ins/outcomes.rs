//! How a step of a stand-in can end, by service.

use serde::{Deserialize, Serialize};

/// What the stand-ins need to know of any outcome.
pub(super) trait Outcome: Copy {
    /// Whether the step stays unfinished.
    fn is_never(self) -> bool;
}

macro_rules! outcomes {
    ($(#[$meta:meta])* $name:ident { $($(#[$doc:meta])* $variant:ident),+ $(,)? }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
        pub enum $name {
            $($(#[$doc])* $variant,)+
            /// Stays unfinished.
            Never,
        }

        impl Outcome for $name {
            fn is_never(self) -> bool {
                self == Self::Never
            }
        }
    };
}

outcomes! {
    /// How signal processing ends.
    ProcessingOutcome {
        /// Enriched and classified.
        Completed,
        /// Enrichment failed.
        Failed,
    }
}

outcomes! {
    /// How an analysis ends.
    AnalysisOutcome {
        /// A workflow is chosen and may run.
        Workflow,
        /// A workflow is chosen and needs a person's approval.
        Approval,
        /// The problem has resolved itself.
        NoWorkflow,
        /// No workflow fits: a person must look.
        ManualReview,
        /// The analysis itself failed.
        Failed,
    }
}

outcomes! {
    /// What the approver decides.
    ApprovalOutcome {
        /// Yes.
        Approved,
        /// No.
        Rejected,
    }
}

outcomes! {
    /// How an execution ends.
    ExecutionOutcome {
        /// The workflow ran to its end.
        Completed,
        /// A task of it failed.
        Failed,
    }
}

outcomes! {
    /// How an assessment ends.
    AssessmentOutcome {
        /// Everything was assessed, and it helped.
        Full,
        /// Everything was assessed, and the alert still fires.
        Ineffective,
        /// Metrics are missing.
        Partial,
        /// There was nothing to assess.
        NoExecution,
        /// Metrics did not come in time.
        MetricsTimedOut,
        /// The validity deadline passed.
        Expired,
        /// The target was changed by someone else.
        SpecDrift,
        /// The alert did not decay in time.
        AlertDecayTimeout,
        /// The assessment cannot go on.
        Unrecoverable,
        /// The assessment failed.
        Failed,
    }
}

outcomes! {
    /// How a notification ends.
    NotificationOutcome {
        /// Delivered.
        Sent,
        /// Delivered to some channels.
        PartiallySent,
        /// Not delivered.
        Failed,
    }
}
