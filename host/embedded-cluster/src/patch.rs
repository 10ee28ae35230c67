//! Patches: JSON patch, merge patch, and strategic merge patch for built-in kinds.

mod strategic;

use serde_json::Value;

use crate::failure::Failure;

/// Most operations of one JSON patch, as in the real server.
const OPERATIONS_MAX: usize = 10_000;

/// How a patch body is to be read, by its content type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PatchType {
    Json,
    Merge,
    Strategic,
}

impl PatchType {
    /// Chooses by content type; custom resources have no strategic merge patch.
    pub(crate) fn of(content_type: &str, built_in: bool) -> Result<Self, Failure> {
        let media = content_type.split(';').next().unwrap_or_default().trim();
        match media {
            "application/json-patch+json" => Ok(Self::Json),
            "application/merge-patch+json" => Ok(Self::Merge),
            "application/strategic-merge-patch+json" if built_in => Ok(Self::Strategic),
            "application/apply-patch+yaml" | "application/apply-patch+cbor" => {
                Err(Failure::not_implemented("server-side apply"))
            }
            _ => Err(Failure::unsupported_media_type(format!(
                "the body of the request was in an unknown format - accepted media types include: {}",
                if built_in {
                    "application/json-patch+json, application/merge-patch+json, application/strategic-merge-patch+json"
                } else {
                    "application/json-patch+json, application/merge-patch+json"
                }
            ))),
        }
    }
}

/// The object that comes of `current` with `patch` applied.
pub(crate) fn patched(current: &Value, patch: &Value, how: PatchType) -> Result<Value, Failure> {
    let mut object = current.clone();
    match how {
        PatchType::Json => {
            let count = patch.as_array().map_or(0, Vec::len);
            if count > OPERATIONS_MAX {
                return Err(Failure::too_large(OPERATIONS_MAX));
            }
            let patch: json_patch::Patch = serde_json::from_value(patch.clone())
                .map_err(|error| Failure::bad_request(format!("error decoding patch: {error}")))?;
            json_patch::patch(&mut object, &patch).map_err(|error| Failure::unprocessable(error.to_string()))?;
        }
        PatchType::Merge | PatchType::Strategic if !patch.is_object() => {
            return Err(Failure::bad_request("error decoding patch: not a JSON object"));
        }
        PatchType::Merge => json_patch::merge(&mut object, patch),
        PatchType::Strategic => strategic::merge(&mut object, patch, "")?,
    }
    if object.is_object() { Ok(object) } else { Err(Failure::unprocessable("the patched document is not an object")) }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn content_types_choose_the_patch() {
        assert_eq!(PatchType::of("application/merge-patch+json; charset=utf-8", false).unwrap(), PatchType::Merge);
        let strategic = "application/strategic-merge-patch+json";
        assert_eq!(PatchType::of(strategic, true).unwrap(), PatchType::Strategic);
        assert_eq!(PatchType::of(strategic, false).unwrap_err().code, 415);
        assert_eq!(PatchType::of("application/apply-patch+yaml", true).unwrap_err().code, 501);
    }

    #[test]
    fn a_failed_test_operation_is_unprocessable() {
        let patch = json!([{"op": "test", "path": "/a", "value": 2}]);
        assert_eq!(patched(&json!({"a": 1}), &patch, PatchType::Json).unwrap_err().code, 422);
        let patch = json!([{"op": "replace", "path": "/a", "value": 2}]);
        assert_eq!(patched(&json!({"a": 1}), &patch, PatchType::Json).unwrap(), json!({"a": 2}));
    }
}
