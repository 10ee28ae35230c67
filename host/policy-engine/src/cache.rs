//! Compiled components on disk. What lies there is native code, so each entry is authenticated before it is loaded.
//!
//! An entry is a tag, what the component needs, and its native code. Beside it lies a tag of the config schema that the
//! component gave, once that was accepted: who finds it need not check the same schema again.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use sha2::{Digest as _, Sha256};
use wasmtime::component::Component;

use crate::digest::Digest;
use crate::parts::Needs;

mod folder;

use folder::Folder;

/// Names the format and begins what is authenticated. Raised when the gate's rules or what is counted change, because
/// what comes from the cache has passed the gate and was counted before.
const DOMAIN: &[u8] = b"trimtab compiled component, format 3, gate 1\0";
/// Names what is known of a config schema and begins what is authenticated of it. Raised when the rules for schemas
/// change, [`crate::schema`]'s or those of the library behind it.
const SCHEMA_DOMAIN: &[u8] = b"trimtab accepted config schema, rules 1\0";
/// Bytes of the tag, which comes first.
const TAG_BYTES: usize = 32;

/// Where compiled components are kept, and the key that authenticates them.
#[derive(Clone)]
pub struct CacheConfig {
    /// A folder of ours, mode 0700; made if it is missing.
    pub dir: PathBuf,
    /// Kept outside of the folder.
    pub key: [u8; 32],
    /// Most bytes of all entries; the oldest go first.
    pub bytes_max: u64,
}

impl CacheConfig {
    /// A cache of at most 1 GiB.
    pub fn new(dir: impl Into<PathBuf>, key: [u8; 32]) -> Self {
        Self { dir: dir.into(), key, bytes_max: 1 << 30 }
    }
}

impl fmt::Debug for CacheConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CacheConfig")
            .field("dir", &self.dir)
            .field("bytes_max", &self.bytes_max)
            .finish_non_exhaustive()
    }
}

/// Whether the cache is used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CacheState {
    /// None was asked for.
    Off,
    /// It is used.
    Used,
    /// It is not used.
    Refused {
        /// Why, and what to do.
        why: String,
    },
}

/// What the cache does and has done since the start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CacheReport {
    /// Whether it is used.
    pub state: CacheState,
    /// Components that came from it.
    pub hits: u64,
    /// Components that were compiled because it had no entry.
    pub misses: u64,
    /// Entries that were not what the key says they are; compiled anew and overwritten.
    pub rejections: u64,
    /// Entries that could not be written.
    pub write_failures: u64,
}

/// What an entry holds.
pub(crate) struct Kept {
    /// Ready to be linked.
    pub(crate) compiled: Component,
    /// What one instance of it needs.
    pub(crate) needs: Needs,
}

/// The compile cache of one engine.
#[derive(Debug)]
pub(crate) struct Cache {
    state: CacheState,
    config: Option<CacheConfig>,
    folder: Option<Folder>,
    compatibility: String,
    hits: AtomicU64,
    misses: AtomicU64,
    rejections: AtomicU64,
    write_failures: AtomicU64,
}

impl Cache {
    /// Opens the folder; what is wrong with it is said once and the engine compiles without it.
    pub(crate) fn open(config: Option<CacheConfig>, engine: &wasmtime::Engine) -> Self {
        let (state, folder) = match config.as_ref().map(|config| Folder::open(&config.dir, config.bytes_max)) {
            None => (CacheState::Off, None),
            Some(Ok(folder)) => (CacheState::Used, Some(folder)),
            Some(Err(refused)) => {
                let why = refused.to_string();
                tracing::warn!(why, "the compile cache is not used: components are compiled at every start");
                (CacheState::Refused { why }, None)
            }
        };
        Self {
            state,
            config,
            folder,
            compatibility: compatibility(engine),
            hits: AtomicU64::new(0),
            misses: AtomicU64::new(0),
            rejections: AtomicU64::new(0),
            write_failures: AtomicU64::new(0),
        }
    }

    /// Whether entries are kept.
    pub(crate) const fn is_used(&self) -> bool {
        self.folder.is_some()
    }

    pub(crate) fn report(&self) -> CacheReport {
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        CacheReport {
            state: self.state.clone(),
            hits: count(&self.hits),
            misses: count(&self.misses),
            rejections: count(&self.rejections),
            write_failures: count(&self.write_failures),
        }
    }

    /// The compiled component, if the folder has it and its tag is right.
    pub(crate) fn fetch(&self, engine: &wasmtime::Engine, digest: &Digest) -> Option<Kept> {
        let entry = match self.folder.as_ref()?.read(&self.name(digest)) {
            Ok(Some(entry)) => entry,
            Ok(None) => {
                self.misses.fetch_add(1, Ordering::Relaxed);
                return None;
            }
            Err(error) => return self.reject(digest, &error.to_string()),
        };
        let loaded = self.authenticated(digest, &entry).and_then(|(needs, code)| {
            let compiled = load_authenticated(engine, code).map_err(|error| format!("{error:#}"))?;
            Ok(Kept { compiled, needs })
        });
        match loaded {
            Ok(kept) => {
                self.hits.fetch_add(1, Ordering::Relaxed);
                Some(kept)
            }
            Err(why) => self.reject(digest, &why),
        }
    }

    /// The parts of an entry, once its tag is verified over these very bytes.
    fn authenticated<'a>(&self, digest: &Digest, entry: &'a [u8]) -> Result<(Needs, &'a [u8]), String> {
        let parts = entry.split_first_chunk::<TAG_BYTES>();
        let parts = parts.and_then(|(tag, rest)| rest.split_first_chunk().map(|(needs, code)| (tag, needs, code)));
        let (tag, needs, code) = parts.ok_or("it is shorter than what comes before its code")?;
        // Hashes compare in constant time.
        if self.seal(digest, needs, code).ok_or("the cache has no key")? != blake3::Hash::from_bytes(*tag) {
            return Err("its tag is not ours".to_owned());
        }
        Ok((Needs::from_bytes(needs), code))
    }

    /// Keeps a compiled component; failing to is counted and otherwise harmless.
    pub(crate) fn keep(&self, digest: &Digest, needs: &Needs, component: &Component) {
        let Some(folder) = &self.folder else { return };
        let attempt = || -> Result<(), String> {
            let code = component.serialize().map_err(|error| format!("{error:#}"))?;
            let needs = needs.to_bytes();
            let tag = self.seal(digest, &needs, &code).ok_or("the cache has no key")?;
            let entry = [tag.as_bytes().as_slice(), &needs, &code].concat();
            folder.write(&self.name(digest), &entry).map_err(|error| error.to_string())
        };
        if let Err(why) = attempt() {
            self.write_failures.fetch_add(1, Ordering::Relaxed);
            tracing::warn!(%digest, why, "a compiled component could not be kept");
        }
    }

    /// Whether this very schema of the component was accepted before, under these very rules. Whatever is wrong with what
    /// lies there, the answer is no.
    pub(crate) fn knows_schema(&self, digest: &Digest, schema: &str) -> bool {
        let read = self.folder.as_ref().and_then(|folder| folder.read_note(&self.name(digest)).ok().flatten());
        let tag = read.and_then(|bytes| <[u8; TAG_BYTES]>::try_from(bytes).ok());
        // Hashes compare in constant time.
        tag.is_some_and(|tag| self.seal_schema(digest, schema) == Some(blake3::Hash::from_bytes(tag)))
    }

    /// Remembers that a schema was accepted; failing to is counted and otherwise harmless.
    pub(crate) fn note_schema(&self, digest: &Digest, schema: &str) {
        let (Some(folder), Some(tag)) = (&self.folder, self.seal_schema(digest, schema)) else { return };
        if let Err(error) = folder.write_note(&self.name(digest), tag.as_bytes()) {
            self.write_failures.fetch_add(1, Ordering::Relaxed);
            tracing::warn!(%digest, %error, "what was found of a component's schema could not be kept");
        }
    }

    fn seal_schema(&self, digest: &Digest, schema: &str) -> Option<blake3::Hash> {
        let mut seal = blake3::Hasher::new_keyed(&self.config.as_ref()?.key);
        let schema = blake3::hash(schema.as_bytes());
        // All of these are of fixed length, so no two schemas give the same bytes.
        for part in [SCHEMA_DOMAIN, digest.as_bytes(), self.compatibility.as_bytes(), schema.as_bytes()] {
            seal.update(part);
        }
        Some(seal.finalize())
    }

    fn reject(&self, digest: &Digest, why: &str) -> Option<Kept> {
        self.rejections.fetch_add(1, Ordering::Relaxed);
        tracing::warn!(%digest, why, "an entry of the compile cache is rejected and compiled anew");
        None
    }

    fn name(&self, digest: &Digest) -> String {
        format!("{}-{}", digest.hexadecimal(), self.compatibility)
    }

    /// The tag covers the entry's name as well, so that one entry cannot stand in for another.
    fn seal(&self, digest: &Digest, needs: &[u8; Needs::BYTES], code: &[u8]) -> Option<blake3::Hash> {
        let mut seal = blake3::Hasher::new_keyed(&self.config.as_ref()?.key);
        // Hashed by itself, code is aligned to what is hashed at a time, which is faster.
        let code = blake3::hash(code);
        // All of these are of fixed length, so no two entries give the same bytes.
        for part in [DOMAIN, digest.as_bytes(), self.compatibility.as_bytes(), needs, code.as_bytes()] {
            seal.update(part);
        }
        Some(seal.finalize())
    }
}

/// Loads native code that this host has written itself.
#[expect(unsafe_code, reason = "native code cannot be checked; its tag was, with a key that the folder does not have")]
fn load_authenticated(engine: &wasmtime::Engine, code: &[u8]) -> wasmtime::Result<Component> {
    // SAFETY: `code` is what `Component::serialize` gave under the same compatibility hash: only who has
    // the key can have made the tag that was verified over these very bytes in memory.
    unsafe { Component::deserialize(engine, code) }
}

/// 16 hexadecimal digits that change with the engine's version, the target and every setting of code.
fn compatibility(engine: &wasmtime::Engine) -> String {
    let mut hasher = Sha256Hasher(Sha256::new());
    engine.precompile_compatibility_hash().hash(&mut hasher);
    format!("{:016x}", hasher.finish())
}

struct Sha256Hasher(Sha256);

impl Hasher for Sha256Hasher {
    fn write(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    fn finish(&self) -> u64 {
        self.0.clone().finalize().iter().take(8).fold(0, |sum, byte| (sum << 8) | u64::from(*byte))
    }
}

/// Why a folder is not used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FolderRefused {
    #[error("make the cache folder {}: {source}", dir.display())]
    Make { dir: PathBuf, source: std::io::Error },
    #[error("look at the cache folder {}: {source}", dir.display())]
    Look { dir: PathBuf, source: std::io::Error },
    #[error("{} is no folder: remove it or name another", dir.display())]
    NoFolder { dir: PathBuf },
    #[error("{} belongs to another user: name a folder of your own", dir.display())]
    Foreign { dir: PathBuf },
    #[error("{} is open to others (mode {mode:o}): run chmod 700 on it", dir.display())]
    Open { dir: PathBuf, mode: u32 },
}

impl FolderRefused {
    fn look(dir: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let dir = dir.to_path_buf();
        move |source| Self::Look { dir, source }
    }
}
