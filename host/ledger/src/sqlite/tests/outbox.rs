//! Events on their way out.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;

#[test]
fn events_come_in_the_order_of_their_steps_within_both_bounds() {
    let (_folder, ledger) = new();
    prepare(&ledger, "a", 1, Phase::Executing);
    take(&ledger, "b", 1, Phase::Executing);
    ledger.settle("a", &Settlement::Confirmed, at(12)).unwrap();
    let all = ledger.due(100, usize::MAX).unwrap();
    let names: Vec<_> = all.iter().map(|one| one.event.correlation_id.as_str()).collect();
    assert_eq!(names, ["rr-a", "rr-a", "rr-b", "rr-b"]);
    assert!(all.iter().all(|one| !one.was_sent));
    assert_eq!(ledger.due(3, usize::MAX).unwrap(), all[..3]);
    assert_eq!(ledger.due(100, 1).unwrap(), all[..1]);
    let two = all[..2].iter().map(|one| one.event.body.to_string().len()).sum();
    assert_eq!(ledger.due(100, two).unwrap(), all[..2]);
}

#[test]
fn a_sent_event_is_remembered_as_sent_until_it_was_surely_not_received() {
    let (folder, ledger) = new();
    take(&ledger, "a", 1, Phase::Executing);
    let ids: Vec<_> = ledger.due(1, 1).unwrap().iter().map(|one| one.event.id).collect();
    ledger.sending(&ids).unwrap();
    drop(ledger);
    let ledger = open(folder.path());
    let sent = |ledger: &SqliteLedger| ledger.due(9, 9999).unwrap().iter().map(|one| one.was_sent).collect::<Vec<_>>();
    assert_eq!(sent(&ledger), [true, false]);
    ledger.not_received(&ids).unwrap();
    assert_eq!(sent(&ledger), [false, false]);
}

#[test]
fn a_delivered_event_is_counted_once_and_a_quarantined_one_is_kept() {
    let (folder, ledger) = new();
    take(&ledger, "a", 1, Phase::Executing);
    let ids: Vec<_> = ledger.due(9, 9999).unwrap().iter().map(|one| one.event.id).collect();
    ledger.delivered(&ids[..1], at(20)).unwrap();
    ledger.delivered(&ids[..1], at(21)).unwrap();
    ledger.quarantine(ids[1], "400: no such type", at(22)).unwrap();
    ledger.quarantine(ids[0], "too late", at(23)).unwrap();
    drop(ledger);
    let report = open(folder.path()).report().unwrap();
    assert_eq!(report, OutboxReport { quarantined: 1, delivered: 1, ..OutboxReport::default() });
    let reason: String =
        raw(folder.path()).query_row("SELECT reason FROM event WHERE ordinal = 1", [], |row| row.get(0)).unwrap();
    assert_eq!(reason, "400: no such type");
}

#[test]
fn whoever_delivers_is_woken_when_events_become_due_and_only_then() {
    let (_folder, ledger) = new();
    let woken = Arc::new(AtomicUsize::new(0));
    let theirs = Arc::clone(&woken);
    ledger.on_due(Box::new(move || {
        theirs.fetch_add(1, Ordering::SeqCst);
    }));
    prepare(&ledger, "a", 1, Phase::Executing);
    assert_eq!(woken.load(Ordering::SeqCst), 0);
    ledger.settle("a", &Settlement::Confirmed, at(11)).unwrap();
    assert_eq!(woken.load(Ordering::SeqCst), 1);
    ledger.adopt(&foreign("b", 1)).unwrap();
    ledger.adopt(&foreign("b", 1)).unwrap();
    assert_eq!(woken.load(Ordering::SeqCst), 2);
    prepare(&ledger, "a", 2, Phase::Verifying);
    ledger.settle("a", &Settlement::Unknown, at(22)).unwrap();
    assert_eq!(woken.load(Ordering::SeqCst), 2);
}

/// Changes rows past the guard against it.
fn unguarded(folder: &Path, sql: &str) {
    raw(folder).execute_batch(&format!("DROP TRIGGER event_never_changes; {sql}")).unwrap();
}

#[test]
fn a_damaged_event_is_set_aside_and_holds_up_nobody() {
    let (folder, ledger) = new();
    for uid in ["a", "b"] {
        take(&ledger, uid, 1, Phase::Executing);
    }
    let first: Vec<u8> = raw(folder.path())
        .query_row("SELECT id FROM event WHERE uid = 'a' ORDER BY number LIMIT 1", [], |row| row.get(0))
        .unwrap();
    unguarded(
        folder.path(),
        "UPDATE event SET body = replace(body, 'Analyzing', 'Verifying') WHERE number = \
                              (SELECT min(number) FROM event)",
    );
    let due = ledger.due(1, usize::MAX).unwrap();
    assert_eq!(due.len(), 1, "the next one goes out although the first of its batch is damaged");
    assert_ne!(due[0].event.id.as_bytes().as_slice(), first);
    assert_eq!(ledger.report().unwrap().quarantined, 1);
    let reason: String = raw(folder.path())
        .query_row("SELECT reason FROM event WHERE id = ?1", [first.as_slice()], |row| row.get(0))
        .unwrap();
    assert!(reason.contains("was changed since it was recorded"), "{reason}");
    assert_eq!(deliver(&ledger), 3);
}

#[test]
fn an_event_that_is_no_text_any_more_is_set_aside_too() {
    let (folder, ledger) = new();
    take(&ledger, "a", 1, Phase::Executing);
    unguarded(folder.path(), "UPDATE event SET body = CAST(x'ff00fe' AS TEXT)");
    assert_eq!(deliver(&ledger), 0);
    assert_eq!(ledger.report().unwrap(), OutboxReport { quarantined: 2, ..OutboxReport::default() });
}
