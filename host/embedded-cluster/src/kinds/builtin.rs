//! The kinds that come with the server, and their columns.

use std::sync::Arc;

use k8s_openapi::api::apps::v1::{DaemonSet, Deployment, ReplicaSet, StatefulSet};
use k8s_openapi::api::batch::v1::{CronJob, Job};
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::{ConfigMap, Event, Namespace, Pod, Secret};
use k8s_openapi::api::events::v1::Event as EventsEvent;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

use super::{BuiltIn, Cell, Column, Origin, ResourceKind, StorageKey};
use crate::failure::ResourceName;
use crate::jsonpath::JsonPath;
use crate::schema::Schema;
use crate::selector::SelectableFields;
use crate::table::age_of;

/// The built-in kinds and the `OpenAPI` definitions that their schemas refer to.
#[derive(Debug, Clone)]
pub(crate) struct BuiltIns {
    pub(crate) kinds: Vec<Arc<ResourceKind>>,
    pub(crate) definitions: Arc<Map<String, Value>>,
}

/// Builds the table of built-in kinds; the error names a schema that does not parse.
pub(crate) fn built_ins() -> Result<BuiltIns, String> {
    let mut generator = SchemaSettings::openapi3().into_generator();
    let _ = generator.subschema_for::<ObjectMeta>();
    let sources = [
        source::<Namespace>(&mut generator),
        source::<ConfigMap>(&mut generator),
        source::<Secret>(&mut generator),
        source::<Event>(&mut generator),
        source::<EventsEvent>(&mut generator),
        source::<Lease>(&mut generator),
        source::<CustomResourceDefinition>(&mut generator),
        source::<Pod>(&mut generator),
        source::<Deployment>(&mut generator),
        source::<StatefulSet>(&mut generator),
        source::<DaemonSet>(&mut generator),
        source::<ReplicaSet>(&mut generator),
        source::<Job>(&mut generator),
        source::<CronJob>(&mut generator),
    ];
    let definitions = generator.take_definitions(true);
    let kinds = rows()
        .into_iter()
        .chain(workloads())
        .zip(sources)
        .map(|(row, source)| row.kind(&source, &definitions).map(Arc::new))
        .collect::<Result<_, _>>()?;
    Ok(BuiltIns { kinds, definitions: Arc::new(definitions) })
}

fn source<T: JsonSchema>(generator: &mut schemars::SchemaGenerator) -> Value {
    generator.subschema_for::<T>().to_value()
}

struct Row {
    built_in: BuiltIn,
    group: &'static str,
    plural: &'static str,
    kind: &'static str,
    short_names: &'static [&'static str],
    is_namespaced: bool,
    has_status: bool,
    columns: Vec<Column>,
    selectable: &'static [&'static str],
}

impl Row {
    fn kind(self, source: &Value, definitions: &Map<String, Value>) -> Result<ResourceKind, String> {
        let mut schema =
            Schema::parse(source, definitions).map_err(|error| format!("schema of {}: {error}", self.kind))?;
        // Metadata is checked by the server itself, the same for every kind.
        schema.properties.remove("metadata");
        schema.required.clear();
        let storage = match self.built_in {
            BuiltIn::EventsEvent => StorageKey::new("", "events"),
            _ => StorageKey::new(self.group, self.plural),
        };
        Ok(ResourceKind {
            name: ResourceName { group: self.group.to_owned(), plural: self.plural.to_owned() },
            version: "v1".to_owned(),
            kind: self.kind.to_owned(),
            singular: self.kind.to_lowercase(),
            short_names: self.short_names.iter().map(ToString::to_string).collect(),
            categories: match self.built_in {
                BuiltIn::Definition => vec!["api-extensions".to_owned()],
                _ => Vec::new(),
            },
            is_namespaced: self.is_namespaced,
            has_status: self.has_status,
            origin: Origin::BuiltIn(self.built_in),
            storage,
            schema: Arc::new(schema),
            published: Arc::new(source.clone()),
            columns: self.columns,
            selectable: selectable(self.is_namespaced, self.selectable),
        })
    }
}

/// The selectable fields that every kind has, and more of its own.
pub(super) fn selectable(is_namespaced: bool, more: &[&str]) -> SelectableFields {
    let mut fields = SelectableFields::new();
    let mut declare = |path: &str| {
        fields.insert(path.to_owned(), path.split('.').map(str::to_owned).collect());
    };
    declare("metadata.name");
    if is_namespaced {
        declare("metadata.namespace");
    }
    for path in more {
        declare(path);
    }
    fields
}

fn rows() -> Vec<Row> {
    let row = |built_in, group, plural, kind| Row {
        built_in,
        group,
        plural,
        kind,
        short_names: &[],
        is_namespaced: true,
        has_status: false,
        columns: vec![age()],
        selectable: &[],
    };
    vec![
        Row {
            short_names: &["ns"],
            is_namespaced: false,
            has_status: true,
            columns: vec![path_column("Status", ".status.phase"), age()],
            selectable: &["status.phase"],
            ..row(BuiltIn::Namespace, "", "namespaces", "Namespace")
        },
        Row {
            short_names: &["cm"],
            columns: vec![computed("Data", "integer", count_of_data), age()],
            ..row(BuiltIn::ConfigMap, "", "configmaps", "ConfigMap")
        },
        Row {
            columns: vec![path_column("Type", ".type"), computed("Data", "integer", count_of_data), age()],
            selectable: &["type"],
            ..row(BuiltIn::Secret, "", "secrets", "Secret")
        },
        Row {
            short_names: &["ev"],
            columns: event_columns(),
            selectable: &EVENT_FIELDS,
            ..row(BuiltIn::CoreEvent, "", "events", "Event")
        },
        Row {
            short_names: &["ev"],
            columns: event_columns(),
            ..row(BuiltIn::EventsEvent, "events.k8s.io", "events", "Event")
        },
        Row {
            columns: vec![path_column("Holder", ".spec.holderIdentity"), age()],
            ..row(BuiltIn::Lease, "coordination.k8s.io", "leases", "Lease")
        },
        Row {
            short_names: &["crd", "crds"],
            is_namespaced: false,
            has_status: true,
            columns: vec![path_column("Created At", ".metadata.creationTimestamp")],
            ..row(BuiltIn::Definition, "apiextensions.k8s.io", "customresourcedefinitions", "CustomResourceDefinition")
        },
    ]
}

/// Pods and what makes them, in the order of their sources.
fn workloads() -> impl Iterator<Item = Row> {
    let names: [(&str, &str, &str, &'static [&'static str]); 7] = [
        ("", "pods", "Pod", &["po"]),
        ("apps", "deployments", "Deployment", &["deploy"]),
        ("apps", "statefulsets", "StatefulSet", &["sts"]),
        ("apps", "daemonsets", "DaemonSet", &["ds"]),
        ("apps", "replicasets", "ReplicaSet", &["rs"]),
        ("batch", "jobs", "Job", &[]),
        ("batch", "cronjobs", "CronJob", &["cj"]),
    ];
    names.into_iter().map(|(group, plural, kind, short_names)| Row {
        built_in: BuiltIn::Workload,
        group,
        plural,
        kind,
        short_names,
        is_namespaced: true,
        has_status: true,
        columns: vec![age()],
        selectable: &[],
    })
}

const EVENT_FIELDS: [&str; 11] = [
    "involvedObject.kind",
    "involvedObject.namespace",
    "involvedObject.name",
    "involvedObject.uid",
    "involvedObject.apiVersion",
    "involvedObject.resourceVersion",
    "involvedObject.fieldPath",
    "reason",
    "reportingComponent",
    "source.component",
    "type",
];

fn path_column(title: &str, path: &str) -> Column {
    let cell = JsonPath::parse(path).map_or(Cell::Computed(|_, _| Value::Null), Cell::Path);
    Column {
        title: title.to_owned(),
        kind: "string".to_owned(),
        format: String::new(),
        description: String::new(),
        priority: 0,
        cell,
    }
}

fn computed(title: &str, kind: &str, cell: fn(&Value, i64) -> Value) -> Column {
    Column { kind: kind.to_owned(), cell: Cell::Computed(cell), ..path_column(title, "") }
}

/// The age column: how long ago the object was created.
pub(super) fn age() -> Column {
    computed("Age", "string", |object, now| json!(age_of(&object["metadata"]["creationTimestamp"], now)))
}

fn count_of_data(object: &Value, _: i64) -> Value {
    let count = |member: &str| object[member].as_object().map_or(0, Map::len);
    json!(count("data") + count("binaryData"))
}

fn event_columns() -> Vec<Column> {
    let wide = |column: Column| Column { priority: 1, ..column };
    vec![
        computed("Last Seen", "string", |event, now| {
            json!(age_of(
                first_set(
                    event,
                    &["/series/lastObservedTime", "/lastTimestamp", "/eventTime", "/metadata/creationTimestamp"]
                ),
                now
            ))
        }),
        path_column("Type", ".type"),
        path_column("Reason", ".reason"),
        computed("Object", "string", |event, _| {
            let about = first_set(event, &["/involvedObject", "/regarding"]);
            let kind = about["kind"].as_str().unwrap_or_default().to_lowercase();
            json!(format!("{kind}/{}", about["name"].as_str().unwrap_or_default()))
        }),
        wide(computed("Source", "string", |event, _| {
            first_set(event, &["/source/component", "/reportingComponent", "/reportingController"]).clone()
        })),
        computed("Message", "string", |event, _| {
            let message = first_set(event, &["/message", "/note"]);
            json!(message.as_str().unwrap_or_default().trim())
        }),
        wide(computed("First Seen", "string", |event, now| {
            json!(age_of(first_set(event, &["/firstTimestamp", "/eventTime", "/metadata/creationTimestamp"]), now))
        })),
        wide(computed("Count", "string", |event, _| {
            let count = first_set(event, &["/series/count", "/count"]).as_i64().unwrap_or(1);
            json!(count.to_string())
        })),
        wide(path_column("Name", ".metadata.name")),
    ]
}

fn first_set<'a>(object: &'a Value, pointers: &[&str]) -> &'a Value {
    let set = |value: &&Value| !value.is_null() && value.as_str() != Some("");
    pointers.iter().find_map(|pointer| object.pointer(pointer).filter(set)).unwrap_or(&Value::Null)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_built_in_schema_parses() {
        let built_ins = built_ins().unwrap();
        assert_eq!(built_ins.kinds.len(), 14);
        let config_map = &built_ins.kinds[1];
        assert!(config_map.schema.properties.contains_key("data"));
        let definition = &built_ins.kinds[6];
        assert!(definition.schema.properties["spec"].properties.contains_key("versions"));
        let workloads = built_ins.kinds.iter().filter(|kind| kind.is(BuiltIn::Workload));
        for kind in workloads {
            assert!(kind.schema.properties.contains_key("spec"), "{}", kind.kind);
        }
    }
}
