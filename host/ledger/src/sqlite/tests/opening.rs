//! Which files are opened, and how the others are refused.

use std::os::unix::fs::PermissionsExt as _;

use super::*;

fn refusal(folder: &Path) -> String {
    let refused = SqliteLedger::open(folder, StoreSettings::default()).unwrap_err().to_string();
    assert_eq!(refused.lines().count(), 1, "{refused}");
    refused
}

#[test]
fn a_second_process_is_refused_by_name() {
    let (folder, _first) = new();
    assert!(refusal(folder.path()).contains("another trimtab process holds it"));
}

#[test]
fn the_files_are_for_their_owner_alone() {
    let (folder, ledger) = new();
    take(&ledger, "a", 1, Phase::Executing);
    for file in std::fs::read_dir(folder.path()).unwrap() {
        let file = file.unwrap();
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{:?}", file.file_name());
    }
}

#[test]
fn something_else_is_refused_with_the_mend() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(SqliteLedger::path(folder.path()), "garbage\n".repeat(10_000)).unwrap();
    let refused = refusal(folder.path());
    assert!(refused.contains("file is not a database") && refused.contains("to start anew"), "{refused}");
    std::fs::remove_file(SqliteLedger::path(folder.path())).unwrap();
    raw(folder.path()).execute_batch("CREATE TABLE other (x)").unwrap();
    assert!(refusal(folder.path()).contains("holds something else than a ledger"));
}

#[test]
fn a_newer_version_is_refused() {
    let (folder, ledger) = new();
    drop(ledger);
    raw(folder.path()).pragma_update(None, "user_version", 999).unwrap();
    let refused = refusal(folder.path());
    assert!(refused.contains("it has version 999, this trimtab reads up to 5; use a newer trimtab"), "{refused}");
}

#[test]
fn a_ledger_of_an_older_version_is_brought_up_with_what_it_holds() {
    let folder = tempfile::tempdir().unwrap();
    file::migrate(&raw(folder.path()), &file::MIGRATIONS[..1]).unwrap();
    let sql = "INSERT INTO remediation (uid, correlation, namespace, began_at, last_at, first_entry, last_entry, \
               entries, bytes, sequence) VALUES ('old', 'rr-old', 'ns', 0, 0, 1, 1, 1, 1, 7)";
    raw(folder.path()).execute_batch(sql).unwrap();
    let ledger = open(folder.path());
    assert!(ledger.knows("old", 7), "what it held is there");
    take(&ledger, "new", 1, Phase::Executing);
}

#[test]
fn damage_anywhere_is_named_or_harmless_and_never_a_panic() {
    let (folder, ledger) = new();
    for sequence in 1..=5 {
        take(&ledger, "a", sequence, Phase::Executing);
    }
    prepare(&ledger, "a", 6, Phase::Executing);
    drop(ledger);
    let whole = std::fs::read(SqliteLedger::path(folder.path())).unwrap();
    let mut named = 0;
    for place in (0..whole.len()).step_by(whole.len() / 97) {
        let mut damaged = whole.clone();
        for byte in damaged.iter_mut().skip(place).take(64) {
            *byte ^= 0x5a;
        }
        named += u32::from(is_refused(&damaged));
        named += u32::from(is_refused(&whole[..place]));
    }
    assert!(named > 0);
}

/// Whether a file is refused. One that is not can be appended to, or says why not.
fn is_refused(file: &[u8]) -> bool {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(SqliteLedger::path(folder.path()), file).unwrap();
    match SqliteLedger::open(folder.path(), StoreSettings::default()) {
        Ok(ledger) => {
            let objects = objects();
            let plan = plan(&objects, "b", 1, Phase::Executing);
            let outcomes = [
                ledger.prepare(&step(&objects, &plan), &plan),
                ledger.due(100, usize::MAX).map(drop),
                ledger.settle("a", &Settlement::Confirmed, at(70)),
            ];
            outcomes.iter().filter_map(|outcome| outcome.as_ref().err()).all(|one| one.to_string().lines().count() == 1)
        }
        Err(failure) => failure.to_string().lines().count() == 1,
    }
}

#[test]
fn a_damaged_open_step_is_named() {
    let (folder, ledger) = new();
    prepare(&ledger, "a", 1, Phase::Executing);
    drop(ledger);
    raw(folder.path()).execute_batch("DROP TRIGGER entry_never_changes; UPDATE entry SET body = x'00'").unwrap();
    let refused = refusal(folder.path());
    assert!(refused.contains("entry 1, the open step of a: its body cannot be decompressed"), "{refused}");
}

#[test]
fn every_version_is_brought_to_the_last_one_and_keeps_what_it_holds() {
    let schema = |connection: &rusqlite::Connection| -> Vec<String> {
        let mut select =
            connection.prepare("SELECT name || sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY 1").unwrap();
        select.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
    };
    let later = "CREATE TABLE later (x INTEGER); INSERT INTO later SELECT count(*) FROM entry;";
    let all = [file::MIGRATIONS.as_slice(), &[later]].concat();
    let fresh = rusqlite::Connection::open_in_memory().unwrap();
    file::migrate(&fresh, &all).unwrap();
    for version in 1..all.len() {
        let (folder, ledger) = new();
        drop(ledger);
        std::fs::remove_file(SqliteLedger::path(folder.path())).unwrap();
        let old = raw(folder.path());
        file::migrate(&old, &all[..version]).unwrap();
        old.execute_batch(
            "INSERT INTO entry (correlation, uid, sequence, kind, at, previous, hash, body_hash, body) \
             VALUES ('a', 'a', 1, 'stay', 1, x'', x'', x'', x'')",
        )
        .unwrap();
        file::migrate(&old, &all).unwrap();
        assert_eq!(schema(&old), schema(&fresh));
        assert_eq!(old.query_row("SELECT x FROM later", [], |row| row.get::<_, i64>(0)).unwrap(), 1);
        assert_eq!(file::version(&old).unwrap(), all.len());
    }
}

#[test]
fn a_migration_that_fails_leaves_the_version_before_it() {
    let connection = rusqlite::Connection::open_in_memory().unwrap();
    let migrations = ["CREATE TABLE a (x);", "CREATE TABLE b (x); CREATE TABLE a (x);"];
    assert!(file::migrate(&connection, &migrations).is_err());
    assert_eq!(file::version(&connection).unwrap(), 1);
    let tables: i64 = connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0)).unwrap();
    assert_eq!(tables, 1);
}
