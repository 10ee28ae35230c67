//! Scenarios: scripted stories about remediations with a golden transcript each.
//!
//! The story plays everybody but the controller, and the same golden holds on every cluster.

pub mod coverage;
pub mod expect;
pub mod mask;
pub mod model;
pub mod peer;
pub mod play;
pub mod recorder;
pub mod template;
pub mod transcript;
pub mod yaml;

use std::path::PathBuf;

use kube::api::DynamicObject;
use serde_json::{Value, json};

use model::{merge, read_yaml};
use template::Names;

/// The folder of scenarios, goldens and the mask list.
pub fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("scenarios")
}

/// Every scenario that `SCENARIO` names, sorted by name; without it every one.
///
/// `SCENARIO=a,b` takes names, requirements (`BR-ORCH-030`) and rows (`11.1#1`).
pub fn every() -> anyhow::Result<Vec<model::Scenario>> {
    let wanted = std::env::var("SCENARIO").ok();
    let is_wanted = |scenario: &model::Scenario| {
        wanted.as_deref().is_none_or(|wanted| wanted.split(',').any(|word| scenario.is_called(word.trim())))
    };
    let read = |name: &String| model::Scenario::read(&folder().join(format!("{name}.yaml")));
    let mut scenarios = Vec::new();
    for name in &model::Scenario::names(&folder())? {
        scenarios.extend(Some(read(name)?).filter(is_wanted));
    }
    anyhow::ensure!(!scenarios.is_empty(), "SCENARIO={} names no scenario", wanted.unwrap_or_default());
    Ok(scenarios)
}

/// Those of [`every`] that need no virtual time and await nothing.
pub fn all() -> anyhow::Result<Vec<model::Scenario>> {
    let mut scenarios = every()?;
    scenarios.retain(|scenario| !scenario.is_virtual() && scenario.awaits.is_none());
    Ok(scenarios)
}

/// A remediation of the target `app` that shares its signal with no other; `spec` is merged over it.
///
/// # Errors
///
/// `remediation.yaml` cannot be read, or is none.
pub fn remediation(name: &str, app: &str, spec: &Value) -> anyhow::Result<DynamicObject> {
    let names = Names::new([("rr", name.to_owned()), ("app", app.to_owned())]);
    let mut object = names.fill(&read_yaml(&folder().join("remediation.yaml"))?)?;
    merge(&mut object, &json!({"metadata": {"name": name}, "spec": {"signalFingerprint": fingerprint_of(name)}}));
    merge(&mut object, &json!({"spec": spec}));
    Ok(serde_json::from_value(object)?)
}

/// The fingerprint of a remediation that shares its signal with no other: follows from its name.
pub fn fingerprint_of(name: &str) -> String {
    format!("{:0>64}", hex::encode(name))
}
