//! Structural schemas: parsed once, then asked to prune, default and validate.

pub(crate) mod defaulting;
pub(crate) mod format;
pub(crate) mod prune;
pub(crate) mod rules;
pub(crate) mod validate;

use std::collections::BTreeMap;

use regex::Regex;
use serde_json::{Map, Value};

use self::format::Format;
use self::rules::Rule;

/// Deepest nesting of a schema; below it everything is preserved as it is.
const DEPTH_MAX: usize = 64;

/// One node of a structural schema.
#[expect(clippy::struct_excessive_bools, reason = "each is a keyword of the schema language, and all combine")]
#[derive(Debug, Clone, Default)]
pub(crate) struct Schema {
    pub(crate) kind: Option<SchemaType>,
    pub(crate) properties: BTreeMap<String, Schema>,
    /// Schema of the members that are not in `properties`.
    pub(crate) additional: Option<Box<Schema>>,
    /// `additionalProperties: true`: members are kept unseen.
    pub(crate) additional_any: bool,
    pub(crate) items: Option<Box<Schema>>,
    pub(crate) required: Vec<String>,
    pub(crate) choices: Option<Vec<Value>>,
    pub(crate) pattern: Option<Regex>,
    pub(crate) format: Option<Format>,
    pub(crate) bounds: Bounds,
    pub(crate) nullable: bool,
    pub(crate) default: Option<Value>,
    pub(crate) preserve_unknown: bool,
    pub(crate) embedded_resource: bool,
    pub(crate) int_or_string: bool,
    pub(crate) list: ListType,
    pub(crate) rules: Vec<Rule>,
    pub(crate) all_of: Vec<Schema>,
    pub(crate) any_of: Vec<Schema>,
    pub(crate) one_of: Vec<Schema>,
    pub(crate) not: Option<Box<Schema>>,
}

/// JSON type of a schema node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SchemaType {
    Object,
    Array,
    String,
    Integer,
    Number,
    Boolean,
}

impl SchemaType {
    fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "object" => Self::Object,
            "array" => Self::Array,
            "string" => Self::String,
            "integer" => Self::Integer,
            "number" => Self::Number,
            "boolean" => Self::Boolean,
            _ => return None,
        })
    }

    /// The name in schemas and messages.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Object => "object",
            Self::Array => "array",
            Self::String => "string",
            Self::Integer => "integer",
            Self::Number => "number",
            Self::Boolean => "boolean",
        }
    }
}

/// Numeric, length and count bounds, all inclusive unless said otherwise.
#[derive(Debug, Clone, Default)]
pub(crate) struct Bounds {
    pub(crate) minimum: Option<f64>,
    pub(crate) maximum: Option<f64>,
    pub(crate) exclusive_minimum: bool,
    pub(crate) exclusive_maximum: bool,
    pub(crate) multiple_of: Option<f64>,
    pub(crate) min_length: Option<u64>,
    pub(crate) max_length: Option<u64>,
    pub(crate) min_items: Option<u64>,
    pub(crate) max_items: Option<u64>,
    pub(crate) unique_items: bool,
    pub(crate) min_properties: Option<u64>,
    pub(crate) max_properties: Option<u64>,
}

/// How the items of a list are told apart.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) enum ListType {
    #[default]
    Atomic,
    Set,
    Map(Vec<String>),
}

impl Schema {
    /// A node that keeps and accepts everything.
    pub(crate) fn anything() -> Self {
        Self { preserve_unknown: true, nullable: true, ..Self::default() }
    }

    /// Parses a schema; `definitions` resolves `$ref` by the last path segment.
    /// The error names the path and what cannot be understood there.
    pub(crate) fn parse(source: &Value, definitions: &Map<String, Value>) -> Result<Self, String> {
        Parser { definitions, open: Vec::new() }.node(source, "")
    }

    /// The texts of all rules below this node that are not enforced, with their paths.
    pub(crate) fn unenforced_rules(&self, path: &str, found: &mut Vec<String>) {
        for rule in self.rules.iter().filter(|rule| !rule.is_enforced()) {
            found.push(format!("{path}: {}", rule.text));
        }
        for (name, child) in &self.properties {
            child.unenforced_rules(&format!("{path}.{name}"), found);
        }
        if let Some(child) = &self.items {
            child.unenforced_rules(&format!("{path}[]"), found);
        }
        if let Some(child) = &self.additional {
            child.unenforced_rules(&format!("{path}.*"), found);
        }
    }
}

struct Parser<'a> {
    definitions: &'a Map<String, Value>,
    /// Names of the references being resolved: a second visit is a cycle.
    open: Vec<String>,
}

impl Parser<'_> {
    fn node(&mut self, source: &Value, path: &str) -> Result<Schema, String> {
        if path.matches(['.', '[']).count() > DEPTH_MAX {
            return Ok(Schema::anything());
        }
        if let Some(reference) = reference_of(source) {
            return self.reference(reference, path);
        }
        let mut schema = scalars(source, path)?;
        for (name, child) in members(source, "properties") {
            let child = self.node(child, &format!("{path}.{name}"))?;
            schema.properties.insert(name.clone(), child);
        }
        match source.get("additionalProperties") {
            Some(Value::Bool(allowed)) => schema.additional_any = *allowed,
            Some(child @ Value::Object(_)) => {
                schema.additional = Some(Box::new(self.node(child, &format!("{path}.*"))?));
            }
            _ => {}
        }
        if let Some(child @ Value::Object(_)) = source.get("items") {
            schema.items = Some(Box::new(self.node(child, &format!("{path}[]"))?));
        }
        schema.all_of = self.nodes(source, "allOf", path)?;
        schema.any_of = self.nodes(source, "anyOf", path)?;
        schema.one_of = self.nodes(source, "oneOf", path)?;
        if let Some(child @ Value::Object(_)) = source.get("not") {
            schema.not = Some(Box::new(self.node(child, path)?));
        }
        Ok(schema)
    }

    fn nodes(&mut self, source: &Value, member: &str, path: &str) -> Result<Vec<Schema>, String> {
        let list = source.get(member).and_then(Value::as_array);
        list.into_iter().flatten().map(|child| self.node(child, path)).collect()
    }

    fn reference(&mut self, reference: &str, path: &str) -> Result<Schema, String> {
        let name = reference.rsplit('/').next().unwrap_or(reference);
        let short = name.rsplit('.').next().unwrap_or(name);
        let any_json = short == "JSON" || short.starts_with("JSONSchemaProps") || short == "FieldsV1";
        if any_json || self.open.iter().any(|open| open == name) {
            return Ok(Schema::anything());
        }
        let Some(target) = self.definitions.get(name) else {
            return Err(format!("{path}: unknown reference {reference:?}"));
        };
        self.open.push(name.to_owned());
        let schema = self.node(target, path);
        self.open.pop();
        schema
    }
}

fn reference_of(source: &Value) -> Option<&str> {
    if let Some(reference) = source.get("$ref") {
        return reference.as_str();
    }
    match source.get("allOf").and_then(Value::as_array).map(Vec::as_slice) {
        Some([only]) => only.get("$ref").and_then(Value::as_str),
        _ => None,
    }
}

fn members<'a>(source: &'a Value, name: &str) -> impl Iterator<Item = (&'a String, &'a Value)> {
    source.get(name).and_then(Value::as_object).into_iter().flatten()
}

fn strings(source: &Value, name: &str) -> Vec<String> {
    let list = source.get(name).and_then(Value::as_array);
    list.into_iter().flatten().filter_map(|item| item.as_str().map(str::to_owned)).collect()
}

fn flag(source: &Value, name: &str) -> bool {
    source.get(name).and_then(Value::as_bool).unwrap_or(false)
}

fn scalars(source: &Value, path: &str) -> Result<Schema, String> {
    let pattern = match source.get("pattern").and_then(Value::as_str) {
        Some(text) => Some(Regex::new(text).map_err(|error| format!("{path}.pattern: {text:?}: {error}"))?),
        None => None,
    };
    let kind = match source.get("type").and_then(Value::as_str) {
        Some(text) => Some(SchemaType::parse(text).ok_or_else(|| format!("{path}.type: unknown type {text:?}"))?),
        None => None,
    };
    let list = match source.get("x-kubernetes-list-type").and_then(Value::as_str) {
        Some("set") => ListType::Set,
        Some("map") => ListType::Map(strings(source, "x-kubernetes-list-map-keys")),
        _ => ListType::Atomic,
    };
    Ok(Schema {
        kind,
        required: strings(source, "required"),
        choices: source.get("enum").and_then(Value::as_array).cloned(),
        pattern,
        format: source.get("format").and_then(Value::as_str).and_then(Format::parse),
        bounds: bounds(source),
        nullable: flag(source, "nullable"),
        default: source.get("default").cloned(),
        preserve_unknown: flag(source, "x-kubernetes-preserve-unknown-fields"),
        embedded_resource: flag(source, "x-kubernetes-embedded-resource"),
        int_or_string: flag(source, "x-kubernetes-int-or-string")
            || source.get("format").and_then(Value::as_str) == Some("int-or-string"),
        list,
        rules: Rule::parse_all(source),
        ..Schema::default()
    })
}

fn bounds(source: &Value) -> Bounds {
    let number = |name: &str| source.get(name).and_then(Value::as_f64);
    let count = |name: &str| source.get(name).and_then(Value::as_u64);
    Bounds {
        minimum: number("minimum"),
        maximum: number("maximum"),
        exclusive_minimum: flag(source, "exclusiveMinimum"),
        exclusive_maximum: flag(source, "exclusiveMaximum"),
        multiple_of: number("multipleOf"),
        min_length: count("minLength"),
        max_length: count("maxLength"),
        min_items: count("minItems"),
        max_items: count("maxItems"),
        unique_items: flag(source, "uniqueItems"),
        min_properties: count("minProperties"),
        max_properties: count("maxProperties"),
    }
}

#[cfg(test)]
pub(crate) fn schema_of(source: &Value) -> Schema {
    Schema::parse(source, &Map::new()).expect("schema of the test")
}
