//! The config file while the process runs: a change that can be used holds at once, as a whole or not at all.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use trimtab_author::document;
use trimtab_controller::SettingsInForce;
use trimtab_policy_engine::Digest;

use super::Configuration;
use crate::logging::Level;
use crate::policies::Slotted;

/// How often the file is looked at. By content: a mounted `ConfigMap` changes without its files being written.
const POLL: Duration = Duration::from_millis(500);

/// A file's content by digest, or why it cannot be read.
pub(crate) type Seen = Result<Digest, String>;

/// A config file, and everything that it reaches.
#[derive(Debug)]
pub(crate) struct InForce {
    pub(crate) file: PathBuf,
    /// How the file looked before it was read.
    pub(crate) seen: Seen,
    /// What was read last and could be used.
    pub(crate) configuration: Configuration,
    /// What `--settings` says.
    pub(crate) settings_over: serde_json::Value,
    pub(crate) settings: SettingsInForce,
    pub(crate) policies: Arc<Slotted>,
    /// The log's filter, where no flag has set it.
    pub(crate) level: Option<Level>,
    /// Told whenever something holds that decisions depend on.
    pub(crate) swapped: watch::Sender<u64>,
}

/// Watches the file until the process ends. What cannot be used is refused with its reason, and what held stays.
pub(crate) async fn follow(mut known: InForce) {
    let mut settled = known.seen.clone();
    let mut last = settled.clone();
    let mut ticks = tokio::time::interval(POLL);
    loop {
        ticks.tick().await;
        let now = look(&known.file);
        // A file may be in the middle of being written: what counts is what two looks in a row agree on.
        let is_steady = std::mem::replace(&mut last, now.clone()) == now;
        if !is_steady || settled == now {
            continue;
        }
        settled = now;
        // Compiling, and the ledger, take their time: off the workers' threads.
        let changed = tokio::task::spawn_blocking(move || {
            known.change();
            known
        });
        match changed.await {
            Ok(again) => known = again,
            Err(error) => {
                tracing::error!(%error, "the config file is not followed any more");
                return;
            }
        }
    }
}

/// Looks at a file.
pub(crate) fn look(file: &Path) -> Seen {
    document::read_text("config", file).map(|text| Digest::of(text.as_bytes())).map_err(|error| error.to_string())
}

impl InForce {
    fn change(&mut self) {
        let file = self.file.display().to_string();
        match Configuration::read(&self.file).and_then(|read| self.put(read)) {
            Ok(needs_restart) if needs_restart.is_empty() => tracing::info!(file, "config changed"),
            Ok(needs_restart) => {
                let keys = needs_restart.join(", ");
                tracing::warn!(file, keys, "config changed; these keys hold from the next start on");
            }
            Err(error) => {
                let reason = crate::one_line(&error);
                tracing::error!(file, reason, "config refused; what held before still holds");
            }
        }
    }

    /// Puts a read file in force. The result is which keys have to wait for a restart.
    fn put(&mut self, read: Configuration) -> anyhow::Result<Vec<&'static str>> {
        let settings = read.settings(&self.settings_over)?;
        let level = self.level.as_ref().zip(read.level.as_deref().or(Some(crate::logging::STANDARD)));
        // What can be refused comes first.
        self.policies.reconfigure(&read.policy, &settings)?;
        self.settings.set(settings);
        if let Some((level, filter)) = level {
            level.set(filter)?;
        }
        let needs_restart = read.needs_restart(&self.configuration);
        self.configuration = read;
        self.swapped.send_modify(|count| *count += 1);
        Ok(needs_restart)
    }
}
