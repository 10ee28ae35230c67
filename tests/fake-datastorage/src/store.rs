//! What the fake has stored, what it was asked, and the conditions it works under.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};

use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;
use uuid::Uuid;

use crate::fault::{Effect, Fault, On};

/// Whose event ids count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Ids {
    /// The sender's: an event with a known id is not stored again.
    Ours,
    /// The fake's own; the sender's are ignored. As Kubernaut's.
    #[default]
    Theirs,
}

/// What holds until it is changed, unlike a fault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conditions {
    /// The only bearer token that is let in; everyone where absent.
    pub token: Option<String>,
    /// An event whose body contains one of these is refused, and its batch with it.
    pub poison: Vec<String>,
    /// A write of an event whose body contains one of these is answered with the status 500, and stores nothing.
    pub stumbling: Vec<String>,
    /// Whether refusals name the index of the event in `field_errors`.
    pub names_fields: bool,
    /// Most events of a batch.
    pub batch_events_max: usize,
    /// Most bytes of a request's body.
    pub body_bytes_max: usize,
    /// Where set, queries are answered with this status.
    pub query_status: Option<u16>,
    /// Whether `/readyz` says ready.
    pub is_ready: bool,
    /// What the fake takes for now; the machine's clock where absent.
    pub now: Option<Timestamp>,
    /// What was done to objects within the last day, by `namespace/Kind/name`: entries as `DataStorage` tells them.
    pub history: BTreeMap<String, Vec<Value>>,
}

impl Default for Conditions {
    fn default() -> Self {
        Self {
            token: None,
            poison: Vec::new(),
            stumbling: Vec::new(),
            names_fields: true,
            batch_events_max: 500,
            body_bytes_max: 8 * 1024 * 1024,
            query_status: None,
            is_ready: true,
            now: None,
            history: BTreeMap::new(),
        }
    }
}

/// A stored event.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Stored {
    /// The sender's id or the fake's own.
    pub event_id: Uuid,
    /// The event as it came.
    pub body: Value,
}

impl Stored {
    /// A member of the event that is a text; empty where it is none.
    pub fn text(&self, name: &str) -> &str {
        self.body[name].as_str().unwrap_or_default()
    }

    /// What makes two events the same to a reader.
    fn content(&self) -> String {
        let parts = ["correlation_id", "event_type", "event_timestamp", "event_data"];
        Value::from_iter(parts.map(|part| self.body[part].clone())).to_string()
    }
}

/// A request that the fake has seen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Request {
    /// Method and path.
    pub line: String,
    /// Query as sent.
    pub query: String,
    /// Events in its body.
    pub events: usize,
    /// Bytes of its body.
    pub bytes: usize,
    /// Status of the answer; 0 where the connection was closed instead.
    pub status: u16,
}

/// Why an event cannot be stored: another one has its id.
#[derive(Debug)]
pub(crate) struct Conflict(pub(crate) Uuid);

#[derive(Debug, Default)]
pub(crate) struct State {
    ids: Ids,
    given: u128,
    places: HashMap<Uuid, usize>,
    pub(crate) stored: Vec<Stored>,
    pub(crate) requests: Vec<Request>,
    pub(crate) faults: VecDeque<Fault>,
    pub(crate) conditions: Conditions,
}

impl State {
    pub(crate) fn new(ids: Ids, conditions: Conditions, faults: Vec<Fault>) -> Self {
        Self { ids, conditions, faults: faults.into(), ..Self::default() }
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.conditions.now.unwrap_or_else(Timestamp::now)
    }

    /// Takes the next fault that is meant for such a request.
    pub(crate) fn strike(&mut self, on: On) -> Option<Effect> {
        let place = self.faults.iter().position(|fault| fault.on == on && fault.times > 0)?;
        let fault = self.faults.get_mut(place)?;
        fault.times -= 1;
        let effect = fault.effect.clone();
        if fault.times == 0 {
            self.faults.remove(place);
        }
        Some(effect)
    }

    /// Stores all or none; ids in the order of the events.
    pub(crate) fn store(&mut self, events: Vec<Value>) -> Result<Vec<Uuid>, Conflict> {
        if self.ids == Ids::Theirs {
            return Ok(events.into_iter().map(|body| self.add(None, body)).collect());
        }
        let ids: Vec<_> = events.iter().map(own_id).collect();
        for (id, body) in ids.iter().zip(&events).filter_map(|(id, body)| Some((id.as_ref()?, body))) {
            let known = self.places.get(id).and_then(|place| self.stored.get(*place));
            if known.is_some_and(|stored| stored.body != *body) {
                return Err(Conflict(*id));
            }
        }
        let pairs = ids.into_iter().zip(events);
        Ok(pairs
            .map(|(id, body)| id.filter(|id| self.places.contains_key(id)).unwrap_or_else(|| self.add(id, body)))
            .collect())
    }

    fn add(&mut self, id: Option<Uuid>, body: Value) -> Uuid {
        self.given += 1;
        let event_id = id.unwrap_or_else(|| Uuid::from_u128(0x00fa_4e00 << 96 | self.given));
        self.places.insert(event_id, self.stored.len());
        self.stored.push(Stored { event_id, body });
        event_id
    }

    /// How many stored events say the same as an earlier one.
    pub(crate) fn doubles(&self) -> usize {
        let distinct: HashSet<_> = self.stored.iter().map(Stored::content).collect();
        self.stored.len() - distinct.len()
    }
}

/// The sender's id of an event.
fn own_id(body: &Value) -> Option<Uuid> {
    body.get("event_id")?.as_str()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn event(id: u128, text: &str) -> Value {
        json!({ "event_id": Uuid::from_u128(id), "event_type": text })
    }

    #[test]
    fn a_known_id_is_stored_once_and_another_body_under_it_is_a_conflict() {
        let mut state = State::new(Ids::Ours, Conditions::default(), Vec::new());
        let first = state.store(vec![event(1, "a"), event(2, "b")]).unwrap();
        assert_eq!(first, state.store(vec![event(1, "a"), event(2, "b")]).unwrap());
        assert_eq!(state.stored.len(), 2);
        assert!(
            matches!(state.store(vec![event(3, "c"), event(1, "z")]), Err(Conflict(id)) if id == Uuid::from_u128(1))
        );
        assert_eq!(state.stored.len(), 2);
    }

    #[test]
    fn own_ids_make_a_resend_a_double() {
        let mut state = State::new(Ids::Theirs, Conditions::default(), Vec::new());
        let first = state.store(vec![event(1, "a")]).unwrap();
        assert_ne!(first, state.store(vec![event(1, "a")]).unwrap());
        assert_eq!((state.stored.len(), state.doubles()), (2, 1));
    }

    #[test]
    fn faults_strike_in_order_and_only_where_they_are_meant() {
        let faults = vec![Fault::status(503, 2).on_queries(), Fault::hang_up(true, 1)];
        let mut state = State::new(Ids::Ours, Conditions::default(), faults);
        assert_eq!(state.strike(On::Write), Some(Effect::HangUp { stores: true }));
        assert_eq!(state.strike(On::Write), None);
        assert!(state.strike(On::Query).is_some() && state.strike(On::Query).is_some());
        assert_eq!(state.strike(On::Query), None);
    }
}
