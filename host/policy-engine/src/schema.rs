//! A component's config schema: taken only where checking a config against it is bounded.
//!
//! The schema comes from the guest and is evaluated by the host, where no fuel bounds it. So its references must stay in
//! the document, must not lead back to themselves, and must not make it larger than a bound when they are followed.

use std::collections::HashMap;
use std::ptr;

use jsonschema::{PatternOptions, Validator};
use serde_json::{Map, Value};

use crate::fault::one_line;

/// Most values of a schema once every reference is replaced by what it points at.
const VALUES_MAX: usize = 10_000;
/// The one dialect that the interface speaks; also what a schema without `$schema` is.
const DIALECT: &str = "https://json-schema.org/draft/2020-12/schema";
/// Keywords that change what a reference means while it is followed.
const UNBOUNDED: [&str; 4] = ["$dynamicRef", "$recursiveRef", "$id", "$vocabulary"];

/// A schema that is ready to check. References leave the document nowhere: nothing is fetched.
pub(crate) fn compile(text: &str) -> Result<Validator, String> {
    let document: Value = serde_json::from_str(text).map_err(|error| format!("it is no JSON: {error}"))?;
    let dialect = document.get("$schema").and_then(Value::as_str).unwrap_or(DIALECT);
    if dialect.trim_end_matches('#') != DIALECT {
        return Err(format!("it is written for {}: write it for {DIALECT}", one_line(dialect)));
    }
    Expansion { document: &document, sizes: HashMap::new() }.size(&document)?;
    // The regex engine without backtracking, so that a pattern cannot take the host's time.
    jsonschema::options()
        .with_pattern_options(PatternOptions::regex())
        .build(&document)
        .map_err(|error| one_line(&error.to_string()))
}

/// Follows references and adds up what a schema comes to.
struct Expansion<'a> {
    document: &'a Value,
    /// Sizes of what references point at, by address; `None` while it is being followed.
    sizes: HashMap<*const Value, Option<usize>>,
}

impl Expansion<'_> {
    /// The number of values. Recursion is bounded by the depth that the parser takes, times the targets of references.
    fn size(&mut self, value: &Value) -> Result<usize, String> {
        let parts: usize = match value {
            Value::Object(members) => {
                let target = self.of_reference(members)?;
                members.values().try_fold(target, |sum, member| Ok::<_, String>(sum + self.size(member)?))?
            }
            Value::Array(items) => items.iter().try_fold(0, |sum, item| Ok::<_, String>(sum + self.size(item)?))?,
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => 0,
        };
        if parts < VALUES_MAX {
            return Ok(parts + 1);
        }
        Err(format!("with its references followed it has more than {VALUES_MAX} values: make it smaller"))
    }

    fn of_reference(&mut self, members: &Map<String, Value>) -> Result<usize, String> {
        if let Some(word) = UNBOUNDED.iter().find(|word| members.get(**word).is_some_and(Value::is_string)) {
            return Err(format!("it uses {word}: use $ref and $defs"));
        }
        let Some(reference) = members.get("$ref").and_then(Value::as_str) else { return Ok(0) };
        let pointer = reference.strip_prefix('#').filter(|rest| !rest.contains('%'));
        let Some(target) = pointer.and_then(|pointer| self.document.pointer(pointer)) else {
            return Err(format!("\"{}\" points at nothing in it", one_line(reference)));
        };
        match self.sizes.get(&ptr::from_ref(target)) {
            Some(Some(size)) => return Ok(*size),
            Some(None) => return Err(format!("\"{}\" leads back to itself", one_line(reference))),
            None => {}
        }
        self.sizes.insert(ptr::from_ref(target), None);
        let size = self.size(target)?;
        self.sizes.insert(ptr::from_ref(target), Some(size));
        Ok(size)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_schema_that_points_outside_of_itself_is_refused() {
        let detail = compile(r#"{"$ref":"https://example.com/other.json"}"#).unwrap_err();
        assert!(detail.contains("example.com"), "{detail}");
        assert!(compile("{").unwrap_err().starts_with("it is no JSON"));
        assert!(compile(r##"{"$ref":"#/$defs/none"}"##).is_err());
    }

    #[test]
    fn a_reference_that_leads_back_to_itself_is_refused() {
        for text in [
            r##"{"$ref":"#"}"##,
            r##"{"properties":{"a":{"$ref":"#"}}}"##,
            r##"{"$ref":"#/$defs/a","$defs":{"a":{"$ref":"#/$defs/b"},"b":{"not":{"$ref":"#/$defs/a"}}}}"##,
        ] {
            let detail = compile(text).map(drop).unwrap_err();
            assert!(detail.contains("leads back to itself"), "{text}: {detail}");
        }
    }

    #[test]
    fn words_that_change_what_a_reference_means_are_refused() {
        for word in UNBOUNDED {
            let detail = compile(&format!(r#"{{"properties":{{"a":{{"{word}":"x"}}}}}}"#)).map(drop).unwrap_err();
            assert_eq!(detail, format!("it uses {word}: use $ref and $defs"));
        }
        assert!(compile(r#"{"$schema":"http://json-schema.org/draft-04/schema#"}"#).is_err());
    }

    #[test]
    fn a_definition_may_be_used_often() {
        let uses: Vec<_> = (0..100).map(|n| format!(r##""p{n}":{{"$ref":"#/$defs/length"}}"##)).collect();
        let text = format!(r#"{{"properties":{{{}}},"$defs":{{"length":{{"type":"string"}}}}}}"#, uses.join(","));
        compile(&text).unwrap();
    }
}
