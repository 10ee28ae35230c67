//! Findings as text for people and as JSON for programs.

use std::fmt::Write as _;

use serde::Serialize;

use super::finding::{Finding, Severity};

/// Raised when a field of the JSON changes its meaning or goes away.
const JSON_VERSION: u32 = 1;
/// As wide as the longest severity.
const SEVERITY_WIDTH: usize = 7;

#[derive(Serialize)]
struct Report<'a> {
    version: u32,
    worst: Severity,
    findings: &'a [Finding],
}

/// The worst severity among the findings; [`Severity::Ok`] where there are none.
pub fn worst(findings: &[Finding]) -> Severity {
    let severities = findings.iter().map(|finding| finding.severity);
    severities.max().unwrap_or(Severity::Ok)
}

/// The exit status for these findings: 1 with a failure, else 0.
pub fn exit_code(findings: &[Finding]) -> u8 {
    u8::from(worst(findings) == Severity::Failure)
}

/// One line a finding, its mend below it, and a line of totals.
pub fn render_text(findings: &[Finding]) -> String {
    let mut text = String::new();
    for finding in findings {
        let Finding { severity, thing, seen, mend, .. } = finding;
        // Writing to a String can't fail.
        let _ = writeln!(text, "{severity:SEVERITY_WIDTH$}  {thing}: {seen}");
        if let Some(mend) = mend {
            let _ = writeln!(text, "{:SEVERITY_WIDTH$}  -> {mend}", "");
        }
    }
    let count = |severity| {
        let same = findings.iter().filter(|finding| finding.severity == severity);
        same.count()
    };
    let _ = writeln!(
        text,
        "{} ok, {} to watch, {} to mend",
        count(Severity::Ok),
        count(Severity::Warning),
        count(Severity::Failure),
    );
    text
}

/// One JSON object: `version`, `worst` and `findings`.
pub fn render_json(findings: &[Finding]) -> String {
    let report = Report { version: JSON_VERSION, worst: worst(findings), findings };
    // Strings and plain enums always serialize.
    serde_json::to_string_pretty(&report).unwrap_or_default() + "\n"
}

#[cfg(test)]
mod tests {
    use super::super::finding::Check;
    use super::*;

    fn findings() -> Vec<Finding> {
        vec![
            Finding::ok(Check::Tool, "git", "2.39.5"),
            Finding::ok(Check::Port, "port 9090", "held by pid 7 (prometheus)").needs(Severity::Failure, "stop pid 7"),
        ]
    }

    #[test]
    fn text_has_a_line_for_each_finding_and_its_mend() {
        assert_eq!(
            render_text(&findings()),
            "ok       git: 2.39.5\n\
             failure  port 9090: held by pid 7 (prometheus)\n\
             \x20        -> stop pid 7\n\
             1 ok, 0 to watch, 1 to mend\n"
        );
    }

    #[test]
    fn json_names_its_version_and_the_worst_severity() {
        let value: serde_json::Value = serde_json::from_str(&render_json(&findings())).unwrap();
        assert_eq!(value["version"], 1);
        assert_eq!(value["worst"], "failure");
        assert_eq!(value["findings"][0]["check"], "tool");
        assert!(value["findings"][0].get("mend").is_none());
        assert_eq!(value["findings"][1]["mend"], "stop pid 7");
    }

    #[test]
    fn only_a_failure_fails() {
        let warning = Finding::ok(Check::Tool, "go", "absent").needs(Severity::Warning, "install");
        assert_eq!(exit_code(&[]), 0);
        assert_eq!(exit_code(&[warning]), 0);
        assert_eq!(exit_code(&findings()), 1);
    }
}
