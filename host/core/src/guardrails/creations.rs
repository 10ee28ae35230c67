//! Creations: the child that the next phase waits for, the notifications that fit, and nothing else.

use serde_json::Value;

use super::intent::Transition;
use super::{Refusal, RefusalReason, patch};
use crate::manifest::notification::KIND as NOTIFICATION;
use crate::observation::ChildKind;
use crate::phase::{Move, Phase};
use crate::proposal::{Creation, Creations, Slot};

/// Most children and notifications of one decision.
pub const CREATIONS_MAX: usize = 8;

/// A lawful creation.
#[derive(Debug, Clone, PartialEq)]
pub enum Wanted {
    /// A child.
    Child {
        /// Its kind.
        kind: ChildKind,
        /// Changes to the standard spec.
        patch: Option<Value>,
    },
    /// A notification.
    Notification {
        /// Its purpose, one of those that fit the move.
        purpose: &'static str,
        /// Changes to the standard spec.
        patch: Option<Value>,
    },
}

/// The purposes of notifications that fit a move.
pub const fn purposes(how: Move, to: Phase) -> &'static [&'static str] {
    match how {
        Move::Advance if matches!(to, Phase::AwaitingApproval) => &["approval"],
        Move::Advance | Move::Verify | Move::TimeOut | Move::Retry => &[],
        Move::Complete => &["completion", "manual-review", "self-resolved"],
        Move::Fail => &["escalation", "manual-review"],
        Move::Block => &["block", "manual-review"],
        Move::Inherit if matches!(to, Phase::Completed) => &["completion"],
        Move::Inherit => &["escalation"],
    }
}

/// Checks what is to be created along with a move.
pub fn check(transition: &Transition, creations: &Creations) -> Result<Vec<Wanted>, Refusal> {
    let refuse = |reason, message: String| Err(Refusal::new(Slot::Children, reason, message));
    if creations.items.len() > CREATIONS_MAX {
        let message = format!("{} creations; at most {CREATIONS_MAX}", creations.items.len());
        return refuse(RefusalReason::TooMany, message);
    }
    let expected = ChildKind::of_phase(transition.to);
    let mut wanted: Vec<Wanted> = Vec::new();
    for item in &creations.items {
        let one = check_one(transition, expected, item)?;
        if wanted.iter().any(|known| is_same(known, &one)) {
            return refuse(RefusalReason::Duplicate, format!("{} {} twice", item.kind, item.purpose));
        }
        wanted.push(one);
    }
    // What goes on after a block has its children from before.
    if let Some(kind) = expected.filter(|_| transition.from != Phase::Blocked)
        && !wanted.iter().any(|one| matches!(one, Wanted::Child { kind: known, .. } if *known == kind))
    {
        let message = format!("{} waits for a {}, which was not asked for", transition.to, kind.name());
        return refuse(RefusalReason::ChildMissing, message);
    }
    Ok(wanted)
}

fn check_one(transition: &Transition, expected: Option<ChildKind>, item: &Creation) -> Result<Wanted, Refusal> {
    let refuse = |reason, message: String| Err(Refusal::new(Slot::Children, reason, message));
    let patch = match item.patch.as_str() {
        "" => None,
        text => Some(patch::check(Slot::Children, &item.kind, text)?),
    };
    if item.kind == NOTIFICATION {
        let fitting = purposes(transition.how, transition.to);
        return if let Some(purpose) = fitting.iter().find(|purpose| **purpose == item.purpose) {
            Ok(Wanted::Notification { purpose, patch })
        } else {
            let message = format!("no notification \"{}\" goes out on the way to {}", item.purpose, transition.to);
            refuse(RefusalReason::CreationUnexpected, message)
        };
    }
    match (ChildKind::parse(&item.kind), expected) {
        (Some(kind), Some(expected)) if kind == expected => Ok(Wanted::Child { kind, patch }),
        _ => {
            let message = format!("a {} is not created on the way to {}", item.kind, transition.to);
            refuse(RefusalReason::CreationUnexpected, message)
        }
    }
}

fn is_same(one: &Wanted, other: &Wanted) -> bool {
    match (one, other) {
        (Wanted::Child { kind: a, .. }, Wanted::Child { kind: b, .. }) => a == b,
        (Wanted::Notification { purpose: a, .. }, Wanted::Notification { purpose: b, .. }) => a == b,
        (Wanted::Child { .. }, Wanted::Notification { .. }) | (Wanted::Notification { .. }, Wanted::Child { .. }) => {
            false
        }
    }
}
