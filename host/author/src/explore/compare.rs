//! What two policies' answers differ in, apart from their words.

use serde::Serialize;
use serde_json::Value;
use trimtab_core::proposal::{Creation, Creations, Deadline, Intent, Schedule};

use super::asking::{Answers, Given};

/// What kind of difference.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// A deadline: its moment, its length, what follows it, its notice.
    Deadline,
    /// How long a phase not yet entered may last.
    Budget,
    /// Where the remediation goes.
    Intent,
    /// What is created on the way.
    Creation,
    /// One gives no answer, or each for another reason.
    Fault,
    /// Only the explanation or attributes, which no decision depends on.
    WhyOnly,
}

impl Kind {
    /// Every kind, the weightiest first.
    pub const ALL: [Self; 6] = [Self::Deadline, Self::Budget, Self::Intent, Self::Creation, Self::Fault, Self::WhyOnly];
}

/// One difference.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Difference {
    /// Its kind.
    pub kind: Kind,
    /// What differs: "deadline of Analyzing".
    pub what: String,
    /// What the one policy says; empty where it says nothing.
    pub a: String,
    /// What the other says; empty where it says nothing.
    pub b: String,
}

impl Difference {
    fn new(kind: Kind, what: impl Into<String>, a: impl Into<String>, b: impl Into<String>) -> Self {
        Self { kind, what: what.into(), a: a.into(), b: b.into() }
    }
}

/// Everything that differs; explanations only where nothing else does.
pub(crate) fn differences(a: &Answers, b: &Answers) -> Vec<Difference> {
    let mut found = Vec::new();
    given(&mut found, "timeouts", a.timeouts.as_ref(), b.timeouts.as_ref(), schedules);
    given(&mut found, "transitions", a.transitions.as_ref(), b.transitions.as_ref(), intents);
    for (one, other) in a.children.iter().zip(&b.children) {
        given(&mut found, "children", Some(&one.creations), Some(&other.creations), creations);
    }
    let has_substance = found.iter().any(|one| one.kind != Kind::WhyOnly);
    found.retain(|one| !has_substance || one.kind != Kind::WhyOnly);
    found
}

fn given<T>(
    found: &mut Vec<Difference>,
    slot: &str,
    a: Option<&Given<T>>,
    b: Option<&Given<T>>,
    compare: fn(&mut Vec<Difference>, &T, &T),
) {
    match (a, b) {
        (Some(Given::Answer(a)), Some(Given::Answer(b))) => compare(found, a, b),
        (Some(a), Some(b)) if a.fault() != b.fault() => {
            let what = |given: &Given<T>| given.fault().unwrap_or("an answer").to_owned();
            found.push(Difference::new(Kind::Fault, slot, what(a), what(b)));
        }
        _ => {}
    }
}

fn schedules(found: &mut Vec<Difference>, a: &Schedule, b: &Schedule) {
    let shown = |deadline: &Deadline| {
        let notice = deadline.notice.as_deref().map(|notice| format!(", notice {notice}")).unwrap_or_default();
        let Deadline { at, duration, on_expiry, .. } = deadline;
        format!("{} ms ({at}), {duration}, {on_expiry}{notice}", at.as_millis())
    };
    let of = |list: &[Deadline]| list.iter().map(|one| (one.phase.clone(), shown(one))).collect();
    by_name(found, Kind::Deadline, "deadline of", of(&a.deadlines), of(&b.deadlines));
    let of = |schedule: &Schedule| {
        schedule.budgets.iter().map(|one| (one.phase.clone(), one.duration.to_string())).collect()
    };
    by_name(found, Kind::Budget, "budget of", of(a), of(b));
    let deadlines =
        |schedule: &Schedule| schedule.deadlines.iter().map(|one| one.attributes.clone()).collect::<Vec<_>>();
    if (&a.why, &a.attributes, deadlines(a)) != (&b.why, &b.attributes, deadlines(b)) {
        found.push(Difference::new(Kind::WhyOnly, "explanation of timeouts", &a.why.text, &b.why.text));
    }
}

fn intents(found: &mut Vec<Difference>, a: &Intent, b: &Intent) {
    let bare = |intent: &Intent| Intent {
        why: trimtab_core::proposal::Explanation::default(),
        attributes: Vec::new(),
        ..intent.clone()
    };
    let (one, other) = (bare(a), bare(b));
    if one != other {
        let (one, other) = told(&one, &other);
        found.push(Difference::new(Kind::Intent, "intent", one, other));
    } else if (&a.why, &a.attributes) != (&b.why, &b.attributes) {
        found.push(Difference::new(Kind::WhyOnly, "explanation of transitions", &a.why.text, &b.why.text));
    }
}

/// The kind and every member that differs.
fn told(a: &Intent, b: &Intent) -> (String, String) {
    let members = |intent: &Intent| serde_json::to_value(intent).unwrap_or(Value::Null);
    let (one, other) = (members(a), members(b));
    let of = |mine: &Value, others: &Value| {
        let Some(members) = mine.as_object() else { return String::new() };
        let differ = members.iter().filter(|(key, value)| *key == "kind" || others.get(key.as_str()) != Some(*value));
        differ.map(|(key, value)| format!("{key} {value}")).collect::<Vec<_>>().join(", ")
    };
    (of(&one, &other), of(&other, &one))
}

fn creations(found: &mut Vec<Difference>, a: &Creations, b: &Creations) {
    let shown = |item: &Creation| {
        // Patches are compared as documents: spaces and the order of keys mean nothing.
        let patch = serde_json::from_str::<Value>(&item.patch).map_or_else(|_| item.patch.clone(), |it| it.to_string());
        if patch.is_empty() { "as standard".to_owned() } else { patch }
    };
    let of = |creations: &Creations| {
        creations
            .items
            .iter()
            .map(|item| (format!("{} {}", item.kind, item.purpose).trim().to_owned(), shown(item)))
            .collect()
    };
    by_name(found, Kind::Creation, "creation of", of(a), of(b));
    let items = |creations: &Creations| creations.items.iter().map(|one| one.attributes.clone()).collect::<Vec<_>>();
    if (&a.why, &a.attributes, items(a)) != (&b.why, &b.attributes, items(b)) {
        found.push(Difference::new(Kind::WhyOnly, "explanation of children", &a.why.text, &b.why.text));
    }
}

/// Compares two lists whose order means nothing.
fn by_name(
    found: &mut Vec<Difference>,
    kind: Kind,
    what: &str,
    mut a: Vec<(String, String)>,
    mut b: Vec<(String, String)>,
) {
    a.sort();
    b.sort();
    for (name, shown) in a.iter().filter(|one| !b.contains(one)) {
        let other = b.iter().find(|(other, _)| other == name).map(|(_, shown)| shown.as_str()).unwrap_or_default();
        found.push(Difference::new(kind, format!("{what} {name}"), shown, other));
    }
    for (name, shown) in b.iter().filter(|(name, _)| !a.iter().any(|(other, _)| other == name)) {
        found.push(Difference::new(kind, format!("{what} {name}"), "", shown));
    }
    if a.len() != b.len() && !found.iter().any(|one| one.kind == kind) {
        found.push(Difference::new(kind, format!("{what}: how many"), a.len().to_string(), b.len().to_string()));
    }
}
