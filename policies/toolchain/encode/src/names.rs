//! Shortens the names of a module's functions: demangled, without hashes, and with the last folder only.
//!
//! Names are what a trap's backtrace shows. As the compiler writes them they are a fifth of a component.

use anyhow::{Context as _, Result};
use wasm_encoder::{CustomSection, Module, NameMap, NameSection, RawSection};
use wasmparser::{KnownCustom, Name, Parser, Payload};

/// The same module with short function names, and without names of anything else.
pub(crate) fn shorten(module: &[u8]) -> Result<Vec<u8>> {
    let mut short = Module::new();
    for payload in Parser::new(0).parse_all(module) {
        let payload = payload?;
        match &payload {
            Payload::CustomSection(section) if section.name() == "name" => {
                if let KnownCustom::Name(names) = section.as_known() {
                    short.section(&function_names(names)?);
                }
            }
            Payload::CustomSection(section) => {
                short.section(&CustomSection { name: section.name().into(), data: section.data().into() });
            }
            other => {
                if let Some((id, range)) = other.as_section() {
                    let range = usize::try_from(range.start)?..usize::try_from(range.end)?;
                    let data = module.get(range).context("a section reaches past the module's end")?;
                    short.section(&RawSection { id, data });
                }
            }
        }
    }
    Ok(short.finish())
}

fn function_names(names: wasmparser::NameSectionReader<'_>) -> Result<NameSection> {
    let mut functions = NameMap::new();
    for subsection in names {
        if let Name::Function(map) = subsection? {
            for naming in map {
                let naming = naming?;
                functions.append(naming.index, &readable(naming.name));
            }
        }
    }
    let mut section = NameSection::new();
    section.functions(&functions);
    Ok(section)
}

/// A name as a person writes it: `_ZN5alloc3vec12Vec$LT$T$GT$4push17h…E` is `Vec<T>::push`. A path is cut to its last two
/// words, inside angle brackets to the last one.
fn readable(name: &str) -> String {
    let name = format!("{:#}", rustc_demangle::demangle(name));
    let (mut short, mut depth, mut word) = (String::new(), 0_usize, 0_usize);
    // Where the last two words of the path begin.
    let mut words = [0_usize; 2];
    for (at, character) in name.char_indices() {
        let is_arrow = character == '>' && name[..at].ends_with(['-', '=']);
        match character {
            ':' if depth > 0 => short.truncate(word),
            _ => short.push(character),
        }
        if depth == 0 && short.ends_with("::") {
            words = [words[1], short.len()];
        }
        if !(character.is_alphanumeric() || character == '_' || character == ':') {
            word = short.len();
        }
        depth += usize::from(character == '<');
        depth -= usize::from(character == '>' && !is_arrow && depth > 0);
    }
    short.split_off(words[0])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_demangled_and_types_lose_their_folders() {
        for (name, expected) in [
            ("memcpy", "memcpy"),
            ("_ZN18trimtab_policy_sdk6config5parse17h0123456789abcdefE", "config::parse"),
            ("_ZN6config5parse17h0123456789abcdefE", "config::parse"),
            (
                "_ZN82_$LT$trimtab_policy_sdk..go_duration..GoDuration$u20$as$u20$core..fmt..Display$GT$3fmt17h0123456789abcdefE",
                "<GoDuration as Display>::fmt",
            ),
            ("_RNvNtCse4F2h9uLmXr_4core3str16slice_error_fail", "str::slice_error_fail"),
            ("a::b<fn(c::d) -> e::f>::g", "b<fn(d) -> f>::g"),
            ("a::b::c::{{closure}}", "c::{{closure}}"),
        ] {
            assert_eq!(readable(name), expected);
        }
    }

    #[test]
    fn only_the_names_of_a_module_change() {
        let text =
            r#"(module (@custom "kept" "x") (func $_ZN1a1b17h0123456789abcdefE (export "f") (local $l i32) nop))"#;
        let module = wat::parse_str(text).expect("a module");
        let short = shorten(&module).expect("the same module");
        let expected = wat::parse_str(text.replace("$_ZN1a1b17h0123456789abcdefE", "$a::b").replace("$l ", ""));
        let sections = |module: &[u8]| {
            let payloads = Parser::new(0).parse_all(module).map(|payload| payload.expect("a sound module"));
            let place = |place: u64| usize::try_from(place).expect("a small module");
            payloads
                .filter_map(|payload| payload.as_section())
                .map(|(id, range)| (id, module[place(range.start)..place(range.end)].to_vec()))
                .collect::<Vec<_>>()
        };
        let expected = expected.expect("a module");
        assert_eq!(sections(&short).len(), sections(&module).len());
        for section in sections(&expected) {
            assert!(sections(&short).contains(&section), "{section:?}");
        }
    }
}
