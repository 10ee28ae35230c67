//! The hash of the object to be healed, before the execution: what an assessment later compares its own hash with.
//!
//! Kubernaut's assessment computes the same hash after the execution, so every byte of the hashed text counts: numbers
//! and texts are written as Go's `encoding/json` writes them.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use sha2::{Digest as _, Sha256};

mod canonical;

/// Most `ConfigMaps` that one object may refer to; a cluster bounds objects, so this is far from any real one.
pub const CONFIG_MAPS_MAX: usize = 1000;

/// Members of an object that do not say what it does.
const PASSED_OVER: [&str; 4] = ["apiVersion", "kind", "metadata", "status"];

/// What was read has no hash.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HashFailure {
    /// It is not even an object.
    #[error("the API server's answer is no JSON object")]
    NoObject,
    /// It refers to more `ConfigMaps` than are read.
    #[error("it refers to {0} ConfigMaps; at most {CONFIG_MAPS_MAX} are read")]
    TooManyConfigMaps(usize),
}

/// The hash of an object by itself, `sha256:` and 64 hexadecimal digits: neither the order of members nor that of list
/// elements counts.
pub fn fingerprint(object: &Value) -> Result<String, HashFailure> {
    let members = object.as_object().ok_or(HashFailure::NoObject)?;
    let kept = members.iter().filter(|(name, _)| !PASSED_OVER.contains(&name.as_str()));
    Ok(digest(&canonical::object(kept)))
}

/// Names of the `ConfigMaps` that the pods of an object read, where objects of its kind have pods.
pub fn config_maps(object: &Value, kind: &str) -> Result<BTreeSet<String>, HashFailure> {
    let mut names = BTreeSet::new();
    if let Some(pod) = pod_of(object, kind) {
        for volume in list(pod, "/volumes") {
            note(&mut names, volume, "/configMap/name");
            for source in list(volume, "/projected/sources") {
                note(&mut names, source, "/configMap/name");
            }
        }
        for containers in ["/containers", "/initContainers", "/ephemeralContainers"] {
            for container in list(pod, containers) {
                for source in list(container, "/envFrom") {
                    note(&mut names, source, "/configMapRef/name");
                }
                for variable in list(container, "/env") {
                    note(&mut names, variable, "/valueFrom/configMapKeyRef/name");
                }
            }
        }
    }
    if names.len() > CONFIG_MAPS_MAX { Err(HashFailure::TooManyConfigMaps(names.len())) } else { Ok(names) }
}

/// The hash of what a `ConfigMap` holds. One that cannot be read counts as a fixed text that depends on its name alone,
/// so that the hash is the same as long as it stays unreadable.
pub fn config_map_hash(name: &str, object: Option<&Value>) -> String {
    let lines =
        object.and_then(|object| Some([lines(object, "data", "d")?, lines(object, "binaryData", "b")?].concat()));
    let lines = lines.unwrap_or_else(|| vec![format!("d:__sentinel__=__absent:{name}__")]);
    digest(&lines.join("\n"))
}

/// The hash of an object together with those of its `ConfigMaps`; without any it is the object's own.
pub fn composite(fingerprint: &str, config_maps: &BTreeMap<String, String>) -> String {
    if config_maps.is_empty() {
        return fingerprint.to_owned();
    }
    let parts = config_maps.iter().map(|(name, hash)| format!("\n{name}:{hash}"));
    digest(&std::iter::once(fingerprint.to_owned()).chain(parts).collect::<String>())
}

fn digest(text: &str) -> String {
    let hex = Sha256::digest(text.as_bytes()).iter().fold(String::with_capacity(71), |mut hex, byte| {
        for half in [byte >> 4, byte & 15] {
            hex.extend(char::from_digit(u32::from(half), 16));
        }
        hex
    });
    format!("sha256:{hex}")
}

/// The pod that an object is, or makes.
fn pod_of<'a>(object: &'a Value, kind: &str) -> Option<&'a Value> {
    object.pointer(match kind {
        "Pod" => "/spec",
        "CronJob" => "/spec/jobTemplate/spec/template/spec",
        "Deployment" | "StatefulSet" | "DaemonSet" | "ReplicaSet" | "Job" => "/spec/template/spec",
        _ => return None,
    })
}

fn list<'a>(value: &'a Value, pointer: &str) -> impl Iterator<Item = &'a Value> {
    value.pointer(pointer).and_then(Value::as_array).into_iter().flatten()
}

fn note(names: &mut BTreeSet<String>, value: &Value, pointer: &str) {
    names.extend(crate::json::some_text(value, pointer).map(str::to_owned));
}

/// A map of texts as lines, sorted by key; `None` where it is none.
fn lines(object: &Value, member: &str, mark: &str) -> Option<Vec<String>> {
    let map = match object.get(member) {
        None | Some(Value::Null) => return Some(Vec::new()),
        Some(map) => map.as_object()?,
    };
    let sorted: BTreeMap<&String, &Value> = map.iter().collect();
    sorted.into_iter().map(|(key, value)| Some(format!("{mark}:{key}={}", value.as_str()?))).collect()
}

#[cfg(test)]
mod tests;
