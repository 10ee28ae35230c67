//! The text of a new project: the policy for the slots that it fills, its test cases and its README.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use trimtab_core::proposal::Slot;

/// What is written into each new project, `@NAME@` and `@TYPE@` replaced.
const TIMEOUTS: &str = include_str!("template/timeouts.rs.txt");
const TRANSITIONS: &str = include_str!("template/transitions.rs.txt");
const CHILDREN: &str = include_str!("template/children.rs.txt");
const README: &str = include_str!("template/README.md.txt");
const OBSERVATION: &str = include_str!("template/observation.yaml.txt");
const TIMEOUTS_CASES: &str = include_str!("template/timeouts.yaml.txt");
const TRANSITIONS_CASES: &str = include_str!("template/transitions.yaml.txt");
const CHILDREN_CASES: &str = include_str!("template/children.yaml.txt");

/// Files of the project by their paths.
pub(super) fn files(name: &str, slots: &BTreeSet<Slot>, rust_version: &str) -> Vec<(String, String)> {
    let fill = |text: &str| text.replace("@NAME@", name).replace("@TYPE@", &type_name(name));
    let mut files = vec![
        ("Cargo.toml".to_owned(), manifest(name, rust_version)),
        ("src/lib.rs".to_owned(), fill(&source(slots))),
        ("policy.yaml".to_owned(), format!("name: {name}\ncomponent: {name}.wasm\nconfig: config.yaml\n")),
        ("config.yaml".to_owned(), config(slots)),
        ("observation.yaml".to_owned(), OBSERVATION.to_owned()),
        ("README.md".to_owned(), fill(README)),
        (".gitignore".to_owned(), "/target\n".to_owned()),
    ];
    for slot in slots {
        let cases = match slot {
            Slot::Timeouts => TIMEOUTS_CASES,
            Slot::Transitions => TRANSITIONS_CASES,
            Slot::Children => CHILDREN_CASES,
        };
        files.push((format!("tests/{slot}.yaml"), cases.to_owned()));
    }
    files
}

/// The name as a type: `my-policy` is `MyPolicy`.
fn type_name(name: &str) -> String {
    name.split('-')
        .map(|word| {
            let mut letters = word.chars();
            letters
                .next()
                .map_or_else(String::new, |first| format!("{}{}", first.to_ascii_uppercase(), letters.as_str()))
        })
        .collect()
}

fn manifest(name: &str, rust_version: &str) -> String {
    format!(
        r#"[package]
name = "{name}"
version = "0.1.0"
edition = "2024"
rust-version = "{rust_version}"
publish = false

[lib]
crate-type = ["cdylib", "rlib"]

[dependencies]
schemars = "1"
serde = {{ version = "1", features = ["derive"] }}
trimtab-policy-sdk = {{ path = "vendor/sdk" }}

[workspace]
"#
    )
}

fn config(slots: &BTreeSet<Slot>) -> String {
    if slots.contains(&Slot::Timeouts) { "analyzing: 10m\nproductionFactor: 3\n" } else { "{}\n" }.to_owned()
}

fn source(slots: &BTreeSet<Slot>) -> String {
    let fills = |slot| slots.contains(&slot);
    let names = slots.iter().map(|slot| slot.name()).collect::<Vec<_>>().join(", ");
    let (members, defaults) = if fills(Slot::Timeouts) {
        (
            "    /// How long an analysis may last.\n    pub analyzing: GoDuration,\n    /// How many times as long in production.\n    pub production_factor: u32,\n",
            "Self { analyzing: GoDuration::from_minutes(10), production_factor: 3 }",
        )
    } else {
        ("", "Self {}")
    };
    let mut text = format!(
        r"//! The policy @NAME@.

use trimtab_policy_sdk::*;

/// The config document; what is left out has its default.
#[derive(Debug, Clone, serde::Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default, rename_all = {quote}camelCase{quote})]
pub struct Config {{
{members}}}

impl Default for Config {{
    fn default() -> Self {{
        {defaults}
    }}
}}

/// The policy.
#[derive(Debug)]
pub struct @TYPE@;

impl Policy for @TYPE@ {{
    type Config = Config;
    const NAME: &'static str = env!({quote}CARGO_PKG_NAME{quote});
    const VERSION: &'static str = env!({quote}CARGO_PKG_VERSION{quote});
    const SUMMARY: &'static str = {quote}Say here in one sentence what it decides.{quote};
}}
",
        quote = '"'
    );
    for (slot, part) in [(Slot::Timeouts, TIMEOUTS), (Slot::Transitions, TRANSITIONS), (Slot::Children, CHILDREN)] {
        if fills(slot) {
            text.push('\n');
            text.push_str(part);
        }
    }
    let _ = writeln!(text, "\nexport!(@TYPE@: {names});");
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_becomes_a_type() {
        assert_eq!(type_name("my-2nd-policy"), "My2ndPolicy");
    }

    #[test]
    fn only_the_slots_asked_for_are_filled() {
        let slots = BTreeSet::from([Slot::Timeouts, Slot::Children]);
        let files = files("quiet", &slots, "1.95");
        let text = |path: &str| files.iter().find(|(name, _)| name == path).map(|(_, text)| text.as_str());
        let source = text("src/lib.rs").unwrap();
        assert!(source.ends_with("export!(Quiet: timeouts, children);\n"), "{source}");
        assert!(source.contains("impl Timeouts for Quiet") && !source.contains("Transitions for"));
        assert!(!source.contains('@'), "{source}");
        assert!(text("tests/children.yaml").is_some() && text("tests/transitions.yaml").is_none());
    }
}
