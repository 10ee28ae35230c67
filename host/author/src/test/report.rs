//! Results of test cases: for people, as TAP and as `JUnit` XML.

use std::fmt::Write as _;

use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};
use serde::Serialize;

use super::coverage::Coverage;
use super::play::Verdicted;
use crate::error::AuthorError;
use crate::explore::{Check, ConformanceReport, Failure, Outcome};

/// Everything that a run of tests found.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TestReport {
    /// Name and version of the policy.
    pub policy: String,
    /// Its digest.
    pub digest: String,
    /// Each case.
    pub cases: Vec<CaseResult>,
    /// Cases that passed.
    pub passed: usize,
    /// Cases that failed.
    pub failed: usize,
    /// Cases that were passed over.
    pub skipped: usize,
    /// What they reached.
    pub coverage: Coverage,
    /// What every policy must keep, where it was checked.
    pub conformance: Option<ConformanceReport>,
}

/// One case.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CaseResult {
    /// Its name.
    pub name: String,
    /// Its file.
    pub file: String,
    /// "passed", "failed" or "skipped".
    pub result: &'static str,
    /// Step that failed, from 1.
    pub step: Option<usize>,
    /// What differs, or why it was skipped.
    pub lines: Vec<String>,
}

impl CaseResult {
    /// From what a case came to.
    pub fn new(name: &str, file: &str, verdict: &Verdicted) -> Self {
        let (result, step, lines) = match verdict {
            Verdicted::Passed => ("passed", None, Vec::new()),
            Verdicted::Failed { step, differences } => ("failed", Some(*step), differences.clone()),
            Verdicted::Skipped(why) => ("skipped", None, vec![why.clone()]),
        };
        Self { name: name.to_owned(), file: file.to_owned(), result, step, lines }
    }

    fn place(&self) -> String {
        self.step.map_or_else(|| self.file.clone(), |step| format!("{}, step {step}", self.file))
    }
}

impl TestReport {
    /// Number of conformance checks that failed.
    pub fn conformance_failures(&self) -> usize {
        self.checks().filter(|check| check.outcome == Outcome::Failed).count()
    }

    fn checks(&self) -> impl Iterator<Item = &Check> {
        self.conformance.iter().flat_map(|report| &report.checks)
    }

    /// For people.
    pub fn table(&self) -> String {
        let mut text = String::new();
        for case in &self.cases {
            match case.result {
                "passed" => {
                    let _ = writeln!(text, "ok    {}", case.name);
                }
                "skipped" => {
                    let _ = writeln!(text, "skip  {}: {}", case.name, case.lines.join("; "));
                }
                _ => {
                    let _ = writeln!(text, "FAIL  {} ({})", case.name, case.place());
                    for line in &case.lines {
                        let _ = writeln!(text, "        {line}");
                    }
                }
            }
        }
        let _ = writeln!(text, "\n{} passed, {} failed, {} skipped", self.passed, self.failed, self.skipped);
        text.push_str(&self.coverage.table());
        for check in self.checks() {
            let sign = match check.outcome {
                Outcome::Passed => "ok   ",
                Outcome::Warned => "warn ",
                Outcome::Failed => "FAIL ",
                Outcome::NotApplicable => "-    ",
            };
            let _ = writeln!(
                text,
                "{sign} {}: {} ({} tried, {} broken)",
                check.name, check.rule, check.tried, check.broken
            );
            if let Some(first) = &check.first {
                let _ = writeln!(text, "        {}", told(first));
            }
        }
        text
    }

    /// Test Anything Protocol, version 14.
    pub fn tap(&self) -> String {
        let checks: Vec<_> = self.checks().collect();
        let mut text = format!("TAP version 14\n1..{}\n", self.cases.len() + checks.len());
        for (place, case) in self.cases.iter().enumerate() {
            let (number, name) = (place + 1, case.name.replace('#', "\\#"));
            match case.result {
                "passed" => {
                    let _ = writeln!(text, "ok {number} - {name}");
                }
                "skipped" => {
                    let _ = writeln!(text, "ok {number} - {name} # SKIP {}", case.lines.join("; "));
                }
                _ => {
                    let _ = writeln!(text, "not ok {number} - {name}\n  ---\n  at: {}\n  message: |", case.place());
                    for line in &case.lines {
                        let _ = writeln!(text, "    {line}");
                    }
                    text.push_str("  ...\n");
                }
            }
        }
        for (place, check) in checks.iter().enumerate() {
            let number = self.cases.len() + place + 1;
            let (sign, directive) = match check.outcome {
                Outcome::Passed | Outcome::Warned => ("ok", ""),
                Outcome::Failed => ("not ok", ""),
                Outcome::NotApplicable => ("ok", " # SKIP the policy does not fill the slot"),
            };
            let _ = writeln!(text, "{sign} {number} - conformance: {}{directive}", check.name);
        }
        text
    }

    /// `JUnit` XML.
    pub fn junit(&self) -> Result<String, AuthorError> {
        let mut report = Report::new(format!("trimtab policy test {}", self.policy));
        let mut suite = TestSuite::new(self.policy.clone());
        for case in &self.cases {
            let status = match case.result {
                "passed" => TestCaseStatus::success(),
                "skipped" => {
                    let mut status = TestCaseStatus::skipped();
                    status.set_message(case.lines.join("; "));
                    status
                }
                _ => failure(&format!("{}: {}", case.place(), case.lines.join("; "))),
            };
            let mut one = TestCase::new(case.name.clone(), status);
            one.set_classname(case.file.clone());
            suite.add_test_case(one);
        }
        for check in self.checks() {
            let status = match check.outcome {
                Outcome::Passed | Outcome::Warned => TestCaseStatus::success(),
                Outcome::Failed => failure(&check.first.as_ref().map_or_else(|| check.rule.to_owned(), told)),
                Outcome::NotApplicable => TestCaseStatus::skipped(),
            };
            let mut one = TestCase::new(check.name, status);
            one.set_classname("conformance");
            suite.add_test_case(one);
        }
        report.add_test_suite(suite);
        report.to_string().map_err(|error| AuthorError::Host(format!("cannot write JUnit XML: {error}")))
    }
}

fn told(broken: &Failure) -> String {
    let at = if broken.case.is_empty() { String::new() } else { format!(" ({})", broken.case) };
    format!("{}: {}{at}", broken.reason, broken.message)
}

fn failure(message: &str) -> TestCaseStatus {
    let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
    status.set_message(message);
    status
}
