//! From a `CustomResourceDefinition` to the kinds it declares.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::builtin::{age, selectable};
use super::{Cell, Column, Origin, ResourceKind, StorageKey};
use crate::failure::{FaultKind, FieldFault, ResourceName};
use crate::jsonpath::JsonPath;
use crate::schema::Schema;

/// The served kinds of a definition, one per version; the error says what cannot be understood.
pub(crate) fn kinds_of(definition: &Value) -> Result<Vec<ResourceKind>, String> {
    let spec = &definition["spec"];
    let versions = spec["versions"].as_array().map_or(&[][..], Vec::as_slice);
    versions.iter().filter(|version| version["served"] == true).map(|version| kind_of(spec, version)).collect()
}

fn kind_of(spec: &Value, version: &Value) -> Result<ResourceKind, String> {
    let names = &spec["names"];
    let group = text(spec, "group");
    let plural = text(names, "plural");
    let is_namespaced = spec["scope"] == "Namespaced";
    let published = version["schema"]["openAPIV3Schema"].clone();
    let preserved = spec["preserveUnknownFields"] == true || published.is_null();
    let schema = if preserved { Schema::anything() } else { Schema::parse(&published, &Map::new())? };
    let has_status = version["subresources"]["status"].is_object();
    let mut fields = selectable(is_namespaced, &[]);
    for field in list(version, "selectableFields") {
        let path = text(field, "jsonPath");
        let members = JsonPath::parse(&path).and_then(|path| path.members());
        let members = members.ok_or_else(|| format!("selectableFields: {path:?} is not a simple path"))?;
        fields.insert(members.join("."), members);
    }
    Ok(ResourceKind {
        version: text(version, "name"),
        kind: text(names, "kind"),
        singular: match text(names, "singular") {
            empty if empty.is_empty() => text(names, "kind").to_lowercase(),
            singular => singular,
        },
        short_names: words(names, "shortNames"),
        categories: words(names, "categories"),
        is_namespaced,
        has_status,
        origin: Origin::Definition,
        storage: StorageKey::new(&group, &plural),
        schema: Arc::new(schema),
        published: Arc::new(published),
        columns: columns(version),
        selectable: fields,
        name: ResourceName { group, plural },
    })
}

fn text(source: &Value, name: &str) -> String {
    source[name].as_str().unwrap_or_default().to_owned()
}

fn list<'a>(source: &'a Value, name: &str) -> &'a [Value] {
    source[name].as_array().map_or(&[], Vec::as_slice)
}

fn words(source: &Value, name: &str) -> Vec<String> {
    let words = list(source, name).iter();
    words.filter_map(|word| word.as_str().map(str::to_owned)).collect()
}

fn columns(version: &Value) -> Vec<Column> {
    let declared = list(version, "additionalPrinterColumns");
    if declared.is_empty() {
        return vec![age()];
    }
    declared
        .iter()
        .map(|column| Column {
            title: text(column, "name"),
            kind: text(column, "type"),
            format: text(column, "format"),
            description: text(column, "description"),
            priority: column["priority"].as_i64().unwrap_or(0),
            cell: JsonPath::parse(&text(column, "jsonPath")).map_or(Cell::Computed(|_, _| Value::Null), Cell::Path),
        })
        .collect()
}

/// What is wrong with a definition; empty when it can be served.
pub(crate) fn faults_of(definition: &Value) -> Vec<FieldFault> {
    let spec = &definition["spec"];
    let mut faults = Vec::new();
    let mut require = |value: &Value, path: &str| {
        if value.as_str().is_none_or(str::is_empty) {
            faults.push(FieldFault::new(FaultKind::Required, path, None, ""));
        }
    };
    require(&spec["group"], "spec.group");
    require(&spec["scope"], "spec.scope");
    require(&spec["names"]["plural"], "spec.names.plural");
    require(&spec["names"]["kind"], "spec.names.kind");
    let wanted = format!("{}.{}", text(&spec["names"], "plural"), text(spec, "group"));
    let name = &definition["metadata"]["name"];
    if name.as_str() != Some(wanted.as_str()) {
        let detail = format!("must be spec.names.plural+\".\"+spec.group, which is {wanted:?}");
        faults.push(FieldFault::new(FaultKind::Invalid, "metadata.name", Some(name.clone()), detail));
    }
    let versions = list(spec, "versions");
    let stored = versions.iter().filter(|version| version["storage"] == true).count();
    if stored != 1 {
        let detail = "must have exactly one version marked as storage version";
        faults.push(FieldFault::new(FaultKind::Invalid, "spec.versions", Some(json!(versions)), detail));
    }
    for (at, version) in versions.iter().enumerate() {
        if version["schema"]["openAPIV3Schema"].is_null() {
            let path = format!("spec.versions[{at}].schema.openAPIV3Schema");
            faults.push(FieldFault::new(FaultKind::Required, &path, None, "schemas are required"));
        }
    }
    if let Err(error) = kinds_of(definition) {
        faults.push(FieldFault::new(FaultKind::Invalid, "spec.versions", None, error));
    }
    faults
}

/// Whether a definition asks for conversion between its versions, which is outside of the fence.
pub(crate) fn is_converted(definition: &Value) -> bool {
    definition["spec"]["conversion"]["strategy"].as_str().is_some_and(|strategy| strategy != "None")
}

/// Fills what the server adds to a definition: list kind, singular, conversion, conditions.
pub(crate) fn complete(definition: &mut Value, now: &str) {
    let names = &mut definition["spec"]["names"];
    let kind = text(names, "kind");
    if names["listKind"].is_null() {
        names["listKind"] = json!(format!("{kind}List"));
    }
    if names["singular"].is_null() {
        names["singular"] = json!(kind.to_lowercase());
    }
    if definition["spec"]["conversion"].is_null() {
        definition["spec"]["conversion"] = json!({"strategy": "None"});
    }
    let accepted = definition["spec"]["names"].clone();
    let stored: Vec<Value> = list(&definition["spec"], "versions")
        .iter()
        .filter(|version| version["storage"] == true)
        .map(|version| version["name"].clone())
        .collect();
    let earlier = definition["status"]["conditions"].clone();
    let since = |kind: &str| {
        list(&json!({ "list": earlier }), "list")
            .iter()
            .find(|condition| condition["type"] == kind)
            .map_or(json!(now), |condition| condition["lastTransitionTime"].clone())
    };
    definition["status"] = json!({
        "acceptedNames": accepted,
        "storedVersions": stored,
        "conditions": [
            {"type": "NamesAccepted", "status": "True", "reason": "NoConflicts",
             "message": "no conflicts found", "lastTransitionTime": since("NamesAccepted")},
            {"type": "Established", "status": "True", "reason": "InitialNamesAccepted",
             "message": "the initial names have been accepted", "lastTransitionTime": since("Established")},
        ],
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_misnamed_definition_is_refused() {
        let definition = json!({"metadata": {"name": "wrong"}, "spec": {"group": "g.io", "scope": "Namespaced",
            "names": {"plural": "things", "kind": "Thing"},
            "versions": [{"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": {"type": "object"}}}]}});
        let faults = faults_of(&definition);
        assert_eq!(faults.len(), 1);
        assert_eq!(faults[0].path, "metadata.name");
    }
}
