//! Judging folders from plain data, and reading a real one.

use super::*;

const GIB: u64 = 1 << 30;
const ENOSPC: i32 = 28;

fn place() -> Place {
    Place {
        name: "temporary files",
        path: "/tmp".into(),
        moved_by: "set TMPDIR",
        bytes_wanted: 8 * GIB,
        inodes_wanted: 10_000,
        is_expected: true,
    }
}

fn room(bytes_free: u64, inodes_free: u64) -> Room {
    Room { bytes_free, bytes_total: 20_000_000_000, inodes_free: Some(inodes_free) }
}

fn reading(room: Room, probe: Result<(), ProbeFailure>) -> FolderReading {
    FolderReading { existing: "/tmp".into(), is_present: true, mount: "/tmp".into(), room: Ok(room), probe }
}

fn failing(kind: io::Error) -> Result<(), ProbeFailure> {
    Err(ProbeFailure { step: "write 4 MiB", error: kind })
}

#[test]
fn a_folder_with_room_is_fine() {
    let finding = judge(&place(), &reading(room(9 * GIB, 20_000), Ok(())), None);
    assert_eq!(finding.severity, Severity::Ok);
    assert_eq!(finding.thing, "temporary files in /tmp");
    assert_eq!(finding.seen, "9.6 GB free of 20 GB on /tmp, 20000 inodes free");
    assert_eq!(finding.mend, None);
}

#[test]
fn little_room_names_where_there_is_more() {
    let reading = reading(room(3_000_000_000, 20_000), Ok(()));
    let more = room(79_000_000_000, 20_000);
    let finding = judge(&place(), &reading, Some((Path::new("/home"), more)));
    assert_eq!(finding.severity, Severity::Warning);
    assert_eq!(finding.seen, "3.0 GB free of 20 GB on /tmp, 20000 inodes free, 8.5 GB wanted");
    assert_eq!(finding.mend.as_deref(), Some("free some, or set TMPDIR to a folder on /home (79 GB free)"));
}

#[test]
fn a_roomiest_file_system_that_is_this_one_is_not_offered() {
    let reading = reading(room(GIB / 2, 20_000), Ok(()));
    let finding = judge(&place(), &reading, Some((Path::new("/tmp"), room(GIB / 2, 1))));
    assert_eq!(finding.severity, Severity::Failure);
    assert_eq!(finding.mend.as_deref(), Some("free some, or set TMPDIR to a writable folder with room"));
}

#[test]
fn a_lack_of_inodes_is_a_lack_of_room() {
    let finding = judge(&place(), &reading(room(9 * GIB, 12), Ok(())), None);
    assert_eq!(finding.severity, Severity::Failure);
    assert!(finding.seen.ends_with("12 inodes free, 10000 inodes wanted"));
}

#[test]
fn no_space_left_although_the_numbers_show_space_names_the_usual_causes() {
    let probe = failing(io::Error::from_raw_os_error(ENOSPC));
    let finding = judge(&place(), &reading(room(9 * GIB, 20_000), probe), None);
    assert_eq!(finding.severity, Severity::Failure);
    assert!(finding.seen.starts_with("failed to write 4 MiB in /tmp: No space left on device"), "{}", finding.seen);
    assert!(finding.seen.contains("9.6 GB free of 20 GB"));
    let mend = finding.mend.unwrap();
    for cause in ["quota", "inodes", "tmpfs", "set TMPDIR"] {
        assert!(mend.contains(cause), "{mend}");
    }
}

#[test]
fn no_space_left_on_a_full_file_system_asks_to_free_some() {
    let probe = failing(io::Error::from_raw_os_error(ENOSPC));
    let finding = judge(&place(), &reading(room(0, 20_000), probe), None);
    assert!(finding.mend.unwrap().starts_with("free some, or "));
}

#[test]
fn every_other_cause_has_its_own_mend() {
    let mends = [
        (io::ErrorKind::QuotaExceeded, "raise the quota"),
        (io::ErrorKind::ReadOnlyFilesystem, "mount /tmp writable"),
        (io::ErrorKind::PermissionDenied, "make /tmp writable for this user"),
        (io::ErrorKind::Other, "look at /tmp and its mount"),
    ];
    for (kind, start) in mends {
        let reading = reading(room(9 * GIB, 20_000), failing(kind.into()));
        let finding = judge(&place(), &reading, None);
        assert_eq!(finding.severity, Severity::Failure);
        assert!(finding.mend.as_deref().unwrap().starts_with(start), "{finding:?}");
    }
}

#[test]
fn an_expected_folder_that_is_missing_is_a_failure_with_the_command_that_makes_it() {
    let mut reading = reading(room(9 * GIB, 20_000), Ok(()));
    reading.is_present = false;
    let finding = judge(&place(), &reading, None);
    assert_eq!(finding.severity, Severity::Failure);
    assert!(finding.mend.unwrap().starts_with("run mkdir -p /tmp, or "));
    let made_when_needed = Place { is_expected: false, ..place() };
    let finding = judge(&made_when_needed, &reading, None);
    assert_eq!(finding.severity, Severity::Ok);
}

#[test]
fn a_folder_still_to_be_made_is_read_where_it_will_be() {
    let folder = tempfile::tempdir().unwrap();
    let reading = read(&folder.path().join("not/yet"));
    assert_eq!(reading.existing, folder.path());
    assert!(!reading.is_present);
    assert!(folder.path().starts_with(&reading.mount));
    assert!(reading.probe.is_ok());
    assert!(reading.room.unwrap().bytes_total > 0);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn the_roomiest_file_system_is_writable() {
    let full = reading(room(1, 1), Ok(()));
    let mut broken = reading(room(9 * GIB, 1), failing(io::ErrorKind::Other.into()));
    broken.mount = "/broken".into();
    let mut good = reading(room(2 * GIB, 1), Ok(()));
    good.mount = "/good".into();
    let (mount, _) = roomiest([&full, &broken, &good].into_iter()).unwrap();
    assert_eq!(mount, Path::new("/good"));
}

#[test]
fn bytes_read_like_a_person_would_say_them() {
    let said = [0, 999, 1_000, 9_949, 10_000, 3_000_000_000, 252_000_000_000].map(bytes);
    assert_eq!(said, ["0 B", "999 B", "1.0 kB", "9.9 kB", "10 kB", "3.0 GB", "252 GB"]);
}
