//! Rules about a policy's config: its schema, the empty document, unknown members.

use std::sync::Arc;

use serde_json::Value;
use trimtab_policy_engine::{ConfigError, ConfiguredPolicy};

use super::rules::{Rule, Rules};

/// A document with a member that no policy knows.
const UNKNOWN_MEMBER: &str = r#"{"thisMemberIsUnknownToEveryPolicy":true}"#;

pub(crate) fn hold(policy: &Arc<ConfiguredPolicy>, rules: &mut Rules) {
    let component = policy.component();
    // That it compiles as a JSON Schema was checked when the component was loaded.
    let broken = match serde_json::from_str::<Value>(component.config_schema_text()) {
        Ok(Value::Object(_)) => None,
        Ok(_) => Some(("SchemaNoObject".to_owned(), "the schema is no JSON object, so it says nothing".to_owned())),
        Err(error) => Some(("SchemaNoJson".to_owned(), format!("the schema is no JSON: {error}"))),
    };
    rules.note(Rule::ConfigSchema, None, None, broken);
    let refused = component.configure("").err().map(|error| (error.reason().to_owned(), error.to_string()));
    rules.note(Rule::ConfigEmpty, None, None, refused);
    let broken = match component.configure(UNKNOWN_MEMBER) {
        Err(ConfigError::Invalid { .. }) => None,
        Err(error) => Some((error.reason().to_owned(), error.to_string())),
        Ok(_) => {
            let message = "a misspelt key is taken without a word: set additionalProperties to false";
            Some(("UnknownMemberAccepted".to_owned(), message.to_owned()))
        }
    };
    rules.note(Rule::ConfigStrict, None, None, broken);
}
