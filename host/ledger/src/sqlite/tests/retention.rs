//! What may go and what stays.

use super::*;
use crate::reader::LedgerReader;
use crate::sqlite::retention::{Removed, RetentionSettings};
use trimtab_core::time::Span;

const NOTHING: &dyn Fn(&str) -> bool = &|_| false;

/// Everything that is older than a minute at `at(1000)`.
const OLD: RetentionSettings = RetentionSettings { bytes_max: u64::MAX, age_max: Span::from_secs(60) };

/// A remediation of two steps that has ended, not delivered yet.
fn end(ledger: &SqliteLedger, uid: &str, sequence: u64) {
    take(ledger, uid, sequence, Phase::Executing);
    take(ledger, uid, sequence + 1, Phase::Completed);
}

fn uids(folder: &Path) -> Vec<String> {
    let mut uids: Vec<_> = LedgerReader::open(folder)
        .unwrap()
        .remediations(&crate::reader::RemediationFilter::default())
        .unwrap()
        .into_iter()
        .map(|one| one.uid)
        .collect();
    uids.sort();
    uids
}

#[test]
fn what_has_ended_is_removed_once_it_is_old_and_delivered() {
    let (folder, ledger) = new();
    end(&ledger, "old", 1);
    take(&ledger, "running", 1, Phase::Executing);
    prepare(&ledger, "open", 1, Phase::Completed);
    end(&ledger, "young", 98);
    end(&ledger, "kept", 1);
    assert_eq!(ledger.retain(at(1000), OLD, NOTHING).unwrap().remediations, 0, "events wait");
    deliver(&ledger);
    end(&ledger, "waiting", 1);
    let removed = ledger.retain(at(1000), OLD, &|uid| uid == "kept").unwrap();
    assert_eq!((removed.remediations, removed.entries), (1, 4));
    assert_eq!(uids(folder.path()), ["kept", "open", "running", "waiting", "young"]);
    assert!(!ledger.knows("old", 1) && ledger.knows("kept", 2));
    assert_eq!(LedgerReader::open(folder.path()).unwrap().verify(None).unwrap().damages, []);
    assert_eq!(ledger.report().unwrap().delivered, 14, "a total outlives what it counts");
}

#[test]
fn where_nobody_receives_what_waits_does_not_keep_old_records() {
    let folder = tempfile::tempdir().unwrap();
    let settings = StoreSettings { retention: OLD, has_receiver: false, ..StoreSettings::default() };
    let ledger = SqliteLedger::open(folder.path(), settings).unwrap();
    end(&ledger, "old", 1);
    end(&ledger, "existing", 1);
    end(&ledger, "refused", 1);
    let refused = ledger.due(9, usize::MAX).unwrap().pop().unwrap().event;
    ledger.quarantine(refused.id, "400", at(30)).unwrap();
    end(&ledger, "young", 98);
    ledger.tidy(at(1000), &|uid| uid == "existing").unwrap();
    assert_eq!(uids(folder.path()), ["existing", "refused", "young"]);
}

#[test]
fn one_that_went_while_nobody_watched_may_go_after_a_day() {
    let (folder, ledger) = new();
    take(&ledger, "waits", 1, Phase::Executing);
    take(&ledger, "went", 1, Phase::Executing);
    prepare(&ledger, "open", 1, Phase::Executing);
    deliver(&ledger);
    let exists = |uid: &str| uid == "waits";
    let day = 24 * 3600;
    assert_eq!(ledger.retain(at(day), OLD, &exists).unwrap().remediations, 0, "it may have begun a moment ago");
    assert_eq!(ledger.retain(at(day + 60), OLD, &exists).unwrap().remediations, 1);
    assert_eq!(uids(folder.path()), ["open", "waits"]);
}

#[test]
fn a_remediation_whose_object_is_gone_may_go_and_one_that_a_person_cancelled_too() {
    let (folder, ledger) = new();
    take(&ledger, "deleted", 1, Phase::Executing);
    ledger.settle("deleted", &Settlement::Unknown, at(20)).unwrap();
    prepare(&ledger, "unknown", 1, Phase::Executing);
    ledger.settle("unknown", &Settlement::Unknown, at(20)).unwrap();
    take(&ledger, "cancelled", 1, Phase::Executing);
    let mut seen = stay(&objects(), "cancelled", "Ended", 20);
    Arc::make_mut(&mut seen.observation).phase = Some(Phase::Cancelled);
    ledger.note(&seen).unwrap();
    deliver(&ledger);
    assert_eq!(ledger.retain(at(1000), OLD, NOTHING).unwrap().remediations, 3);
    assert_eq!(uids(folder.path()), [""; 0]);
}

#[test]
fn the_oldest_go_until_the_file_is_small_enough() {
    let (folder, ledger) = new();
    for number in 0..300 {
        end(&ledger, &format!("u{number:03}"), number + 1);
    }
    deliver(&ledger);
    let before = ledger.numbers().unwrap().bytes;
    let settings = RetentionSettings { bytes_max: before / 2, age_max: Span::from_secs(1_000_000) };
    let removed = ledger.retain(at(10_000), settings, NOTHING).unwrap();
    let after = ledger.numbers().unwrap();
    assert!(after.bytes <= before / 2 && after.bytes > before / 4, "{before} bytes became {}", after.bytes);
    assert_eq!(removed.bytes, before - after.bytes);
    assert_eq!(after.entries, 1200 - removed.entries);
    let left = uids(folder.path());
    assert_eq!(left.last().map(String::as_str), Some("u299"));
    assert_eq!(left.len(), 300 - usize::try_from(removed.remediations).unwrap());
    drop(ledger);
    assert!(std::fs::metadata(SqliteLedger::path(folder.path())).unwrap().len() <= before / 2 + 65_536);
    let reader = LedgerReader::open(folder.path()).unwrap();
    assert_eq!(reader.verify(None).unwrap().damages, []);
}

#[test]
fn the_rest_of_a_chain_is_verified_from_its_anchor_and_goes_on() {
    let (folder, ledger) = new();
    end(&ledger, "a", 1);
    end(&ledger, "b", 98);
    // Two remediations of one name, one after the other: one chain.
    drop(ledger);
    let ledger = open(folder.path());
    let objects = objects();
    let mut second = plan(&objects, "a2", 95, Phase::Executing);
    Arc::make_mut(&mut second).name = "rr-a".into();
    ledger.prepare(&step(&objects, &second), &second).unwrap();
    ledger.settle("a2", &Settlement::Confirmed, at(951)).unwrap();
    deliver(&ledger);
    assert_eq!(ledger.retain(at(1000), OLD, NOTHING).unwrap().remediations, 1);
    let reader = LedgerReader::open(folder.path()).unwrap();
    assert_eq!(reader.decisions("rr-a").unwrap().len(), 2);
    assert_eq!(reader.verify(None).unwrap().damages, []);
    raw(folder.path()).execute("UPDATE anchor SET hash = zeroblob(32)", []).unwrap();
    assert_eq!(reader.verify(None).unwrap().damages.len(), 1);
}

#[test]
fn a_kept_remediation_keeps_what_follows_it_in_its_chain() {
    let (_folder, ledger) = new();
    let objects = objects();
    end(&ledger, "a", 1);
    for (sequence, to) in [(3, Phase::Executing), (4, Phase::Completed)] {
        let mut second = plan(&objects, "a2", sequence, to);
        Arc::make_mut(&mut second).name = "rr-a".into();
        ledger.prepare(&step(&objects, &second), &second).unwrap();
        ledger.settle("a2", &Settlement::Confirmed, at(sequence * 10 + 1)).unwrap();
    }
    deliver(&ledger);
    assert_eq!(ledger.retain(at(1000), OLD, &|uid| uid == "a").unwrap(), Removed::default());
    assert_eq!(ledger.retain(at(1000), OLD, &|uid| uid == "a2").unwrap().remediations, 1);
    assert_eq!(ledger.retain(at(1000), OLD, NOTHING).unwrap().remediations, 1);
}

#[test]
fn a_digest_is_kept_while_a_record_names_it_or_this_process_runs() {
    let (folder, ledger) = new();
    ledger.keep(BlobKind::Component, &fixture::component_digest(), fixture::COMPONENT).unwrap();
    ledger.keep(BlobKind::Config, fixture::CONFIG, b"{}").unwrap();
    ledger.keep(BlobKind::Config, "unused", b"{\"unused\":true}").unwrap();
    ledger.set_environment(&serde_json::json!({"ceiling": 86400})).unwrap();
    end(&ledger, "a", 1);
    deliver(&ledger);
    let kept = |folder: &Path| count(folder, "SELECT count(*) FROM blob WHERE bytes IS NOT NULL");
    ledger.retain(at(12), OLD, NOTHING).unwrap();
    assert_eq!(kept(folder.path()), 4);
    drop(ledger);
    let ledger = open(folder.path());
    ledger.retain(at(12), OLD, NOTHING).unwrap();
    assert_eq!(kept(folder.path()), 3, "nothing names the unused one any more");
    ledger.retain(at(1000), OLD, NOTHING).unwrap();
    assert_eq!(count(folder.path(), "SELECT count(*) FROM blob"), 0);
}

#[test]
fn anchors_of_chains_that_are_gone_do_not_pile_up() {
    let (folder, ledger) = new();
    end(&ledger, "a", 1);
    end(&ledger, "b", 1);
    deliver(&ledger);
    ledger.retain(at(1000), OLD, NOTHING).unwrap();
    assert_eq!(count(folder.path(), "SELECT count(*) FROM anchor"), 2);
    ledger.retain(at(2000), OLD, NOTHING).unwrap();
    assert_eq!(count(folder.path(), "SELECT count(*) FROM anchor"), 1);
    end(&ledger, "a", 3);
    assert_eq!(LedgerReader::open(folder.path()).unwrap().verify(None).unwrap().damages, []);
}
