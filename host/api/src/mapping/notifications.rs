//! The notifications that a remediation refers to.

use std::sync::Arc;

use serde_json::Value;
use trimtab_core::json::{some_text, text};
use trimtab_core::observation::{NOTIFICATIONS_MAX, Notification};

/// Names of the notifications that are followed: the first references, in their order, each name once.
pub fn notification_names(remediation: &Value) -> Vec<String> {
    let references = remediation.pointer("/status/completionStatus/notificationRequestRefs").and_then(Value::as_array);
    let mut names: Vec<String> = Vec::new();
    for reference in references.into_iter().flatten() {
        match some_text(reference, "/name") {
            Some(name) if names.len() < NOTIFICATIONS_MAX && !names.iter().any(|known| known == name) => {
                names.push(name.to_owned());
            }
            _ => {}
        }
    }
    names
}

/// What is seen of them.
pub(super) fn observe(found: &[(String, Option<Arc<Value>>)]) -> Vec<Notification> {
    let seen = |object: &Option<Arc<Value>>, pointer: &str| {
        object.as_ref().map_or("", |object| text(object, pointer)).to_owned()
    };
    let observed = found.iter().map(|(name, object)| Notification {
        name: name.clone(),
        found: object.is_some(),
        phase: seen(object, "/status/phase"),
        message: seen(object, "/status/message"),
    });
    observed.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_first_ten_references_are_followed_each_once() {
        let references: Vec<_> = (0..12).flat_map(|n| vec![json!({"name": format!("nr-{n}")}); 2]).collect();
        let names =
            notification_names(&json!({"status": {"completionStatus": {"notificationRequestRefs": references}}}));
        assert_eq!(names.len(), NOTIFICATIONS_MAX);
        assert_eq!((names[0].as_str(), names[9].as_str()), ("nr-0", "nr-9"));
        assert_eq!(notification_names(&json!({})), Vec::<String>::new());
    }

    #[test]
    fn phase_and_message_are_seen_and_absence_is_too() {
        let sent = Arc::new(json!({"status": {"phase": "Failed", "message": "no route"}}));
        let seen = observe(&[("a".into(), Some(sent)), ("b".into(), None)]);
        let failed = Notification { name: "a".into(), found: true, phase: "Failed".into(), message: "no route".into() };
        assert_eq!(seen, [failed, Notification { name: "b".into(), ..Notification::default() }]);
    }
}
