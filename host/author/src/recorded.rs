//! Recorded decisions as other commands take them: one observation, every observation, test cases.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use trimtab_core::observation::Observation;

use crate::bundle::{BundleReader, BundleRecord, is_bundle};
use crate::error::AuthorError;

pub(crate) mod cases;

/// The observation that `FILE#N`, or `FILE` for its last record, means; `None` where it is no file of recorded decisions.
pub(crate) fn picked(named: &Path) -> Result<Option<Arc<Observation>>, AuthorError> {
    let (file, number) = split(named);
    if !is_bundle(&file) {
        return Ok(None);
    }
    let mut reader = BundleReader::open(&file)?;
    let mut last: Option<BundleRecord> = None;
    while let Some(record) = reader.next_record()? {
        let is_it = number == Some(record.number);
        last = Some(record);
        if is_it {
            break;
        }
    }
    let known = last.as_ref().map_or(0, |record| record.number);
    match (last, number) {
        (Some(record), None) => Ok(Some(record.record.observation)),
        (Some(record), Some(number)) if record.number == number => Ok(Some(record.record.observation)),
        (_, number) => {
            let asked = number.map_or_else(String::new, |number| format!(" {number}"));
            let file = file.display();
            Err(AuthorError::Input(format!(
                "there is no record{asked} in {file}, which holds {known}: name it as {file}#N"
            )))
        }
    }
}

/// The file and the number behind it. A file whose own name ends so is meant itself.
fn split(named: &Path) -> (PathBuf, Option<u64>) {
    let text = named.to_string_lossy();
    match text.rsplit_once('#') {
        Some((file, number)) if !named.exists() => match number.parse() {
            Ok(number) => (PathBuf::from(file), Some(number)),
            Err(_) => (named.to_owned(), None),
        },
        _ => (named.to_owned(), None),
    }
}

/// Every record of a file, with what was held when each was read.
pub(crate) fn all(file: &Path) -> Result<Vec<BundleRecord>, AuthorError> {
    let mut reader = BundleReader::open(file)?;
    let mut records = Vec::new();
    while let Some(record) = reader.next_record()? {
        records.push(record);
    }
    Ok(records)
}
