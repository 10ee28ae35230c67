//! Where two decisions differ first, as a JSON Pointer.

use serde_json::Value;
use trimtab_core::decide::Decision;
use trimtab_core::proposal::Slot;

/// Most characters of a value that are shown.
const SHOWN_MAX: usize = 200;

/// The first difference of two decisions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Difference {
    /// The slot whose answer differs; `None` where it is the host's own part.
    pub(super) slot: Option<Slot>,
    /// Where, in the decision.
    pub(super) pointer: String,
    /// What was recorded there; "nothing" where there was none.
    pub(super) recorded: String,
    /// What is there now.
    pub(super) now: String,
}

/// `None` where the two are the same to the last byte. Answers come before what the host made of them.
pub(super) fn first(recorded: &Decision, now: &Decision) -> Option<Difference> {
    let (before, after) = (json(recorded), json(now));
    // As the ledger writes them: one text for one decision.
    let text = |decision: &Decision| serde_json::to_string(decision).ok();
    if text(recorded) == text(now) {
        return None;
    }
    let asked = walk(before.get("evaluations"), after.get("evaluations"), "/evaluations");
    let (pointer, before, after) = asked.or_else(|| walk(Some(&before), Some(&after), ""))?;
    let place = pointer.strip_prefix("/evaluations/").and_then(|rest| rest.split('/').next());
    let place = place.and_then(|place| place.parse::<usize>().ok());
    let at = |decision: &Decision| place.and_then(|place| decision.evaluations.get(place)).map(|one| one.slot);
    Some(Difference { slot: at(recorded).or_else(|| at(now)), pointer, recorded: shown(before), now: shown(after) })
}

fn json(decision: &Decision) -> Value {
    // INVARIANT: every part of a decision has been, or can be, written as JSON.
    serde_json::to_value(decision).unwrap_or_default()
}

type Found<'a> = (String, Option<&'a Value>, Option<&'a Value>);

fn walk<'a>(before: Option<&'a Value>, after: Option<&'a Value>, pointer: &str) -> Option<Found<'a>> {
    match (before, after) {
        (Some(Value::Object(old)), Some(Value::Object(new))) => {
            let added = new.keys().filter(|key| !old.contains_key(*key));
            let step = |key: &String| key.replace('~', "~0").replace('/', "~1");
            old.keys()
                .chain(added)
                .find_map(|key| walk(old.get(key), new.get(key), &format!("{pointer}/{}", step(key))))
        }
        (Some(Value::Array(old)), Some(Value::Array(new))) => (0..old.len().max(new.len()))
            .find_map(|place| walk(old.get(place), new.get(place), &format!("{pointer}/{place}"))),
        (before, after) => (before != after).then(|| (pointer.to_owned(), before, after)),
    }
}

fn shown(value: Option<&Value>) -> String {
    let text = value.map_or_else(|| "nothing".to_owned(), Value::to_string);
    if text.chars().count() <= SHOWN_MAX {
        return text;
    }
    text.chars().take(SHOWN_MAX - 1).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_first_difference_has_its_pointer() {
        let (old, new) = (json!({"a": [1, {"b/c": 2}], "d": 0}), json!({"a": [1, {"b/c": 3}], "d": 1}));
        let (pointer, before, after) = walk(Some(&old), Some(&new), "").unwrap();
        assert_eq!((pointer.as_str(), before, after), ("/a/1/b~1c", Some(&json!(2)), Some(&json!(3))));
        let (pointer, before, after) = walk(Some(&json!([1])), Some(&json!([1, 2])), "/x")
            .map(|(at, before, after)| (at, shown(before), shown(after)))
            .unwrap();
        assert_eq!((pointer.as_str(), before.as_str(), after.as_str()), ("/x/1", "nothing", "2"));
        assert_eq!(walk(Some(&old), Some(&old), ""), None);
    }
}
