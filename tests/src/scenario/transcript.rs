//! The transcript: what an onlooker saw of a scenario, in a form that can be compared line by line.

use serde_json::{Map, Value, json};
use trimtab_api::Kind;

use super::mask::Mask;
use super::recorder::{EVENT, Life, Seen};
use super::yaml;

/// What a transcript is made from.
#[derive(Debug, Clone, Default)]
pub struct Story {
    /// Every remediation, in the order of their creation.
    pub lives: Vec<Life>,
    /// Every other object of Kubernaut's kinds that exists at the end.
    pub children: Vec<Value>,
    /// Every event, in order.
    pub events: Vec<StepEvent>,
    /// The namespace, shown as such.
    pub namespace: String,
}

/// A Kubernetes event.
#[derive(Debug, Clone)]
pub struct StepEvent {
    /// Uid of the object that it is about.
    pub about: String,
    /// Normal or Warning.
    pub kind: String,
    /// Stable reason.
    pub reason: String,
    /// Text.
    pub note: String,
}

/// The children in the order in which a remediation gets them, then its notifications.
pub const ORDER: [Kind; 6] = [
    Kind::SignalProcessing,
    Kind::AIAnalysis,
    Kind::RemediationApprovalRequest,
    Kind::WorkflowExecution,
    Kind::EffectivenessAssessment,
    Kind::NotificationRequest,
];

impl Story {
    /// What a recorder has seen.
    pub fn of(seen: &Seen, namespace: &str) -> Self {
        let of_kind =
            |kind: Kind| seen.objects.iter().filter(move |((of, _), _)| of == kind.kind()).map(|(_, value)| value);
        let mut events: Vec<_> =
            seen.objects.iter().filter(|((kind, _), _)| kind == EVENT).map(|(_, event)| event).collect();
        // As their steps were taken: in virtual time several steps have one time, and those of one step are written at once.
        events.sort_by_key(|event| step_and_place(event));
        Self {
            lives: seen.lives.clone(),
            children: ORDER.into_iter().flat_map(of_kind).cloned().collect(),
            events: events.into_iter().map(StepEvent::of).collect(),
            namespace: namespace.to_owned(),
        }
    }

    /// The transcript.
    pub fn write(&self, mut mask: Mask) -> String {
        self.know(&mut mask);
        let remediations: Vec<Value> = self.lives.iter().map(|life| self.life(life, &mask)).collect();
        let children: Vec<Value> = self.children.iter().map(|child| object(child, &mask)).collect();
        let strange = self.events.iter().filter(|event| !self.lives.iter().any(|life| life.uid == event.about));
        let strange: Vec<Value> = strange.map(|event| event.show(&mask)).collect();
        let parts = [("remediations", remediations), ("children", children), ("otherEvents", strange)];
        parts
            .into_iter()
            .filter(|(_, list)| !list.is_empty())
            .map(|(name, list)| yaml::write(&json!({name: list})))
            .collect()
    }

    /// Uids are shown as the objects that they belong to, so that a wrong reference shows.
    fn know(&self, mask: &mut Mask) {
        mask.know(&self.namespace, "<namespace>".to_owned());
        for (nth, life) in self.lives.iter().enumerate() {
            let again = self.lives.iter().take(nth).filter(|earlier| earlier.name == life.name).count();
            let number = if again == 0 { String::new() } else { format!(" #{}", again + 1) };
            mask.know(&life.uid, format!("<uid of {}{number}>", life.name));
        }
        for child in &self.children {
            mask.know(&text(&child["metadata"]["uid"]), format!("<uid of {}>", text(&child["metadata"]["name"])));
        }
    }

    fn life(&self, life: &Life, mask: &Mask) -> Value {
        let phases: Vec<_> = life.phases.iter().map(|phase| if phase.is_empty() { "(none)" } else { phase }).collect();
        let own = self.events.iter().filter(|event| event.about == life.uid);
        let events: Vec<Value> = own.map(|event| event.show(mask)).collect();
        let mut shown = json!({"name": life.name, "phases": phases.join(" > "), "events": events});
        if life.is_gone {
            shown["isGone"] = Value::Bool(true);
        } else {
            shown["status"] = mask.object(&life.last)["status"].clone();
        }
        shown
    }
}

fn object(object: &Value, mask: &Mask) -> Value {
    let masked = mask.object(object);
    let mut shown = Map::new();
    shown.insert("kind".to_owned(), masked["kind"].clone());
    for member in ["name", "ownerReferences", "labels", "annotations", "finalizers"] {
        if let Some(value) = masked["metadata"].get(member) {
            shown.insert(member.to_owned(), value.clone());
        }
    }
    for member in ["spec", "status"] {
        if let Some(value) = masked.get(member) {
            shown.insert(member.to_owned(), value.clone());
        }
    }
    Value::Object(shown)
}

impl StepEvent {
    fn of(event: &Value) -> Self {
        Self {
            about: text(&event["regarding"]["uid"]),
            kind: text(&event["type"]),
            reason: text(&event["reason"]),
            note: text(&event["note"]),
        }
    }

    fn show(&self, mask: &Mask) -> Value {
        Value::String(format!("{} {}: {}", self.kind, self.reason, mask.text(&self.note)))
    }
}

/// Resource versions are decimal numbers that grow.
fn version(object: &Value) -> u64 {
    object["metadata"]["resourceVersion"].as_str().and_then(|version| version.parse().ok()).unwrap_or(0)
}

/// The step that an event tells of and its place among that step's events, which end its name; then its version.
fn step_and_place(event: &Value) -> (u64, u64, u64) {
    let name = event["metadata"]["name"].as_str().unwrap_or_default();
    let end = name.rsplit('.').next().and_then(|end| end.split_once('-'));
    let number = |text: &str| text.parse().unwrap_or(0);
    let (step, place) = end.map_or((0, 0), |(step, place)| (number(step), number(place)));
    (step, place, version(event))
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}
