//! Where state and caches live, and the files that are read from the command line.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use serde::de::DeserializeOwned;

use trimtab_policy_engine::Digest;

use crate::bad_input;

/// Whether this process runs in a pod.
pub(crate) fn is_in_cluster() -> bool {
    std::env::var_os("KUBERNETES_SERVICE_HOST").is_some()
}

/// The data folder: as given, else below `XDG_STATE_HOME`, else below the home folder.
pub(crate) fn data(given: Option<&Path>) -> anyhow::Result<PathBuf> {
    if let Some(folder) = given {
        return Ok(folder.to_owned());
    }
    below("XDG_STATE_HOME", ".local/state").context("no folder for state: give one with --data").map_err(bad_input)
}

/// The cache of compiled components that this key authenticates; `None` where there is no home to keep one in.
///
/// Each key has a folder of its own, so that two data folders do not reject each other's entries.
pub(crate) fn cache(key: &[u8; 32]) -> Option<PathBuf> {
    let id: String = Digest::of(key).hexadecimal().chars().take(16).collect();
    below("XDG_CACHE_HOME", ".cache").map(|folder| folder.join("components").join(id))
}

fn below(variable: &str, fallback: &str) -> Option<PathBuf> {
    let absolute = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    absolute(variable).or_else(|| absolute("HOME").map(|home| home.join(fallback))).map(|base| base.join("trimtab"))
}

/// Reads a JSON or YAML file.
pub(crate) fn read_document<T: DeserializeOwned>(file: &Path) -> anyhow::Result<T> {
    trimtab_author::document::read("file", file).map_err(bad_input)
}

/// The key that authenticates the compile cache: made once, kept in the data folder, readable by its owner only.
pub(crate) fn cache_key(data: &Path) -> anyhow::Result<[u8; 32]> {
    let file = data.join("cache.key");
    std::fs::create_dir_all(data).with_context(|| format!("cannot create {}", data.display()))?;
    match std::fs::read(&file) {
        Ok(bytes) => {
            let length = bytes.len();
            return bytes.try_into().map_err(|_| {
                anyhow::anyhow!("{} has {length} bytes instead of 32; delete it and start again", file.display())
            });
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => return Err(error).with_context(|| format!("cannot read {}", file.display())),
    }
    let mut key = [0; 32];
    for half in key.chunks_exact_mut(16) {
        half.copy_from_slice(uuid::Uuid::new_v4().as_bytes());
    }
    write_private(&file, &key).with_context(|| format!("cannot write {}", file.display()))?;
    Ok(key)
}

/// Writes a file that only its owner can read, whole or not at all.
pub(crate) fn write_private(file: &Path, bytes: &[u8]) -> std::io::Result<()> {
    use std::io::Write as _;
    let folder = file.parent().unwrap_or(Path::new("."));
    // Temporary files are private from the start, on every system.
    let mut temporary = tempfile::NamedTempFile::new_in(folder)?;
    temporary.write_all(bytes)?;
    temporary.as_file().sync_all()?;
    temporary.persist(file).map_err(|error| error.error)?;
    Ok(())
}
