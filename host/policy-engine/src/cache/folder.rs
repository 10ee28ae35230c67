//! The folder of the compile cache: ours alone, written whole entries at a time, bounded in size.

use std::fs;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

use super::FolderRefused;

/// Ends the name of every entry.
const SUFFIX: &str = ".compiled";
/// Ends the name of what is noted beside an entry.
const NOTE_SUFFIX: &str = ".schema";
/// Most bytes of one entry: what a JavaScript or Python component of 64 MiB can compile to.
const ENTRY_BYTES_MAX: u64 = 512 << 20;

#[derive(Debug)]
pub(super) struct Folder {
    dir: PathBuf,
    bytes_max: u64,
    writes: AtomicU64,
}

impl Folder {
    /// Takes the folder only if it is ours and nobody else can write or read it.
    pub(super) fn open(dir: &Path, bytes_max: u64) -> Result<Self, FolderRefused> {
        make(dir).map_err(|source| FolderRefused::Make { dir: dir.to_path_buf(), source })?;
        // The link itself is looked at: a link could be pointed elsewhere later.
        let metadata = fs::symlink_metadata(dir).map_err(FolderRefused::look(dir))?;
        if !metadata.is_dir() {
            return Err(FolderRefused::NoFolder { dir: dir.to_path_buf() });
        }
        let folder = Self { dir: dir.to_path_buf(), bytes_max, writes: AtomicU64::new(0) };
        folder.check_owner(&metadata)?;
        Ok(folder)
    }

    /// The entry's bytes; `None` where there is none.
    pub(super) fn read(&self, name: &str) -> io::Result<Option<Vec<u8>>> {
        self.read_file(&self.path(name))
    }

    /// What is noted beside an entry; `None` where nothing is.
    pub(super) fn read_note(&self, name: &str) -> io::Result<Option<Vec<u8>>> {
        self.read_file(&self.note_path(name))
    }

    fn read_file(&self, path: &Path) -> io::Result<Option<Vec<u8>>> {
        let metadata = match fs::symlink_metadata(path) {
            Ok(metadata) => metadata,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        if !metadata.is_file() || metadata.len() > ENTRY_BYTES_MAX {
            return Err(io::Error::other("it is no file, or too large for an entry"));
        }
        self.check_entry(&metadata)?;
        // Room for all of it at once; what is appended meanwhile is not read.
        let mut bytes = Vec::with_capacity(usize::try_from(metadata.len()).map_err(io::Error::other)?);
        fs::File::open(path)?.take(metadata.len()).read_to_end(&mut bytes)?;
        Ok(Some(bytes))
    }

    /// An entry that we have written is ours alone; another one was put there or opened by somebody else.
    #[cfg(unix)]
    fn check_entry(&self, entry: &fs::Metadata) -> io::Result<()> {
        use std::os::unix::fs::MetadataExt;
        let mode = entry.mode() & 0o777;
        if mode & 0o077 != 0 {
            return Err(io::Error::other(format!("it is open to others (mode {mode:o})")));
        }
        if entry.uid() != fs::symlink_metadata(&self.dir)?.uid() {
            return Err(io::Error::other("it belongs to another user"));
        }
        Ok(())
    }

    #[cfg(not(unix))]
    fn check_entry(&self, _entry: &fs::Metadata) -> io::Result<()> {
        Ok(())
    }

    /// Writes an entry at once or not at all, then lets go of the oldest.
    pub(super) fn write(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let path = self.path(name);
        self.write_file(name, &path, bytes)?;
        self.shrink(&path)
    }

    /// Notes something small beside an entry, at once or not at all.
    pub(super) fn write_note(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        self.write_file(name, &self.note_path(name), bytes)
    }

    fn write_file(&self, name: &str, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let count = self.writes.fetch_add(1, Ordering::Relaxed);
        let temporary = self.dir.join(format!(".{name}.{}.{count}", std::process::id()));
        let written = create(&temporary)
            .and_then(|mut file| file.write_all(bytes).and_then(|()| file.sync_all()))
            .and_then(|()| fs::rename(&temporary, path));
        if written.is_err() {
            // What is left of a failed write is only a nuisance.
            drop(fs::remove_file(&temporary));
        }
        written
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.dir.join(format!("{name}{SUFFIX}"))
    }

    fn note_path(&self, name: &str) -> PathBuf {
        self.dir.join(format!("{name}{NOTE_SUFFIX}"))
    }

    /// Removes the oldest entries and notes until the rest fits; the one just written stays.
    fn shrink(&self, just_written: &Path) -> io::Result<()> {
        let mut entries: Vec<(SystemTime, u64, PathBuf)> = Vec::new();
        for entry in fs::read_dir(&self.dir)? {
            let entry = entry?;
            let name = entry.file_name();
            let name = name.to_string_lossy();
            if name.ends_with(SUFFIX) || name.ends_with(NOTE_SUFFIX) {
                let metadata = entry.metadata()?;
                entries.push((metadata.modified()?, metadata.len(), entry.path()));
            }
        }
        entries.sort();
        let mut total: u64 = entries.iter().map(|(_, bytes, _)| bytes).sum();
        for (_, bytes, path) in entries.iter().filter(|(_, _, path)| path != just_written) {
            if total <= self.bytes_max {
                break;
            }
            fs::remove_file(path)?;
            total -= bytes;
        }
        Ok(())
    }

    /// A file that we make belongs to us, so its owner is compared with the folder's.
    #[cfg(unix)]
    fn check_owner(&self, folder: &fs::Metadata) -> Result<(), FolderRefused> {
        use std::os::unix::fs::MetadataExt;
        let mode = folder.mode() & 0o777;
        if mode & 0o077 != 0 {
            return Err(FolderRefused::Open { dir: self.dir.clone(), mode });
        }
        let probe = self.dir.join(format!(".owner.{}.{:p}", std::process::id(), std::ptr::from_ref(self)));
        let look = || create(&probe)?.metadata().map(|metadata| metadata.uid());
        let ours = look();
        // The probe may be missing already where it could not be made.
        drop(fs::remove_file(&probe));
        if ours.map_err(FolderRefused::look(&self.dir))? == folder.uid() {
            Ok(())
        } else {
            Err(FolderRefused::Foreign { dir: self.dir.clone() })
        }
    }

    #[cfg(not(unix))]
    fn check_owner(&self, _folder: &fs::Metadata) -> Result<(), FolderRefused> {
        Ok(())
    }
}

#[cfg(unix)]
fn make(dir: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    if let Some(parent) = dir.parent() {
        fs::create_dir_all(parent)?;
    }
    match fs::DirBuilder::new().mode(0o700).create(dir) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        made => made,
    }
}

#[cfg(not(unix))]
fn make(dir: &Path) -> io::Result<()> {
    fs::create_dir_all(dir)
}

fn create(path: &Path) -> io::Result<fs::File> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        options.mode(0o600);
    }
    options.open(path)
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_missing_folder_is_made_for_us_alone() {
        let parent = tempfile::tempdir().unwrap();
        let dir = parent.path().join("a/b");
        Folder::open(&dir, 1).unwrap();
        assert_eq!(fs::metadata(&dir).unwrap().permissions().mode() & 0o777, 0o700);
        assert_eq!(fs::read_dir(&dir).unwrap().count(), 0, "the probe is gone");
    }

    #[test]
    fn a_folder_that_others_can_enter_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let refused = Folder::open(dir.path(), 1).unwrap_err().to_string();
        assert!(refused.ends_with("is open to others (mode 755): run chmod 700 on it"), "{refused}");
    }

    #[test]
    fn a_link_to_a_folder_is_refused() {
        let parent = tempfile::tempdir().unwrap();
        let link = parent.path().join("link");
        std::os::unix::fs::symlink(parent.path(), &link).unwrap();
        assert!(matches!(Folder::open(&link, 1), Err(FolderRefused::NoFolder { .. })));
    }

    #[test]
    fn the_oldest_entries_go_when_there_is_no_room() {
        let parent = tempfile::tempdir().unwrap();
        let folder = Folder::open(&parent.path().join("c"), 10).unwrap();
        for (name, age_seconds) in [("a", 20), ("b", 10)] {
            folder.write(name, b"12345").unwrap();
            let when = SystemTime::now() - std::time::Duration::from_secs(age_seconds);
            fs::File::options().write(true).open(folder.path(name)).unwrap().set_modified(when).unwrap();
        }
        folder.write("c", b"12345").unwrap();
        assert_eq!(folder.read("a").unwrap(), None);
        assert_eq!(folder.read("b").unwrap().as_deref(), Some(b"12345".as_slice()));
        assert_eq!(folder.read("c").unwrap().as_deref(), Some(b"12345".as_slice()));
    }
}
