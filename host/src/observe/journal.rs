//! The file of comparisons: appended to by one process, read by any.

use std::fs::{File, OpenOptions};
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use anyhow::Context as _;
use trimtab_controller::beside::{Comparison, Witness};

/// Name of the file in the data folder.
const NAME: &str = "observed.ndjson";

/// Name of the file before it.
const NAME_BEFORE: &str = "observed.1.ndjson";

/// Most bytes of the file; then it becomes the one before, and that one goes.
const BYTES_MAX: u64 = 64 << 20;

/// Appends comparisons.
#[derive(Debug)]
pub(crate) struct Journal {
    folder: PathBuf,
    open: Mutex<Open>,
}

#[derive(Debug)]
struct Open {
    file: File,
    bytes: u64,
}

impl Journal {
    /// Opens the file in a data folder, and makes it where there is none.
    pub(crate) fn open(folder: &Path) -> anyhow::Result<Self> {
        let open = open(folder)?;
        Ok(Self { folder: folder.to_owned(), open: Mutex::new(open) })
    }

    fn append(&self, comparison: &Comparison) -> anyhow::Result<()> {
        let mut line = serde_json::to_string(comparison)?;
        line.push('\n');
        let mut known = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if known.bytes + line.len() as u64 > BYTES_MAX {
            std::fs::rename(self.folder.join(NAME), self.folder.join(NAME_BEFORE))?;
            *known = open(&self.folder)?;
        }
        // In one write, so that a reader sees whole lines, and a death leaves at most one that is not.
        known.file.write_all(line.as_bytes())?;
        known.bytes += line.len() as u64;
        Ok(())
    }
}

fn open(folder: &Path) -> anyhow::Result<Open> {
    let path = folder.join(NAME);
    let mut file = OpenOptions::new()
        .create(true)
        .append(true)
        .open(&path)
        .with_context(|| format!("cannot write {}", path.display()))?;
    let mut bytes = file.metadata()?.len();
    if bytes > 0 && !ends_a_line(&path)? {
        // A death in the middle of a line: what follows must not be lost with it.
        file.write_all(b"\n")?;
        bytes += 1;
    }
    Ok(Open { file, bytes })
}

fn ends_a_line(path: &Path) -> std::io::Result<bool> {
    use std::io::{Read as _, Seek as _, SeekFrom};
    let mut file = File::open(path)?;
    file.seek(SeekFrom::End(-1))?;
    let mut last = [0];
    file.read_exact(&mut last)?;
    Ok(last == *b"\n")
}

impl Witness for Journal {
    fn note(&self, comparison: &Comparison) {
        if let Err(error) = self.append(comparison) {
            tracing::error!(error = crate::one_line(&error), "a comparison could not be kept");
        }
    }
}

/// Every comparison in a data folder, oldest first, and how many lines could not be understood.
pub(crate) fn read(folder: &Path) -> anyhow::Result<(Vec<Comparison>, usize)> {
    let mut comparisons = Vec::new();
    let mut unread = 0;
    for (name, is_needed) in [(NAME_BEFORE, false), (NAME, true)] {
        let path = folder.join(name);
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if !is_needed && error.kind() == std::io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error).with_context(|| format!("cannot read {}", path.display())),
        };
        for line in BufReader::new(file).lines() {
            let line = line.with_context(|| format!("cannot read {}", path.display()))?;
            if line.is_empty() {
                continue;
            }
            match serde_json::from_str(&line) {
                Ok(comparison) => comparisons.push(comparison),
                Err(_) => unread += 1,
            }
        }
    }
    Ok((comparisons, unread))
}

#[cfg(test)]
mod tests {
    use super::*;
    use trimtab_controller::beside::{Move, Verdict};
    use trimtab_core::time::Timestamp;

    fn comparison(name: &str) -> Comparison {
        Comparison {
            at: Timestamp::from_millis(1),
            namespace: "ns".into(),
            name: name.into(),
            uid: "u".into(),
            from: "Pending".into(),
            theirs: Move { to: "Processing".into(), ..Move::default() },
            ours: None,
            rule: String::new(),
            verdict: Verdict::Agreed,
        }
    }

    #[test]
    fn what_is_noted_is_read_again_after_a_torn_line() {
        let folder = tempfile::tempdir().unwrap();
        Journal::open(folder.path()).unwrap().note(&comparison("a"));
        let path = folder.path().join(NAME);
        std::fs::OpenOptions::new().append(true).open(path).unwrap().write_all(b"{\"torn").unwrap();
        Journal::open(folder.path()).unwrap().note(&comparison("b"));
        let (comparisons, unread) = read(folder.path()).unwrap();
        let names: Vec<_> = comparisons.iter().map(|one| one.name.as_str()).collect();
        assert_eq!((names, unread), (vec!["a", "b"], 1));
    }

    #[test]
    fn a_folder_without_comparisons_says_so() {
        let folder = tempfile::tempdir().unwrap();
        assert!(read(folder.path()).unwrap_err().to_string().contains(NAME));
    }
}
