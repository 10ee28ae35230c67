//! The peer's transcripts: recordings of Kubernaut's orchestrator in the form of our own, and how ours differ.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};
use serde_json::Value;
use trimtab_api::Kind;

use super::mask::Mask;
use super::model::{Scenario, Step, read_yaml};
use super::recorder::Life;
use super::transcript::{StepEvent, Story};
use crate::diff;

/// The scenarios that were recorded.
pub const NAMES: [&str; 11] = [
    "completed",
    "rejected",
    "noworkflow",
    "spfailed",
    "timeout-processing",
    "unmanaged",
    "resourcebusy",
    "fail-1",
    "fail-2",
    "fail-3",
    "fail-4",
];

/// Where a recording goes on after it was looked at as a whole, this is what was looked at later: only the remediation.
const LATER: &str = "99-rr-later.yaml";

/// Number of the last quirk in the list of the peer's quirks.
const QUIRKS: u32 = 22;

/// Where the peer's transcript lies.
pub fn transcript_path(name: &str) -> PathBuf {
    super::folder().join("peer").join(format!("{name}.yaml"))
}

/// Where the patch from the peer's transcript to our golden lies.
pub fn patch_path(name: &str) -> PathBuf {
    super::folder().join("peer").join(format!("{name}.patch"))
}

/// Whether this names a quirk (Q1 to Q22) or a difference (D1 and on).
pub fn is_name(name: &str) -> bool {
    let number = |letter| name.strip_prefix(letter).and_then(|digits: &str| digits.parse::<u32>().ok());
    number('Q').is_some_and(|number| (1..=QUIRKS).contains(&number)) || number('D').is_some_and(|number| number > 0)
}

/// Every name that a patch uses.
pub fn used_names() -> anyhow::Result<BTreeSet<String>> {
    let mut names = BTreeSet::new();
    for name in NAMES {
        let path = patch_path(name);
        let text = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
        for hunk in diff::parse_patch(&text)? {
            names.extend(hunk.name.split([' ', ',']).filter(|name| !name.is_empty()).map(str::to_owned));
        }
    }
    Ok(names)
}

/// Writes the transcripts from a folder of recordings.
pub fn derive(recordings: &Path) -> anyhow::Result<()> {
    for name in NAMES {
        let text = story(recordings, name).with_context(|| format!("the recording {name}"))?.write(Mask::read()?);
        std::fs::write(transcript_path(name), text)?;
    }
    Ok(())
}

/// The recordings that a transcript is made of, in their order: what follows from earlier remediations shows them too.
fn parts(name: &str) -> Vec<&str> {
    if name == "fail-4" { vec!["fail-1", "fail-2", "fail-3", "fail-4"] } else { vec![name] }
}

/// What was recorded, and what the scenario of this name gives beforehand.
fn story(recordings: &Path, name: &str) -> anyhow::Result<Story> {
    let mut story = Story::default();
    for part in parts(name) {
        let recorded = recorded(recordings, part).with_context(|| part.to_owned())?;
        story.lives.extend(recorded.lives);
        story.children.extend(recorded.children);
        story.events.extend(recorded.events);
        story.namespace = recorded.namespace;
    }
    story.children.extend(given(name, &story.namespace)?);
    let order = |child: &Value| {
        let kind = Kind::from_kind(child["kind"].as_str().unwrap_or_default()).map_or(usize::MAX, place);
        (kind, child["metadata"]["name"].as_str().unwrap_or_default().to_owned())
    };
    story.children.sort_by_key(order);
    Ok(story)
}

/// Objects of other remediations that a scenario creates itself: they were there when the peer was recorded too.
fn given(name: &str, namespace: &str) -> anyhow::Result<Vec<Value>> {
    let scenario = Scenario::read(&super::folder().join(format!("{name}.yaml")))?;
    let names = scenario.names_in(namespace);
    let created = scenario.steps.iter().filter_map(|step| match step {
        Step::Create(object) => Some(names.fill(object)),
        _ => None,
    });
    let mut given = created.collect::<anyhow::Result<Vec<_>>>()?;
    given.retain(|object| {
        let kind = Kind::from_kind(object["kind"].as_str().unwrap_or_default());
        kind.is_some_and(|kind| place(kind) != usize::MAX)
    });
    Ok(given)
}

/// One remediation as it was recorded.
fn recorded(recordings: &Path, name: &str) -> anyhow::Result<Story> {
    let folder = recordings.join(name);
    let mut files: Vec<_> =
        std::fs::read_dir(&folder)?.map(|entry| Ok(entry?.path())).collect::<anyhow::Result<_>>()?;
    files.sort();
    let mut last = Value::Null;
    let mut children = Vec::new();
    for file in files.iter().filter(|file| file.extension().is_some_and(|extension| extension == "yaml")) {
        let stem = file.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
        if stem.ends_with("rr-final") {
            last = read_yaml(file)?;
        } else if stem.contains("-final-") {
            children.push(read_yaml(file)?);
        }
    }
    ensure!(last.is_object(), "no final state");
    let mut phases = phases(recordings, name)?;
    if folder.join(LATER).exists() {
        let reached = last["status"]["overallPhase"].as_str().unwrap_or_default();
        let until = phases.iter().position(|phase| phase == reached).context("its phase was not watched")?;
        phases.truncate(until + 1);
    }
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let life = Life {
        steps: std::collections::BTreeMap::new(),
        uid: text(&last["metadata"]["uid"]),
        name: text(&last["metadata"]["name"]),
        phases,
        last: last.clone(),
        is_gone: false,
    };
    Ok(Story { namespace: text(&last["metadata"]["namespace"]), lives: vec![life], children, events: events(&folder)? })
}

fn place(kind: Kind) -> usize {
    super::transcript::ORDER.iter().position(|known| *known == kind).unwrap_or(usize::MAX)
}

/// The phases as they were watched, from the table of the recordings' README.
fn phases(recordings: &Path, name: &str) -> anyhow::Result<Vec<String>> {
    let readme = std::fs::read_to_string(recordings.join("README.md"))?;
    let row = readme.lines().find(|line| line.starts_with(&format!("| {name} |"))).context("no row in the table")?;
    let cell = row.split('|').nth(2).context("no second column")?;
    Ok(cell
        .split(" > ")
        .map(|phase| if phase.trim() == "(empty)" { String::new() } else { phase.trim().to_owned() })
        .collect())
}

fn events(folder: &Path) -> anyhow::Result<Vec<StepEvent>> {
    let mut events: Vec<Value> = serde_json::from_str(&std::fs::read_to_string(folder.join("k8s-events.json"))?)?;
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    // The name ends in the nanoseconds of the moment, in hexadecimal digits of one length.
    events.sort_by_key(|event| text(&event["metadata"]["name"]));
    let step = |event: &Value| StepEvent {
        about: text(&event["involvedObject"]["uid"]),
        kind: text(&event["type"]),
        reason: text(&event["reason"]),
        note: text(&event["message"]),
    };
    Ok(events.iter().map(step).collect())
}
