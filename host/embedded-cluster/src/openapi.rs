//! `OpenAPI` v3 and v2 documents, as far as `kubectl apply` and `kubectl explain` read them.

use serde_json::{Map, Value, json};

use crate::kinds::{Registry, ResourceKind};

const OBJECT_META: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta";

/// The answer to `/openapi/v3`: where each group and version has its document.
pub(crate) fn index(registry: &Registry, revision: u64, base: &str) -> Value {
    let mut paths = Map::new();
    for (group, versions) in registry.groups() {
        for (version, _) in versions {
            let path = if group.is_empty() { format!("api/{version}") } else { format!("apis/{group}/{version}") };
            // The hash only has to change when the document may have changed.
            let url = format!("{base}/openapi/v3/{path}?hash={revision:X}");
            paths.insert(path, json!({ "serverRelativeURL": url }));
        }
    }
    json!({ "paths": paths })
}

/// The document of one group and version, where it is served.
pub(crate) fn document(
    registry: &Registry,
    definitions: &Map<String, Value>,
    group: &str,
    version: &str,
) -> Option<Value> {
    let kinds: Vec<&ResourceKind> = registry
        .all()
        .iter()
        .map(AsRef::as_ref)
        .filter(|kind| kind.name.group == group && kind.version == version)
        .collect();
    if kinds.is_empty() {
        return None;
    }
    let (mut paths, mut schemas) = (Map::new(), Map::new());
    for kind in kinds {
        let name = schema_name(kind);
        let mut schema = published(kind, definitions);
        schema["x-kubernetes-group-version-kind"] = json!([group_version_kind(kind)]);
        collect(&schema, definitions, &mut schemas);
        schemas.insert(name.clone(), schema);
        add_paths(&mut paths, kind, &format!("#/components/schemas/{name}"));
    }
    Some(json!({
        "openapi": "3.0.0",
        "info": {"title": "Kubernetes", "version": crate::routes::GIT_VERSION},
        "paths": paths,
        "components": {"schemas": schemas},
    }))
}

/// One document of everything, in the older form and as JSON.
pub(crate) fn document_v2(registry: &Registry, definitions: &Map<String, Value>) -> Value {
    let (mut paths, mut schemas) = (Map::new(), Map::new());
    for kind in registry.all() {
        let name = schema_name(kind);
        let mut schema = published(kind, definitions);
        schema["x-kubernetes-group-version-kind"] = json!([group_version_kind(kind)]);
        collect(&schema, definitions, &mut schemas);
        schemas.insert(name.clone(), schema);
        add_paths(&mut paths, kind, &format!("#/definitions/{name}"));
    }
    let text = json!({
        "swagger": "2.0",
        "info": {"title": "Kubernetes", "version": crate::routes::GIT_VERSION},
        "paths": paths,
        "definitions": schemas,
    })
    .to_string()
    .replace("#/components/schemas/", "#/definitions/");
    serde_json::from_str(&text).unwrap_or_default()
}

fn group_version_kind(kind: &ResourceKind) -> Value {
    json!({"group": kind.name.group, "version": kind.version, "kind": kind.kind})
}

/// `ai.kubernaut.v1alpha1.RemediationRequest`, or the upstream name of a built-in kind.
fn schema_name(kind: &ResourceKind) -> String {
    if let Some(reference) = kind.published["$ref"].as_str() {
        return reference.rsplit('/').next().unwrap_or(reference).to_owned();
    }
    let reversed: Vec<&str> = kind.name.group.rsplit('.').collect();
    format!("{}.{}.{}", reversed.join("."), kind.version, kind.kind)
}

fn published(kind: &ResourceKind, definitions: &Map<String, Value>) -> Value {
    if kind.published["$ref"].is_string() {
        return definitions.get(&schema_name(kind)).cloned().unwrap_or_else(|| json!({"type": "object"}));
    }
    let mut schema = (*kind.published).clone();
    if !schema.is_object() {
        schema = json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true});
    }
    if !schema["properties"].is_object() {
        schema["properties"] = json!({});
    }
    schema["properties"]["metadata"] = json!({
        "description": "Standard object's metadata. More info: https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md#metadata",
        "allOf": [{"$ref": format!("#/components/schemas/{OBJECT_META}")}],
    });
    for (member, words) in [
        ("apiVersion", "APIVersion defines the versioned schema of this representation of an object."),
        ("kind", "Kind is a string value representing the REST resource this object represents."),
    ] {
        if schema["properties"][member].is_null() {
            schema["properties"][member] = json!({"type": "string", "description": words});
        }
    }
    schema
}

/// Adds every definition that `schema` leads to.
fn collect(schema: &Value, definitions: &Map<String, Value>, schemas: &mut Map<String, Value>) {
    match schema {
        Value::Object(members) => {
            if let Some(reference) = members.get("$ref").and_then(Value::as_str) {
                let name = reference.rsplit('/').next().unwrap_or(reference);
                if !schemas.contains_key(name)
                    && let Some(target) = definitions.get(name)
                {
                    schemas.insert(name.to_owned(), target.clone());
                    collect(target, definitions, schemas);
                }
            }
            members.values().for_each(|member| collect(member, definitions, schemas));
        }
        Value::Array(items) => items.iter().for_each(|item| collect(item, definitions, schemas)),
        _ => {}
    }
}

fn add_paths(paths: &mut Map<String, Value>, kind: &ResourceKind, reference: &str) {
    let root = if kind.name.group.is_empty() {
        format!("/api/{}", kind.version)
    } else {
        format!("/apis/{}/{}", kind.name.group, kind.version)
    };
    let plural = &kind.name.plural;
    let collection = if kind.is_namespaced {
        paths.insert(format!("{root}/{plural}"), json!({"get": operation(kind, "list", None, &[])}));
        format!("{root}/namespaces/{{namespace}}/{plural}")
    } else {
        format!("{root}/{plural}")
    };
    let write = ["dryRun", "fieldManager", "fieldValidation"];
    let body = Some((reference, &["application/json", "application/yaml"][..]));
    let merge = ["application/json-patch+json", "application/merge-patch+json"];
    let strategic =
        ["application/json-patch+json", "application/merge-patch+json", "application/strategic-merge-patch+json"];
    // Strategic merge patch is published only where a client cannot know the kind by itself.
    let patches = if kind.is_built_in() { &strategic[..] } else { &merge[..] };
    paths.insert(
        collection.clone(),
        json!({
            "get": operation(kind, "list", None, &[]),
            "post": operation(kind, "post", body, &write),
            "delete": operation(kind, "deletecollection", None, &["dryRun"]),
        }),
    );
    let object = json!({
        "get": operation(kind, "get", None, &[]),
        "put": operation(kind, "put", body, &write),
        "patch": operation(kind, "patch", Some((reference, patches)), &write),
        "delete": operation(kind, "delete", None, &["dryRun", "propagationPolicy"]),
    });
    if kind.has_status {
        paths.insert(format!("{collection}/{{name}}/status"), object.clone());
    }
    paths.insert(format!("{collection}/{{name}}"), object);
}

fn operation(kind: &ResourceKind, action: &str, body: Option<(&str, &[&str])>, query: &[&str]) -> Value {
    let parameters: Vec<Value> = query
        .iter()
        .map(|name| json!({"name": name, "in": "query", "schema": {"type": "string", "uniqueItems": true}}))
        .collect();
    let mut operation = json!({
        "x-kubernetes-action": action,
        "x-kubernetes-group-version-kind": group_version_kind(kind),
        "parameters": parameters,
        "responses": {"200": {"description": "OK"}},
    });
    if let Some((reference, media)) = body {
        let content: Map<String, Value> =
            media.iter().map(|media| ((*media).to_owned(), json!({"schema": {"$ref": reference}}))).collect();
        operation["requestBody"] = json!({"content": content, "required": true});
    }
    operation
}
