//! Which remediations a set selects.

use std::sync::Arc;

use serde_json::json;
use trimtab_core::observation::Observation;
use trimtab_policy_engine::sets::Selector;

use crate::observations::observation;

fn selector(json: serde_json::Value) -> Selector {
    serde_json::from_value(json).unwrap()
}

fn seen() -> Observation {
    let mut seen = Observation::clone(&observation());
    seen.namespace = "payments".into();
    seen.severity = "critical".into();
    seen.signal_name = "OOMKilled".into();
    seen.target.kind = "Deployment".into();
    seen.cluster_id = "west".into();
    let mut object = (*seen.object).clone();
    object["metadata"]["labels"] = json!({"team": "billing", "tier": "1"});
    seen.object = Arc::new(object);
    seen
}

#[test]
fn every_criterion_must_hold_and_none_is_needed() {
    let whole = json!({
        "namespaces": ["payments", "orders"], "labels": {"team": "billing"}, "severities": ["critical"],
        "signals": ["OOMKilled"], "targetKinds": ["Deployment"], "clusterIds": ["west"],
    });
    assert!(Selector::default().selects(&seen()));
    assert!(selector(whole.clone()).selects(&seen()));
    assert_eq!(selector(whole.clone()).specificity(), 6);
    for (member, other) in [
        ("namespaces", json!(["orders"])),
        ("labels", json!({"team": "other"})),
        ("labels", json!({"absent": "billing"})),
        ("severities", json!(["warning"])),
        ("signals", json!(["DiskFull"])),
        ("targetKinds", json!(["StatefulSet"])),
        ("clusterIds", json!([""])),
    ] {
        let mut changed = whole.clone();
        changed[member] = other;
        assert!(!selector(changed).selects(&seen()), "{member}");
    }
}

#[test]
fn one_that_selects_whatever_another_does_covers_it() {
    let narrow = selector(json!({"namespaces": ["a"], "labels": {"x": "1"}}));
    let wide = selector(json!({"namespaces": ["a", "b"]}));
    assert!(wide.covers(&narrow) && !narrow.covers(&wide));
    assert!(Selector::default().covers(&wide) && !wide.covers(&Selector::default()));
    assert!(!selector(json!({"severities": ["critical"]})).covers(&wide));
}

#[test]
fn an_unknown_criterion_is_refused_by_name() {
    let error = serde_json::from_value::<Selector>(json!({"namespace": ["a"]})).unwrap_err();
    assert!(error.to_string().contains("namespace"), "{error}");
}
