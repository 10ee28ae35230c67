//! Revisions of policy sets, over restarts and retention.

use super::*;
use crate::sqlite::retention::RetentionSettings;
use trimtab_core::time::Span;

fn keep(ledger: &SqliteLedger, policy_set: &str, revision: &str, needed: &[&str]) {
    keep_made_of(ledger, (policy_set, revision), &[], needed);
}

fn keep_made_of(
    ledger: &SqliteLedger,
    (policy_set, revision): (&str, &str),
    blobs: &[(BlobKind, String)],
    needed: &[&str],
) {
    let document = format!("{{\"is\":\"{revision}\"}}");
    let kept = StoredRevision { revision: revision.to_owned(), document, tripped: None, is_candidate: revision == "c" };
    let needed: Vec<_> = needed.iter().map(|name| (*name).to_owned()).collect();
    ledger.keep_revision(policy_set, kept, blobs, &needed).unwrap();
}

fn names(ledger: &SqliteLedger) -> Vec<String> {
    ledger.revisions("night").unwrap().into_iter().map(|one| one.revision).collect()
}

#[test]
fn the_revision_that_was_put_in_force_last_comes_first_after_a_restart_too() {
    let (folder, ledger) = new();
    for revision in ["a", "b", "c"] {
        keep(&ledger, "night", revision, &[]);
    }
    keep(&ledger, "day", "x", &[]);
    keep(&ledger, "night", "a", &[]);
    ledger.trip_revision("night", "c", Some("3 faults in a row")).unwrap();
    drop(ledger);
    let ledger = open(folder.path());
    assert_eq!(names(&ledger), ["a", "c", "b"]);
    let kept = ledger.revisions("night").unwrap();
    assert_eq!(kept[0].document, "{\"is\":\"a\"}");
    assert_eq!(kept[1].tripped.as_deref(), Some("3 faults in a row"));
    assert_eq!([0, 1, 2].map(|place| kept[place].is_candidate), [false, true, false]);
    ledger.trip_revision("night", "c", None).unwrap();
    assert_eq!(ledger.revisions("night").unwrap()[1].tripped, None);
}

#[test]
fn what_a_revision_is_made_of_stays_as_long_as_it_does() {
    let (folder, ledger) = new();
    let (kept, left) = (digest_of(b"kept"), digest_of(b"left"));
    for bytes in [b"kept", b"left"] {
        ledger.keep(BlobKind::Component, &digest_of(bytes), bytes).unwrap();
    }
    for _ in 0..2 {
        keep_made_of(&ledger, ("night", "a"), &[(BlobKind::Component, kept.clone())], &[]);
    }
    // Nothing is pinned by this process any more.
    drop(ledger);
    let ledger = open(folder.path());
    let old = RetentionSettings { bytes_max: u64::MAX, age_max: Span::from_secs(60) };
    ledger.retain(at(1000), old, &|_| false).unwrap();
    assert_eq!(ledger.kept(BlobKind::Component, &kept).unwrap().as_deref(), Some(b"kept".as_slice()));
    assert_eq!(ledger.kept(BlobKind::Component, &left).unwrap(), None);
}

#[test]
fn the_oldest_revisions_of_a_set_are_forgotten() {
    let (_folder, ledger) = new();
    for number in 0..103 {
        keep(&ledger, "night", &format!("r{number}"), &[]);
    }
    keep(&ledger, "day", "x", &[]);
    let names = names(&ledger);
    assert_eq!((names.len(), names[0].as_str(), names[99].as_str()), (100, "r102", "r3"));
    assert_eq!(ledger.revisions("day").unwrap().len(), 1);
}

#[test]
fn what_is_needed_and_what_everybody_has_left_is_not_forgotten_for_others() {
    let (_folder, ledger) = new();
    for name in ["needed", "left", "neither"] {
        keep(&ledger, "night", name, &[]);
    }
    ledger.trip_revision("night", "left", Some("3 faults in a row")).unwrap();
    for number in 0..110 {
        keep(&ledger, "night", &format!("r{number}"), &["needed"]);
    }
    let names = names(&ledger);
    assert_eq!(
        (names.len(), names[99].as_str(), &names[100..]),
        (102, "r10", ["left", "needed"].map(str::to_owned).as_slice())
    );
}
