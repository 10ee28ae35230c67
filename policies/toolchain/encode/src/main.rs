//! Turns a core WebAssembly module into a policy component: `encode CORE OUT [--wit FOLDER --world WORLD]`.

use std::path::PathBuf;

use anyhow::{Context as _, Result, bail};
use trimtab_policy_encode::World;

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
    let module = std::fs::read(&arguments.core).with_context(|| format!("cannot read {core}"))?;
    let world = arguments.wit.as_deref().zip(arguments.world.as_deref()).map(|(wit, name)| World { wit, name });
    trimtab_policy_encode::component(&module, world).with_context(|| format!("cannot encode {core}"))
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
