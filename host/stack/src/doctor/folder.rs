//! Whether a folder is writable and has room.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::finding::{Check, Finding, Severity};
use super::place::Place;
use super::probe::{ProbeFailure, probe};

/// A folder with less than this part of what it wants fails; with less than
/// all of it, it is to be watched.
const FAILING_PART: u64 = 8;

/// What was read of a folder.
#[derive(Debug)]
pub(super) struct FolderReading {
    /// The folder itself or, where it is still to be made, the nearest above it.
    pub(super) existing: PathBuf,
    /// Whether that is the folder itself.
    pub(super) is_present: bool,
    /// Where its file system is mounted.
    pub(super) mount: PathBuf,
    /// The file system's own numbers.
    pub(super) room: io::Result<Room>,
    /// Whether a file could be written.
    pub(super) probe: Result<(), ProbeFailure>,
}

/// A file system's numbers, as an unprivileged user sees them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Room {
    pub(super) bytes_free: u64,
    pub(super) bytes_total: u64,
    /// Absent where the file system has no fixed number of inodes.
    pub(super) inodes_free: Option<u64>,
}

/// Reads a folder, and writes and removes a file in it.
pub(super) fn read(path: &Path) -> FolderReading {
    let existing = nearest_existing(path);
    FolderReading {
        is_present: path.is_dir(),
        mount: mount_of(&existing),
        room: room(&existing),
        probe: probe(&existing),
        existing,
    }
}

/// The writable file system with the most free bytes.
pub(super) fn roomiest<'a>(readings: impl Iterator<Item = &'a FolderReading>) -> Option<(&'a Path, Room)> {
    let with_room = readings.filter_map(|reading| {
        let room = reading.room.as_ref().ok()?;
        reading.probe.as_ref().ok()?;
        Some((reading.mount.as_path(), *room))
    });
    with_room.max_by_key(|(_, room)| room.bytes_free)
}

/// Judges a folder. `roomiest` is where its content could go instead.
pub(super) fn judge(place: &Place, reading: &FolderReading, roomiest: Option<(&Path, Room)>) -> Finding {
    let thing = format!("{} in {}", place.name, place.path.display());
    let seen = match &reading.room {
        Ok(room) => describe(room, &reading.mount),
        Err(error) => format!("its file system gives no numbers ({error})"),
    };
    let finding = Finding::ok(Check::Folder, thing, seen);
    let elsewhere = elsewhere(place, reading, roomiest);
    if place.is_expected && !reading.is_present {
        let seen = format!("not a folder; {}", finding.seen);
        let mend = format!("run mkdir -p {}, or {elsewhere}", place.path.display());
        return Finding { seen, ..finding }.needs(Severity::Failure, mend);
    }
    if let Err(failure) = &reading.probe {
        return judge_probe(finding, reading, failure, &elsewhere);
    }
    match &reading.room {
        Ok(room) => judge_room(finding, place, room, &elsewhere),
        Err(_) => finding,
    }
}

fn judge_room(finding: Finding, place: &Place, room: &Room, elsewhere: &str) -> Finding {
    let inodes_free = room.inodes_free.unwrap_or(u64::MAX);
    let severity = severity(room.bytes_free, place.bytes_wanted).max(severity(inodes_free, place.inodes_wanted));
    if severity == Severity::Ok {
        return finding;
    }
    let lacks = if room.bytes_free < place.bytes_wanted {
        format!("{} wanted", bytes(place.bytes_wanted))
    } else {
        format!("{} inodes wanted", place.inodes_wanted)
    };
    let seen = format!("{}, {lacks}", finding.seen);
    Finding { seen, ..finding }.needs(severity, format!("free some, or {elsewhere}"))
}

fn severity(free: u64, wanted: u64) -> Severity {
    if free < wanted / FAILING_PART {
        Severity::Failure
    } else if free < wanted {
        Severity::Warning
    } else {
        Severity::Ok
    }
}

fn judge_probe(finding: Finding, reading: &FolderReading, failure: &ProbeFailure, elsewhere: &str) -> Finding {
    let ProbeFailure { step, error } = failure;
    let existing = reading.existing.display();
    let seen = format!("failed to {step} in {existing}: {error}; {}", finding.seen);
    let mend = match error.kind() {
        io::ErrorKind::StorageFull if has_room(reading) => format!(
            "the numbers show free space, so look at a quota (quota -s), inodes (df -i {existing}), \
             blocks reserved for root, or a tmpfs at its size limit (df -T {existing}); or {elsewhere}"
        ),
        io::ErrorKind::StorageFull => format!("free some, or {elsewhere}"),
        io::ErrorKind::QuotaExceeded => format!("raise the quota (quota -s shows it), or {elsewhere}"),
        io::ErrorKind::ReadOnlyFilesystem => {
            format!("mount {} writable, or {elsewhere}", reading.mount.display())
        }
        io::ErrorKind::PermissionDenied => {
            format!("make {existing} writable for this user, or {elsewhere}")
        }
        _ => format!("look at {existing} and its mount {}, or {elsewhere}", reading.mount.display()),
    };
    Finding { seen, ..finding }.needs(Severity::Failure, mend)
}

fn has_room(reading: &FolderReading) -> bool {
    let room = reading.room.as_ref();
    room.is_ok_and(|room| room.bytes_free > super::probe::PROBE_BYTES as u64)
}

/// How to move a folder's content, and where to if there is a better place.
fn elsewhere(place: &Place, reading: &FolderReading, roomiest: Option<(&Path, Room)>) -> String {
    match roomiest {
        Some((mount, room)) if mount != reading.mount && room.bytes_free > place.bytes_wanted => {
            format!("{} to a folder on {} ({} free)", place.moved_by, mount.display(), bytes(room.bytes_free))
        }
        _ => format!("{} to a writable folder with room", place.moved_by),
    }
}

fn describe(room: &Room, mount: &Path) -> String {
    let free = format!("{} free of {} on {}", bytes(room.bytes_free), bytes(room.bytes_total), mount.display());
    match room.inodes_free {
        Some(inodes) => format!("{free}, {inodes} inodes free"),
        None => free,
    }
}

/// Bytes in the largest unit that gives at least 1, one decimal below 10.
pub(super) fn bytes(count: u64) -> String {
    const UNITS: [&str; 5] = ["B", "kB", "MB", "GB", "TB"];
    let mut tenths = u128::from(count) * 10;
    let mut unit = 0;
    while tenths >= 10_000 && unit + 1 < UNITS.len() {
        tenths /= 1000;
        unit += 1;
    }
    if tenths < 100 && unit > 0 {
        format!("{}.{} {}", tenths / 10, tenths % 10, UNITS[unit])
    } else {
        format!("{} {}", tenths / 10, UNITS[unit])
    }
}

fn room(folder: &Path) -> io::Result<Room> {
    let numbers = rustix::fs::statvfs(folder)?;
    Ok(Room {
        bytes_free: numbers.f_bavail.saturating_mul(numbers.f_frsize),
        bytes_total: numbers.f_blocks.saturating_mul(numbers.f_frsize),
        inodes_free: (numbers.f_files > 0).then_some(numbers.f_favail),
    })
}

fn nearest_existing(path: &Path) -> PathBuf {
    let existing = path.ancestors().find(|ancestor| ancestor.is_dir());
    let existing = existing.filter(|ancestor| !ancestor.as_os_str().is_empty());
    existing.unwrap_or(Path::new("/")).to_owned()
}

/// The highest folder above, or at, a path that is on the same file system.
fn mount_of(path: &Path) -> PathBuf {
    let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let device = |path: &Path| fs::metadata(path).map(|metadata| metadata.dev()).ok();
    let own = device(&path);
    let same = path.ancestors().take_while(|ancestor| device(ancestor) == own);
    same.last().unwrap_or(&path).to_owned()
}

#[cfg(test)]
mod tests;
