//! `trimtab policy configmap`: a component in a `ConfigMap`, refused before the cluster would refuse it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use trimtab_policy_engine::Limits;
use trimtab_policy_engine::source::{SourceError, check_config_map};

use crate::cli::ConfigMapArguments;
use crate::error::AuthorError;
use crate::output::Outcome;
use crate::workbench::Workbench;

/// Prints it, with a component that the host would take.
pub(crate) fn print(arguments: &ConfigMapArguments, bench: &Workbench) -> Result<Outcome, AuthorError> {
    let (_, bytes) = bench.load(&arguments.component, Limits::DEFAULT)?;
    let object = object(&arguments.name, arguments.namespace.as_deref(), &bytes)?;
    Ok(Outcome::fine(format!("{object:#}\n")))
}

/// The component lies under the key `NAME.wasm`.
fn object(name: &str, namespace: Option<&str>, component: &[u8]) -> Result<Value, SourceError> {
    check_config_map(&format!("the ConfigMap {name}"), component.len() as u64)?;
    let mut object = json!({
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name},
        "binaryData": {format!("{name}.wasm"): STANDARD.encode(component)},
    });
    if let Some(namespace) = namespace {
        object["metadata"]["namespace"] = json!(namespace);
    }
    Ok(object)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_component_lies_under_its_name() {
        let object = object("patient", Some("home"), b"\0asm").unwrap();
        assert_eq!(object["binaryData"], json!({"patient.wasm": "AGFzbQ=="}));
        assert_eq!(object["metadata"], json!({"name": "patient", "namespace": "home"}));
    }

    #[test]
    fn more_than_900_kib_are_refused_and_the_other_sources_named() {
        assert!(object("patient", None, &vec![0; 900 << 10]).is_ok());
        let error = object("patient", None, &vec![0; (900 << 10) + 1]).unwrap_err();
        assert_eq!(error.reason(), "TooLarge");
        assert!(error.to_string().contains("use oci, http or file"), "{error}");
    }
}
