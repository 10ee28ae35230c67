//! `trimtab policy diff`: where two policies answer differently, smallest observation first.

use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use crate::Surroundings;
use crate::cli::DiffArguments;
use crate::error::{AuthorError, FAILED, FINE};
use crate::explore::{self, DiffReport, Kind};
use crate::observation::{ObservationDocument, Time, without_nulls};
use crate::output::{Outcome, columns, grouped, render};
use crate::workbench::{ConfigSource, Workbench, limits_of};

/// Runs the command.
pub(crate) fn run(
    arguments: &DiffArguments,
    bench: &Workbench,
    surroundings: &mut Surroundings<'_>,
) -> Result<Outcome, AuthorError> {
    let limits = limits_of(arguments.limits.as_deref())?;
    let load = |file: &Path, config: Option<&Path>| {
        let (component, _) = bench.load(file, limits)?;
        bench.configure(&component, config.map_or(ConfigSource::Default, ConfigSource::File))
    };
    let a = load(&arguments.a, arguments.config_a.as_deref())?;
    let b = load(&arguments.b, arguments.config_b.as_deref())?;
    let mut progress = |done, planned| (surroundings.progress)(&format!("compared {done} of {planned}"));
    let budget = Duration::from_secs(arguments.seconds);
    let recorded = arguments.from.as_deref().map(crate::recorded::all).transpose()?;
    let report = match recorded {
        None => explore::diff(&a, &b, budget, &mut progress),
        Some(records) => {
            let seen: Vec<_> = records.into_iter().map(|record| record.record.observation).collect();
            explore::diff_recorded((&a, &b), &seen, budget, &mut progress)
        }
    };
    let report = report.map_err(|error| match error {
        explore::ExploreError::NoCommonSlot { .. } => AuthorError::Input(error.to_string()),
        other => AuthorError::Host(crate::test::told(&other)),
    })?;
    if let Some(folder) = &arguments.save {
        save(&report, folder, surroundings)?;
    }
    let exit_code = if report.is_same() { FINE } else { FAILED };
    Ok(Outcome { text: render(&report, arguments.output, table)?, exit_code })
}

/// Writes `observation-1.yaml` and so on, numbered as the examples are.
fn save(report: &DiffReport, folder: &Path, surroundings: &mut Surroundings<'_>) -> Result<(), AuthorError> {
    std::fs::create_dir_all(folder).map_err(|error| AuthorError::write(folder, error))?;
    for (place, example) in report.examples.iter().enumerate() {
        let number = place + 1;
        let Some(document) = ObservationDocument::of(&example.observation) else {
            (surroundings.tell)(&format!("example {number} cannot be written as an observation document"));
            continue;
        };
        let plain = serde_json::to_value(&document).map(without_nulls);
        let text = plain.ok().and_then(|plain| serde_saphyr::to_string(&plain).ok());
        let text = text.ok_or_else(|| AuthorError::Host(format!("example {number} cannot be written as YAML")))?;
        let file = folder.join(format!("observation-{number}.yaml"));
        std::fs::write(&file, text).map_err(|error| AuthorError::write(&file, error))?;
    }
    Ok(())
}

fn table(report: &DiffReport) -> String {
    let mut text = String::new();
    let tried = grouped(report.tried);
    if report.is_same() {
        let _ = writeln!(text, "no difference on {tried} observations; that is no proof that there is none");
    } else {
        let _ = writeln!(text, "{} of {tried} observations differ", grouped(report.differing));
    }
    let kinds: Vec<_> = report
        .by_kind
        .iter()
        .filter(|(_, count)| **count > 0)
        .map(|(kind, count)| vec![word(*kind), grouped(*count)])
        .collect();
    text.push_str(&columns(&kinds, 2));
    if !report.is_complete {
        text.push_str("not everything was tried in the time allowed: give more with --seconds\n");
    }
    for slot in &report.uncompared {
        let _ = writeln!(text, "the {slot} slot is filled by one of them only and was not compared");
    }
    for (place, example) in report.examples.iter().enumerate() {
        let seen = &example.observation;
        let phase = seen.phase.map_or("no phase yet", trimtab_core::phase::Phase::name);
        let _ = writeln!(
            text,
            "\nexample {}: {phase}, severity {}, target {}, at {}{}",
            place + 1,
            seen.severity,
            seen.target.qualified(),
            Time(seen.now),
            if example.is_consistent { "" } else { " (the host could not observe this)" }
        );
        for difference in &example.differences {
            let or_none = |said: &str| if said.is_empty() { "nothing".to_owned() } else { said.to_owned() };
            let _ = writeln!(text, "  {}", difference.what);
            let _ = writeln!(text, "    a: {}\n    b: {}", or_none(&difference.a), or_none(&difference.b));
        }
    }
    text
}

/// The kind's word, as its serialised form has it.
fn word(kind: Kind) -> String {
    serde_json::to_value(kind).ok().and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default()
}
