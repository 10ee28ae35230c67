//! Writes a file of recorded decisions.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use trimtab_core::ports::DecisionRecord;
use trimtab_ledger::BlobKind;
use trimtab_ledger::reader::StoredEntry;

use super::{BundleRecord, Header, Line, VERSION, revisions};
use crate::error::AuthorError;
use crate::observation::Time;

/// Where the bytes behind digests come from; `None` where they are not known.
pub type Blobs<'a> = &'a dyn Fn(BlobKind, &str) -> Result<Option<Vec<u8>>, AuthorError>;

/// A file that is being written.
#[derive(Debug)]
pub struct BundleWriter {
    file: PathBuf,
    out: BufWriter<File>,
    records: u64,
    without_components: bool,
    written: BTreeSet<(&'static str, String)>,
    missing: Vec<String>,
}

impl BundleWriter {
    /// Creates the file, or empties it.
    pub fn create(file: &Path, header: &Header) -> Result<Self, AuthorError> {
        let out = File::create(file).map_err(|error| AuthorError::write(file, error))?;
        let mut writer = Self {
            file: file.to_owned(),
            out: BufWriter::new(out),
            records: 0,
            without_components: header.without_components,
            written: BTreeSet::new(),
            missing: Vec::new(),
        };
        writer.line(&Line::Bundle(Header { version: VERSION, ..header.clone() }))?;
        Ok(writer)
    }

    /// Writes a decision, and before it what it is the first to name.
    pub fn record(
        &mut self,
        entry: &StoredEntry,
        record: &DecisionRecord,
        blobs: Blobs<'_>,
    ) -> Result<(), AuthorError> {
        if let Some(digest) = &entry.environment {
            self.blob(BlobKind::Environment, digest, blobs)?;
        }
        for revision in revisions(record) {
            self.blob(BlobKind::Config, &revision.config, blobs)?;
            if !self.without_components {
                self.blob(BlobKind::Component, &revision.digest, blobs)?;
            }
        }
        self.records += 1;
        let record = BundleRecord {
            number: self.records,
            entry: entry.id,
            kind: entry.content.kind().to_owned(),
            repeats: entry.repeats,
            last_at: Time(entry.last_at),
            environment: entry.environment.clone(),
            record: record.clone(),
        };
        self.line(&Line::Record(Box::new(record)))
    }

    /// Writes the end; gives the number of records and what was named and is not known.
    pub fn finish(mut self) -> Result<(u64, Vec<String>), AuthorError> {
        self.line(&Line::End { records: self.records })?;
        self.out.flush().map_err(|error| AuthorError::write(&self.file, error))?;
        Ok((self.records, self.missing))
    }

    fn blob(&mut self, kind: BlobKind, digest: &str, blobs: Blobs<'_>) -> Result<(), AuthorError> {
        if !self.written.insert((kind.name(), digest.to_owned())) {
            return Ok(());
        }
        let name = format!("{} {digest}", kind.name());
        let Some(bytes) = blobs(kind, digest)? else {
            self.missing.push(name);
            return Ok(());
        };
        let unreadable = |why: String| AuthorError::Host(format!("the {name} of the ledger cannot be read: {why}"));
        let digest = digest.to_owned();
        let line = match kind {
            BlobKind::Component => Line::Component { digest, base64: STANDARD.encode(bytes) },
            BlobKind::Config => {
                let text = String::from_utf8(bytes).map_err(|error| unreadable(error.to_string()))?;
                Line::Config { digest, text }
            }
            BlobKind::Environment => {
                let environment = serde_json::from_slice(&bytes).map_err(|error| unreadable(error.to_string()))?;
                Line::Environment { digest, environment }
            }
        };
        self.line(&line)
    }

    fn line(&mut self, line: &Line) -> Result<(), AuthorError> {
        let failed = |error| AuthorError::write(&self.file, error);
        serde_json::to_writer(&mut self.out, line).map_err(|error| failed(error.into()))?;
        self.out.write_all(b"\n").map_err(failed)
    }
}
