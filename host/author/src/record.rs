//! `trimtab policy record`: copies decisions out of the ledger, with all that they were made with.

use trimtab_core::ports::DecisionRecord;
use trimtab_ledger::reader::{EntryContent, RemediationFilter, StoredEntry, StoredRemediation};

use crate::Surroundings;
use crate::bundle::{BundleWriter, Header, VERSION};
use crate::cli::RecordArguments;
use crate::error::AuthorError;
use crate::ledger::{Named, Source};
use crate::observation::Time;
use crate::output::{Outcome, counted};

/// Runs the command.
pub(crate) fn run(arguments: &RecordArguments, surroundings: &mut Surroundings<'_>) -> Result<Outcome, AuthorError> {
    let source = Source::open(surroundings)?;
    let since = arguments.since.map(|since| since.at(surroundings.now));
    let remediations: Vec<StoredRemediation> = if let Some(name) = &arguments.name {
        let named = Named { name, namespace: arguments.namespace.as_deref(), uid: arguments.uid.as_deref() };
        vec![source.find(&named, surroundings.tell)?]
    } else {
        let namespace = arguments.namespace.clone();
        let mut found = source.remediations(&RemediationFilter { namespace, since, ..RemediationFilter::default() })?;
        // The ledger's order: the oldest first.
        found.reverse();
        found
    };
    let header = Header {
        version: VERSION,
        recorded_at: Time(surroundings.now),
        without_components: arguments.without_components,
    };
    let mut writer: Option<BundleWriter> = None;
    for (place, one) in remediations.iter().enumerate() {
        (surroundings.progress)(&format!("recorded {place} of {} remediations", remediations.len()));
        let entries = source.entries(&one.uid)?;
        for (entry, record) in entries.iter().filter_map(decision) {
            if since.is_some_and(|since| entry.last_at < since) {
                continue;
            }
            let writer = match &mut writer {
                Some(writer) => writer,
                // Nothing is written where nothing is found.
                none => none.insert(BundleWriter::create(&arguments.out, &header)?),
            };
            writer.record(entry, record, &|kind, digest| source.blob(kind, digest))?;
        }
    }
    let Some(writer) = writer else {
        return Err(AuthorError::Input("no decision was made since then: say an earlier --since".to_owned()));
    };
    let (records, missing) = writer.finish()?;
    for name in &missing {
        (surroundings.tell)(&format!("{name} is not in the ledger and so not in {}", arguments.out.display()));
    }
    let (records, count) = (counted(records, "record"), counted(remediations.len() as u64, "remediation"));
    Ok(Outcome::fine(format!("{}: {records} of {count}\n", arguments.out.display())))
}

/// A decision; a settlement and a step of another host have none.
fn decision(entry: &StoredEntry) -> Option<(&StoredEntry, &DecisionRecord)> {
    match &entry.content {
        EntryContent::Step { record, .. } | EntryContent::Stay { record } => Some((entry, record)),
        EntryContent::Settlement(_) | EntryContent::Adopted(_) => None,
    }
}
