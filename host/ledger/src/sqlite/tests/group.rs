//! Many callers at once.

use super::*;
use crate::reader::{EntryContent, LedgerReader};

#[test]
fn all_that_was_acknowledged_is_there_in_the_order_of_each_remediation() {
    let (folder, ledger) = new();
    std::thread::scope(|scope| {
        for thread in 0..32 {
            let ledger = &ledger;
            scope.spawn(move || {
                let uid = format!("u{thread}");
                for sequence in 1..=8 {
                    take(ledger, &uid, sequence, Phase::Executing);
                    ledger.note(&stay(&objects(), &uid, &format!("Waiting{sequence}"), sequence * 10 + 5)).unwrap();
                }
            });
        }
    });
    assert_eq!(ledger.numbers().unwrap().entries, 32 * 8 * 3);
    drop(ledger);
    let reader = LedgerReader::open(folder.path()).unwrap();
    let report = reader.verify(None).unwrap();
    assert_eq!((report.damages.as_slice(), report.entries, report.events), (&[][..], 32 * 8 * 3, 32 * 8 * 2));
    for thread in 0..32 {
        let entries = reader.decisions(&format!("u{thread}")).unwrap();
        for (place, entry) in entries.iter().enumerate() {
            let sequence = u64::try_from(place / 3 + 1).unwrap();
            match (&entry.content, place % 3) {
                (EntryContent::Step { plan, .. }, 0) => assert_eq!(plan.sequence, sequence),
                (EntryContent::Settlement(Settlement::Confirmed), 1) => assert_eq!(entry.sequence, sequence),
                (EntryContent::Stay { record }, 2) => {
                    assert_eq!(record.decision.why.rule, format!("Waiting{sequence}"));
                }
                (other, _) => panic!("entry {place} of u{thread} is a {}", other.kind()),
            }
        }
    }
}

#[test]
fn one_at_a_time_is_the_same_as_many() {
    let folder = tempfile::tempdir().unwrap();
    let settings = StoreSettings { batch_max: 1, queue_max: 1, ..StoreSettings::default() };
    let ledger = SqliteLedger::open(folder.path(), settings).unwrap();
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let ledger = &ledger;
            scope.spawn(move || take(ledger, &format!("u{thread}"), 1, Phase::Executing));
        }
    });
    assert_eq!(ledger.numbers().unwrap().entries, 16);
}
