//! What tools read, and that nothing can be changed behind the ledger's back.

use trimtab_core::phase::Phase;
use trimtab_core::ports::Ledger as _;

use super::*;
use crate::outbox::Outbox as _;
use crate::sqlite::tests::fixture::{self, at, event, objects, plan, step};
use crate::sqlite::tests::{deliver, foreign, new, prepare, raw, stay, take};

#[test]
fn what_was_recorded_is_read_back_to_the_last_bit_while_the_ledger_is_written() {
    let (folder, ledger) = new();
    let environment = serde_json::json!({"limits": {"ceiling": 86400}});
    ledger.set_environment(&environment).unwrap();
    ledger.keep(BlobKind::Component, &fixture::component_digest(), fixture::COMPONENT).unwrap();
    let objects = objects();
    let first = plan(&objects, "a", 1, Phase::Executing);
    let mut record = step(&objects, &first);
    std::sync::Arc::make_mut(&mut record.observation).object = std::sync::Arc::new(serde_json::json!({
        "status": {"confidence": 0.1 + 0.2, "large": u64::MAX, "small": -1.234_567_890_123_456_7e-300, "none": null},
    }));
    ledger.prepare(&record, &first).unwrap();
    ledger.settle("a", &Settlement::Confirmed, at(11)).unwrap();
    ledger.note(&stay(&objects, "a", "Waiting", 12)).unwrap();
    let mut again = stay(&objects, "a", "Waiting", 13);
    again.decision.wake_at = Some(at(90));
    ledger.note(&again).unwrap();
    ledger.adopt(&foreign("a", 5)).unwrap();
    let reader = LedgerReader::open(folder.path()).unwrap();
    let entries = reader.decisions("a").unwrap();
    assert_eq!(reader.decisions("rr-a").unwrap(), entries);
    assert_eq!(reader.decisions("nobody").unwrap(), []);
    let contents: Vec<_> = entries.iter().map(|entry| entry.content.clone()).collect();
    let expected = [
        EntryContent::Step { record: Box::new(record), plan: first },
        EntryContent::Settlement(Settlement::Confirmed),
        EntryContent::Stay { record: Box::new(stay(&objects, "a", "Waiting", 12)) },
        EntryContent::Adopted(foreign("a", 5)),
    ];
    assert_eq!(contents, expected);
    assert_eq!((entries[2].repeats, entries[2].at, entries[2].last_at), (1, at(12), at(13)));
    assert_eq!(entries[2].wake_at, Some(at(90)), "as it was said last");
    let digest = entries[0].environment.clone().unwrap();
    let stored = reader.blob(BlobKind::Environment, &digest).unwrap().unwrap();
    assert_eq!(serde_json::from_slice::<serde_json::Value>(&stored).unwrap(), environment);
    let component = reader.blob(BlobKind::Component, &fixture::component_digest()).unwrap();
    assert_eq!(component.as_deref(), Some(fixture::COMPONENT));
    assert_eq!(reader.blob(BlobKind::Config, fixture::CONFIG).unwrap(), None, "named, but its bytes were never kept");
    ledger.adopt(&foreign("a", 6)).unwrap();
    assert_eq!(reader.decisions("a").unwrap().len(), 5);
}

#[test]
fn remediations_are_filtered() {
    let (folder, ledger) = new();
    take(&ledger, "a", 1, Phase::Completed);
    take(&ledger, "b", 5, Phase::Executing);
    prepare(&ledger, "c", 9, Phase::Executing);
    let reader = LedgerReader::open(folder.path()).unwrap();
    let uids = |filter: RemediationFilter| -> Vec<String> {
        reader.remediations(&filter).unwrap().into_iter().map(|one| one.uid).collect()
    };
    let all = RemediationFilter::default();
    assert_eq!(uids(all.clone()), ["c", "b", "a"]);
    assert_eq!(uids(RemediationFilter { name: Some("rr-b".into()), ..all.clone() }), ["b"]);
    assert_eq!(uids(RemediationFilter { namespace: Some("other".into()), ..all.clone() }), [""; 0]);
    assert_eq!(uids(RemediationFilter { phase: Some("Completed".into()), ..all.clone() }), ["a"]);
    assert_eq!(uids(RemediationFilter { since: Some(at(51)), ..all.clone() }), ["c", "b"]);
    assert_eq!(uids(RemediationFilter { limit: Some(1), ..all.clone() }), ["c"]);
    let ended = reader.remediations(&RemediationFilter { name: Some("rr-a".into()), ..all }).unwrap().remove(0);
    assert!(ended.has_ended && !ended.is_open && !ended.is_gone);
    assert_eq!((ended.entries, ended.began_at, ended.last_at), (2, at(10), at(11)));
}

#[test]
fn events_are_filtered_and_paged() {
    let (folder, ledger) = new();
    take(&ledger, "a", 1, Phase::Executing);
    assert_eq!(deliver(&ledger), 2);
    take(&ledger, "b", 2, Phase::Executing);
    let waiting = ledger.due(1, 1).unwrap();
    ledger.quarantine(waiting[0].event.id, "400", at(30)).unwrap();
    prepare(&ledger, "c", 3, Phase::Executing);
    prepare(&ledger, "d", 4, Phase::Executing);
    ledger.settle("d", &Settlement::Discarded { reason: "Stale".into() }, at(41)).unwrap();
    let reader = LedgerReader::open(folder.path()).unwrap();
    let events = |filter: EventFilter| reader.events(&filter).unwrap();
    let all = EventFilter::default();
    let states: Vec<_> = events(all.clone()).into_iter().map(|one| one.state.name()).collect();
    let withdrawn = ["withdrawn", "withdrawn"];
    assert_eq!(states[..6], ["delivered", "delivered", "quarantined", "waiting", "held", "held"]);
    assert_eq!(states[6..], withdrawn);
    for state in EventState::ALL {
        let found = events(EventFilter { state: Some(state), ..all.clone() });
        assert_eq!(found.len(), states.iter().filter(|name| **name == state.name()).count());
    }
    let of_b = events(EventFilter { correlation: Some("rr-b".into()), ..all.clone() });
    assert_eq!(of_b[0].event, event("b", 2, "orchestrator.lifecycle.transitioned"));
    assert_eq!((of_b[0].reason.as_deref(), of_b[0].settled_at), (Some("400"), Some(at(30))));
    let by_type = EventFilter { event_type: Some("orchestrator.child.created".into()), ..all.clone() };
    assert_eq!(events(by_type).len(), 4);
    let between = EventFilter { since: Some(at(20)), until: Some(at(30)), ..all.clone() };
    assert_eq!(events(between).len(), 2);
    let mut after = None;
    let mut paged = Vec::new();
    while let Some(last) = {
        let page = events(EventFilter { after, limit: Some(3), ..all.clone() });
        let last = page.last().map(|one| one.number);
        paged.extend(page);
        last
    } {
        after = Some(last);
    }
    assert_eq!(paged, events(all));
}

#[test]
fn sizes_add_up() {
    let (folder, ledger) = new();
    for number in 0..20 {
        take(&ledger, &format!("u{number}"), 1, Phase::Executing);
    }
    drop(ledger);
    let sizes = LedgerReader::open(folder.path()).unwrap().sizes().unwrap();
    assert_eq!(sizes.remediations, 20);
    let content: u64 = sizes.tables.iter().map(|(_, bytes)| bytes).sum();
    assert!(sizes.bytes_per_remediation * 20 < content && content < sizes.bytes, "{sizes:?}");
    assert_eq!(sizes.bytes, std::fs::metadata(folder.path().join(file::FILE_NAME)).unwrap().len());
}

#[test]
fn a_missing_ledger_or_another_version_is_refused_with_the_mend() {
    let folder = tempfile::tempdir().unwrap();
    let missing = LedgerReader::open(folder.path()).unwrap_err().to_string();
    assert!(missing.contains("there is none; name the --data folder"), "{missing}");
    let (folder, ledger) = new();
    drop(ledger);
    raw(folder.path()).pragma_update(None, "user_version", 7).unwrap();
    let newer = LedgerReader::open(folder.path()).unwrap_err().to_string();
    assert!(newer.contains("it has version 7, this trimtab reads 5; use a newer trimtab"), "{newer}");
}

/// Entries 1 to 6 are three steps of "a" and their settlements, 7 and 8 a step of "b"; each step has two events.
/// Returns what is found after `tampering`, as "entry[/event]: what".
fn found_after(tampering: &str) -> Vec<String> {
    let (folder, ledger) = new();
    for sequence in 1..=3 {
        take(&ledger, "a", sequence, Phase::Executing);
    }
    take(&ledger, "b", 1, Phase::Executing);
    let reader = LedgerReader::open(folder.path()).unwrap();
    let before = reader.verify(None).unwrap();
    assert!(before.is_sound() && (before.chains, before.entries, before.events) == (2, 8, 8), "{before:?}");
    let raw = raw(folder.path());
    let unguarded = "DROP TRIGGER entry_never_changes; DROP TRIGGER entry_is_kept; \
                     DROP TRIGGER event_never_changes; DROP TRIGGER event_is_kept; PRAGMA foreign_keys = OFF;";
    raw.execute_batch(&format!("{unguarded}{tampering}")).unwrap();
    let report = reader.verify(None).unwrap();
    let named = report.damages.into_iter().map(|one| {
        let entry = one.entry.map_or("-".to_owned(), |id| id.to_string());
        let event = one.event.map_or(String::new(), |id| format!("/{id}"));
        format!("{entry}{event}: {}", one.what)
    });
    named.collect()
}

const NOT_FOLLOWING: &str = "it does not follow the entry before it: one was removed, inserted or moved";
const NOT_MATCHING: &str = "its hash does not match: its kind, uid, step, time, hashes or list of events was changed";

#[test]
fn an_edited_body_is_found() {
    let swapped = "UPDATE entry SET body = (SELECT body FROM entry WHERE id = 1) WHERE id = 3";
    assert_eq!(found_after(swapped), ["3: its body was changed"]);
    let torn = found_after("UPDATE entry SET body = substr(body, 1, 100) WHERE id = 3");
    assert!(torn.len() == 1 && torn[0].starts_with("3: its body cannot be decompressed"), "{torn:?}");
    let with_hash =
        "UPDATE entry SET (body, body_hash) = (SELECT body, body_hash FROM entry WHERE id = 1) WHERE id = 3";
    assert_eq!(found_after(with_hash), [format!("3: {NOT_MATCHING}")]);
}

#[test]
fn an_edited_column_is_found() {
    for column in ["at = 1", "uid = 'x'", "sequence = 9", "kind = 'stay'"] {
        assert_eq!(found_after(&format!("UPDATE entry SET {column} WHERE id = 3")), [format!("3: {NOT_MATCHING}")]);
    }
    let hash = found_after("UPDATE entry SET hash = zeroblob(32) WHERE id = 3");
    assert_eq!(hash, [format!("3: {NOT_MATCHING}"), format!("4: {NOT_FOLLOWING}")]);
    let moved = found_after("UPDATE entry SET correlation = 'rr-b' WHERE id = 6");
    assert_eq!(moved, [format!("6: {NOT_FOLLOWING}"), format!("7: {NOT_FOLLOWING}")]);
}

#[test]
fn a_removed_entry_is_found_wherever_it_was() {
    let too_few = |removed: usize, there: usize| {
        format!("-: 8 entries were recorded and 0 removed by retention, but {there} are there: {removed} too few")
    };
    let middle = found_after("DELETE FROM entry WHERE id = 4");
    assert_eq!(middle, [format!("5: {NOT_FOLLOWING}"), too_few(1, 7)]);
    let first = found_after("DELETE FROM event WHERE entry = 1; DELETE FROM entry WHERE id = 1");
    assert_eq!(first, [format!("2: {NOT_FOLLOWING}"), too_few(1, 7)]);
    assert_eq!(found_after("DELETE FROM entry WHERE id = 6"), [too_few(1, 7)]);
    let whole_chain = "DELETE FROM event WHERE uid = 'b'; DELETE FROM entry WHERE uid = 'b'";
    assert_eq!(found_after(whole_chain), [too_few(2, 6)]);
}

#[test]
fn an_inserted_entry_is_found() {
    let copied = "INSERT INTO entry (correlation, uid, sequence, kind, at, previous, hash, body_hash, body) \
                  SELECT correlation, uid, sequence, kind, at, previous, hash, body_hash, body FROM entry WHERE id = 2; \
                  UPDATE sqlite_sequence SET seq = 8";
    let found = found_after(copied);
    let too_many = "-: 8 entries were recorded and 0 removed by retention, but 9 are there: 1 too many";
    assert_eq!(found, [format!("9: {NOT_FOLLOWING}"), too_many.to_owned()]);
}

#[test]
fn swapped_entries_are_found() {
    let swap = "UPDATE entry SET id = -2 WHERE id = 2; UPDATE entry SET id = 2 WHERE id = 4; \
                UPDATE entry SET id = 4 WHERE id = -2";
    let found = found_after(swap);
    assert_eq!(found, [2, 3, 4, 5].map(|id| format!("{id}: {NOT_FOLLOWING}")));
}

#[test]
fn an_edited_event_is_named() {
    let id = event("a", 2, "orchestrator.child.created").id;
    let changed = "its id, correlation id, type, time or body was changed";
    for column in ["body = '{}'", "type = 'other'", "at = 1", "correlation = 'rr-b'"] {
        let found = found_after(&format!("UPDATE event SET {column} WHERE number = 3 * 256 + 1"));
        assert_eq!(found, [format!("3/{id}: {changed}")], "{column}");
    }
    // Changed together with its hash: the entry's own hash tells.
    let hash = "UPDATE event SET hash = zeroblob(32) WHERE number = 3 * 256 + 1";
    assert_eq!(found_after(hash), [format!("3/{id}: {changed}"), format!("3: {NOT_MATCHING}")]);
}

#[test]
fn a_removed_a_moved_and_an_orphaned_event_are_found() {
    assert_eq!(found_after("DELETE FROM event WHERE number = 3 * 256 + 1"), [format!("3: {NOT_MATCHING}")]);
    let moved = found_after("UPDATE event SET number = 4 * 256 WHERE number = 3 * 256 + 1");
    assert_eq!(moved, [format!("3: {NOT_MATCHING}"), format!("4: {NOT_MATCHING}")]);
    let id = event("a", 2, "orchestrator.child.created").id;
    let orphan = found_after("UPDATE event SET number = 99 * 256 WHERE number = 3 * 256 + 1");
    let missing = "the entry that it was recorded with is missing";
    assert_eq!(orphan, [format!("3: {NOT_MATCHING}"), format!("99/{id}: {missing}")]);
}

#[test]
fn the_state_of_an_event_is_no_part_of_the_chain() {
    assert_eq!(found_after("UPDATE event SET state = 'delivered', was_sent = 1, delivered_at = 5"), [""; 0]);
}

#[test]
fn one_chain_is_verified_alone() {
    let (folder, ledger) = new();
    take(&ledger, "a", 1, Phase::Executing);
    take(&ledger, "b", 1, Phase::Executing);
    raw(folder.path())
        .execute_batch("DROP TRIGGER entry_never_changes; UPDATE entry SET at = 1 WHERE uid = 'b'")
        .unwrap();
    let reader = LedgerReader::open(folder.path()).unwrap();
    assert!(reader.verify(Some("rr-a")).unwrap().is_sound());
    let damages = reader.verify(Some("rr-b")).unwrap().damages;
    assert_eq!(damages.iter().map(|one| one.correlation.as_str()).collect::<Vec<_>>(), ["rr-b", "rr-b"]);
}
