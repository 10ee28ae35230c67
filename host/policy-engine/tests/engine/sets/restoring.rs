//! Revisions that are not loaded: what passes by itself costs them nothing.

use trimtab_policy_engine::Class;

use super::*;

impl Shelf {
    /// Whether what is kept can be read just now.
    fn set_ailing(&self, is_ailing: bool) {
        self.is_ailing.store(is_ailing, Ordering::Relaxed);
    }

    /// Forgets every config.
    fn lose_configs(&self) {
        held(&self.configs).clear();
    }
}

/// A host after a restart, with these revisions of its set behind it; oldest first.
fn restarted(shelf: &Arc<Shelf>, count: u32) -> (Host, Vec<SetRevision>) {
    let host = Host::new(shelf);
    let names = (1..=count).map(|seconds| host.apply("night", seconds, SetSettings::default()).unwrap().revision);
    let names = names.collect();
    drop(host);
    (Host::new(shelf), names)
}

fn back_to(name: &SetRevision) -> SetSettings {
    let rollback = Some(Rollback { to: name.revision.clone(), in_flight: InFlight::Drain });
    SetSettings { rollback, ..SetSettings::default() }
}

#[test]
fn a_passing_fault_while_a_pinned_revision_is_loaded_does_not_cost_the_pin() {
    let shelf = Arc::default();
    let (host, names) = restarted(&shelf, 6);
    host.apply("night", 6, SetSettings::default()).unwrap();
    let pinned = seen("old", Some(&names[0]));
    shelf.set_ailing(true);
    let error = host.sets.responsible(&pinned).unwrap_err();
    assert_eq!(error.class(), Class::Transient);
    assert!(error.to_string().contains(&names[0].revision), "{error}");
    shelf.set_ailing(false);
    assert_eq!(host.answering(&pinned), Some(names[0].clone()));
}

#[test]
fn a_pinned_revision_whose_content_is_gone_is_left_for_the_active_one() {
    let shelf = Arc::default();
    let (host, names) = restarted(&shelf, 6);
    host.apply("night", 6, SetSettings::default()).unwrap();
    shelf.lose_configs();
    assert_eq!(host.answering(&seen("old", Some(&names[0]))), Some(names[5].clone()));
}

#[test]
fn what_a_set_is_rolled_back_to_is_waited_for_and_what_was_rolled_back_from_does_not_answer() {
    let shelf = Arc::default();
    let (host, names) = restarted(&shelf, 2);
    shelf.set_ailing(true);
    assert_eq!(host.apply("night", 2, back_to(&names[0])).unwrap_err().class(), Class::Transient);
    assert_eq!(host.sets.apply_kept("night", back_to(&names[0])).unwrap_err().class(), Class::Transient);
    assert!(host.sets.view().is_empty());
    shelf.set_ailing(false);
    assert_eq!(host.sets.apply_kept("night", back_to(&names[0])).unwrap(), Some(names[0].clone()));
    assert_eq!(host.apply("night", 2, back_to(&names[0])).unwrap().active, names[0]);
}

#[test]
fn a_rollback_whose_content_is_gone_is_refused_for_good() {
    let shelf = Arc::default();
    let (host, names) = restarted(&shelf, 2);
    shelf.lose_configs();
    assert_eq!(host.apply("night", 2, back_to(&names[0])).unwrap_err().class(), Class::Permanent);
}

#[test]
fn a_set_whose_slots_cannot_be_filled_still_says_that_its_rollback_may_come() {
    let shelf = Arc::default();
    let (host, names) = restarted(&shelf, 6);
    host.apply("night", 6, SetSettings::default()).unwrap();
    shelf.set_ailing(true);
    assert_eq!(host.sets.apply_kept("night", back_to(&names[0])).unwrap_err().class(), Class::Transient);
    assert_eq!(host.sets.view()[0].active, names[5].revision, "it goes on meanwhile");
}

#[test]
fn a_set_that_goes_on_with_what_was_kept_waits_for_the_newest() {
    let shelf = Arc::default();
    let (host, names) = restarted(&shelf, 2);
    let newest = shelf.revisions("night").unwrap().remove(0).document.slots[&Slot::Timeouts].clone();
    *held(&shelf.ails_alone) = Some(newest.policies[0].revision.config.clone());
    assert_eq!(host.sets.apply_kept("night", SetSettings::default()).unwrap_err().class(), Class::Transient);
    assert!(host.sets.view().is_empty(), "{} does not answer in its place", names[0]);
    *held(&shelf.ails_alone) = None;
    assert_eq!(host.sets.apply_kept("night", SetSettings::default()).unwrap(), Some(names[1].clone()));
}
