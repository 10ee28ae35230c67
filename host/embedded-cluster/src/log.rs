//! Durability: an append-only log and a snapshot, under a lock for one process.
//!
//! Every write is handed to the operating system before it is acknowledged, so a killed process
//! loses nothing; there is no fsync, so a power cut may. A torn last line is cut off when the log
//! is opened; damage anywhere else is an error. The snapshot is replaced by a rename, and log
//! lines that it already covers are skipped, so a kill between the two steps is harmless.

use std::collections::{BTreeMap, HashMap};
use std::fs::{self, File, OpenOptions};
use std::io::{BufRead as _, BufReader, BufWriter, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::{Value, json};

use crate::cluster::ClusterError;
use crate::kinds::StorageKey;
use crate::store::{Change, Location, ObjectName, Table};

/// First line of both files; a later format gets another number.
const FORMAT: &str = "trimtab-embedded-cluster 1";
/// The log is compacted once it is larger than this and than twice the snapshot.
const LOG_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// What was found on disk.
#[derive(Debug, Default)]
pub(crate) struct Recovered {
    pub(crate) revision: u64,
    pub(crate) objects: BTreeMap<Location, Value>,
}

/// The open log of one folder.
#[derive(Debug)]
pub(crate) struct Log {
    folder: PathBuf,
    file: File,
    length_bytes: u64,
    snapshot_bytes: u64,
    /// Set when a failed append could not be cut off again: nothing more is written.
    is_broken: bool,
    /// Held, not read: the lock ends when it is closed.
    _lock: File,
}

impl Log {
    /// Opens the folder, making it where needed, and reads back what it holds.
    pub(crate) fn open(folder: &Path) -> Result<(Self, Recovered), ClusterError> {
        fs::create_dir_all(folder).map_err(|source| storage(folder, source))?;
        let lock = lock(folder)?;
        let mut recovered = Recovered::default();
        let snapshot = folder.join("snapshot");
        let snapshot_bytes = read_snapshot(&snapshot, &mut recovered)?;
        let path = folder.join("log");
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(|source| storage(&path, source))?;
        let length_bytes = replay(&mut file, &path, &mut recovered)?;
        let log = Self { folder: folder.to_owned(), file, length_bytes, snapshot_bytes, is_broken: false, _lock: lock };
        Ok((log, recovered))
    }

    /// Appends one transaction as one line, in one write.
    pub(crate) fn append(&mut self, revision: u64, changes: &[Arc<Change>]) -> std::io::Result<()> {
        if self.is_broken {
            return Err(std::io::Error::other("an earlier write failed; restart the cluster"));
        }
        let changes: Vec<Value> = changes.iter().map(|change| record(change)).collect();
        let body = json!({"revision": revision, "changes": changes}).to_string();
        let line = format!("{:016x} {body}\n", checksum(body.as_bytes()));
        if let Err(error) = self.file.write_all(line.as_bytes()) {
            let cut = self.file.set_len(self.length_bytes);
            let back = self.file.seek(SeekFrom::Start(self.length_bytes));
            self.is_broken = cut.is_err() || back.is_err();
            return Err(error);
        }
        self.length_bytes += line.len() as u64;
        Ok(())
    }

    pub(crate) fn wants_compaction(&self) -> bool {
        self.length_bytes > LOG_BYTES_MAX.max(2 * self.snapshot_bytes)
    }

    /// Writes all objects as a new snapshot and empties the log.
    pub(crate) fn compact(&mut self, revision: u64, tables: &HashMap<StorageKey, Table>) -> Result<(), ClusterError> {
        let path = self.folder.join("snapshot");
        let draft = self.folder.join("snapshot.new");
        let written = write_snapshot(&draft, revision, tables).map_err(|source| storage(&draft, source))?;
        fs::rename(&draft, &path).map_err(|source| storage(&path, source))?;
        self.snapshot_bytes = written;
        let path = self.folder.join("log");
        let header = format!("{FORMAT}\n");
        let length = header.len() as u64;
        self.file.set_len(length).map_err(|source| storage(&path, source))?;
        self.file.seek(SeekFrom::Start(length)).map_err(|source| storage(&path, source))?;
        self.length_bytes = length;
        Ok(())
    }
}

fn storage(path: &Path, source: std::io::Error) -> ClusterError {
    ClusterError::Storage { path: path.to_owned(), source }
}

fn damaged(path: &Path, line: usize, why: impl Into<String>) -> ClusterError {
    ClusterError::Damaged { path: path.to_owned(), line, why: why.into() }
}

fn lock(folder: &Path) -> Result<File, ClusterError> {
    let path = folder.join("lock");
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(&path)
        .map_err(|source| storage(&path, source))?;
    match file.try_lock() {
        Ok(()) => {}
        Err(fs::TryLockError::WouldBlock) => {
            let mut holder = String::new();
            // The holder's number is a courtesy: an unreadable one is left out.
            let _ = file.read_to_string(&mut holder);
            let holder = holder.trim();
            return Err(ClusterError::InUse {
                path: folder.to_owned(),
                holder: if holder.is_empty() { "another process".to_owned() } else { format!("process {holder}") },
            });
        }
        Err(fs::TryLockError::Error(source)) => return Err(storage(&path, source)),
    }
    file.set_len(0)
        .and_then(|()| file.rewind())
        .and_then(|()| writeln!(file, "{}", std::process::id()))
        .map_err(|source| storage(&path, source))?;
    Ok(file)
}

fn record(change: &Change) -> Value {
    let object = if change.is_removal { &Value::Null } else { change.object.as_ref() };
    json!([change.at.storage.0.as_ref(), change.at.name.namespace, change.at.name.name, object])
}

/// FNV-1a, 64 bits: finds a torn line, guards against nothing else.
fn checksum(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

fn apply(record: Value, recovered: &mut Recovered) -> Option<()> {
    let Value::Array(parts) = record else { return None };
    let [storage, namespace, name, object] = <[Value; 4]>::try_from(parts).ok()?;
    let at = Location {
        storage: StorageKey(storage.as_str()?.into()),
        name: ObjectName::new(namespace.as_str()?, name.as_str()?),
    };
    if object.is_null() {
        recovered.objects.remove(&at);
    } else {
        recovered.objects.insert(at, object);
    }
    Some(())
}

fn write_snapshot(path: &Path, revision: u64, tables: &HashMap<StorageKey, Table>) -> std::io::Result<u64> {
    let mut file = BufWriter::new(File::create(path)?);
    writeln!(file, "{FORMAT}")?;
    writeln!(file, "{}", json!({ "revision": revision }))?;
    let mut count = 0_u64;
    for (storage, table) in tables {
        for (name, object) in table {
            writeln!(file, "{}", json!([storage.0.as_ref(), name.namespace, name.name, object.as_ref()]))?;
            count += 1;
        }
    }
    writeln!(file, "{}", json!({ "end": count }))?;
    file.flush()?;
    file.get_ref().metadata().map(|metadata| metadata.len())
}

fn read_snapshot(path: &Path, recovered: &mut Recovered) -> Result<u64, ClusterError> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(0),
        Err(source) => return Err(storage(path, source)),
    };
    let length = file.metadata().map_err(|source| storage(path, source))?.len();
    let (mut count, mut ended) = (0_u64, false);
    for (at, line) in BufReader::new(file).lines().enumerate() {
        let number = at + 1;
        let line = line.map_err(|source| storage(path, source))?;
        if at == 0 {
            check_format(path, &line)?;
            continue;
        }
        let value: Value = serde_json::from_str(&line).map_err(|error| damaged(path, number, error.to_string()))?;
        if let Some(revision) = value["revision"].as_u64() {
            recovered.revision = revision;
        } else if let Some(end) = value["end"].as_u64() {
            ended = end == count;
        } else {
            apply(value, recovered).ok_or_else(|| damaged(path, number, "not an object record"))?;
            count += 1;
        }
    }
    if ended { Ok(length) } else { Err(damaged(path, 0, "the snapshot has no end")) }
}

fn check_format(path: &Path, line: &str) -> Result<(), ClusterError> {
    if line == FORMAT {
        return Ok(());
    }
    let why = format!("written in another format, wanted {FORMAT:?}; use the version that wrote it, or another folder");
    Err(damaged(path, 1, why))
}

/// Applies the log's lines after the snapshot, cuts off a torn tail, and answers the length.
fn replay(file: &mut File, path: &Path, recovered: &mut Recovered) -> Result<u64, ClusterError> {
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes).map_err(|source| storage(path, source))?;
    let header = format!("{FORMAT}\n");
    if header.as_bytes().starts_with(&bytes) && bytes.len() < header.len() {
        // New, or killed while the very first line was written.
        file.set_len(0)
            .and_then(|()| file.rewind())
            .and_then(|()| file.write_all(header.as_bytes()))
            .map_err(|source| storage(path, source))?;
        return Ok(header.len() as u64);
    }
    let mut kept = 0_usize;
    let mut torn: Option<(usize, String)> = None;
    for (at, line) in bytes.split_inclusive(|byte| *byte == b'\n').enumerate() {
        let number = at + 1;
        if let Some((bad, why)) = torn {
            return Err(damaged(path, bad, why));
        }
        if at == 0 {
            check_format(path, String::from_utf8_lossy(line).trim_end())?;
        } else if let Err(why) = replay_line(line, recovered) {
            torn = Some((number, why));
            continue;
        }
        kept += line.len();
    }
    if let Some((line, why)) = torn {
        tracing::warn!(path = %path.display(), line, why, "torn last line cut off: that write was never acknowledged");
    }
    let kept = kept as u64;
    file.set_len(kept).and_then(|()| file.seek(SeekFrom::Start(kept))).map_err(|source| storage(path, source))?;
    Ok(kept)
}

fn replay_line(line: &[u8], recovered: &mut Recovered) -> Result<(), String> {
    let line = line.strip_suffix(b"\n").ok_or("unfinished line")?;
    let (sum, body) = line.split_at_checked(17).ok_or("too short")?;
    if sum != format!("{:016x} ", checksum(body)).as_bytes() {
        return Err("checksum does not match".to_owned());
    }
    let entry: Value = serde_json::from_slice(body).map_err(|error| error.to_string())?;
    let revision = entry["revision"].as_u64().ok_or("no revision")?;
    if revision <= recovered.revision {
        return Ok(());
    }
    recovered.revision = revision;
    let Value::Object(mut entry) = entry else {
        return Err("not an object".to_owned());
    };
    let Some(Value::Array(changes)) = entry.remove("changes") else {
        return Err("no changes".to_owned());
    };
    for change in changes {
        apply(change, recovered).ok_or("not a change")?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
