//! From the derived schema to the structural one that kube-apiserver accepts, and that reads like Kubernaut's.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    JSONSchemaProps, JSONSchemaPropsOrArray, JSONSchemaPropsOrBool,
};
use schemars::{Schema, SchemaGenerator, json_schema};

/// Fields whose writer is known to send an explicit `null`; any other `null` is refused by the API server.
const NULLABLE: [&str; 1] = ["declaredParameterNames"];

/// What the API server does with a field that the schema does not name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum UnknownFields {
    /// It drops the field on write.
    Prune,
    /// It keeps the field, at every level below the root.
    Preserve,
}

/// Rewrites a derived root schema in place.
///
/// `Option` means "may be absent" here, never "may be null", so the derived `nullable` goes (except [`NULLABLE`]).
pub(crate) fn make_structural(root: &mut JSONSchemaProps, unknown: UnknownFields) {
    root.title = None;
    unwrap_description(root);
    for (name, property) in root.properties.iter_mut().flatten() {
        rewrite(name, property, unknown);
    }
}

fn rewrite(name: &str, schema: &mut JSONSchemaProps, unknown: UnknownFields) {
    schema.nullable = NULLABLE.contains(&name).then_some(true);
    unwrap_description(schema);
    if unknown == UnknownFields::Preserve && schema.properties.is_some() {
        schema.x_kubernetes_preserve_unknown_fields = Some(true);
    }
    for (child_name, child) in schema.properties.iter_mut().flatten() {
        rewrite(child_name, child, unknown);
    }
    match &mut schema.items {
        Some(JSONSchemaPropsOrArray::Schema(item)) => rewrite("", item, unknown),
        Some(JSONSchemaPropsOrArray::Schemas(items)) => {
            for item in items {
                rewrite("", item, unknown);
            }
        }
        None => {}
    }
    match &mut schema.additional_properties {
        Some(JSONSchemaPropsOrBool::Schema(value)) => rewrite("", value, unknown),
        // A map of any JSON: without a schema of its own the values would be pruned away.
        Some(values @ JSONSchemaPropsOrBool::Bool(true)) => {
            *values = JSONSchemaPropsOrBool::Schema(Box::new(JSONSchemaProps {
                x_kubernetes_preserve_unknown_fields: Some(true),
                ..JSONSchemaProps::default()
            }));
        }
        Some(JSONSchemaPropsOrBool::Bool(false)) | None => {}
    }
}

/// Joins the lines of a doc comment into paragraphs, for `kubectl explain`.
fn unwrap_description(schema: &mut JSONSchemaProps) {
    if let Some(description) = &mut schema.description {
        *description =
            description.split("\n\n").map(|paragraph| paragraph.replace('\n', " ")).collect::<Vec<_>>().join("\n\n");
    }
}

/// Schema of a field that holds any JSON value.
pub(crate) fn any_json(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "x-kubernetes-preserve-unknown-fields": true })
}

/// Schema of a field that holds a JSON object of which nothing is declared.
pub(crate) fn any_object(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "object", "x-kubernetes-preserve-unknown-fields": true })
}

/// Schema of a field that holds a list of such objects.
pub(crate) fn any_objects(generator: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "array", "items": any_object(generator) })
}

/// Schema of `status.conditions`: a list with one entry a condition type.
pub(crate) fn conditions(generator: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "array",
        "items": generator.subschema_for::<crate::Condition>(),
        "x-kubernetes-list-type": "map",
        "x-kubernetes-list-map-keys": ["type"],
    })
}
