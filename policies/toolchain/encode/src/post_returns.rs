//! Leaves out the functions that a host calls after an answer was read, where they do nothing.
//!
//! Such a function gives back the answer's memory. A policy that the SDK has made needs none: its instance lives for one
//! decision. Each call that is left out saves the host a call.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result};
use wasm_encoder::{ExportKind, ExportSection, Module, RawSection};
use wasmparser::{ExternalKind, FunctionBody, Operator, Parser, Payload, TypeRef};

/// What the names of these exports begin with.
const PREFIX: &str = "cabi_post_";

/// The same module without exports of functions that would be called after an answer and are empty.
pub(crate) fn without_empty(module: &[u8]) -> Result<Vec<u8>> {
    let empty = empty_functions(module)?;
    let mut same = Module::new();
    for payload in Parser::new(0).parse_all(module) {
        let payload = payload?;
        if let Payload::ExportSection(exports) = payload {
            let mut kept = ExportSection::new();
            for export in exports {
                let export = export?;
                let is_function = export.kind == ExternalKind::Func;
                if !(is_function && export.name.starts_with(PREFIX) && empty.contains(&export.index)) {
                    kept.export(export.name, kind(export.kind), export.index);
                }
            }
            same.section(&kept);
        } else if let Some((id, range)) = payload.as_section() {
            let range = usize::try_from(range.start)?..usize::try_from(range.end)?;
            let data = module.get(range).context("a section reaches past the module's end")?;
            same.section(&RawSection { id, data });
        }
    }
    Ok(same.finish())
}

const fn kind(kind: ExternalKind) -> ExportKind {
    match kind {
        ExternalKind::Func | ExternalKind::FuncExact => ExportKind::Func,
        ExternalKind::Table => ExportKind::Table,
        ExternalKind::Memory => ExportKind::Memory,
        ExternalKind::Global => ExportKind::Global,
        ExternalKind::Tag => ExportKind::Tag,
    }
}

/// Indices of the module's own functions that do nothing.
fn empty_functions(module: &[u8]) -> Result<BTreeSet<u32>> {
    let (mut next, mut empty) = (0_u32, BTreeSet::new());
    for payload in Parser::new(0).parse_all(module) {
        match payload? {
            Payload::ImportSection(imports) => {
                for import in imports.into_imports() {
                    next += u32::from(matches!(import?.ty, TypeRef::Func(_)));
                }
            }
            Payload::CodeSectionEntry(body) => {
                if is_empty(&body)? {
                    empty.insert(next);
                }
                next += 1;
            }
            _ => {}
        }
    }
    Ok(empty)
}

fn is_empty(body: &FunctionBody<'_>) -> Result<bool> {
    Ok(matches!(body.get_operators_reader()?.read()?, Operator::End))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = r#"(module
        (import "host" "f" (func $imported (param i32)))
        (func $empty (param i32))
        (func $works (param i32) local.get 0 call $imported)
        (func (export "evaluate") (result i32) i32.const 0)
        POST
        (memory (export "memory") 1)
        (export "other" (func $empty)))"#;

    fn module(post: &str) -> Vec<u8> {
        wat::parse_str(TEXT.replace("POST", post)).expect("a module")
    }

    fn exports(module: &[u8]) -> Vec<String> {
        let payloads = Parser::new(0).parse_all(module).map(|payload| payload.expect("a sound module"));
        let sections = payloads.filter_map(|payload| match payload {
            Payload::ExportSection(exports) => Some(exports),
            _ => None,
        });
        sections.flatten().map(|export| export.expect("an export").name.to_owned()).collect()
    }

    #[test]
    fn only_what_does_nothing_after_an_answer_is_left_out() {
        let post = r#"(export "cabi_post_evaluate" (func $empty)) (export "cabi_post_other" (func $works))"#;
        let without = without_empty(&module(post)).expect("the same module");
        assert_eq!(exports(&without), ["evaluate", "cabi_post_other", "memory", "other"]);
        let rest = module(r#"(export "cabi_post_other" (func $works))"#);
        assert_eq!(without, without_empty(&rest).expect("the same module"), "nothing else changes");
    }

    #[test]
    fn an_import_and_a_module_without_exports_are_left_alone() {
        let imported = module(r#"(export "cabi_post_evaluate" (func $imported))"#);
        assert_eq!(exports(&without_empty(&imported).expect("the same module")).len(), 4);
        let bare = wat::parse_str("(module (func))").expect("a module");
        assert_eq!(without_empty(&bare).expect("the same module"), bare);
    }
}
