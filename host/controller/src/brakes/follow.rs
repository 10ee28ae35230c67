//! Follows the `ConfigMap` of the brakes, and writes a trip of the breaker into it.

use std::time::Duration;

use futures::StreamExt as _;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::Api;
use kube_runtime::{WatchStreamExt as _, watcher};
use trimtab_core::brakes::rules::Rules;
use trimtab_core::brakes::{CONFIG_MAP, Pause};

use super::state::Known;
use super::{Gate, locked, store};

/// Wait after a trip could not be written.
const WRITE_RETRY: Duration = Duration::from_secs(5);

/// What the controller needs to read the brakes.
const NEEDED: &str = "the controller needs get, list, watch, create and update on configmaps in its own namespace";

impl Gate {
    /// Reads the brakes before the first decision, so that what is free is not held for a moment at each start.
    pub(crate) async fn read_first(&self) {
        match store::fetch(&self.client, &self.namespace).await {
            Ok(found) => self.apply(found.as_ref()),
            Err(error) => self.unread(&error.to_string()),
        }
    }

    /// Follows the brakes, for ever.
    pub(crate) async fn follow(&self) {
        tokio::join!(self.watch(), self.write_trips());
    }

    async fn watch(&self) {
        let api: Api<ConfigMap> = Api::namespaced(self.client.clone(), &self.namespace);
        let watched = watcher::Config::default().fields(&format!("metadata.name={CONFIG_MAP}"));
        let mut changes = watcher(api, watched).default_backoff().boxed();
        let mut listed = None;
        while let Some(change) = changes.next().await {
            match change {
                Ok(watcher::Event::Apply(map)) => self.apply(Some(&map)),
                Ok(watcher::Event::Delete(_)) => self.apply(None),
                Ok(watcher::Event::Init) => listed = None,
                Ok(watcher::Event::InitApply(map)) => listed = Some(map),
                Ok(watcher::Event::InitDone) => self.apply(listed.take().as_ref()),
                Err(error) => self.unread(&error.to_string()),
            }
        }
    }

    /// The brakes cannot be read now: the last good rules stay, and where there are none everything is held.
    fn unread(&self, fault: &str) {
        self.metrics.fault();
        let mut state = locked(&self.state);
        if let Known::Unread(known) = &mut state.known {
            *known = format!("{fault} ({NEEDED})");
            self.metrics.broken(true);
            tracing::error!(fault, NEEDED, "the brakes cannot be read, so no execution starts");
        } else {
            tracing::warn!(fault, "the brakes cannot be followed now; what was read last stays in force");
        }
    }

    /// Takes over what the `ConfigMap` says; `None` where there is none.
    pub(super) fn apply(&self, found: Option<&ConfigMap>) {
        let version = found.and_then(|map| map.metadata.resource_version.as_deref()).and_then(|text| text.parse().ok());
        let read = store::rules_of(found);
        let now = self.clock.now();
        let trip = {
            let mut state = locked(&self.state);
            if version.is_some_and(|version: u128| version < state.version) {
                // Our own write was answered before the watch showed what was there before it.
                return;
            }
            state.version = version.unwrap_or(0);
            match read {
                Ok(rules) => {
                    if rules.breaker.tripped.is_some() {
                        state.trip = None;
                    }
                    self.tell(&state.known, &rules);
                    state.known = Known::Rules(rules);
                    self.metrics.broken(false);
                }
                Err(fault) => {
                    self.metrics.fault();
                    self.metrics.broken(true);
                    if let Known::Unread(known) = &mut state.known {
                        tracing::error!(%fault, "the brakes cannot be read, so no execution starts");
                        *known = fault.to_string();
                    } else {
                        tracing::error!(%fault, "the brakes cannot be read; what was read last stays in force");
                    }
                }
            }
            let trip = state.check_breaker(self.caches.get(), now);
            let is_tripped = matches!(&state.known, Known::Rules(rules) if rules.breaker.tripped.is_some());
            self.metrics.breaker(is_tripped || state.trip.is_some());
            if let Known::Rules(rules) = &state.known {
                self.metrics.pauses(rules.pauses.len());
            }
            trip
        };
        self.tell_trip(trip);
        self.wake_held();
    }

    /// Says in the log what has changed.
    fn tell(&self, before: &Known, rules: &Rules) {
        let nothing = Rules::default();
        let before = if let Known::Rules(before) = before { before } else { &nothing };
        if before == rules {
            return;
        }
        let paused: Vec<_> = rules.pauses.iter().map(Pause::flags).collect();
        let is_open = rules.breaker.tripped.is_some();
        tracing::info!(namespace = self.namespace, ?paused, is_open, limits = ?rules.limits, "the brakes have changed");
    }

    /// Writes a trip, until the `ConfigMap` says so; in this process it holds from the start.
    async fn write_trips(&self) {
        loop {
            self.tripped.notified().await;
            loop {
                let Some(trip) = locked(&self.state).trip.clone() else { break };
                let written = store::edit(&self.client, &self.namespace, |rules| {
                    if rules.breaker.tripped.is_none() {
                        rules.breaker.tripped = Some(trip.clone());
                    }
                });
                match written.await {
                    Ok((map, _)) => {
                        self.apply(map.as_ref());
                        break;
                    }
                    Err(error) => {
                        self.metrics.fault();
                        tracing::error!(%error, "the open breaker could not be noted; it holds in this process");
                        tokio::time::sleep(WRITE_RETRY).await;
                    }
                }
            }
        }
    }
}
