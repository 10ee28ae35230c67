//! `trimtab policy schema`: JSON Schemas of the file formats, so that editors can complete and check.

use schemars::JsonSchema;
use schemars::generate::SchemaSettings;

use crate::cli::SchemaKind;
use crate::observation::ObservationDocument;
use crate::project::ProjectDocument;
use crate::test::CaseDocument;

/// The schema (2020-12) of a format, indented.
pub fn schema(kind: SchemaKind) -> String {
    match kind {
        SchemaKind::Observation => text_of::<ObservationDocument>(),
        SchemaKind::Test => text_of::<CaseDocument>(),
        SchemaKind::Project => text_of::<ProjectDocument>(),
    }
}

fn text_of<T: JsonSchema>() -> String {
    let schema = SchemaSettings::draft2020_12().into_generator().into_root_schema_for::<T>();
    format!("{:#}\n", schema.as_value())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn schemas_name_what_the_documents_take() {
        for (kind, member) in
            [(SchemaKind::Observation, "signalName"), (SchemaKind::Test, "steps"), (SchemaKind::Project, "limits")]
        {
            let schema: serde_json::Value = serde_json::from_str(&schema(kind)).unwrap();
            assert!(!schema["properties"][member].is_null(), "{schema:#}");
            assert_eq!(schema["additionalProperties"], false);
        }
    }
}
