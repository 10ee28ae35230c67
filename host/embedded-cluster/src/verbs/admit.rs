//! What every written object goes through: decoding, pruning, defaulting, validation.

use base64::Engine as _;
use serde_json::{Value, json};

use super::{FieldValidation, Target, WriteOptions};
use crate::failure::{Failure, FaultKind, FieldFault};
use crate::kinds::{BuiltIn, definition};
use crate::metadata;
use crate::schema::defaulting::apply_defaults;
use crate::schema::prune::prune_object;
use crate::schema::validate::validate;

/// Whether the object came whole or out of a patch: the two are refused in different words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Source {
    Body,
    Patch,
}

/// Checks kind and shape of a served object, prunes it, and answers warnings.
pub(crate) fn decode(
    target: &Target,
    object: &mut Value,
    source: Source,
    options: WriteOptions,
) -> Result<Vec<String>, Failure> {
    check_type(target, object)?;
    let kind = &target.kind;
    let label = format!("{} in version {:?} cannot be handled as a {}", kind.kind, kind.version, kind.kind);
    metadata::decodes(object).map_err(|why| Failure::bad_request(format!("{label}: {why}")))?;
    let before = (source == Source::Patch).then(|| object.to_string());
    let dropped = if kind.is(BuiltIn::Definition) { Vec::new() } else { prune_object(&kind.schema, object) };
    metadata::normalise(object);
    let unknown: Vec<String> = dropped.iter().map(|path| format!("unknown field {path:?}")).collect();
    match (options.field_validation, before) {
        (FieldValidation::Ignore, _) => Ok(Vec::new()),
        (FieldValidation::Warn, _) => Ok(unknown),
        (FieldValidation::Strict, _) if unknown.is_empty() => Ok(unknown),
        (FieldValidation::Strict, None) => {
            Err(Failure::bad_request(format!("{label}: strict decoding error: {}", unknown.join(", "))))
        }
        (FieldValidation::Strict, Some(before)) => {
            let detail = format!("strict decoding error: {}", unknown.join(", "));
            let fault = FieldFault::new(FaultKind::Invalid, "patch", Some(json!(before)), detail);
            Err(Failure::invalid("", "", "", &[fault]))
        }
    }
}

fn check_type(target: &Target, object: &mut Value) -> Result<(), Failure> {
    let kind = &target.kind;
    if !object.is_object() {
        return Err(Failure::bad_request(format!(
            "the object provided is not a JSON object; expected a {}",
            kind.kind
        )));
    }
    let api_version = kind.api_version();
    for (member, wanted) in [("kind", kind.kind.as_str()), ("apiVersion", api_version.as_str())] {
        match object[member].as_str() {
            // The real server fills these for the kinds it knows natively.
            None | Some("") if kind.is_built_in() => object[member] = json!(wanted),
            None | Some("") => {
                return Err(Failure::bad_request(format!("Object '{member}' is missing in '{object}'")));
            }
            Some(found) if found != wanted && member == "apiVersion" => {
                return Err(Failure::bad_request(format!(
                    "the API version in the data ({found}) does not match the expected API version ({wanted})"
                )));
            }
            Some(found) if found != wanted => {
                return Err(Failure::bad_request(format!(
                    "{found} in version {:?} cannot be handled as a {wanted}: no kind {found:?} is registered for version {api_version:?}",
                    kind.version
                )));
            }
            Some(_) => {}
        }
    }
    if object["metadata"].is_null() {
        object["metadata"] = json!({});
    }
    Ok(())
}

/// Fills defaults: the schema's, and those of the built-in kinds.
pub(crate) fn default(target: &Target, object: &mut Value, now: &str) {
    let kind = &target.kind;
    apply_defaults(&kind.schema, object);
    match kind.origin {
        crate::kinds::Origin::BuiltIn(BuiltIn::Secret) => default_secret(object),
        crate::kinds::Origin::BuiltIn(BuiltIn::Definition) => definition::complete(object, now),
        crate::kinds::Origin::BuiltIn(BuiltIn::Namespace) => default_namespace(object),
        _ => {}
    }
}

fn default_secret(object: &mut Value) {
    if object["type"].is_null() {
        object["type"] = json!("Opaque");
    }
    let Some(Value::Object(texts)) = object.as_object_mut().and_then(|secret| secret.remove("stringData")) else {
        return;
    };
    if !texts.is_empty() && !object["data"].is_object() {
        object["data"] = json!({});
    }
    for (key, text) in texts {
        let bytes = text.as_str().unwrap_or_default().as_bytes();
        object["data"][key] = json!(base64::engine::general_purpose::STANDARD.encode(bytes));
    }
}

fn default_namespace(object: &mut Value) {
    let name = object["metadata"]["name"].clone();
    if !object["metadata"]["labels"].is_object() {
        object["metadata"]["labels"] = json!({});
    }
    object["metadata"]["labels"]["kubernetes.io/metadata.name"] = name;
    if !object["status"].is_object() {
        object["status"] = json!({"phase": "Active"});
    }
}

/// Refuses an object that breaks a rule; `old` is the served form of what it replaces.
pub(crate) fn check(target: &Target, object: &Value, old: Option<&Value>) -> Result<(), Failure> {
    let kind = &target.kind;
    let name = object["metadata"]["name"].as_str().unwrap_or_default();
    if kind.is(BuiltIn::Definition) && definition::is_converted(object) {
        return Err(Failure::not_implemented("conversion between versions"));
    }
    let mut faults = metadata::faults(kind, object);
    let broken =
        if kind.is(BuiltIn::Definition) { definition::faults_of(object) } else { validate(&kind.schema, object, old) };
    if kind.is_built_in()
        && !kind.is(BuiltIn::Definition)
        && let Some(first) = broken.first()
    {
        // Native kinds fail while they are decoded, not in validation.
        return Err(Failure::bad_request(format!(
            "{} in version {:?} cannot be handled as a {}: {first}",
            kind.kind, kind.version, kind.kind
        )));
    }
    faults.extend(broken);
    immutable_faults(target, object, old, &mut faults);
    if faults.is_empty() {
        return Ok(());
    }
    Err(Failure::invalid(&kind.kind, &kind.name.group, name, &faults))
}

/// Rules of native kinds that no schema says.
fn immutable_faults(target: &Target, object: &Value, old: Option<&Value>, faults: &mut Vec<FieldFault>) {
    let kind = &target.kind;
    let forbidden = |path: &str| {
        let detail = "field is immutable when `immutable` is set";
        FieldFault::new(FaultKind::Forbidden, path, None, detail)
    };
    if (kind.is(BuiltIn::ConfigMap) || kind.is(BuiltIn::Secret))
        && let Some(old) = old.filter(|old| old["immutable"] == true)
    {
        for member in ["data", "binaryData", "immutable"] {
            if old[member] != object[member] {
                faults.push(forbidden(member));
            }
        }
    }
    if kind.is(BuiltIn::CoreEvent) || kind.is(BuiltIn::EventsEvent) {
        let (about, member) = if kind.is(BuiltIn::CoreEvent) {
            (&object["involvedObject"], "involvedObject.namespace")
        } else {
            (&object["regarding"], "regarding.namespace")
        };
        let about = about["namespace"].as_str().unwrap_or_default();
        let fits = about == target.namespace || (about.is_empty() && target.namespace == "default");
        if !fits {
            let detail = "does not match event.namespace";
            faults.push(FieldFault::new(FaultKind::Invalid, member, Some(json!(about)), detail));
        }
    }
}
