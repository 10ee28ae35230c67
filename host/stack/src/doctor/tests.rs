//! The whole examination on this machine, in folders and on ports of its own.

use std::fs::{self, File, Permissions};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use super::*;

fn scope(folder: &Path, purposes: &[Purpose]) -> DoctorScope {
    let at = |name: &str| folder.join(name).into_os_string();
    DoctorScope {
        purposes: purposes.iter().copied().collect(),
        data: None,
        ports: Vec::new(),
        working_folder: folder.to_owned(),
        environment: BTreeMap::from([("HOME".to_owned(), at("home")), ("TMPDIR".to_owned(), at("tmp"))]),
    }
}

fn of_check(findings: &[Finding], check: Check) -> Vec<&Finding> {
    let findings = findings.iter();
    findings.filter(|finding| finding.check == check).collect()
}

/// A folder in which this user can't make a file: for root, modes don't count.
fn unwritable(folder: &Path) -> PathBuf {
    let locked = folder.join("locked");
    fs::create_dir(&locked).unwrap();
    fs::set_permissions(&locked, Permissions::from_mode(0o555)).unwrap();
    let candidates = [locked, "/proc".into(), "/sys".into()];
    let is_unwritable = |folder: &PathBuf| folder.is_dir() && File::create(folder.join(".trimtab-test")).is_err();
    candidates.into_iter().find(is_unwritable).unwrap()
}

#[test]
fn every_kind_of_thing_is_examined_and_nothing_is_left_behind() {
    let folder = tempfile::tempdir().unwrap();
    let mut scope = scope(folder.path(), &[Purpose::Author]);
    scope.ports = vec![METRICS_PORT];
    let findings = examine(&scope);
    for check in [Check::Folder, Check::Limit, Check::Port, Check::Process, Check::Tool] {
        assert!(!of_check(&findings, check).is_empty(), "{check:?}");
    }
    assert_eq!(of_check(&findings, Check::Folder).len(), 5);
    let tools = of_check(&findings, Check::Tool);
    let cargo = tools.iter().find(|finding| finding.thing == "cargo").unwrap();
    assert_eq!(cargo.severity, Severity::Ok, "{cargo:?}");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn a_folder_that_is_not_writable_is_a_failure_with_a_mend() {
    let folder = tempfile::tempdir().unwrap();
    let mut scope = scope(folder.path(), &[Purpose::Run]);
    let locked = unwritable(folder.path());
    scope.data = Some(locked.clone());
    let findings = examine(&scope);
    let data = findings.iter().find(|finding| finding.thing == format!("data (ledger) in {}", locked.display()));
    let data = data.unwrap();
    assert_eq!(data.severity, Severity::Failure);
    assert!(data.seen.starts_with("failed to create a file in "), "{}", data.seen);
    assert!(data.mend.as_deref().unwrap().contains("give --data"), "{data:?}");
    assert_eq!(exit_code(&findings), 1);
}

#[test]
fn a_port_in_use_is_named_with_the_process_that_holds_it() {
    let folder = tempfile::tempdir().unwrap();
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    let mut scope = scope(folder.path(), &[Purpose::Run]);
    scope.ports = vec![port];
    let findings = examine(&scope);
    let [finding] = of_check(&findings, Check::Port)[..] else {
        panic!("one port gives one finding");
    };
    assert_eq!(finding.severity, Severity::Failure);
    assert_eq!(finding.thing, format!("port {port}"));
    let own = std::process::id();
    assert!(finding.seen.starts_with(&format!("held by pid {own} (")), "{}", finding.seen);
    assert!(finding.mend.as_deref().unwrap().contains(&format!("kill {own}")));

    drop(listener);
    let findings = examine(&scope);
    assert_eq!(of_check(&findings, Check::Port)[0].seen, "free");
}

#[test]
fn a_port_of_another_user_is_reported_without_a_name() {
    let folder = tempfile::tempdir().unwrap();
    let author = scope(folder.path(), &[Purpose::Author]);
    let finding = port::judge(HEALTH_PORT, &port::PortReading::Held(Vec::new()), &author);
    assert_eq!(finding.severity, Severity::Warning);
    assert_eq!(finding.thing, "port 8081 (health)");
    assert!(finding.mend.unwrap().contains("sport = :8081"));
}

#[test]
fn the_scope_of_this_process_has_its_environment() {
    let scope = DoctorScope::of_process([Purpose::Run]);
    assert!(scope.environment.contains_key("PATH"));
    assert_eq!(scope.ports, [METRICS_PORT, HEALTH_PORT]);
}
