//! The verbs of the API through a `kube::Client` in process.

use crate::common::{open, refusal, widget, widgets};
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::{ConfigMap, Event, Namespace, Secret};
use k8s_openapi::api::events::v1::Event as EventsEvent;
use kube::ResourceExt;
use kube::api::{
    Api, DeleteParams, ListParams, Patch, PatchParams, PostParams, Preconditions, PropagationPolicy,
    ValidationDirective,
};
use serde_json::json;
use trimtab_embedded_cluster::ClusterConfig;

fn strict() -> PostParams {
    PostParams::default()
}

fn merge() -> PatchParams {
    PatchParams::default()
}

#[tokio::test]
async fn create_fills_what_the_server_owns_and_prunes_the_rest() {
    let api = widgets(&open(ClusterConfig::default()).client());
    let sent = widget("a", &json!({"colour": "red", "odd": 1})).data;
    let mut object = widget("a", &json!({"colour": "red", "odd": 1}));
    object.data["status"] = json!({"phase": "Mine"});
    let made = api.create(&strict(), &object).await.unwrap();
    assert_ne!(sent, made.data);
    assert_eq!(made.data, json!({"spec": {"colour": "red", "count": 1}}));
    assert_eq!(made.metadata.generation, Some(1));
    assert_eq!(made.namespace().as_deref(), Some("default"));
    assert!(made.uid().is_some() && made.metadata.creation_timestamp.is_some() && made.resource_version().is_some());
    let (code, reason, message) = refusal(api.create(&strict(), &object).await);
    assert_eq!((code, reason.as_str()), (409, "AlreadyExists"));
    assert_eq!(message, "widgets.example.test \"a\" already exists");
}

#[tokio::test]
async fn refusals_read_like_the_real_servers() {
    let client = open(ClusterConfig::default()).client();
    let api = widgets(&client);
    let (code, reason, message) = refusal(api.get("none").await);
    assert_eq!((code, reason.as_str(), message.as_str()), (404, "NotFound", "widgets.example.test \"none\" not found"));
    let (code, reason, message) = refusal(api.create(&strict(), &widget("a", &json!({}))).await);
    assert_eq!((code, reason.as_str()), (422, "Invalid"));
    assert_eq!(message, "Widget.example.test \"a\" is invalid: spec.colour: Required value");
    let (code, _, message) = refusal(api.create(&strict(), &widget("Bad_Name", &json!({"colour": "red"}))).await);
    assert_eq!(code, 422);
    assert!(message.contains("metadata.name: Invalid value: \"Bad_Name\""), "{message}");
    let lost: Api<ConfigMap> = Api::namespaced(client.clone(), "nowhere");
    let (code, _, message) = refusal(lost.create(&strict(), &named("x")).await);
    assert_eq!((code, message.as_str()), (404, "namespaces \"nowhere\" not found"));
}

fn named(name: &str) -> ConfigMap {
    serde_json::from_value(json!({"metadata": {"name": name}})).unwrap()
}

#[tokio::test]
async fn status_and_spec_are_written_apart() {
    let api = widgets(&open(ClusterConfig::default()).client());
    api.create(&strict(), &widget("a", &json!({"colour": "red"}))).await.unwrap();
    let both = json!({"spec": {"colour": "blue"}, "status": {"phase": "Busy"}, "metadata": {"labels": {"l": "1"}}});
    let by_status = api.patch_status("a", &merge(), &Patch::Merge(&both)).await.unwrap();
    assert_eq!(by_status.data["spec"]["colour"], "red");
    assert_eq!(by_status.data["status"]["phase"], "Busy");
    assert_eq!((by_status.metadata.generation, by_status.labels().len()), (Some(1), 0));
    let by_main = api
        .patch("a", &merge(), &Patch::Merge(&json!({"spec": {"colour": "blue"}, "status": {"phase": "Lost"}})))
        .await
        .unwrap();
    assert_eq!((&by_main.data["spec"]["colour"], &by_main.data["status"]["phase"]), (&json!("blue"), &json!("Busy")));
    assert_eq!(by_main.metadata.generation, Some(2));
    let (code, _, message) =
        refusal(api.patch_status("a", &merge(), &Patch::Merge(&json!({"status": {"at": "noon"}}))).await);
    assert_eq!(code, 422);
    assert!(message.contains("status.at in body must be of type date-time"), "{message}");
}

#[tokio::test]
async fn an_unchanged_write_keeps_the_resource_version() {
    let api = widgets(&open(ClusterConfig::default()).client());
    let made = api.create(&strict(), &widget("a", &json!({"colour": "red"}))).await.unwrap();
    let again = api.patch("a", &merge(), &Patch::Merge(&json!({"spec": {"colour": "red"}}))).await.unwrap();
    assert_eq!(made.resource_version(), again.resource_version());
}

#[tokio::test]
async fn a_stale_resource_version_is_a_conflict() {
    let api = widgets(&open(ClusterConfig::default()).client());
    let first = api.create(&strict(), &widget("a", &json!({"colour": "red"}))).await.unwrap();
    let mut second = first.clone();
    second.data["spec"]["colour"] = json!("green");
    api.replace("a", &strict(), &second).await.unwrap();
    let (code, reason, message) = refusal(api.replace("a", &strict(), &second).await);
    assert_eq!((code, reason.as_str()), (409, "Conflict"));
    assert!(
        message
            .starts_with("Operation cannot be fulfilled on widgets.example.test \"a\": the object has been modified")
    );
    let patch = json!({"metadata": {"resourceVersion": first.resource_version()}, "spec": {"colour": "blue"}});
    assert_eq!(refusal(api.patch("a", &merge(), &Patch::Merge(&patch)).await).0, 409);
    second.metadata.resource_version = None;
    let (code, _, message) = refusal(api.replace("a", &strict(), &second).await);
    assert_eq!(code, 422);
    assert!(message.contains("metadata.resourceVersion: Invalid value: 0"), "{message}");
}

#[tokio::test]
async fn patches_of_every_type_are_applied_or_refused_by_name() {
    let api = widgets(&open(ClusterConfig::default()).client());
    api.create(&strict(), &widget("a", &json!({"colour": "red", "code": "abc"}))).await.unwrap();
    let json_patch: json_patch::Patch =
        serde_json::from_value(json!([{"op": "replace", "path": "/spec/count", "value": 3}])).unwrap();
    let patched = api.patch("a", &merge(), &Patch::<()>::Json(json_patch)).await.unwrap();
    assert_eq!((&patched.data["spec"]["count"], patched.metadata.generation), (&json!(3), Some(2)));
    let strategic = Patch::Strategic(json!({"spec": {"count": 4}}));
    assert_eq!(refusal(api.patch("a", &merge(), &strategic).await).0, 415);
    let apply = Patch::Apply(json!({"apiVersion": "example.test/v1alpha1", "kind": "Widget"}));
    let (code, _, message) = refusal(api.patch("a", &PatchParams::apply("me"), &apply).await);
    assert_eq!(code, 501);
    assert!(message.contains("server-side apply"), "{message}");
    let (code, _, message) = refusal(api.patch("a", &merge(), &Patch::Merge(&json!({"spec": {"code": "xyz"}}))).await);
    assert_eq!(code, 422);
    assert_eq!(message, "Widget.example.test \"a\" is invalid: spec.code: Invalid value: \"xyz\": code is immutable");
}

#[tokio::test]
async fn strict_validation_names_unknown_fields() {
    let api = widgets(&open(ClusterConfig::default()).client());
    let params = PatchParams { field_validation: Some(ValidationDirective::Strict), ..merge() };
    api.create(&strict(), &widget("a", &json!({"colour": "red"}))).await.unwrap();
    let (code, _, message) = refusal(api.patch("a", &params, &Patch::Merge(&json!({"spec": {"x": 1}}))).await);
    assert_eq!(code, 422);
    assert!(message.contains("strict decoding error: unknown field \"spec.x\""), "{message}");
}

#[tokio::test]
async fn finalizers_hold_an_object_until_the_last_is_gone() {
    let api = widgets(&open(ClusterConfig::default()).client());
    let mut object = widget("a", &json!({"colour": "red"}));
    object.metadata.finalizers = Some(vec!["test/hold".into()]);
    api.create(&strict(), &object).await.unwrap();
    let marked = api.delete("a", &DeleteParams::default()).await.unwrap().left().expect("still there");
    assert!(marked.metadata.deletion_timestamp.is_some());
    assert_eq!(marked.metadata.generation, Some(2));
    let more = json!({"metadata": {"finalizers": ["test/hold", "test/more"]}});
    let (code, _, message) = refusal(api.patch("a", &merge(), &Patch::Merge(&more)).await);
    assert_eq!(code, 422);
    assert!(message.contains("no new finalizers can be added"), "{message}");
    api.patch("a", &merge(), &Patch::Merge(&json!({"metadata": {"finalizers": null}}))).await.unwrap();
    assert_eq!(refusal(api.get("a").await).0, 404);
}

#[tokio::test]
async fn deletion_obeys_preconditions() {
    let api = widgets(&open(ClusterConfig::default()).client());
    let made = api.create(&strict(), &widget("a", &json!({"colour": "red"}))).await.unwrap();
    let with = |uid: Option<String>, version: Option<String>| DeleteParams {
        preconditions: Some(Preconditions { uid, resource_version: version }),
        ..DeleteParams::default()
    };
    assert_eq!(refusal(api.delete("a", &with(Some("other".into()), None)).await).0, 409);
    assert_eq!(refusal(api.delete("a", &with(None, Some("1".into()))).await).0, 409);
    let gone = api.delete("a", &with(made.uid(), made.resource_version())).await.unwrap();
    assert_eq!(gone.right().expect("a Status").status.map(|status| format!("{status:?}")).as_deref(), Some("Success"));
}

async fn family(api: &Api<kube::api::DynamicObject>) {
    let owner = api.create(&strict(), &widget("owner", &json!({"colour": "red"}))).await.unwrap();
    for name in ["child-1", "child-2"] {
        let mut child = widget(name, &json!({"colour": "red"}));
        let reference = json!([{"apiVersion": "example.test/v1alpha1", "kind": "Widget", "name": "owner",
            "uid": owner.uid(), "controller": true, "blockOwnerDeletion": true}]);
        child.metadata.owner_references = serde_json::from_value(reference).unwrap();
        api.create(&strict(), &child).await.unwrap();
    }
}

#[tokio::test]
async fn dependents_follow_their_owner_or_are_orphaned() {
    for (policy, left) in
        [(PropagationPolicy::Background, 0), (PropagationPolicy::Foreground, 0), (PropagationPolicy::Orphan, 2)]
    {
        let api = widgets(&open(ClusterConfig::default()).client());
        family(&api).await;
        let params = DeleteParams { propagation_policy: Some(policy.clone()), ..DeleteParams::default() };
        api.delete("owner", &params).await.unwrap();
        let children = api.list(&ListParams::default()).await.unwrap().items;
        assert_eq!(children.len(), left, "{policy:?}");
        assert!(children.iter().all(|child| child.owner_references().is_empty()));
    }
}

#[tokio::test]
async fn a_foreground_owner_waits_for_a_held_dependent() {
    let api = widgets(&open(ClusterConfig::default()).client());
    family(&api).await;
    let hold = json!({"metadata": {"finalizers": ["test/hold"]}});
    api.patch("child-1", &merge(), &Patch::Merge(&hold)).await.unwrap();
    let params = DeleteParams { propagation_policy: Some(PropagationPolicy::Foreground), ..DeleteParams::default() };
    api.delete("owner", &params).await.unwrap();
    assert_eq!(api.get("owner").await.unwrap().finalizers(), ["foregroundDeletion"]);
    assert_eq!(refusal(api.get("child-2").await).0, 404);
    api.patch("child-1", &merge(), &Patch::Merge(&json!({"metadata": {"finalizers": null}}))).await.unwrap();
    assert_eq!(refusal(api.get("owner").await).0, 404);
}

#[tokio::test]
async fn a_namespace_takes_its_content_along() {
    let client = open(ClusterConfig::default()).client();
    let namespaces: Api<Namespace> = Api::all(client.clone());
    let space: Namespace = serde_json::from_value(json!({"metadata": {"name": "team"}})).unwrap();
    let made = namespaces.create(&strict(), &space).await.unwrap();
    assert_eq!(made.status.and_then(|status| status.phase).as_deref(), Some("Active"));
    let maps: Api<ConfigMap> = Api::namespaced(client.clone(), "team");
    let mut held = named("held");
    held.metadata.finalizers = Some(vec!["test/hold".into()]);
    maps.create(&strict(), &held).await.unwrap();
    maps.create(&strict(), &named("free")).await.unwrap();
    namespaces.delete("team", &DeleteParams::default()).await.unwrap();
    assert_eq!(maps.list(&ListParams::default()).await.unwrap().items.len(), 1);
    assert_eq!(refusal(maps.create(&strict(), &named("late")).await).0, 403);
    maps.patch("held", &merge(), &Patch::Merge(&json!({"metadata": {"finalizers": null}}))).await.unwrap();
    assert_eq!(refusal(namespaces.get("team").await).0, 404);
    assert_eq!(refusal(namespaces.delete("default", &DeleteParams::default()).await).0, 403);
}

#[tokio::test]
async fn lists_page_consistently_while_objects_change() {
    let api = widgets(&open(ClusterConfig::default()).client());
    for at in 0..5 {
        api.create(&strict(), &widget(&format!("w{at}"), &json!({"colour": "red"}))).await.unwrap();
    }
    let first = api.list(&ListParams::default().limit(2)).await.unwrap();
    assert_eq!(first.metadata.remaining_item_count, Some(3));
    api.delete("w3", &DeleteParams::default()).await.unwrap();
    api.create(&strict(), &widget("w9", &json!({"colour": "red"}))).await.unwrap();
    let token = first.metadata.continue_.clone().unwrap();
    let rest = api.list(&ListParams::default().limit(10).continue_token(&token)).await.unwrap();
    let names: Vec<String> = rest.items.iter().map(ResourceExt::name_any).collect();
    assert_eq!(names, ["w2", "w3", "w4"]);
    assert_eq!(rest.metadata.resource_version, first.metadata.resource_version);
    assert_eq!(rest.metadata.continue_.unwrap_or_default(), "");
}

#[tokio::test]
async fn an_old_continue_token_expires() {
    let api = widgets(&open(ClusterConfig { watch_history: 2, ..ClusterConfig::default() }).client());
    for at in 0..4 {
        api.create(&strict(), &widget(&format!("w{at}"), &json!({"colour": "red"}))).await.unwrap();
    }
    let first = api.list(&ListParams::default().limit(1)).await.unwrap();
    for at in 4..8 {
        api.create(&strict(), &widget(&format!("w{at}"), &json!({"colour": "red"}))).await.unwrap();
    }
    let token = first.metadata.continue_.unwrap();
    let (code, reason, _) = refusal(api.list(&ListParams::default().continue_token(&token)).await);
    assert_eq!((code, reason.as_str()), (410, "Expired"));
}

#[tokio::test]
async fn selectors_choose_by_label_and_declared_field() {
    let api = widgets(&open(ClusterConfig::default()).client());
    for (name, colour) in [("a", "red"), ("b", "blue")] {
        let mut object = widget(name, &json!({"colour": colour}));
        object.metadata.labels = Some([("is".to_owned(), colour.to_owned())].into());
        api.create(&strict(), &object).await.unwrap();
    }
    let names = async |params: ListParams| -> Vec<String> {
        let list = api.list(&params).await.unwrap();
        list.items.iter().map(ResourceExt::name_any).collect()
    };
    assert_eq!(names(ListParams::default().labels("is in (blue, green)")).await, ["b"]);
    assert_eq!(names(ListParams::default().fields("spec.colour=red")).await, ["a"]);
    assert_eq!(names(ListParams::default().fields("metadata.name!=a")).await, ["b"]);
    let (code, _, message) = refusal(api.list(&ListParams::default().fields("spec.count=1")).await);
    assert_eq!((code, message.as_str()), (400, "field label not supported: spec.count"));
    api.delete_collection(&DeleteParams::default(), &ListParams::default().labels("is=red")).await.unwrap();
    assert_eq!(names(ListParams::default()).await, ["b"]);
}

#[tokio::test]
async fn names_are_generated_and_dry_runs_leave_nothing() {
    let api = widgets(&open(ClusterConfig::default()).client());
    let mut object = widget("x", &json!({"colour": "red"}));
    object.metadata.name = None;
    object.metadata.generate_name = Some("w-".into());
    let made = api.create(&strict(), &object).await.unwrap();
    assert!(made.name_any().len() == 7 && made.name_any().starts_with("w-"));
    let dry = PostParams { dry_run: true, ..PostParams::default() };
    api.create(&dry, &widget("dry", &json!({"colour": "red"}))).await.unwrap();
    assert_eq!(refusal(api.get("dry").await).0, 404);
    let next = api.create(&strict(), &widget("next", &json!({"colour": "red"}))).await.unwrap();
    let number = |version: Option<String>| version.unwrap().parse::<u64>().unwrap();
    assert_eq!(number(next.resource_version()), number(made.resource_version()) + 1);
}

#[tokio::test]
async fn built_in_kinds_behave_as_their_own() {
    let client = open(ClusterConfig::default()).client();
    let secrets: Api<Secret> = Api::namespaced(client.clone(), "default");
    let secret: Secret = serde_json::from_value(json!({"metadata": {"name": "s"}, "stringData": {"k": "hi"}})).unwrap();
    let made = secrets.create(&strict(), &secret).await.unwrap();
    assert_eq!((made.type_.as_deref(), made.data.unwrap()["k"].0.as_slice()), (Some("Opaque"), b"hi".as_slice()));
    let maps: Api<ConfigMap> = Api::namespaced(client.clone(), "default");
    maps.create(&strict(), &named("m")).await.unwrap();
    let strategic = Patch::Strategic(json!({"data": {"a": "1"}, "immutable": true}));
    maps.patch("m", &merge(), &strategic).await.unwrap();
    assert_eq!(refusal(maps.patch("m", &merge(), &Patch::Merge(json!({"data": {"a": "2"}}))).await).0, 422);
    let leases: Api<Lease> = Api::namespaced(client.clone(), "default");
    let lease: Lease =
        serde_json::from_value(json!({"metadata": {"name": "l"}, "spec": {"holderIdentity": "me"}})).unwrap();
    let lease = leases.create(&strict(), &lease).await.unwrap();
    let mut newer = lease.clone();
    newer.spec.as_mut().unwrap().holder_identity = Some("you".into());
    leases.replace("l", &strict(), &newer).await.unwrap();
    assert_eq!(refusal(leases.replace("l", &strict(), &newer).await).0, 409);
}

#[tokio::test]
async fn events_of_both_versions_are_one_store() {
    let client = open(ClusterConfig::default()).client();
    let newer: Api<EventsEvent> = Api::namespaced(client.clone(), "default");
    let event = json!({"metadata": {"name": "e"}, "eventTime": "2026-01-01T00:00:00.000000Z", "action": "Do", "reason": "Because",
        "type": "Normal", "note": "hello", "reportingController": "c", "reportingInstance": "i",
        "regarding": {"kind": "Widget", "name": "a", "namespace": "default"}});
    newer.create(&strict(), &serde_json::from_value(event).unwrap()).await.unwrap();
    let older: Api<Event> = Api::namespaced(client.clone(), "default");
    let seen = older.list(&ListParams::default().fields("involvedObject.name=a,reason=Because")).await.unwrap();
    assert_eq!(seen.items[0].message.as_deref(), Some("hello"));
    let series = json!({"series": {"count": 2, "lastObservedTime": "2026-01-01T00:01:00.000000Z"}});
    let patched = newer.patch("e", &merge(), &Patch::Merge(series)).await.unwrap();
    assert_eq!(patched.series.map(|series| series.count), Some(2));
}

#[tokio::test]
async fn unenforced_rules_are_listed() {
    let cluster = open(ClusterConfig::default());
    assert_eq!(cluster.unenforced_rules(), ["Widget.spec.size: self < 100"]);
}

#[tokio::test]
async fn a_definition_serves_its_kind_as_soon_as_it_is_created() {
    use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
    let cluster = trimtab_embedded_cluster::EmbeddedCluster::open(ClusterConfig::default()).unwrap();
    let client = cluster.client();
    assert_eq!(refusal(widgets(&client).list(&ListParams::default()).await).0, 404);
    let definitions: Api<CustomResourceDefinition> = Api::all(client.clone());
    let made = definitions.create(&strict(), &crate::common::widget_definition()).await.unwrap();
    let conditions = made.status.unwrap().conditions.unwrap();
    assert!(conditions.iter().any(|condition| condition.type_ == "Established" && condition.status == "True"));
    widgets(&client).create(&strict(), &widget("a", &json!({"colour": "red"}))).await.unwrap();
    definitions.delete("widgets.example.test", &DeleteParams::default()).await.unwrap();
    assert_eq!(refusal(widgets(&client).list(&ListParams::default()).await).0, 404);
    assert_eq!(refusal(definitions.get("widgets.example.test").await).0, 404);
}
