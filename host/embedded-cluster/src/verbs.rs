//! The verbs of the API: what each does to the store, and what it refuses.

pub(crate) mod admit;
pub(crate) mod create;
pub(crate) mod delete;
pub(crate) mod read;
pub(crate) mod update;

use std::sync::Arc;

use serde_json::Value;

use crate::failure::Failure;
use crate::kinds::ResourceKind;
use crate::request::Query;
use crate::store::{Location, ObjectName};

/// What a path names: a kind, a namespace (empty for cluster scope or all), maybe an object.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    pub(crate) kind: Arc<ResourceKind>,
    pub(crate) namespace: String,
    pub(crate) name: String,
    pub(crate) part: Part,
}

/// Which part of an object is addressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    Main,
    Status,
}

impl Target {
    /// Where the named object lies.
    pub(crate) fn location(&self) -> Location {
        Location { storage: self.kind.storage.clone(), name: ObjectName::new(&self.namespace, &self.name) }
    }

    /// The refusal that the named object does not exist.
    pub(crate) fn not_found(&self) -> Failure {
        Failure::not_found(&self.kind.name, &self.name)
    }
}

/// What is done about unknown fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FieldValidation {
    Ignore,
    Warn,
    Strict,
}

/// Options of a write.
#[derive(Debug, Clone, Copy)]
pub(crate) struct WriteOptions {
    pub(crate) field_validation: FieldValidation,
}

impl WriteOptions {
    /// Reads the options from the query; `kind` is that of the verb's options.
    pub(crate) fn parse(query: &Query, kind: &str) -> Result<Self, Failure> {
        let field_validation = match query.text("fieldValidation") {
            None | Some("Warn") => FieldValidation::Warn,
            Some("Ignore") => FieldValidation::Ignore,
            Some("Strict") => FieldValidation::Strict,
            Some(other) => {
                let known = ["", "Ignore", "Strict", "Warn"];
                return Err(Failure::unknown_option(kind, "fieldValidation", other, &known));
            }
        };
        Ok(Self { field_validation })
    }
}

/// What a write answers.
#[derive(Debug)]
pub(crate) struct Written {
    /// The stored form of the object.
    pub(crate) object: Arc<Value>,
    pub(crate) is_new: bool,
    /// Texts for `Warning` headers.
    pub(crate) warnings: Vec<String>,
}
