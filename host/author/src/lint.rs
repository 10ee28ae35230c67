//! `trimtab policy lint`: checks files of every format, offline, each finding with its place.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde_json::Value;
use trimtab_policy_engine::{CONFIG_BYTES_MAX, ConfigError, Limits};

use crate::cli::{FileKind, LintArguments};
use crate::document::{self, Places};
use crate::error::{AuthorError, FAILED, FINE, Finding};
use crate::intent::IntentDocument;
use crate::observation::ObservationDocument;
use crate::output::{Outcome, render};
use crate::project::{PROJECT_FILE, Project, is_document};
use crate::test::read_cases;
use crate::workbench::{Workbench, config_findings};

/// Most bytes of memory that limits may ask for on the host's standard engine.
const ENGINE_MEMORY_BYTES: u64 = 128 << 20;

/// Everything that was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct LintReport {
    files: usize,
    findings: Vec<Finding>,
}

struct Linter<'a> {
    arguments: &'a LintArguments,
    bench: &'a Workbench,
    report: LintReport,
}

/// Runs the command.
pub(crate) fn run(arguments: &LintArguments, bench: &Workbench) -> Result<Outcome, AuthorError> {
    let mut linter = Linter { arguments, bench, report: LintReport { files: 0, findings: Vec::new() } };
    for path in &arguments.paths {
        linter.path(path)?;
    }
    let exit_code = if linter.report.findings.is_empty() { FINE } else { FAILED };
    Ok(Outcome { text: render(&linter.report, arguments.output, table)?, exit_code })
}

fn table(report: &LintReport) -> String {
    if report.findings.is_empty() {
        return format!("{} files, nothing found\n", report.files);
    }
    let mut text = String::new();
    for finding in &report.findings {
        let _ = writeln!(text, "{finding}");
    }
    text
}

impl Linter<'_> {
    fn path(&mut self, path: &Path) -> Result<(), AuthorError> {
        if path.is_dir() {
            return self.folder(path);
        }
        let project = path.parent().and_then(|folder| Project::open(folder).ok());
        let Some(kind) = self.arguments.kind.or_else(|| kind_of(path, project.as_ref())) else {
            let text = format!("{}: its name does not say what it is: name it with --kind", path.display());
            return Err(AuthorError::Input(text));
        };
        self.file(path, kind, project.as_ref())
    }

    /// A project, or a folder of documents whose names say what they are; others are passed over.
    fn folder(&mut self, folder: &Path) -> Result<(), AuthorError> {
        let file = folder.join(PROJECT_FILE);
        let project = if file.is_file() { Project::open(folder).ok() } else { None };
        let entries = std::fs::read_dir(folder).map_err(|error| AuthorError::read("folder", folder, error))?;
        let mut files = Vec::new();
        for entry in entries {
            files.push(entry.map_err(|error| AuthorError::read("folder", folder, error))?.path());
        }
        files.sort();
        for path in files.iter().filter(|path| path.is_file() && is_document(path)) {
            if let Some(kind) = self.arguments.kind.or_else(|| kind_of(path, project.as_ref())) {
                self.file(path, kind, project.as_ref())?;
            }
        }
        if let Some(project) = &project {
            for path in project.cases()? {
                self.file(&path, FileKind::Test, Some(project))?;
            }
        }
        Ok(())
    }

    fn file(&mut self, path: &Path, kind: FileKind, project: Option<&Project>) -> Result<(), AuthorError> {
        self.report.files += 1;
        let checked = match kind {
            FileKind::Project => check_project(path),
            FileKind::Test => self.check_cases(path, project),
            FileKind::Observation => check_observation(path),
            FileKind::Config => self.check_config(path, project),
            FileKind::Limits => check_limits(path),
            FileKind::Intent => document::read::<IntentDocument>("intent", path).map(drop),
        };
        match checked {
            Ok(()) => Ok(()),
            Err(AuthorError::Document(finding)) => {
                self.report.findings.push(finding);
                Ok(())
            }
            Err(AuthorError::Input(message)) => {
                self.report.findings.push(Finding::whole(&path.display().to_string(), message));
                Ok(())
            }
            Err(other) => Err(other),
        }
    }

    /// The component that configs are held against, where there is one yet.
    fn component(&self, project: Option<&Project>) -> Option<(PathBuf, Limits)> {
        let limits = project.map_or(Limits::DEFAULT, Project::limits);
        let file = self.arguments.component.clone().or_else(|| project.map(Project::component))?;
        (file.is_file() || self.arguments.component.is_some()).then_some((file, limits))
    }

    fn check_cases(&mut self, path: &Path, project: Option<&Project>) -> Result<(), AuthorError> {
        let cases = read_cases(path)?;
        let Some((file, limits)) = self.component(project) else { return Ok(()) };
        let (component, _) = self.bench.load(&file, limits)?;
        let text = document::read_text("test cases", path)?;
        let mut places = Places::of_each(&text).into_iter();
        for case in &cases {
            let places = places.next().map_or_else(|| Places::of(""), |places| places.within("config"));
            let Some(config) = &case.document.config else { continue };
            if let Err(error) = component.configure(&config.to_string()) {
                let name = path.display().to_string();
                let found = config_findings(&name, &error, &places).into_iter();
                let of_case = |found: Finding| Finding {
                    message: format!("case \"{}\": {}", case.document.name, found.message),
                    ..found
                };
                self.report.findings.extend(found.map(of_case));
            }
        }
        Ok(())
    }

    fn check_config(&mut self, path: &Path, project: Option<&Project>) -> Result<(), AuthorError> {
        let (name, text) = (path.display().to_string(), document::read_text("config", path)?);
        let value: Value = document::parse(&name, &text)?;
        let size = value.to_string().len();
        if size > CONFIG_BYTES_MAX {
            return Err(Finding::whole(&name, ConfigError::TooLarge { bytes: size }.to_string()).into());
        }
        let Some((file, limits)) = self.component(project) else {
            let text = "there is no component to hold it against: build the project, or give --component";
            return Err(AuthorError::Input(text.to_owned()));
        };
        let (component, _) = self.bench.load(&file, limits)?;
        if let Err(error) = component.configure(&value.to_string()) {
            self.report.findings.extend(config_findings(&name, &error, &Places::of(&text)));
        }
        Ok(())
    }
}

fn check_project(path: &Path) -> Result<(), AuthorError> {
    let document: crate::project::ProjectDocument = document::read("project", path)?;
    let name = path.display().to_string();
    let wrong = |message: String| Err(Finding::whole(&name, message).into());
    if let Some(limits) = document.limits
        && let Err(error) = limits.check(ENGINE_MEMORY_BYTES)
    {
        return wrong(error.to_string());
    }
    let folder = path.parent().unwrap_or(Path::new("."));
    for (what, named) in [("config", &document.config), ("tests", &document.tests)] {
        if let Some(named) = named.as_ref().filter(|named| !folder.join(named).exists()) {
            return wrong(format!("{what} names {}, which does not exist", named.display()));
        }
    }
    Ok(())
}

fn check_observation(path: &Path) -> Result<(), AuthorError> {
    let document: ObservationDocument = document::read("observation", path)?;
    document.observation().map(drop).map_err(|message| Finding::whole(&path.display().to_string(), message).into())
}

fn check_limits(path: &Path) -> Result<(), AuthorError> {
    let limits: Limits = document::read("limits", path)?;
    limits
        .check(ENGINE_MEMORY_BYTES)
        .map_err(|error| Finding::whole(&path.display().to_string(), error.to_string()).into())
}

/// What a file is by its name: the project's own words first, then `observation…`, `config…`, `limits…`, `intent…`, and
/// what lies in `tests`.
fn kind_of(path: &Path, project: Option<&Project>) -> Option<FileKind> {
    if path.file_name()? == PROJECT_FILE {
        return Some(FileKind::Project);
    }
    let is_config = |project: &Project| project.config().is_some_and(|config| same(&config, path));
    if project.is_some_and(is_config) {
        return Some(FileKind::Config);
    }
    let stem = path.file_stem()?.to_str()?;
    let is_named =
        |word: &str| stem == word || stem.starts_with(&format!("{word}-")) || stem.ends_with(&format!("-{word}"));
    let words = [
        ("observation", FileKind::Observation),
        ("config", FileKind::Config),
        ("limits", FileKind::Limits),
        ("intent", FileKind::Intent),
        ("test", FileKind::Test),
    ];
    let by_name = words.into_iter().find(|(word, _)| is_named(word)).map(|(_, kind)| kind);
    let in_tests = || path.parent()?.file_name().filter(|name| *name == "tests").map(|_| FileKind::Test);
    by_name.or_else(in_tests)
}

fn same(one: &Path, other: &Path) -> bool {
    match (one.canonicalize(), other.canonicalize()) {
        (Ok(one), Ok(other)) => one == other,
        _ => one == other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_what_its_name_says() {
        for (path, kind) in [
            ("a/policy.yaml", Some(FileKind::Project)),
            ("observation.json", Some(FileKind::Observation)),
            ("late-observation.yaml", Some(FileKind::Observation)),
            ("config.yaml", Some(FileKind::Config)),
            ("limits.yaml", Some(FileKind::Limits)),
            ("tests/anything.yaml", Some(FileKind::Test)),
            ("anything.yaml", None),
        ] {
            assert_eq!(kind_of(Path::new(path), None), kind, "{path}");
        }
    }
}
