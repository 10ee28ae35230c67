//! Writes, syncs and removes a small file: the only sure sign that a folder
//! works. Free space by the numbers misses quotas, reserved blocks and
//! read-only or broken mounts.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process;
use std::sync::atomic::{AtomicU64, Ordering};

/// How much is written: more than a file system keeps inline or in reserve.
pub(super) const PROBE_BYTES: usize = 4 << 20;
const CHUNK_BYTES: usize = 256 << 10;

/// Where a probe failed.
#[derive(Debug)]
pub(super) struct ProbeFailure {
    /// What was tried, as a verb.
    pub(super) step: &'static str,
    /// Why it failed.
    pub(super) error: io::Error,
}

/// Probes a folder that exists.
pub(super) fn probe(folder: &Path) -> Result<(), ProbeFailure> {
    let path = unique(folder);
    let failed = |step| move |error| ProbeFailure { step, error };
    let opened = OpenOptions::new().write(true).create_new(true).open(&path);
    let written = write(opened.map_err(failed("create a file"))?);
    // Also after a failed write, which may leave the folder full.
    let removed = fs::remove_file(&path).map_err(failed("remove a file"));
    written.and(removed)
}

fn write(mut file: File) -> Result<(), ProbeFailure> {
    let failed = |step| move |error| ProbeFailure { step, error };
    // Not zeros, which some file systems don't store.
    let chunk: Vec<u8> = (0..CHUNK_BYTES).map(|index| u8::try_from(index % 251).unwrap_or_default()).collect();
    for _ in 0..PROBE_BYTES / CHUNK_BYTES {
        file.write_all(&chunk).map_err(failed("write 4 MiB"))?;
    }
    file.sync_all().map_err(failed("sync 4 MiB"))
}

/// A name that neither another process nor another probe of this one takes.
fn unique(folder: &Path) -> PathBuf {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    folder.join(format!(".trimtab-doctor-{}-{count}", process::id()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_probe_leaves_nothing_behind() {
        let folder = tempfile::tempdir().unwrap();
        probe(folder.path()).unwrap();
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_probe_of_a_missing_folder_fails_at_creating() {
        let folder = tempfile::tempdir().unwrap();
        let failure = probe(&folder.path().join("missing")).unwrap_err();
        assert_eq!(failure.step, "create a file");
        assert_eq!(failure.error.kind(), io::ErrorKind::NotFound);
    }
}
