//! The project file of a policy, `policy.yaml`, and the folder around it.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use trimtab_policy_engine::Limits;

use crate::document;
use crate::error::AuthorError;

/// Name of the project file.
pub const PROJECT_FILE: &str = "policy.yaml";
/// Most files that are looked at to tell whether a component is older than its sources.
const SOURCES_MAX: usize = 10_000;

/// `policy.yaml`: what belongs to a policy. Paths are relative to the file's folder.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[schemars(title = "Project")]
pub struct ProjectDocument {
    /// Name of the policy.
    pub name: String,
    /// Its component; default: the name with `.wasm`.
    #[serde(default)]
    pub component: Option<PathBuf>,
    /// Its config, for tests and measurements; default: none, so the policy's defaults.
    #[serde(default)]
    pub config: Option<PathBuf>,
    /// Folder of its test cases; default: `tests`.
    #[serde(default)]
    pub tests: Option<PathBuf>,
    /// What it may use; what is left out has the host's default.
    #[serde(default)]
    #[schemars(with = "Option<LimitsSchema>")]
    pub limits: Option<Limits>,
}

/// The schema of limits: numbers, each at least 1.
#[derive(Debug, JsonSchema)]
#[schemars(rename = "Limits", rename_all = "camelCase", deny_unknown_fields)]
#[expect(dead_code, reason = "only its schema is used")]
struct LimitsSchema {
    /// Units of fuel, host calls included.
    fuel: Option<u64>,
    /// Bytes of memory.
    memory_bytes: Option<u64>,
    /// Wall clock in milliseconds.
    wall_clock_millis: Option<u64>,
    /// Bytes of one answer.
    answer_bytes: Option<u64>,
    /// Bytes of log lines that are kept.
    log_bytes: Option<u64>,
    /// Bytes of all answers to `facts` together.
    transfer_bytes: Option<u64>,
    /// Bytes of the component itself.
    component_bytes: Option<u64>,
}

/// A project in its folder.
#[derive(Debug, Clone)]
pub struct Project {
    /// The folder.
    pub dir: PathBuf,
    /// What its file says.
    pub document: ProjectDocument,
}

impl Project {
    /// The project in this folder.
    pub fn open(dir: &Path) -> Result<Self, AuthorError> {
        let file = dir.join(PROJECT_FILE);
        if !file.is_file() {
            let text = format!(
                "there is no {PROJECT_FILE} in {}: name a component, or make a project with trimtab policy new",
                dir.display()
            );
            return Err(AuthorError::Input(text));
        }
        Ok(Self { dir: dir.to_owned(), document: document::read("project", &file)? })
    }

    /// Path of its component.
    pub fn component(&self) -> PathBuf {
        let named = self.document.component.clone();
        self.dir.join(named.unwrap_or_else(|| PathBuf::from(format!("{}.wasm", self.document.name))))
    }

    /// Path of its config.
    pub fn config(&self) -> Option<PathBuf> {
        self.document.config.as_ref().map(|file| self.dir.join(file))
    }

    /// What it may use.
    pub fn limits(&self) -> Limits {
        self.document.limits.unwrap_or(Limits::DEFAULT)
    }

    /// Files with test cases, sorted by name.
    pub fn cases(&self) -> Result<Vec<PathBuf>, AuthorError> {
        let folder = self.dir.join(self.document.tests.as_deref().unwrap_or(Path::new("tests")));
        case_files(&folder)
    }

    /// Whether the component is there.
    pub fn built(&self) -> Result<PathBuf, AuthorError> {
        let component = self.component();
        if component.is_file() {
            return Ok(component);
        }
        let dir = self.dir.display();
        Err(AuthorError::Input(format!("{} is missing: type trimtab policy build {dir}", component.display())))
    }

    /// A source that is newer than the component, if there is one.
    pub fn newer_source(&self) -> Option<PathBuf> {
        let built = modified(&self.component())?;
        let mut open: Vec<PathBuf> = ["Cargo.toml", "src", "vendor", "wit"].map(|name| self.dir.join(name)).into();
        for _ in 0..SOURCES_MAX {
            let path = open.pop()?;
            if path.is_dir() {
                open.extend(std::fs::read_dir(&path).ok()?.filter_map(Result::ok).map(|entry| entry.path()));
            } else if modified(&path).is_some_and(|at| at > built) {
                return Some(path);
            }
        }
        None
    }
}

fn modified(file: &Path) -> Option<SystemTime> {
    std::fs::metadata(file).and_then(|known| known.modified()).ok()
}

/// The YAML and JSON files of a folder, sorted by name; none where there is no such folder.
pub(crate) fn case_files(folder: &Path) -> Result<Vec<PathBuf>, AuthorError> {
    if !folder.is_dir() {
        return Ok(Vec::new());
    }
    let entries = std::fs::read_dir(folder).map_err(|error| AuthorError::read("folder", folder, error))?;
    let mut files = Vec::new();
    for entry in entries {
        let path = entry.map_err(|error| AuthorError::read("folder", folder, error))?.path();
        if path.is_file() && is_document(&path) {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// Whether a file's name is that of a YAML or JSON document.
pub(crate) fn is_document(path: &Path) -> bool {
    path.extension().is_some_and(|extension| ["yaml", "yml", "json"].iter().any(|known| extension == *known))
}
