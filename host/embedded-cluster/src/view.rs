//! Stored form and served form: versions of a kind differ in `apiVersion` alone, and
//! `events.k8s.io/v1` Events are `v1` Events under other names.

use std::borrow::Cow;

use serde_json::{Map, Value, json};

use crate::kinds::{BuiltIn, ResourceKind};

/// Member names of the two Event versions: stored (`v1`), served (`events.k8s.io/v1`).
const EVENT_MEMBERS: [(&str, &str); 7] = [
    ("involvedObject", "regarding"),
    ("message", "note"),
    ("reportingComponent", "reportingController"),
    ("source", "deprecatedSource"),
    ("firstTimestamp", "deprecatedFirstTimestamp"),
    ("lastTimestamp", "deprecatedLastTimestamp"),
    ("count", "deprecatedCount"),
];

/// The object as `kind` serves it.
pub(crate) fn served<'a>(kind: &ResourceKind, stored: &'a Value) -> Cow<'a, Value> {
    let api_version = kind.api_version();
    if stored["apiVersion"] == api_version.as_str() {
        return Cow::Borrowed(stored);
    }
    let mut object = stored.clone();
    if kind.is(BuiltIn::EventsEvent) {
        rename(&mut object, |(stored, served)| (stored, served));
    }
    object["apiVersion"] = json!(api_version);
    Cow::Owned(object)
}

/// The object as it is stored; `storage_version` is the `apiVersion` of stored objects.
pub(crate) fn stored(kind: &ResourceKind, mut object: Value) -> Value {
    if kind.is(BuiltIn::EventsEvent) {
        rename(&mut object, |(stored, served)| (served, stored));
        object["apiVersion"] = json!("v1");
    }
    object
}

fn rename(object: &mut Value, direction: impl Fn((&'static str, &'static str)) -> (&'static str, &'static str)) {
    let Value::Object(members) = object else { return };
    let taken: Map<String, Value> = EVENT_MEMBERS
        .into_iter()
        .map(direction)
        .filter_map(|(from, to)| members.remove(from).map(|value| (to.to_owned(), value)))
        .collect();
    members.extend(taken);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kinds::builtin::built_ins;

    #[test]
    fn both_event_views_show_the_same_event() {
        let kinds = built_ins().unwrap().kinds;
        let (core, new) = (&kinds[3], &kinds[4]);
        let event =
            json!({"apiVersion": "events.k8s.io/v1", "kind": "Event", "note": "hello", "regarding": {"name": "x"}});
        let kept = stored(new, event.clone());
        assert_eq!(
            kept,
            json!({"apiVersion": "v1", "kind": "Event", "message": "hello", "involvedObject": {"name": "x"}})
        );
        assert_eq!(*served(new, &kept), event);
        assert_eq!(*served(core, &kept), kept);
    }
}
