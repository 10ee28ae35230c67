//! Full disks.

use super::*;
use crate::reader::LedgerReader;

/// Prepares steps until one fails, and says how many were recorded and why it failed.
fn fill(ledger: &SqliteLedger, first: usize) -> (usize, String) {
    let objects = objects();
    for number in first..first + 100_000 {
        let uid = format!("u{number}");
        let plan = plan(&objects, &uid, 1, Phase::Executing);
        if let Err(failure) = ledger.prepare(&step(&objects, &plan), &plan) {
            assert_eq!(ledger.unsettled(&uid), None);
            return (number, failure.to_string());
        }
    }
    panic!("the disk is never full");
}

/// Notes stays until one is lost, and returns its rule. Some may still find room.
fn lose_a_note(ledger: &SqliteLedger) -> String {
    let before = ledger.numbers().unwrap();
    let rules = (0..1000).map(|number| format!("Waiting{number}"));
    let lost = rules.into_iter().find(|rule| {
        ledger.note(&stay(&objects(), "noted", rule, 1)).unwrap();
        // Asked for in the same queue, so the note is stored or lost by then.
        ledger.numbers().unwrap().failures > before.failures
    });
    lost.expect("the disk is full")
}

/// What holds on a full disk, whatever it is full of; `give_space` makes room again.
fn a_full_disk_stops_and_space_goes_on(folder: &Path, ledger: SqliteLedger, give_space: impl FnOnce(&SqliteLedger)) {
    let (recorded, failure) = fill(&ledger, 0);
    assert!(failure.contains("free space on its disk, then it goes on by itself"), "{failure}");
    let lost = lose_a_note(&ledger);
    assert_eq!(ledger.open_remediations().len(), recorded);
    give_space(&ledger);
    ledger.note(&stay(&objects(), "noted", &lost, 2)).unwrap();
    take(&ledger, "after", 1, Phase::Executing);
    ledger.settle("u0", &Settlement::Confirmed, at(12)).unwrap();
    drop(ledger);
    let ledger = open(folder);
    assert_eq!(ledger.open_remediations().len(), recorded - 1);
    let reader = LedgerReader::open(folder).unwrap();
    assert_eq!(reader.verify(None).unwrap().damages, []);
    let noted = reader.decisions("noted").unwrap().pop().unwrap();
    assert_eq!((noted.at, noted.repeats), (at(2), 0), "a lost note is not counted but recorded");
}

#[test]
fn a_full_file_stops_appends_and_nothing_else() {
    let (folder, ledger) = new();
    let limit = |connection: &rusqlite::Connection| connection.pragma_update(None, "max_page_count", 100);
    let lift = |connection: &rusqlite::Connection| connection.pragma_update(None, "max_page_count", 1_000_000);
    probe(&ledger, limit);
    a_full_disk_stops_and_space_goes_on(folder.path(), ledger, |ledger| probe(ledger, lift));
}

fn probe(ledger: &SqliteLedger, change: fn(&rusqlite::Connection) -> rusqlite::Result<()>) {
    ledger.writer.ask(Work::Probe(change)).unwrap();
}

#[test]
fn one_that_fails_does_not_fail_those_that_share_its_transaction() {
    let (_folder, ledger) = new();
    let objects = objects();
    take(&ledger, "a", 1, Phase::Executing);
    let mut bad = plan(&objects, "a", 2, Phase::Verifying);
    let changed = Arc::make_mut(&mut bad);
    changed.audit = plan(&objects, "a", 1, Phase::Executing).audit.clone();
    changed.audit[0].event_type = "other".into();
    std::thread::scope(|scope| {
        let bad = scope.spawn(|| ledger.prepare(&step(&objects, &bad), &bad).is_err());
        let good: Vec<_> = (0..8)
            .map(|number| {
                scope.spawn({
                    let ledger = &ledger;
                    move || take(ledger, &format!("g{number}"), 1, Phase::Executing)
                })
            })
            .collect();
        assert!(bad.join().unwrap());
        for one in good {
            one.join().unwrap();
        }
    });
    assert_eq!(ledger.numbers().unwrap().entries, 18);
}

/// A file system of 2 MB that is unmounted in the end.
struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    fn mount(&self, options: &str) {
        let mounted = std::process::Command::new("mount")
            .args(["-t", "tmpfs", "-o", options, "tmpfs"])
            .arg(self.0.path())
            .status()
            .expect("mount can be run");
        assert!(mounted.success(), "mounting a tmpfs needs root");
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let unmounted = std::process::Command::new("umount").arg(self.0.path()).status();
        assert!(unmounted.is_ok_and(|status| status.success()), "the small disk is unmounted");
    }
}

#[test]
#[ignore = "mounts a file system, which needs root"]
fn a_full_disk_stops_appends_and_nothing_else() {
    let disk = SmallDisk(tempfile::tempdir().unwrap());
    disk.mount("size=2m");
    let ledger = open(disk.0.path());
    a_full_disk_stops_and_space_goes_on(disk.0.path(), ledger, |_| disk.mount("remount,size=64m"));
}
