//! Config documents against schemas, both written by others: `{"schema": …, "config": …}`, or the two texts with a
//! NUL between them.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;
use trimtab_policy_engine::{Component, ConfigError, ConfigFault};

use crate::guest::with_schema;
use crate::json_mutator::{self, Raw};
use crate::sandbox::{LIMITS, engine};

/// Texts that mean something in a schema or a config.
const WORDS: &[&str] = &[
    "$ref",
    "#",
    "#/$defs/a",
    "$defs",
    "a",
    "$id",
    "$anchor",
    "$dynamicRef",
    "$dynamicAnchor",
    "$schema",
    "type",
    "object",
    "array",
    "string",
    "integer",
    "number",
    "boolean",
    "null",
    "properties",
    "required",
    "items",
    "prefixItems",
    "contains",
    "minContains",
    "additionalProperties",
    "unevaluatedProperties",
    "unevaluatedItems",
    "patternProperties",
    "propertyNames",
    "dependentSchemas",
    "dependentRequired",
    "allOf",
    "anyOf",
    "oneOf",
    "not",
    "if",
    "then",
    "else",
    "enum",
    "const",
    "minimum",
    "maximum",
    "exclusiveMinimum",
    "multipleOf",
    "minLength",
    "maxLength",
    "pattern",
    "(a|b){9}",
    "^a+$",
    "format",
    "date-time",
    "uri",
    "regex",
    "minItems",
    "maxItems",
    "uniqueItems",
    "minProperties",
    "default",
    "schema",
    "config",
    "https://json-schema.org/draft/2020-12/schema",
    "http://json-schema.org/draft-07/schema#",
    "contentEncoding",
    "base64",
];

/// Most faults that are told of one document, and most bytes of one fault's path or message.
const FAULTS_MAX: usize = 32;
const FAULT_BYTES_MAX: usize = 500;
/// Most components that are kept.
const COMPONENTS_MAX: usize = 512;

/// Changes an input: half of the time the config alone, for which nothing has to be compiled.
pub fn mutate(input: &[u8], bytes_max: usize, seed: u32, raw: Raw<'_>) -> Option<Vec<u8>> {
    if seed.is_multiple_of(2) {
        return json_mutator::mutate(input, bytes_max, seed, WORDS, raw);
    }
    let mut both: Value = serde_json::from_slice(input).ok()?;
    let config = both.get_mut("config")?;
    let changed = json_mutator::mutate(config.to_string().as_bytes(), bytes_max, seed, WORDS, raw)?;
    *config = serde_json::from_slice(&changed).ok()?;
    Some(both.to_string().into_bytes()).filter(|text| text.len() <= bytes_max)
}

/// Loads a component with this schema and configures it.
pub fn run(bytes: &[u8]) {
    let (schema, config) = if let Ok(Value::Object(mut both)) = serde_json::from_slice(bytes) {
        let mut text = |key: &str| both.remove(key).unwrap_or_default().to_string();
        (text("schema").into_bytes(), text("config"))
    } else {
        let mut parts = bytes.splitn(2, |byte| *byte == 0);
        let (schema, config) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
        (schema.to_vec(), String::from_utf8_lossy(config).into_owned())
    };
    if let Some(component) = component(&schema) {
        check(&component, &config);
    }
}

/// The component with this schema. Some are kept: while only the config changes, nothing is compiled.
fn component(schema: &[u8]) -> Option<Arc<Component>> {
    thread_local! {
        static KNOWN: RefCell<BTreeMap<Vec<u8>, Option<Arc<Component>>>> = const { RefCell::new(BTreeMap::new()) };
    }
    KNOWN.with_borrow_mut(|known| {
        if let Some(component) = known.get(schema) {
            return component.clone();
        }
        if known.len() >= COMPONENTS_MAX {
            known.clear();
        }
        let component = load(schema);
        known.insert(schema.to_vec(), component.clone());
        component
    })
}

fn load(schema: &[u8]) -> Option<Arc<Component>> {
    match engine().load(&with_schema(schema)?, LIMITS) {
        Ok(component) => Some(component),
        Err(fault) => {
            assert!(matches!(fault.reason(), "SchemaInvalid" | "MetaFaulted"), "only the schema differs: {fault}");
            assert!(!fault.to_string().contains('\n'), "a refusal is one line: {fault}");
            None
        }
    }
}

fn check(component: &Arc<Component>, config: &str) {
    match component.configure(config) {
        Ok(configured) => {
            let again = component.configure(configured.config()).expect("what was accepted is accepted again");
            assert_eq!(again.config(), configured.config(), "a config is told in one way");
            assert_eq!(again.revision(), configured.revision(), "a config has one name");
            let given = if config.trim().is_empty() { "{}" } else { config };
            let (given, told): (Value, Value) =
                (serde_json::from_str(given).expect("accepted"), serde_json::from_str(again.config()).expect("told"));
            assert_eq!(given, told, "a policy is told what was written");
        }
        Err(ConfigError::Invalid { faults, .. }) => {
            assert!((1..=FAULTS_MAX).contains(&faults.len()), "{} faults", faults.len());
            faults.iter().for_each(check_fault);
        }
        Err(ConfigError::Faulted { fault }) => panic!("the guest takes everything: {fault}"),
        Err(ConfigError::Schema { detail }) => panic!("the schema was accepted: {detail}"),
        Err(ConfigError::Syntax { .. } | ConfigError::TooLarge { .. }) => {}
    }
}

fn check_fault(fault: &ConfigFault) {
    assert!(fault.path.len() <= FAULT_BYTES_MAX && fault.message.len() <= FAULT_BYTES_MAX, "{fault:?}");
    assert!(!fault.message.contains('\n'), "{fault:?}");
}
