//! `trimtab policy bench`: fuel, which is exact, and time, which is not.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use trimtab_core::observation::Observation;
use trimtab_core::proposal::Slot;
use trimtab_policy_engine::{ConfiguredPolicy, Limits, PolicySet};

use crate::Surroundings;
use crate::cli::BenchArguments;
use crate::document;
use crate::error::{AuthorError, FAILED, FINE};
use crate::explore;
use crate::output::{Outcome, columns, grouped, render};
use crate::project::Project;
use crate::test::read_cases;
use crate::workbench::{Answers, ConfigSource, Question, Told, Workbench, ask};

/// Version of the saved form.
const VERSION: u32 = 1;
/// Evaluations of a case that are not measured.
const WARM_UP: u32 = 3;
/// Most generated observations that are measured: they are sorted by size, and a few of each size are enough.
const GENERATED_MAX: usize = 64;

/// A measurement.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Measurement {
    /// Version of this form.
    pub version: u32,
    /// Name and version of the policy.
    pub policy: String,
    /// Its digest.
    pub digest: String,
    /// First digits of the config's digest.
    pub config: String,
    /// By case and slot.
    pub cases: BTreeMap<String, BTreeMap<Slot, Figures>>,
}

/// What one slot took in one case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Figures {
    /// Units of fuel: the same each time.
    pub fuel: u64,
    /// Nanoseconds that half of the evaluations did not exceed.
    pub p50_nanos: u64,
    /// Nanoseconds that 95 of 100 did not exceed.
    pub p95_nanos: u64,
    /// Nanoseconds that 99 of 100 did not exceed.
    pub p99_nanos: u64,
}

/// One thing that a comparison found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Change {
    /// The case.
    pub case: String,
    /// The slot.
    pub slot: Option<Slot>,
    /// "fuel", "time" or "missing".
    pub what: &'static str,
    /// One line.
    pub text: String,
}

/// A measurement and what a comparison of it found.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
struct BenchReport {
    measured: Measurement,
    exceeded: Vec<Change>,
}

/// Runs the command.
pub(crate) fn run(
    arguments: &BenchArguments,
    bench: &Workbench,
    surroundings: &mut Surroundings<'_>,
) -> Result<Outcome, AuthorError> {
    let baseline = arguments.compare.as_deref().map(read_baseline).transpose()?;
    let project = match (&arguments.component, Project::open(&surroundings.folder)) {
        (_, Ok(project)) => Some(project),
        (Some(_), Err(_)) => None,
        (None, Err(error)) => return Err(error),
    };
    let file = match (&arguments.component, &project) {
        (Some(file), _) => file.clone(),
        (None, Some(project)) => project.built()?,
        (None, None) => return Err(AuthorError::Input("no component: name one".to_owned())),
    };
    // A component that is named by itself has nothing to do with the project that happens to lie around.
    let project = project.filter(|project| arguments.component.is_none() || project.component() == file);
    let limits = project.as_ref().map_or(Limits::DEFAULT, Project::limits);
    let (component, _) = bench.load(&file, limits)?;
    let config = arguments.config.clone().or_else(|| project.as_ref().and_then(Project::config));
    let policy = bench.configure(&component, config.as_deref().map_or(ConfigSource::Default, ConfigSource::File))?;
    let cases = cases(arguments, project.as_ref(), component.slots())?;
    let measured = measure(arguments.runs, bench, &policy, &cases, surroundings)?;
    if let Some(file) = &arguments.save {
        let text = serde_json::to_string_pretty(&measured).map_err(|error| AuthorError::Host(error.to_string()))?;
        std::fs::write(file, text + "\n").map_err(|error| AuthorError::write(file, error))?;
    }
    let exceeded = baseline.map_or_else(Vec::new, |before| compare(&before, &measured, arguments.threshold));
    let exit_code = if exceeded.is_empty() { FINE } else { FAILED };
    let report = BenchReport { measured, exceeded };
    Ok(Outcome { text: render(&report, arguments.output, table)?, exit_code })
}

fn read_baseline(file: &Path) -> Result<Measurement, AuthorError> {
    let before: Measurement = document::read("measurement", file)?;
    if before.version != VERSION {
        let (file, version) = (file.display(), before.version);
        let text = format!("{file} has version {version}, this program reads {VERSION}: measure again with --save");
        return Err(AuthorError::Input(text));
    }
    Ok(before)
}

type Named = Vec<(String, Arc<Observation>)>;

/// The observations that the test cases begin with, else generated ones.
fn cases(arguments: &BenchArguments, project: Option<&Project>, slots: &BTreeSet<Slot>) -> Result<Named, AuthorError> {
    let files: Vec<PathBuf> = match (arguments.cases.as_slice(), project) {
        ([], Some(project)) => project.cases()?,
        ([], None) => Vec::new(),
        (files, _) => files.to_vec(),
    };
    let mut named = Named::new();
    for file in &files {
        for case in read_cases(file)? {
            let observation = case.observation.observation().map_err(AuthorError::Input)?;
            if named.iter().any(|(name, _)| *name == case.document.name) {
                let text = format!("{}: two cases are called \"{}\": rename one", file.display(), case.document.name);
                return Err(AuthorError::Input(text));
            }
            named.push((case.document.name, Arc::new(observation)));
        }
    }
    if named.is_empty() {
        let generated = explore::observations(slots);
        let stride = generated.len().div_ceil(GENERATED_MAX).max(1);
        named.extend(generated.into_iter().step_by(stride).enumerate().map(|(place, observation)| {
            let phase = observation.phase.map_or("start", trimtab_core::phase::Phase::name);
            (format!("generated {:02} {phase}", place + 1), observation)
        }));
    }
    Ok(named)
}

fn measure(
    runs: u32,
    bench: &Workbench,
    policy: &Arc<ConfiguredPolicy>,
    cases: &Named,
    surroundings: &mut Surroundings<'_>,
) -> Result<Measurement, AuthorError> {
    let set = bench.set_of(policy)?;
    let mut figures = BTreeMap::new();
    for (place, (name, observation)) in cases.iter().enumerate() {
        (surroundings.progress)(&format!("measured {place} of {}", cases.len()));
        figures.insert(
            name.clone(),
            measure_one(runs, &set, policy, observation)
                .map_err(|text| AuthorError::Input(format!("case \"{name}\" cannot be measured: {text}")))?,
        );
    }
    let component = policy.component();
    let description = component.description();
    Ok(Measurement {
        version: VERSION,
        policy: format!("{} {}", description.name, description.version),
        digest: component.digest().to_string(),
        config: policy.revision().config.clone(),
        cases: figures,
    })
}

fn measure_one(
    runs: u32,
    set: &PolicySet,
    policy: &Arc<ConfiguredPolicy>,
    observation: &Arc<Observation>,
) -> Result<BTreeMap<Slot, Figures>, String> {
    let question = Question { slots: policy.component().slots().clone(), ..Question::default() };
    let mut nanos: BTreeMap<Slot, Vec<u64>> = BTreeMap::new();
    let mut fuels: BTreeMap<Slot, u64> = BTreeMap::new();
    for round in 0..runs.saturating_add(WARM_UP) {
        let answers = ask(set, observation, &question);
        for (slot, fuel, wall) in taken(&answers)? {
            let known = *fuels.entry(slot).or_insert(fuel);
            if known != fuel {
                return Err(format!(
                    "the {slot} slot used {known} and then {fuel} units of fuel for the same question"
                ));
            }
            if round >= WARM_UP {
                nanos.entry(slot).or_default().push(wall);
            }
        }
    }
    let figures = nanos.into_iter().map(|(slot, mut walls)| {
        walls.sort_unstable();
        let at =
            |percent: usize| walls.get((walls.len() * percent).div_ceil(100).saturating_sub(1)).copied().unwrap_or(0);
        let fuel = fuels.get(&slot).copied().unwrap_or(0);
        (slot, Figures { fuel, p50_nanos: at(50), p95_nanos: at(95), p99_nanos: at(99) })
    });
    Ok(figures.collect())
}

/// Slot, fuel and nanoseconds of each answer.
fn taken(answers: &Answers) -> Result<Vec<(Slot, u64, u64)>, String> {
    fn of<T>(slot: Slot, told: Option<&Told<T>>) -> Option<Result<(Slot, u64, u64), String>> {
        told.map(|told| match &told.outcome {
            Ok(_) => Ok((slot, told.fuel(), u64::try_from(told.wall.as_nanos()).unwrap_or(u64::MAX))),
            Err(fault) => Err(format!("the {slot} slot gave no answer: {fault}")),
        })
    }
    let all = [
        of(Slot::Timeouts, answers.schedule.as_ref()),
        of(Slot::Transitions, answers.intent.as_ref()),
        of(Slot::Children, answers.creations.as_ref()),
    ];
    all.into_iter().flatten().collect()
}

/// What is worse than, or only other than, before: fuel by any unit, time by more than the threshold.
fn compare(before: &Measurement, now: &Measurement, threshold: Option<u32>) -> Vec<Change> {
    let mut found = Vec::new();
    let change = |case: &str, slot, what, text| Change { case: case.to_owned(), slot, what, text };
    for (case, slots) in &before.cases {
        let Some(present) = now.cases.get(case) else {
            found.push(change(case, None, "missing", "the case is not measured any more".to_owned()));
            continue;
        };
        for (slot, old) in slots {
            let Some(new) = present.get(slot) else {
                found.push(change(case, Some(*slot), "missing", format!("the {slot} slot is not asked any more")));
                continue;
            };
            if old.fuel != new.fuel {
                let (was, is) = (grouped(old.fuel), grouped(new.fuel));
                found.push(change(case, Some(*slot), "fuel", format!("fuel of {slot} was {was}, is {is}")));
            }
            let Some(percent) = threshold else { continue };
            let most = u128::from(old.p50_nanos) * (100 + u128::from(percent)) / 100;
            if u128::from(new.p50_nanos) > most {
                let (was, is) = (grouped(old.p50_nanos), grouped(new.p50_nanos));
                let text = format!("median of {slot} was {was} ns, is {is} ns: more than {percent} % longer");
                found.push(change(case, Some(*slot), "time", text));
            }
        }
    }
    found
}

fn table(report: &BenchReport) -> String {
    let head = ["case", "slot", "fuel", "p50 ns", "p95 ns", "p99 ns"].map(str::to_owned).to_vec();
    let mut rows = vec![head];
    for (case, slots) in &report.measured.cases {
        for (slot, figures) in slots {
            let numbers = [figures.fuel, figures.p50_nanos, figures.p95_nanos, figures.p99_nanos].map(grouped);
            rows.push([vec![case.clone(), slot.name().to_owned()], numbers.to_vec()].concat());
        }
    }
    let mut text = format!("{}  {}\n{}", report.measured.policy, report.measured.digest, columns(&rows, 0));
    for change in &report.exceeded {
        let _ = writeln!(text, "exceeded: {}: {}", change.case, change.text);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measurement(fuel: u64, p50_nanos: u64) -> Measurement {
        let figures = Figures { fuel, p50_nanos, p95_nanos: 0, p99_nanos: 0 };
        let cases = BTreeMap::from([("a".to_owned(), BTreeMap::from([(Slot::Timeouts, figures)]))]);
        Measurement { version: VERSION, policy: String::new(), digest: String::new(), config: String::new(), cases }
    }

    #[test]
    fn one_unit_of_fuel_is_a_difference_and_time_only_with_a_threshold() {
        let before = measurement(100, 1000);
        assert_eq!(compare(&before, &before, Some(0)), []);
        assert_eq!(compare(&before, &measurement(101, 9000), None).len(), 1);
        assert_eq!(compare(&before, &measurement(99, 1000), None)[0].text, "fuel of timeouts was 100, is 99");
        assert_eq!(compare(&before, &measurement(100, 1100), Some(10)), []);
        assert_eq!(compare(&before, &measurement(100, 1101), Some(10))[0].what, "time");
    }

    #[test]
    fn a_case_that_is_gone_is_told() {
        let mut now = measurement(100, 1000);
        now.cases.clear();
        assert_eq!(compare(&measurement(100, 1000), &now, None)[0].what, "missing");
    }
}
