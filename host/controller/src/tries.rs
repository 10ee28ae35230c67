//! Creations that failed: how often in a row, and why. What the process remembers of them ends with it.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};

use trimtab_core::manifest::Manifest;
use trimtab_core::observation::{ChildKind, FailedCreation, Notification};

/// Tries in a row after which a remediation says that a child cannot be created.
const TRIES_MAX: u32 = 3;

/// Failed creations by remediation.
#[derive(Debug, Default)]
pub(crate) struct Tries {
    failed: Mutex<HashMap<String, Failed>>,
}

#[derive(Debug, Default)]
struct Failed {
    children: BTreeMap<ChildKind, (u32, String)>,
    notifications: BTreeSet<String>,
}

impl Tries {
    /// Counts a creation that failed, with the reason that the first [`TRIES_MAX`] tries ended with.
    pub(crate) fn failed(&self, uid: &str, manifest: &Manifest, reason: &str) {
        let mut failed = self.lock();
        let known = failed.entry(uid.to_owned()).or_default();
        let Some(kind) = ChildKind::parse(&manifest.kind) else {
            known.notifications.insert(manifest.name.clone());
            return;
        };
        let (tries, message) = known.children.entry(kind).or_default();
        if *tries < TRIES_MAX {
            reason.clone_into(message);
        }
        *tries = tries.saturating_add(1);
    }

    /// Forgets what failed before: the object is there.
    pub(crate) fn made(&self, uid: &str, manifest: &Manifest) {
        let mut failed = self.lock();
        let Some(known) = failed.get_mut(uid) else { return };
        match ChildKind::parse(&manifest.kind) {
            Some(kind) => known.children.remove(&kind).is_some(),
            None => known.notifications.remove(&manifest.name),
        };
        if known.children.is_empty() && known.notifications.is_empty() {
            failed.remove(uid);
        }
    }

    /// The children that have failed often enough to be told.
    pub(crate) fn children(&self, uid: &str) -> Vec<FailedCreation> {
        let failed = self.lock();
        let children = failed.get(uid).map(|known| &known.children);
        let told = children.into_iter().flatten().filter(|(_, (tries, _))| *tries >= TRIES_MAX);
        told.map(|(kind, (_, message))| FailedCreation { kind: *kind, message: message.clone() }).collect()
    }

    /// Leaves out notifications that were never there: their absence is no deletion.
    pub(crate) fn leave_out_lost(&self, uid: &str, notifications: &mut Vec<Notification>) {
        let failed = self.lock();
        if let Some(known) = failed.get(uid) {
            notifications.retain(|one| one.found || !known.notifications.contains(&one.name));
        }
    }

    /// Forgets a remediation: it is gone.
    pub(crate) fn forget(&self, uid: &str) {
        self.lock().remove(uid);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Failed>> {
        self.failed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    fn manifest(kind: &str, name: &str) -> Manifest {
        Manifest { kind: kind.into(), name: name.into(), object: Value::Null, is_required: true }
    }

    #[test]
    fn a_child_is_told_after_three_tries_with_one_reason_until_it_is_made() {
        let tries = Tries::default();
        let child = manifest("SignalProcessing", "sp-rr");
        for (reason, told) in [("a", 0), ("b", 0), ("c", 1), ("d", 1)] {
            tries.failed("u", &child, reason);
            assert_eq!(tries.children("u").len(), told, "{reason}");
        }
        let told = FailedCreation { kind: ChildKind::SignalProcessing, message: "c".into() };
        assert_eq!(tries.children("u"), [told]);
        assert_eq!(tries.children("v"), []);
        tries.made("u", &child);
        assert_eq!(tries.children("u"), []);
        assert!(tries.lock().is_empty());
    }

    #[test]
    fn a_notification_that_could_not_be_created_is_not_missed() {
        let tries = Tries::default();
        let one = |name: &str, found| Notification { name: name.into(), found, ..Notification::default() };
        tries.failed("u", &manifest("NotificationRequest", "nr-a"), "no");
        let mut seen = vec![one("nr-a", false), one("nr-b", false)];
        tries.leave_out_lost("u", &mut seen);
        assert_eq!(seen, [one("nr-b", false)]);
        let mut found = vec![one("nr-a", true)];
        tries.leave_out_lost("u", &mut found);
        assert_eq!(found.len(), 1);
        tries.forget("u");
        let mut again = vec![one("nr-a", false)];
        tries.leave_out_lost("u", &mut again);
        assert_eq!(again.len(), 1);
    }
}
