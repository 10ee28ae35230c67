//! What a ledger keeps across deaths of its process.

use std::io::Write as _;

use trimtab_core::plan::Plan;
use trimtab_core::ports::{Ledger as _, Settlement};
use trimtab_core::proposal::Explanation;

use super::*;

fn plan(uid: &str, sequence: u64) -> Plan {
    Plan {
        uid: uid.into(),
        namespace: "ns".into(),
        name: format!("rr-{uid}"),
        sequence,
        resource_version: "7".into(),
        from: None,
        to: None,
        outcome: None,
        actions: Vec::new(),
        status: Some(serde_json::json!({"overallPhase": "Pending"})),
        events: Vec::new(),
        why: Explanation::new("Accepted", "The signal was accepted."),
        at: Timestamp::from_millis(1),
    }
}

#[test]
fn an_open_step_is_found_again_and_a_settled_one_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = FileLedger::open(folder.path()).unwrap();
    ledger.prepare(&plan("a", 1), &[]).unwrap();
    ledger.prepare(&plan("b", 4), &[]).unwrap();
    ledger.settle("a", &Settlement::Confirmed).unwrap();
    drop(ledger);
    let ledger = FileLedger::open(folder.path()).unwrap();
    assert_eq!(ledger.unsettled("a"), None);
    assert_eq!(ledger.unsettled("b"), Some(plan("b", 4)));
}

#[test]
fn a_last_line_cut_short_is_dropped_and_the_rest_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(FILE_NAME);
    let ledger = FileLedger::open(folder.path()).unwrap();
    ledger.prepare(&plan("a", 1), &[]).unwrap();
    drop(ledger);
    let mut whole = std::fs::read(&path).unwrap();
    whole.extend_from_slice(br#"{"v":1,"entry":"prep"#);
    std::fs::write(&path, &whole).unwrap();
    let ledger = FileLedger::open(folder.path()).unwrap();
    assert!(ledger.unsettled("a").is_some());
    ledger.settle("a", &Settlement::Unknown).unwrap();
    drop(ledger);
    assert_eq!(FileLedger::open(folder.path()).unwrap().unsettled("a"), None);
}

#[test]
fn a_second_process_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let _first = FileLedger::open(folder.path()).unwrap();
    let refused = FileLedger::open(folder.path()).unwrap_err().to_string();
    assert!(refused.contains("another trimtab process holds it"), "{refused}");
}

#[test]
fn a_corrupt_line_is_named_with_its_number() {
    let folder = tempfile::tempdir().unwrap();
    let mut file = File::create(folder.path().join(FILE_NAME)).unwrap();
    file.write_all(b"garbage\n").unwrap();
    let refused = FileLedger::open(folder.path()).unwrap_err().to_string();
    assert!(refused.contains("line 1"), "{refused}");
}
