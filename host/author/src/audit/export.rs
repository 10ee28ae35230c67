//! `trimtab audit export`: whole audit events, as they go over the wire.

use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::Path;

use serde_json::Value;
use trimtab_ledger::reader::StoredEvent;

use super::{each, filter};
use crate::Surroundings;
use crate::cli::{ExportArguments, ExportFormat};
use crate::error::AuthorError;
use crate::ledger::Source;
use crate::output::{Outcome, counted};

/// Runs the command.
pub(crate) fn run(arguments: &ExportArguments, surroundings: &mut Surroundings<'_>) -> Result<Outcome, AuthorError> {
    let source = Source::open(surroundings)?;
    let filter = filter(&arguments.events, surroundings.now);
    let mut written = 0_u64;
    match &arguments.file {
        None => {
            let print = &mut *surroundings.print;
            let failed = |error| AuthorError::write(Path::new("standard output"), error);
            export(&source, filter, arguments.format, &mut written, &mut |text| print(text).map_err(failed))?;
            Ok(Outcome::fine(""))
        }
        Some(file) => {
            let failed = |error| AuthorError::write(file, error);
            let mut out = BufWriter::new(File::create(file).map_err(failed)?);
            let mut write = |text: &str| out.write_all(text.as_bytes()).map_err(failed);
            export(&source, filter, arguments.format, &mut written, &mut write)?;
            out.flush().map_err(failed)?;
            Ok(Outcome::fine(format!("{}: {}\n", file.display(), counted(written, "event"))))
        }
    }
}

fn export(
    source: &Source,
    filter: trimtab_ledger::reader::EventFilter,
    format: ExportFormat,
    written: &mut u64,
    write: &mut dyn FnMut(&str) -> Result<(), AuthorError>,
) -> Result<(), AuthorError> {
    each(source, filter, |event| {
        let whole = envelope(&event).to_string();
        let piece = match (format, *written) {
            (ExportFormat::Ndjson, _) => format!("{whole}\n"),
            (ExportFormat::Json, 0) => format!("[\n{whole}"),
            (ExportFormat::Json, _) => format!(",\n{whole}"),
        };
        *written += 1;
        write(&piece)
    })?;
    match (format, *written) {
        (ExportFormat::Ndjson, _) => Ok(()),
        (ExportFormat::Json, 0) => write("[]\n"),
        (ExportFormat::Json, _) => write("\n]\n"),
    }
}

/// The envelope with the id that our `DataStorage` keeps.
fn envelope(event: &StoredEvent) -> Value {
    let mut body = event.event.body.clone();
    if let Some(members) = body.as_object_mut() {
        members.insert("event_id".to_owned(), event.event.id.to_string().into());
    }
    body
}
