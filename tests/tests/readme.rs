//! Every command of every README is run, in its order, as a reader would type it.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use trimtab_tests::cluster::{Cluster, ClusterKind};
use trimtab_tests::process::program;

/// Longest time that all commands of one README may take; one of them builds a policy from nothing.
const PATIENCE: Duration = Duration::from_mins(9);

/// READMEs, and where their commands are typed: in the folder of the checkout that holds them, or anywhere.
const READMES: [&str; 2] = ["README.md", "policies/README.md"];

fn checkout() -> Result<PathBuf> {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().map(Path::to_owned).context("the tests lie in no checkout")
}

/// The bodies of the fenced blocks of one language.
fn blocks(markdown: &str, language: &str) -> Vec<String> {
    let mut blocks = Vec::new();
    let mut fence = None;
    for line in markdown.lines() {
        match (line.strip_prefix("```"), fence) {
            (Some(opened), None) => {
                fence = Some(opened.trim());
                if fence == Some(language) {
                    blocks.push(String::new());
                }
            }
            (Some(_), Some(_)) => fence = None,
            (None, Some(opened)) if opened == language => {
                if let Some(block) = blocks.last_mut() {
                    block.push_str(line);
                    block.push('\n');
                }
            }
            (None, _) => {}
        }
    }
    blocks
}

/// Runs the commands of a README in an empty folder, against an embedded cluster; then `more` in the same folder.
async fn run(readme: &str, more: &str) -> Result<()> {
    let checkout = checkout()?;
    let text = std::fs::read_to_string(checkout.join(readme))?;
    let commands = blocks(&text, "sh").concat();
    ensure!(!commands.trim().is_empty(), "{readme} has no commands");
    let cluster = Cluster::start(ClusterKind::Embedded).await?;
    let scratch = tempfile::tempdir()?;
    let work = scratch.path().join("work");
    std::fs::create_dir(&work)?;
    // The files that the examples name.
    std::fs::copy(checkout.join("policies/fixed-timeouts/fixed-timeouts.wasm"), work.join("my-timeouts.wasm"))?;
    std::fs::write(work.join("my-timeouts.json"), "{}")?;
    let script = scratch.path().join("commands.sh");
    let prelude = std::fs::read_to_string(checkout.join("tests/readme/prelude.sh"))?;
    std::fs::write(&script, format!("{prelude}\n{commands}\n{more}"))?;
    let log = scratch.path().join("log");
    let outcome = bash(&script, &work, &cluster, &scratch.path().join("data"), &log).await;
    let told = std::fs::read_to_string(&log).unwrap_or_default();
    outcome.with_context(|| format!("{readme}:\n{told}"))
}

async fn bash(script: &Path, work: &Path, cluster: &Cluster, data: &Path, log: &Path) -> Result<()> {
    let program = program()?;
    let folder = program.parent().context("the program lies nowhere")?;
    let mut path = folder.as_os_str().to_owned();
    path.push(":");
    path.push(std::env::var_os("PATH").unwrap_or_default());
    // A file and no pipe: what is still running at a timeout may hold a pipe open.
    let log = std::fs::File::create(log)?;
    let mut command = tokio::process::Command::new("bash");
    command.arg(script).current_dir(work).kill_on_drop(true);
    command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
    command.env("PATH", path).env("KUBECONFIG", cluster.kubeconfig()).env("README_DATA", data);
    let status = tokio::time::timeout(PATIENCE, command.status()).await;
    let status = status.with_context(|| format!("not done within {PATIENCE:?}"))??;
    ensure!(status.success(), "{status}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_commands_of_the_first_page_work() -> Result<()> {
    run(READMES[0], "").await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_commands_for_authors_work() -> Result<()> {
    let checkout = checkout()?;
    let readme = std::fs::read_to_string(checkout.join(READMES[1]))?;
    let examples = tempfile::tempdir()?;
    for (language, extension) in [("yaml", "yaml"), ("json", "json"), ("rust", "rs")] {
        for (nth, block) in blocks(&readme, language).iter().enumerate() {
            std::fs::write(examples.path().join(format!("{nth}.{extension}")), block)?;
        }
    }
    let more = std::fs::read_to_string(checkout.join("tests/readme/examples.sh"))?;
    let folders = format!("examples={}\ncheckout={}", examples.path().display(), checkout.display());
    run(READMES[1], &format!("{folders}\n{more}")).await
}

/// A README that is added must be run here, too.
#[test]
fn every_readme_is_known() -> Result<()> {
    let mut found = Vec::new();
    let checkout = checkout()?;
    let mut folders = vec![checkout.clone()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder)? {
            let path = entry?.path();
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default().to_owned();
            if path.is_dir() && !name.starts_with('.') && name != "target" {
                folders.push(path);
            } else if name == "README.md" {
                let markdown = std::fs::read_to_string(&path)?;
                if !blocks(&markdown, "sh").is_empty() {
                    found.push(path.strip_prefix(&checkout)?.to_string_lossy().into_owned());
                }
            }
        }
    }
    found.sort();
    ensure!(found == READMES, "READMEs with commands are {found:?}, run are {READMES:?}");
    Ok(())
}

#[test]
fn only_the_blocks_of_the_language_are_taken() {
    let markdown = "a\n```sh\none\n```\n```toml\nx = 1\n```\n\n```sh\ntwo\n```\n";
    assert_eq!(blocks(markdown, "sh"), ["one\n", "two\n"]);
    assert_eq!(blocks(markdown, "toml"), ["x = 1\n"]);
}
