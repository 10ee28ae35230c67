//! Turns a core WebAssembly module into a policy component: `encode CORE OUT [--wit FOLDER --world WORLD]`.
//!
//! CORE is binary or text. A module that `wit-bindgen` has made carries its worlds; a hand-written one gets them from
//! `--wit` and `--world`. No adapter is linked, so a module that needs WASI is refused, and the same module gives the
//! same bytes everywhere.

mod names;

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

/// The command line.
#[derive(Debug, Default)]
struct Arguments {
    core: PathBuf,
    out: PathBuf,
    wit: Option<PathBuf>,
    world: Option<String>,
}

fn main() -> Result<()> {
    let arguments = arguments(std::env::args().skip(1))?;
    let component = component(&arguments)?;
    std::fs::write(&arguments.out, component).with_context(|| format!("cannot write {}", arguments.out.display()))
}

fn component(arguments: &Arguments) -> Result<Vec<u8>> {
    let core = arguments.core.display();
    let mut module = wat::parse_file(&arguments.core).with_context(|| format!("{core} is no WebAssembly module"))?;
    if let (Some(wit), Some(world)) = (&arguments.wit, &arguments.world) {
        embed(&mut module, wit, world)?;
    }
    let module = names::shorten(&module).with_context(|| format!("{core} cannot be read"))?;
    ComponentEncoder::default()
        .module(&module)
        .with_context(|| format!("{core} does not name its world: build it with the SDK, or give --wit and --world"))?
        .validate(true)
        .encode()
        .with_context(|| format!("{core} does not fit its world"))
}

fn embed(module: &mut Vec<u8>, wit: &Path, world: &str) -> Result<()> {
    let mut resolve = Resolve::default();
    let (package, _) = resolve.push_path(wit).with_context(|| format!("cannot read WIT from {}", wit.display()))?;
    let world = resolve.select_world(&[package], Some(world))?;
    embed_component_metadata(module, &resolve, world, StringEncoding::UTF8, false)
}

fn arguments(words: impl Iterator<Item = String>) -> Result<Arguments> {
    const USAGE: &str = "usage: encode CORE OUT [--wit FOLDER --world WORLD]";
    let (mut words, mut files, mut parsed) = (words, Vec::new(), Arguments::default());
    while let Some(word) = words.next() {
        match word.as_str() {
            "--wit" => parsed.wit = Some(words.next().context(USAGE)?.into()),
            "--world" => parsed.world = Some(words.next().context(USAGE)?),
            option if option.starts_with("--") => bail!("unknown option {option}; {USAGE}"),
            file => files.push(PathBuf::from(file)),
        }
    }
    let [core, out] = <[PathBuf; 2]>::try_from(files).map_err(|_| anyhow::anyhow!(USAGE))?;
    if parsed.wit.is_some() != parsed.world.is_some() {
        bail!("--wit and --world belong together; {USAGE}");
    }
    Ok(Arguments { core, out, ..parsed })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Arguments> {
        arguments(line.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn two_files_and_both_options_or_none_are_taken() {
        let parsed = parse("a.wasm b.wasm").expect("two files");
        assert_eq!((parsed.core, parsed.out), ("a.wasm".into(), "b.wasm".into()));
        assert_eq!(parse("a.wat --wit wit --world policy b.wasm").expect("options").world.as_deref(), Some("policy"));
    }

    #[test]
    fn other_lines_are_refused_with_the_usage() {
        for line in ["", "a", "a b c", "a b --wit", "a b --wit wit", "a b --what"] {
            let error = format!("{:#}", parse(line).expect_err(line));
            assert!(error.contains("usage: encode"), "{error}");
        }
    }
}
