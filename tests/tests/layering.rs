//! The layering of the workspace, and that the check of it can fail.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::{Context as _, Result};
use cargo_metadata::MetadataCommand;
use trimtab_tests::layering::{Graph, RULES, entries, top_faults};

fn root() -> Result<&'static Path> {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("the tests have no parent folder")
}

fn graph() -> Result<Graph> {
    let metadata = MetadataCommand::new().manifest_path(root()?.join("Cargo.toml")).exec()?;
    Graph::of(&metadata)
}

fn with(graph: &Graph, from: &str, to: &str) -> Graph {
    let mut broken = graph.clone();
    broken.edges.entry(from.to_owned()).or_default().insert(to.to_owned());
    broken.edges.entry(to.to_owned()).or_default();
    broken
}

#[test]
fn the_workspace_keeps_the_layering() -> Result<()> {
    let faults = graph()?.faults();
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    Ok(())
}

#[test]
fn the_top_holds_what_belongs_there() -> Result<()> {
    let entries = entries(root()?)?;
    let faults = top_faults(entries.iter().map(String::as_str));
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    Ok(())
}

#[test]
fn every_rule_is_broken_by_what_it_forbids() -> Result<()> {
    let sound = graph()?;
    for rule in RULES {
        for never in rule.never {
            let faults = with(&sound, rule.package, never).faults();
            assert!(
                faults.iter().any(|fault| fault.contains(rule.package) && fault.contains(never)),
                "{rule:?} {never}"
            );
        }
    }
    Ok(())
}

#[test]
fn a_forbidden_crate_is_found_behind_others_and_the_way_is_told() -> Result<()> {
    let broken = with(&with(&graph()?, "trimtab-core", "innocent"), "innocent", "tokio");
    let faults = broken.faults();
    assert!(faults.iter().any(|fault| fault.contains("trimtab-core -> innocent -> tokio")), "{faults:?}");
    Ok(())
}

#[test]
fn a_guest_on_a_host_crate_and_a_misnamed_crate_are_found() -> Result<()> {
    let sound = graph()?;
    let faults = with(&sound, "trimtab-policy-sdk", "trimtab-core").faults();
    assert!(faults.iter().any(|fault| fault.contains("guest trimtab-policy-sdk")), "{faults:?}");
    let faults = with(&sound, "trimtab-core", "trimtab-tests").faults();
    assert!(faults.iter().any(|fault| fault.contains("must never depend on the tests")), "{faults:?}");
    let mut misplaced = sound;
    misplaced.places.insert("left-pad".to_owned(), "host/left".to_owned());
    assert!(misplaced.faults().iter().any(|fault| fault.contains("not named after it")));
    Ok(())
}

#[test]
fn strange_and_missing_entries_at_the_top_are_found() {
    let sound: BTreeSet<_> = ["host", "policies", "wit", "deploy", "tests", "Cargo.toml", ".gitignore"].into();
    assert!(top_faults(sound.iter().copied()).is_empty());
    assert_eq!(top_faults(sound.iter().copied().chain(["docs"])), ["docs does not belong at the top"]);
    let missing = sound.iter().copied().filter(|name| *name != "wit");
    assert_eq!(top_faults(missing), ["the folder wit is missing"]);
}
