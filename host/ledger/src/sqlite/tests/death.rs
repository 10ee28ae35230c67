//! Death of the writer at any moment.

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};

use super::*;
use crate::reader::LedgerReader;

/// Names the folder in which another process is to append until it is killed.
const FOLDER: &str = "TRIMTAB_LEDGER_TEST_FOLDER";

fn wal(folder: &Path) -> PathBuf {
    folder.join("ledger.db-wal")
}

/// The files as a sudden death would leave them, with the write-ahead log cut off.
fn copy(folder: &Path, log_bytes: usize) -> tempfile::TempDir {
    let copied = tempfile::tempdir().unwrap();
    std::fs::copy(SqliteLedger::path(folder), SqliteLedger::path(copied.path())).unwrap();
    let log = std::fs::read(wal(folder)).unwrap();
    std::fs::write(wal(copied.path()), &log[..log_bytes]).unwrap();
    copied
}

fn log_bytes(folder: &Path) -> usize {
    usize::try_from(std::fs::metadata(wal(folder)).unwrap().len()).unwrap()
}

#[test]
fn a_torn_log_costs_at_most_what_was_not_acknowledged() {
    let (folder, ledger) = new();
    for sequence in 1..=4 {
        take(&ledger, "a", sequence, Phase::Executing);
    }
    prepare(&ledger, "b", 1, Phase::Executing);
    let acknowledged = log_bytes(folder.path());
    prepare(&ledger, "c", 1, Phase::Executing);
    let end = log_bytes(folder.path());
    assert!(end > acknowledged);
    for cut in (acknowledged..=end).rev().step_by(512) {
        let copied = copy(folder.path(), cut);
        let again = open(copied.path());
        assert!(again.knows("a", 4) && again.unsettled("a").is_none(), "cut at {cut}");
        assert!(again.unsettled("b").is_some(), "cut at {cut}");
        assert_eq!(again.unsettled("c").is_some(), cut == end, "cut at {cut}");
        take(&again, "d", 1, Phase::Executing);
        assert_eq!(LedgerReader::open(copied.path()).unwrap().verify(None).unwrap().damages, []);
    }
}

#[test]
fn a_log_torn_anywhere_leaves_a_sound_ledger() {
    let (folder, ledger) = new();
    let begun = log_bytes(folder.path());
    for sequence in 1..=3 {
        take(&ledger, "a", sequence, Phase::Executing);
    }
    let mut known = 3;
    for cut in (begun..=log_bytes(folder.path())).rev().step_by(512) {
        let copied = copy(folder.path(), cut);
        let again = open(copied.path());
        let now = (0..=3).rev().find(|sequence| again.knows("a", *sequence)).unwrap_or(0);
        assert!(now <= known, "a shorter log knows more");
        known = now;
        drop(again);
        assert_eq!(LedgerReader::open(copied.path()).unwrap().verify(None).unwrap().damages, []);
    }
    assert_eq!(known, 0);
}

/// Appends and says so on standard output, until it is killed.
#[test]
#[ignore = "another test starts it in a process of its own and kills it"]
fn appends_until_killed() {
    let Some(folder) = std::env::var_os(FOLDER) else { return };
    let ledger = open(Path::new(&folder));
    for number in 0.. {
        prepare(&ledger, &format!("u{number}"), 1, Phase::Executing);
        eprintln!("acknowledged {number}");
    }
}

#[test]
fn a_killed_process_has_kept_what_it_acknowledged_and_held_the_ledger_alone() {
    let folder = tempfile::tempdir().unwrap();
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "sqlite::tests::death::appends_until_killed", "--ignored", "--nocapture"])
        .env(FOLDER, folder.path())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map_while(Result::ok);
    let mut last = None;
    while last < Some(20) {
        let line = lines.next().expect("the other process appends until it is killed");
        last = line.strip_prefix("acknowledged ").map(|number| number.parse().unwrap()).or(last);
    }
    let refused = SqliteLedger::open(folder.path(), StoreSettings::default()).unwrap_err().to_string();
    child.kill().unwrap();
    child.wait().unwrap();
    let why = "another trimtab process holds it; stop that one or give this one its own --data folder";
    assert!(refused.ends_with(why), "{refused}");
    last = lines.filter_map(|line| line.strip_prefix("acknowledged ")?.parse().ok()).last().or(last);
    let ledger = open(folder.path());
    for number in 0..=last.unwrap() {
        assert!(ledger.unsettled(&format!("u{number}")).is_some(), "step {number} of {last:?} is lost");
    }
    assert_eq!(LedgerReader::open(folder.path()).unwrap().verify(None).unwrap().damages, []);
}
