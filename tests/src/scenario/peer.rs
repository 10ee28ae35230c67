//! The peer's transcripts: recordings of Kubernaut's orchestrator in the form of our own, and how ours differ.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};
use serde_json::Value;
use trimtab_api::Kind;

use super::mask::Mask;
use super::model::read_yaml;
use super::recorder::Life;
use super::transcript::{StepEvent, Story};
use crate::diff;

/// The scenarios that were recorded.
pub const NAMES: [&str; 8] =
    ["completed", "rejected", "noworkflow", "spfailed", "timeout-processing", "fail-1", "fail-2", "fail-3"];

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

fn story(recordings: &Path, name: &str) -> anyhow::Result<Story> {
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
    let order = |child: &Value| Kind::from_kind(child["kind"].as_str().unwrap_or_default()).map_or(usize::MAX, place);
    children.sort_by_key(order);
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let life = Life {
        steps: std::collections::BTreeMap::new(),
        uid: text(&last["metadata"]["uid"]),
        name: text(&last["metadata"]["name"]),
        phases: phases(recordings, name)?,
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
