//! Which scenario shows which row of `rows.yaml`, and whether it really does.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;

use anyhow::{Context as _, bail, ensure};
use serde::Deserialize;

use super::model::{Scenario, read_yaml};
use super::play::golden_path;

/// Where the tests lie that are no scenarios.
const TESTS: &str = "tests";

/// The map in the README lies between these.
const MARKS: (&str, &str) = ("<!-- map: begin -->\n", "<!-- map: end -->");

/// Rows that belong together.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Group {
    title: String,
    rows: Vec<Row>,
}

/// One thing that has to be shown.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    #[serde(rename = "row")]
    id: String,
    says: String,
    #[serde(default)]
    fields: Vec<String>,
    #[serde(default)]
    tests: Vec<String>,
    #[serde(default)]
    waits: Option<Reason>,
}

/// Why a row is not covered yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Reason {
    /// For the service that stores audit events.
    Datastorage,
}

/// A scenario with the text in which fields are looked for.
#[derive(Debug)]
struct Shown {
    scenario: Scenario,
    text: String,
}

/// What is covered.
#[derive(Debug)]
pub struct Coverage {
    groups: Vec<Group>,
    shown: Vec<Shown>,
}

/// What a look at all rows found.
#[derive(Debug, Default)]
pub struct Report {
    /// Rows that nothing covers, or nothing with the right fields.
    pub faults: Vec<String>,
    /// Rows by what they wait for.
    pub waiting: BTreeMap<Reason, Vec<String>>,
    /// Rows whose scenario is written and awaits something of the program.
    pub awaiting: Vec<String>,
    /// Rows that are covered.
    pub covered: usize,
}

impl Coverage {
    /// Reads rows, scenarios and goldens.
    pub fn read() -> anyhow::Result<Self> {
        let folder = super::folder();
        let path = folder.join("rows.yaml");
        let groups: Vec<Group> =
            serde_json::from_value(read_yaml(&path)?).with_context(|| path.display().to_string())?;
        let mut shown = Vec::new();
        for name in Scenario::names(&folder)? {
            let file = folder.join(format!("{name}.yaml"));
            let scenario = Scenario::read(&file)?;
            let golden = std::fs::read_to_string(golden_path(&name)).ok();
            ensure!(golden.is_some() || scenario.awaits.is_some(), "{name} has no golden: UPDATE=1 writes it");
            // What it waits for and what it expects, as it is written.
            let asserted = serde_json::to_string(&asserted(&read_yaml(&file)?["steps"]))?;
            shown.push(Shown { scenario, text: golden.unwrap_or_default() + &asserted });
        }
        let coverage = Self { groups, shown };
        coverage.check_names()?;
        Ok(coverage)
    }

    fn rows(&self) -> impl Iterator<Item = &Row> {
        self.groups.iter().flat_map(|group| &group.rows)
    }

    fn check_names(&self) -> anyhow::Result<()> {
        let mut known = BTreeSet::new();
        for row in self.rows() {
            ensure!(known.insert(row.id.as_str()), "the row {} is there twice", row.id);
        }
        for shown in &self.shown {
            for covers in &shown.scenario.covers {
                ensure!(known.contains(covers.as_str()), "{} covers {covers}, which is no row", shown.scenario.name);
            }
        }
        Ok(())
    }

    /// Looks at every row.
    pub fn report(&self) -> anyhow::Result<Report> {
        let mut report = Report::default();
        for row in self.rows() {
            if let Some(reason) = row.waits {
                report.waiting.entry(reason).or_default().push(row.id.clone());
                continue;
            }
            for test in &row.tests {
                find_test(test).with_context(|| format!("row {}", row.id))?;
            }
            let is_played = |shown: &Shown| shown.awaits().is_none() && shown.has(row);
            // Where a row says what a scenario has to show, tests beside it do not stand in for that.
            let is_tested = !row.tests.is_empty() && row.fields.is_empty();
            if is_tested || self.covering(row).any(is_played) {
                report.covered += 1;
            } else if self.covering(row).any(|shown| shown.awaits().is_some()) {
                report.awaiting.push(row.id.clone());
            } else {
                report.faults.push(self.fault(row));
            }
        }
        Ok(report)
    }

    fn covering<'a>(&'a self, row: &'a Row) -> impl Iterator<Item = &'a Shown> {
        self.shown.iter().filter(|shown| shown.scenario.covers.contains(&row.id))
    }

    fn fault(&self, row: &Row) -> String {
        let found: Vec<_> = self
            .covering(row)
            .map(|shown| format!("{} lacks {}", shown.scenario.name, shown.missing(row).join(" and ")))
            .collect();
        let why = if found.is_empty() { "no scenario covers it".to_owned() } else { found.join("; ") };
        format!("{} ({}): {why}", row.id, row.says)
    }

    /// The map, as the README shows it.
    pub fn map(&self) -> String {
        let mut text = String::new();
        for group in &self.groups {
            let _ = write!(text, "### {}\n\n| row | shows | by |\n|---|---|---|\n", group.title);
            for row in &group.rows {
                let _ = writeln!(text, "| {} | {} | {} |", row.id, row.says, self.by(row));
            }
            text.push('\n');
        }
        text
    }

    fn by(&self, row: &Row) -> String {
        if let Some(reason) = row.waits {
            return format!("waits: {reason}");
        }
        let scenarios = self.covering(row).map(|shown| match shown.awaits() {
            Some(_) => format!("{} (not played yet)", shown.scenario.name),
            None => shown.scenario.name.clone(),
        });
        scenarios.chain(row.tests.iter().map(|test| format!("`{test}`"))).collect::<Vec<_>>().join(", ")
    }

    /// Which scenarios show a requirement.
    pub fn requirements(&self) -> String {
        let mut by: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for shown in &self.shown {
            for requirement in &shown.scenario.br {
                by.entry(requirement).or_default().push(&shown.scenario.name);
            }
        }
        let mut text = "### Requirements\n\n| requirement | scenarios |\n|---|---|\n".to_owned();
        for (requirement, names) in by {
            let _ = writeln!(text, "| {requirement} | {} |", names.join(", "));
        }
        text
    }

    /// Holds the map in a README against the scenarios, or writes it there.
    pub fn settle_readme(&self, readme: &Path, writes: bool) -> anyhow::Result<()> {
        let text = std::fs::read_to_string(readme).with_context(|| readme.display().to_string())?;
        let (before, rest) = text.split_once(MARKS.0).context("the README has no place for the map")?;
        let (found, after) = rest.split_once(MARKS.1).context("the map in the README has no end")?;
        let expected = format!("{}{}", self.map(), self.requirements());
        if writes {
            return Ok(std::fs::write(readme, format!("{before}{}{expected}{}{after}", MARKS.0, MARKS.1))?);
        }
        ensure!(
            found == expected,
            "the map in {} is not what the scenarios say; UPDATE=1 writes it:\n{}",
            readme.display(),
            crate::diff::show(found, &expected)
        );
        Ok(())
    }
}

impl Shown {
    fn awaits(&self) -> Option<&str> {
        self.scenario.awaits.as_deref()
    }

    fn has(&self, row: &Row) -> bool {
        self.missing(row).is_empty()
    }

    fn missing(&self, row: &Row) -> Vec<String> {
        let is_there = |field: &str| self.text.contains(field);
        let lacks = |field: &&String| match field.strip_prefix('!') {
            Some(absent) => is_there(absent),
            None => !is_there(field),
        };
        row.fields.iter().filter(lacks).map(|field| format!("\"{field}\"")).collect()
    }
}

impl std::fmt::Display for Reason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Datastorage => "datastorage",
        })
    }
}

/// The steps that only pass where something is so.
fn asserted(steps: &serde_json::Value) -> Vec<&serde_json::Value> {
    let steps = steps.as_array().map(Vec::as_slice).unwrap_or_default();
    steps.iter().filter_map(|step| step.get("expect").or_else(|| step.get("wait")?.get("has"))).collect()
}

fn find_test(test: &str) -> anyhow::Result<()> {
    let (file, function) = test.split_once("::").context("a test is named file::function")?;
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(TESTS).join(file);
    let source = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    if source.contains(&format!("fn {function}(")) {
        Ok(())
    } else {
        bail!("{} has no test {function}", path.display())
    }
}
