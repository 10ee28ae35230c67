//! Object metadata: what clients may set, what the server sets, and what must be well-formed.

use std::sync::LazyLock;

use regex::Regex;
use serde_json::{Value, json};

use crate::failure::{FaultKind, FieldFault};
use crate::kinds::{BuiltIn, ResourceKind};

/// Longest object name, in bytes.
const NAME_BYTES_MAX: usize = 253;
/// Longest namespace name and label value, in bytes.
const LABEL_BYTES_MAX: usize = 63;
/// Most bytes of all annotations of an object.
const ANNOTATION_BYTES_MAX: usize = 256 * 1024;

static SUBDOMAIN: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$").ok());
static LABEL_VALUE: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"^(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?$").ok());
static LABEL_KEY: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"^([a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]$").ok());

fn shaped(shape: &LazyLock<Option<Regex>>, text: &str) -> bool {
    shape.as_ref().is_some_and(|shape| shape.is_match(text))
}

/// Whether two objects have members that must be texts, as decoding a real object demands.
/// The error names the first member that is not.
pub(crate) fn decodes(object: &Value) -> Result<(), String> {
    let metadata = &object["metadata"];
    if !metadata.is_null() && !metadata.is_object() {
        return Err("metadata must be an object".to_owned());
    }
    for member in ["labels", "annotations"] {
        let map = &metadata[member];
        let texts = map.as_object().is_some_and(|map| map.values().all(Value::is_string));
        if !map.is_null() && !texts {
            return Err(format!("metadata.{member}: every value must be a string"));
        }
    }
    for member in ["finalizers", "ownerReferences"] {
        if !metadata[member].is_null() && !metadata[member].is_array() {
            return Err(format!("metadata.{member} must be a list"));
        }
    }
    for member in ["name", "namespace", "generateName", "resourceVersion", "uid"] {
        if !metadata[member].is_null() && !metadata[member].is_string() {
            return Err(format!("metadata.{member} must be a string"));
        }
    }
    Ok(())
}

/// Removes what only the server keeps and empty members that clients send by habit.
pub(crate) fn normalise(object: &mut Value) {
    let Some(metadata) = object["metadata"].as_object_mut() else {
        return;
    };
    metadata.remove("managedFields");
    metadata.remove("selfLink");
    metadata.retain(|_, value| match value {
        Value::Null => false,
        Value::Object(map) => !map.is_empty(),
        Value::Array(list) => !list.is_empty(),
        _ => true,
    });
    if metadata.get("generateName") == Some(&json!("")) {
        metadata.remove("generateName");
    }
}

/// Everything wrong with the metadata of an object about to be stored.
pub(crate) fn faults(kind: &ResourceKind, object: &Value) -> Vec<FieldFault> {
    let metadata = &object["metadata"];
    let mut faults = Vec::new();
    if let Some(fault) = name_fault(kind, metadata["name"].as_str().unwrap_or_default()) {
        faults.push(fault);
    }
    label_faults(&metadata["labels"], &mut faults);
    let bytes: usize = metadata["annotations"]
        .as_object()
        .into_iter()
        .flatten()
        .map(|(key, value)| key.len() + value.as_str().map_or(0, str::len))
        .sum();
    if bytes > ANNOTATION_BYTES_MAX {
        let detail = format!("may not be more than {ANNOTATION_BYTES_MAX} bytes");
        faults.push(FieldFault::new(FaultKind::TooLong, "metadata.annotations", None, detail));
    }
    owner_faults(&metadata["ownerReferences"], &mut faults);
    faults
}

fn name_fault(kind: &ResourceKind, name: &str) -> Option<FieldFault> {
    let path = "metadata.name";
    if name.is_empty() {
        let detail = "name or generateName is required";
        return Some(FieldFault::new(FaultKind::Required, path, None, detail));
    }
    let is_label = kind.is(BuiltIn::Namespace);
    if is_label && (name.contains('.') || name.len() > LABEL_BYTES_MAX || !shaped(&SUBDOMAIN, name)) {
        let detail = "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')";
        return Some(FieldFault::new(FaultKind::Invalid, path, Some(json!(name)), detail));
    }
    if name.len() > NAME_BYTES_MAX || !shaped(&SUBDOMAIN, name) {
        let detail = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
        return Some(FieldFault::new(FaultKind::Invalid, path, Some(json!(name)), detail));
    }
    None
}

fn label_faults(labels: &Value, faults: &mut Vec<FieldFault>) {
    let path = "metadata.labels";
    for (key, value) in labels.as_object().into_iter().flatten() {
        if !shaped(&LABEL_KEY, key) {
            let detail = "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character";
            faults.push(FieldFault::new(FaultKind::Invalid, path, Some(json!(key)), detail));
        }
        let text = value.as_str().unwrap_or_default();
        if text.len() > LABEL_BYTES_MAX {
            let detail = format!("must be no more than {LABEL_BYTES_MAX} bytes");
            faults.push(FieldFault::new(FaultKind::Invalid, path, Some(json!(text)), detail));
        } else if !shaped(&LABEL_VALUE, text) {
            let detail = "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')";
            faults.push(FieldFault::new(FaultKind::Invalid, path, Some(json!(text)), detail));
        }
    }
}

fn owner_faults(owners: &Value, faults: &mut Vec<FieldFault>) {
    let path = "metadata.ownerReferences";
    let mut controllers: Vec<&str> = Vec::new();
    for (at, owner) in owners.as_array().into_iter().flatten().enumerate() {
        for (member, words) in [
            ("apiVersion", "version must not be empty"),
            ("kind", "must not be empty"),
            ("name", "must not be empty"),
            ("uid", "must not be empty"),
        ] {
            if owner[member].as_str().is_none_or(str::is_empty) {
                let path = format!("{path}[{at}].{member}");
                faults.push(FieldFault::new(FaultKind::Invalid, &path, Some(json!("")), words));
            }
        }
        if owner["controller"] == true {
            controllers.push(owner["name"].as_str().unwrap_or_default());
        }
    }
    if let [first, second, ..] = controllers.as_slice() {
        let detail = format!(
            "Only one reference can have Controller set to true. Found \"true\" in references for {first} and {second}"
        );
        faults.push(FieldFault::new(FaultKind::Invalid, path, Some(owners.clone()), detail));
    }
}

/// The names in `metadata.finalizers`.
pub(crate) fn finalizers(object: &Value) -> impl Iterator<Item = &str> {
    object["metadata"]["finalizers"].as_array().into_iter().flatten().filter_map(Value::as_str)
}

/// Whether deletion has been asked for.
pub(crate) fn is_deleting(object: &Value) -> bool {
    object["metadata"]["deletionTimestamp"].is_string()
}
