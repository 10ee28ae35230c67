//! Hashes against known answers, computed by another program from the description of the algorithm.

use serde_json::json;

use super::*;

const OBJECT: &str = "sha256:7a0e33e9cf4636a9294675988255f5fae49977c8349511308d63f0c69171c99d";
const APP: &str = "sha256:c4e06507a13de558e5d088847439c13d3f2d5f38df3d0f04e929bb957582f519";
const GONE: &str = "sha256:81a6e3a0ddf5cd4d88f19c49b59389ee1c28cf4887958536998903556059ed0a";
const TOGETHER: &str = "sha256:5b0fe88506d0f7f2af038ba3e97bc0ebedc0824075b51d2aec4faac60fe639ef";

fn deployment() -> Value {
    json!({
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web", "generation": 7},
        "spec": {
            "replicas": 3,
            "selector": {"matchLabels": {"app": "web"}},
            "template": {
                "metadata": {"creationTimestamp": null, "labels": {"app": "web"}},
                "spec": {
                    "containers": [
                        {
                            "name": "web",
                            "image": "web:1",
                            "args": ["--b", "--a=<x>&y"],
                            "env": [
                                {"name": "B", "value": "2"},
                                {"name": "A", "valueFrom": {"configMapKeyRef": {"name": "app", "key": "a"}}},
                            ],
                            "envFrom": [{"configMapRef": {"name": "gone", "optional": true}}],
                            "resources": {"limits": {"cpu": 0.5, "memory": "256Mi"}},
                        },
                        {"name": "side", "image": "side:é"},
                    ],
                    "volumes": [{"name": "v", "configMap": {"name": "app", "defaultMode": 420}}],
                },
            },
        },
        "status": {"replicas": 3},
    })
}

#[test]
fn a_deployment_has_its_known_hash() {
    assert_eq!(fingerprint(&deployment()).as_deref(), Ok(OBJECT));
}

#[test]
fn what_does_not_say_what_an_object_does_is_passed_over() {
    let mut changed = deployment();
    changed["metadata"] = json!({"name": "web", "generation": 8, "annotations": {"a": "b"}});
    changed["status"] = json!({"replicas": 0});
    changed["apiVersion"] = json!("apps/v1beta1");
    changed["spec"]["template"]["spec"]["containers"].as_array_mut().unwrap().reverse();
    assert_eq!(fingerprint(&changed).as_deref(), Ok(OBJECT));
    changed["spec"]["replicas"] = json!(4);
    assert_ne!(fingerprint(&changed).as_deref(), Ok(OBJECT));
    assert_eq!(fingerprint(&json!([])), Err(HashFailure::NoObject));
}

#[test]
fn an_object_is_hashed_together_with_its_config_maps() {
    let names: Vec<_> = config_maps(&deployment(), "Deployment").unwrap().into_iter().collect();
    assert_eq!(names, ["app", "gone"]);
    let app = json!({"data": {"b": "x<y", "a": "1"}, "binaryData": {"z": "AAEC"}, "metadata": {"name": "app"}});
    assert_eq!(config_map_hash("app", Some(&app)), APP);
    assert_eq!(config_map_hash("gone", None), GONE);
    let parts = BTreeMap::from([("app".to_owned(), APP.to_owned()), ("gone".to_owned(), GONE.to_owned())]);
    assert_eq!(composite(OBJECT, &parts), TOGETHER);
    assert_eq!(composite(OBJECT, &BTreeMap::new()), OBJECT);
}

#[test]
fn a_config_map_of_another_form_counts_as_unreadable() {
    assert_eq!(config_map_hash("gone", Some(&json!({"data": {"a": 1}}))), GONE);
    assert_eq!(config_map_hash("gone", Some(&json!({"data": []}))), GONE);
    assert_eq!(config_map_hash("e", Some(&json!({}))), config_map_hash("f", Some(&json!({"data": null}))));
}

#[test]
fn every_place_of_a_pod_that_names_a_config_map_counts() {
    let pod = json!({
        "volumes": [
            {"configMap": {"name": "a"}},
            {"projected": {"sources": [{"configMap": {"name": "b"}}, {"secret": {"name": "no"}}]}},
            {"emptyDir": {}},
        ],
        "containers": [{"envFrom": [{"configMapRef": {"name": "c"}}, {"secretRef": {"name": "no"}}]}],
        "initContainers": [{"env": [{"valueFrom": {"configMapKeyRef": {"name": "d"}}}, {"value": "no"}]}],
        "ephemeralContainers": [{"envFrom": [{"configMapRef": {"name": "e"}}, {"configMapRef": {"name": ""}}]}],
    });
    let template = json!({"spec": {"template": {"spec": pod}}});
    let cron = json!({"spec": {"jobTemplate": {"spec": {"template": {"spec": pod}}}}});
    let all = ["a", "b", "c", "d", "e"].map(str::to_owned).into();
    assert_eq!(config_maps(&json!({"spec": pod}), "Pod").as_ref(), Ok(&all));
    assert_eq!(config_maps(&cron, "CronJob").as_ref(), Ok(&all));
    for kind in ["Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "Job"] {
        assert_eq!(config_maps(&template, kind).as_ref(), Ok(&all), "{kind}");
    }
    assert_eq!(config_maps(&template, "Service"), Ok(BTreeSet::new()), "a kind without pods");
    assert_eq!(config_maps(&json!({"spec": {"volumes": {"odd": 1}}}), "Pod"), Ok(BTreeSet::new()));
}

#[test]
fn the_number_of_config_maps_is_bounded() {
    let volumes: Vec<_> = (0..=CONFIG_MAPS_MAX).map(|nth| json!({"configMap": {"name": format!("m{nth}")}})).collect();
    let object = json!({"spec": {"volumes": volumes}});
    assert_eq!(config_maps(&object, "Pod"), Err(HashFailure::TooManyConfigMaps(CONFIG_MAPS_MAX + 1)));
}
