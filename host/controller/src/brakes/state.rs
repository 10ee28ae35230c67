//! What is known of the brakes: the rules, the places, who is held.

use std::collections::HashMap;

use trimtab_core::brakes::rules::Rules;
use trimtab_core::brakes::{Brakes, Rule, Subject, Trip, trip, uses};
use trimtab_core::time::Timestamp;

use super::places::{Caches, Places};

/// A remediation whose execution is held back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Held {
    pub(super) namespace: String,
    pub(super) name: String,
    pub(super) rule: Rule,
    pub(super) since: Timestamp,
}

/// The rules in force.
#[derive(Debug)]
pub(super) enum Known {
    /// None could be read so far, for this reason: everything is held.
    Unread(String),
    /// The last good ones.
    Rules(Rules),
}

/// What is known of the brakes.
#[derive(Debug)]
pub(super) struct State {
    pub(super) known: Known,
    /// resourceVersion of the newest `ConfigMap` seen; 0 where there is none.
    pub(super) version: u128,
    /// The breaker has opened here, and the `ConfigMap` does not say so yet.
    pub(super) trip: Option<Trip>,
    pub(super) places: Places,
    /// By uid.
    pub(super) held: HashMap<String, Held>,
}

impl Default for State {
    fn default() -> Self {
        Self {
            known: Known::Unread("they have not been read yet".to_owned()),
            version: 0,
            trip: None,
            places: Places::default(),
            held: HashMap::new(),
        }
    }
}

impl State {
    /// Whether nothing is on and nothing is limited.
    pub(super) fn is_free(&self) -> bool {
        matches!(&self.known, Known::Rules(rules) if rules.is_empty()) && self.trip.is_none()
    }

    /// What the brakes look like for this remediation; its own execution does not count.
    pub(super) fn brakes(&mut self, uid: &str, subject: &Subject, caches: Option<&Caches>, now: Timestamp) -> Brakes {
        let rules = match &self.known {
            Known::Unread(fault) => return Brakes { unreadable: Some(fault.clone()), ..Brakes::default() },
            Known::Rules(rules) => rules,
        };
        self.places.refresh(caches, now);
        Brakes {
            pause: rules.pauses.iter().find(|pause| pause.covers(subject)).cloned(),
            trip: rules.breaker.tripped.clone().or_else(|| self.trip.clone()),
            uses: uses(&rules.limits, subject, self.places.others(uid), now),
            ..Brakes::default()
        }
    }

    /// Opens the breaker where failures say so; the result is the news.
    pub(super) fn check_breaker(&mut self, caches: Option<&Caches>, now: Timestamp) -> Option<Trip> {
        let Known::Rules(rules) = &self.known else { return None };
        let limit = rules.limits.failures.as_ref()?;
        if self.trip.is_some() || rules.breaker.tripped.is_some() {
            return None;
        }
        let since = rules.breaker.reset.as_ref().and_then(|reset| Timestamp::parse(&reset.at));
        self.places.refresh(caches, now);
        let opened = trip(limit, self.places.all(), since, now)?;
        self.trip = Some(opened.clone());
        Some(opened)
    }

    /// Those who wait for a place, the longest waiting first, at most `count`.
    pub(super) fn waiting(&self, count: usize) -> Vec<(String, String)> {
        let mut waiting: Vec<_> = self.held.values().filter(|held| held.rule == Rule::LimitReached).collect();
        waiting.sort_by(|one, other| (one.since, &one.name).cmp(&(other.since, &other.name)));
        waiting.into_iter().take(count).map(|held| (held.namespace.clone(), held.name.clone())).collect()
    }

    /// Everyone who is held.
    pub(super) fn all_held(&self) -> Vec<(String, String)> {
        self.held.values().map(|held| (held.namespace.clone(), held.name.clone())).collect()
    }
}
