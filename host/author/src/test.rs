//! `trimtab policy test`: plays YAML cases against a component, by the host's own decision.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use trimtab_policy_engine::{Component, Limits};

use crate::Surroundings;
use crate::cli::TestArguments;
use crate::error::{AuthorError, FAILED, FINE};
use crate::explore;
use crate::output::{Outcome, render};
use crate::project::{PROJECT_FILE, Project};
use crate::workbench::{ConfigSource, Workbench};

mod case;
mod coverage;
mod expect;
mod play;
mod report;

pub use case::{
    Case, CaseDocument, CreationExpectation, DeadlineExpectation, Expectation, StepDocument, StepExpectation, Until,
    read_cases,
};
pub use coverage::{Coverage, Reached};
pub use play::{Played, Verdicted, play};
pub use report::{CaseResult, TestReport};

pub(crate) use case::beside;
#[cfg(test)]
pub(crate) use play::{apply, pin};

/// What is tested.
struct Subject {
    component: PathBuf,
    limits: Limits,
    config: Option<PathBuf>,
    files: Vec<PathBuf>,
}

/// Runs the command.
pub(crate) fn run(
    arguments: &TestArguments,
    bench: &Workbench,
    surroundings: &mut Surroundings<'_>,
) -> Result<Outcome, AuthorError> {
    if let Some(recorded) = &arguments.from {
        return crate::recorded::cases::run(recorded, arguments, surroundings);
    }
    let subject = subject(arguments, surroundings)?;
    let (component, _) = bench.load(&subject.component, subject.limits)?;
    let report = report(arguments, bench, &subject, &component, surroundings)?;
    if let Some(file) = &arguments.junit {
        std::fs::write(file, report.junit()?).map_err(|error| AuthorError::write(file, error))?;
    }
    let mut text = if arguments.tap { report.tap() } else { render(&report, arguments.output, TestReport::table)? };
    let lacks = arguments.coverage_min.filter(|least| report.coverage.percent < *least);
    if let Some(least) = lacks {
        let line = format!("coverage is {} %, at least {least} % are wanted: add cases", report.coverage.percent);
        (surroundings.tell)(&line);
        if arguments.tap {
            let _ = writeln!(text, "# {line}");
        }
    }
    let is_fine = report.failed == 0 && report.conformance_failures() == 0 && lacks.is_none();
    Ok(Outcome { text, exit_code: if is_fine { FINE } else { FAILED } })
}

/// What the paths mean: a project's folder, else files of the project around, with the component that is named.
fn subject(arguments: &TestArguments, surroundings: &mut Surroundings<'_>) -> Result<Subject, AuthorError> {
    let folder = match arguments.paths.as_slice() {
        [] => Some(surroundings.folder.clone()),
        [one] if one.is_dir() => Some(one.clone()),
        _ => None,
    };
    if let Some(strange) = arguments.paths.iter().find(|path| folder.is_none() && !path.is_file()) {
        return Err(AuthorError::Input(format!("{} is no file: name one folder, or files", strange.display())));
    }
    let root = folder.clone().unwrap_or_else(|| root_of(&arguments.paths, &surroundings.folder));
    let project = match (Project::open(&root), &arguments.component) {
        (Ok(project), _) => Some(project),
        (Err(_), Some(_)) => None,
        (Err(error), None) => return Err(error),
    };
    let component = match (&arguments.component, &project) {
        (Some(component), _) => component.clone(),
        (None, Some(project)) => {
            let component = project.built()?;
            if let Some(source) = project.newer_source() {
                let (component, source) = (component.display(), source.display());
                (surroundings.tell)(&format!("{component} is older than {source}: type trimtab policy build"));
            }
            component
        }
        (None, None) => return Err(AuthorError::Input("no component: give one with --component".to_owned())),
    };
    let files = match (&folder, &project) {
        (Some(_), Some(project)) => project.cases()?,
        (Some(folder), None) => crate::project::case_files(folder)?,
        (None, _) => arguments.paths.clone(),
    };
    if files.is_empty() && !arguments.conformance {
        let text = format!("there are no test cases in {}: write some in tests/*.yaml", root.display());
        return Err(AuthorError::Input(text));
    }
    let limits = project.as_ref().map_or(Limits::DEFAULT, Project::limits);
    Ok(Subject { component, limits, config: project.and_then(|project| project.config()), files })
}

/// The folder of the project that files with cases belong to: the current one, else the one that they lie in.
fn root_of(files: &[PathBuf], current: &Path) -> PathBuf {
    let around = files.first().into_iter().flat_map(|file| file.ancestors().skip(1).take(2));
    let mut candidates = std::iter::once(current).chain(around);
    candidates.find(|folder| folder.join(PROJECT_FILE).is_file()).unwrap_or(current).to_owned()
}

fn report(
    arguments: &TestArguments,
    bench: &Workbench,
    subject: &Subject,
    component: &Arc<Component>,
    surroundings: &mut Surroundings<'_>,
) -> Result<TestReport, AuthorError> {
    let default = subject.config.as_deref().map_or(ConfigSource::Default, ConfigSource::File);
    let policy = bench.configure(component, default)?;
    let default_set = bench.set_of(&policy)?;
    let filled = component.slots();
    let (mut cases, mut played) = (Vec::new(), Vec::new());
    for file in &subject.files {
        for case in read_cases(file)? {
            let own = own_config(bench, component, &case)?;
            let one = play(&case, own.as_ref().unwrap_or(&default_set), filled);
            cases.push(CaseResult::new(&case.document.name, &file.display().to_string(), &one.verdict));
            played.push(one);
        }
    }
    let conformance = if arguments.conformance {
        let mut progress = |done, planned| (surroundings.progress)(&format!("conformance {done} of {planned}"));
        let found = explore::conformance(&policy, &mut progress).map_err(|error| AuthorError::Host(told(&error)))?;
        Some(found)
    } else {
        None
    };
    let count = |result: &str| cases.iter().filter(|case| case.result == result).count();
    let description = component.description();
    Ok(TestReport {
        policy: format!("{} {}", description.name, description.version),
        digest: component.digest().to_string(),
        passed: count("passed"),
        failed: count("failed"),
        skipped: count("skipped"),
        coverage: Coverage::of(filled, &played),
        conformance,
        cases,
    })
}

/// The set of a case that brings its own config.
fn own_config(
    bench: &Workbench,
    component: &Arc<Component>,
    case: &Case,
) -> Result<Option<trimtab_policy_engine::PolicySet>, AuthorError> {
    let place = format!("{}: case \"{}\"", case.file.display(), case.document.name);
    let file: Option<PathBuf> = case.document.config_file.as_ref().map(|named| beside(&case.file, named));
    let source = match (&case.document.config, file.as_deref()) {
        (Some(config), _) => ConfigSource::Inline(config, &place),
        (None, Some(file)) => ConfigSource::File(Path::new(file)),
        (None, None) => return Ok(None),
    };
    bench.set_of(&bench.configure(component, source)?).map(Some)
}

/// An error and its causes in one line.
pub(crate) fn told(error: &dyn std::error::Error) -> String {
    let mut line = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        line.push_str(": ");
        line.push_str(&inner.to_string());
        cause = inner.source();
    }
    line
}

#[cfg(test)]
mod tests;
