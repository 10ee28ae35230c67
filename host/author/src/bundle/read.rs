//! Reads a file of recorded decisions, one after the other.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use trimtab_policy_engine::Digest;

use super::{BundleRecord, Header, Held, LINE_BYTES_MAX, Line, VERSION, shown};
use crate::environment::Environment;
use crate::error::{AuthorError, Finding};

/// How every such file begins.
const BEGINNING: &[u8] = b"{\"bundle\":";

/// Whether a file begins as `policy record` begins one; false where it cannot be read.
pub fn is_bundle(file: &Path) -> bool {
    let mut head = Vec::new();
    let length = BEGINNING.len() as u64;
    File::open(file).and_then(|open| open.take(length).read_to_end(&mut head)).is_ok() && head == BEGINNING
}

/// A file of recorded decisions, open at some record.
#[derive(Debug)]
pub struct BundleReader {
    file: PathBuf,
    input: BufReader<File>,
    line: u64,
    records: u64,
    has_ended: bool,
    header: Header,
    held: Held,
}

/// Read first: another version may have other lines.
#[derive(Debug, Deserialize)]
struct Beginning {
    bundle: Version,
}

#[derive(Debug, Deserialize)]
struct Version {
    version: u32,
}

impl BundleReader {
    /// Opens a file and reads its first line.
    pub fn open(file: &Path) -> Result<Self, AuthorError> {
        let input = File::open(file).map_err(|error| AuthorError::read("recorded decisions", file, error))?;
        let header = Header {
            version: VERSION,
            recorded_at: crate::observation::Time(trimtab_core::time::Timestamp::default()),
            without_components: false,
        };
        let mut reader = Self {
            file: file.to_owned(),
            input: BufReader::new(input),
            line: 0,
            records: 0,
            has_ended: false,
            header,
            held: Held::default(),
        };
        let first = reader.next_line()?.unwrap_or_default();
        let no_bundle = |_| reader.wrong("this is no file of recorded decisions: trimtab policy record makes one");
        let version = serde_json::from_slice::<Beginning>(&first).map_err(no_bundle)?.bundle.version;
        if version != VERSION {
            let mend = if version > VERSION { "use a newer trimtab" } else { "record again" };
            return Err(reader.wrong(&format!("it has version {version}, this trimtab reads {VERSION}: {mend}")));
        }
        if let Line::Bundle(header) = reader.parse(&first)? {
            reader.header = header;
        }
        Ok(reader)
    }

    /// The first line.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// What the lines so far hold by digest.
    pub fn held(&self) -> &Held {
        &self.held
    }

    /// The next record; `None` at the end of the file.
    pub fn next_record(&mut self) -> Result<Option<BundleRecord>, AuthorError> {
        if self.has_ended {
            return Ok(None);
        }
        while let Some(bytes) = self.next_line()? {
            match self.parse(&bytes)? {
                Line::Record(record) => {
                    self.records += 1;
                    if record.number != self.records {
                        let (found, expected) = (record.number, self.records);
                        return Err(self.wrong(&format!("record {found} stands where {expected} belongs")));
                    }
                    return Ok(Some(*record));
                }
                Line::End { records } if records == self.records => {
                    self.has_ended = true;
                    return Ok(None);
                }
                Line::End { records } => {
                    let there = self.records;
                    return Err(self.wrong(&format!("{records} records were written, {there} are there")));
                }
                Line::Bundle(_) => return Err(self.wrong("it begins a second time")),
                other => self.hold(other)?,
            }
        }
        let records = self.records;
        Err(self.wrong(&format!("it is cut off after {records} records: record again")))
    }

    /// Keeps what a line holds by digest.
    fn hold(&mut self, line: Line) -> Result<(), AuthorError> {
        match line {
            Line::Component { digest, base64 } => {
                let bytes = STANDARD.decode(base64).map_err(|error| self.wrong(&format!("its base64: {error}")))?;
                self.same(&digest, &Digest::of(&bytes).to_string())?;
                self.held.components.insert(digest, bytes.into());
            }
            Line::Config { digest, text } => {
                let whole = Digest::of(text.as_bytes()).hexadecimal();
                self.same(&digest, whole.get(..digest.len()).unwrap_or(&whole))?;
                self.held.configs.insert(digest, text);
            }
            Line::Environment { digest, environment } => {
                let read: Result<Environment, _> = serde_json::from_value(environment);
                let read = read.map_err(|error| self.wrong(&format!("environment {digest}: {error}")))?;
                self.held.environments.insert(digest, read.into());
            }
            Line::Bundle(_) | Line::Record(_) | Line::End { .. } => {}
        }
        Ok(())
    }

    fn same(&self, named: &str, found: &str) -> Result<(), AuthorError> {
        if named == found && !named.is_empty() {
            return Ok(());
        }
        Err(self.wrong(&format!("what is said to be {named} is {found}: it was changed after it was recorded")))
    }

    fn parse(&self, bytes: &[u8]) -> Result<Line, AuthorError> {
        serde_json::from_slice(bytes).map_err(|error| self.wrong(&format!("it cannot be understood: {error}")))
    }

    fn next_line(&mut self) -> Result<Option<Vec<u8>>, AuthorError> {
        let mut bytes = Vec::new();
        let read = self.input.by_ref().take(LINE_BYTES_MAX).read_until(b'\n', &mut bytes);
        let read = read.map_err(|error| AuthorError::read("recorded decisions", &self.file, error))?;
        self.line += u64::from(read > 0);
        if read as u64 == LINE_BYTES_MAX {
            return Err(self.wrong(&format!("the line has more than {LINE_BYTES_MAX} bytes")));
        }
        Ok((read > 0).then_some(bytes))
    }

    fn wrong(&self, message: &str) -> AuthorError {
        Finding { file: shown(&self.file), line: self.line.max(1), column: 1, message: message.to_owned() }.into()
    }
}
