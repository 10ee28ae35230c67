//! The demo, and what can be asked of the ledger that it leaves behind.
//!
//! `UPDATE=1` writes the golden of the explanations.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use regex::Regex;
use trimtab_ledger::reader::{LedgerReader, RemediationFilter};
use trimtab_tests::process::program;

/// What a terminal shows without scrolling or wrapping.
const LINES_MAX: usize = 12;
const COLUMNS_MAX: usize = 120;

/// What differs from one demo to the next, and what stands for it.
const MASKS: [(&str, &str); 3] = [
    (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", "<time>"),
    (r"\b[0-9a-f]{12}\b", "<digest>"),
    (r" after [0-9.hms]+$", " after <span>"),
];

#[test]
fn every_ending_of_the_demo_is_explained_and_replayed() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let data = folder.path().join("demo");
    check_summary(&trimtab(&["demo", "--data", text(&data)?])?)?;
    let data = data.join("run");
    check_explanations(&data)?;
    check_audit(&data)?;
    check_replay(&data, folder.path())
}

/// Each ending has one line, with the reason for it: not what became of the notification afterwards.
fn check_summary(shown: &str) -> Result<()> {
    let summary = shown.split("How each ended, and why:\n").nth(1).context("no summary")?;
    let endings: Vec<_> = summary.lines().take_while(|line| !line.is_empty()).collect();
    ensure!(endings.len() == 24, "{} endings:\n{summary}", endings.len());
    for ending in endings {
        let is_reason = ending.contains(": ") && !ending.contains("NotificationFollowed");
        ensure!(is_reason, "no reason for this ending: {ending}");
    }
    Ok(())
}

fn check_explanations(data: &Path) -> Result<()> {
    let mut remediations = LedgerReader::open(data)?.remediations(&RemediationFilter::default())?;
    remediations.sort_by(|one, other| one.name.cmp(&other.name));
    ensure!(remediations.len() == 24, "the ledger knows {} remediations", remediations.len());
    let masks = MASKS.map(|(pattern, stands)| (Regex::new(pattern), stands));
    let mut found = String::new();
    for remediation in &remediations {
        let explained = trimtab(&["explain", &remediation.name, "--data", text(data)?])?;
        let lines: Vec<_> = explained.lines().collect();
        ensure!(lines.len() <= LINES_MAX, "{} lines explain {}", lines.len(), remediation.name);
        let longest = lines.iter().map(|line| line.chars().count()).max().unwrap_or(0);
        ensure!(longest <= COLUMNS_MAX, "a line of {longest} columns explains {}", remediation.name);
        for wanted in ["  decided by  ", "  deadline    ", "  saw         "] {
            ensure!(lines.iter().any(|line| line.starts_with(wanted)), "no line \"{wanted}\":\n{explained}");
        }
        for line in lines.into_iter().filter_map(stable) {
            let mut masked = line.to_owned();
            for (mask, stands) in &masks {
                masked = mask.as_ref().map_err(Clone::clone)?.replace_all(&masked, *stands).into_owned();
            }
            found.push_str(&masked);
            found.push('\n');
        }
        found.push('\n');
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/demo/explained.golden");
    if std::env::var_os("UPDATE").is_some_and(|value| value == "1") {
        return std::fs::write(&path, found).with_context(|| path.display().to_string());
    }
    let expected = std::fs::read_to_string(&path).with_context(|| format!("{}; UPDATE=1 writes it", path.display()))?;
    ensure!(found == expected, "the explanations differ:\n{}", trimtab_tests::diff::show(&expected, &found));
    Ok(())
}

/// What of a line is the same in every demo: which policy's deadlines held depends on the moment of the swap.
fn stable(line: &str) -> Option<&str> {
    match line.get(..14) {
        Some("  decided by  ") => line.split(';').next(),
        Some("  ended       " | "  deadline    " | "  saw         " | "  next        ") => None,
        _ => Some(line),
    }
}

fn check_audit(data: &Path) -> Result<()> {
    let verified = trimtab(&["audit", "verify", "--data", text(data)?])?;
    ensure!(verified.contains("in 24 chains: all as they were recorded"), "{verified}");
    let exported = trimtab(&["audit", "export", "--data", text(data)?])?;
    let ended = exported.lines().filter(|line| line.contains("\"orchestrator.lifecycle.completed\"")).count();
    ensure!(ended == 24, "{ended} of 24 endings have an audit event");
    Ok(())
}

fn check_replay(data: &Path, folder: &Path) -> Result<()> {
    let bundle = folder.join("bundle.json");
    trimtab(&["policy", "record", "--since", "1h", "--data", text(data)?, "--out", text(&bundle)?])?;
    let replayed = trimtab(&["policy", "replay", text(&bundle)?])?;
    ensure!(replayed.contains("the same to the last byte"), "{replayed}");
    Ok(())
}

/// What the program prints; it must succeed.
fn trimtab(arguments: &[&str]) -> Result<String> {
    let program: PathBuf = program()?;
    let output = Command::new(program).args(arguments).output()?;
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    ensure!(output.status.success(), "trimtab {arguments:?} ended with {}:\n{stdout}\n{stderr}", output.status);
    Ok(format!("{stdout}{stderr}"))
}

fn text(path: &Path) -> Result<&str> {
    path.to_str().context("a path that is not UTF-8")
}
