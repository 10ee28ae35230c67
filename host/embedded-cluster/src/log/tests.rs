//! The log under kills, torn lines and second owners.

use serde_json::json;

use super::*;

fn change(revision: u64, name: &str, removed: bool) -> Arc<Change> {
    Arc::new(Change {
        revision,
        at: Location { storage: StorageKey::new("", "configmaps"), name: ObjectName::new("default", name) },
        object: Arc::new(json!({"metadata": {"name": name, "resourceVersion": revision.to_string()}})),
        previous: None,
        is_removal: removed,
    })
}

fn names(recovered: &Recovered) -> Vec<&str> {
    recovered.objects.keys().map(|at| at.name.name.as_str()).collect()
}

#[test]
fn a_torn_tail_is_cut_off_and_writing_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let (mut log, _) = Log::open(folder.path()).unwrap();
    log.append(1, &[change(1, "a", false)]).unwrap();
    log.append(2, &[change(2, "b", false)]).unwrap();
    drop(log);
    let path = folder.path().join("log");
    let whole = fs::read(&path).unwrap();
    // Every length a kill can leave behind the first record.
    let first = whole.iter().enumerate().filter(|(_, byte)| **byte == b'\n').nth(1).unwrap().0 + 1;
    for length in first..whole.len() {
        fs::write(&path, &whole[..length]).unwrap();
        let (mut log, recovered) = Log::open(folder.path()).unwrap();
        assert_eq!((recovered.revision, names(&recovered)), (1, vec!["a"]), "{length}");
        log.append(2, &[change(2, "c", false)]).unwrap();
        drop(log);
        let (_log, recovered) = Log::open(folder.path()).unwrap();
        assert_eq!(names(&recovered), ["a", "c"], "{length}");
    }
}

#[test]
fn damage_before_the_tail_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let (mut log, _) = Log::open(folder.path()).unwrap();
    log.append(1, &[change(1, "a", false)]).unwrap();
    log.append(2, &[change(2, "b", false)]).unwrap();
    drop(log);
    let path = folder.path().join("log");
    let mut bytes = fs::read(&path).unwrap();
    let at = FORMAT.len() + 30;
    bytes[at] ^= 1;
    fs::write(&path, bytes).unwrap();
    let error = Log::open(folder.path()).unwrap_err();
    assert!(error.to_string().contains("line 2"), "{error}");
}

#[test]
fn a_kill_between_snapshot_and_truncation_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (mut log, _) = Log::open(folder.path()).unwrap();
    log.append(1, &[change(1, "a", false)]).unwrap();
    log.append(2, &[change(2, "a", true)]).unwrap();
    log.append(3, &[change(3, "b", false)]).unwrap();
    let before = fs::read(folder.path().join("log")).unwrap();
    let mut tables: HashMap<StorageKey, Table> = HashMap::new();
    let kept = change(3, "b", false);
    tables.entry(kept.at.storage.clone()).or_default().insert(kept.at.name.clone(), Arc::clone(&kept.object));
    log.compact(3, &tables).unwrap();
    drop(log);
    fs::write(folder.path().join("log"), before).unwrap();
    let (mut log, recovered) = Log::open(folder.path()).unwrap();
    assert_eq!((recovered.revision, names(&recovered)), (3, vec!["b"]));
    log.append(4, &[change(4, "c", false)]).unwrap();
    drop(log);
    let (_log, recovered) = Log::open(folder.path()).unwrap();
    assert_eq!((recovered.revision, names(&recovered)), (4, vec!["b", "c"]));
}

#[test]
fn a_second_owner_is_told_who_holds_the_folder() {
    let folder = tempfile::tempdir().unwrap();
    let (_log, _) = Log::open(folder.path()).unwrap();
    let error = Log::open(folder.path()).unwrap_err().to_string();
    assert!(error.contains(&std::process::id().to_string()), "{error}");
}
