//! Scenarios: scripted stories about remediations with a golden transcript each.
//!
//! The story plays everybody but the controller, and the same golden holds on every cluster.

pub mod mask;
pub mod model;
pub mod peer;
pub mod play;
pub mod recorder;
pub mod template;
pub mod transcript;
pub mod yaml;

use std::path::PathBuf;

/// The folder of scenarios, goldens and the mask list.
pub fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("scenarios")
}

/// Reads every scenario, sorted by name. `SCENARIO=a,b` leaves only those.
pub fn all() -> anyhow::Result<Vec<model::Scenario>> {
    let wanted = std::env::var("SCENARIO").ok();
    let is_wanted = |name: &String| wanted.as_deref().is_none_or(|wanted| wanted.split(',').any(|one| one == name));
    let names = model::Scenario::names(&folder())?;
    names
        .iter()
        .filter(|name| is_wanted(name))
        .map(|name| model::Scenario::read(&folder().join(format!("{name}.yaml"))))
        .collect()
}
