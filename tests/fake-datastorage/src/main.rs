//! `fake-datastorage`: the fake as a process of its own; its first line is its port.

use std::io::Write as _;

use anyhow::Context as _;
use clap::{Parser, ValueEnum};
use trimtab_fake_datastorage::{Conditions, FakeDataStorage, FakeSettings, Ids, parse_script};

/// Whose event ids count.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum IdsArgument {
    /// The sender's.
    Ours,
    /// The fake's own, as Kubernaut's.
    Theirs,
}

/// A fake of `DataStorage` for tests: stores audit events in memory, shows them under /fake/events.
#[derive(Debug, Parser)]
#[command(name = "fake-datastorage", version)]
struct Arguments {
    /// Whose event ids count.
    #[arg(long, value_enum, default_value = "theirs")]
    ids: IdsArgument,
    /// Faults: a file, or a JSON array such as [{"times":2,"do":"status","status":503}].
    #[arg(long)]
    script: Option<String>,
    /// Port on loopback; a free one where 0.
    #[arg(long, default_value_t = 0)]
    port: u16,
    /// The only bearer token that is let in; everyone where absent.
    #[arg(long)]
    token: Option<String>,
    /// What it takes for now, as RFC 3339; the machine's clock where absent.
    #[arg(long)]
    now: Option<jiff::Timestamp>,
    /// Most events of a batch.
    #[arg(long, default_value_t = 500)]
    batch_events_max: usize,
    /// Refuse events that contain this text.
    #[arg(long)]
    poison: Vec<String>,
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(serve(arguments))
}

async fn serve(arguments: Arguments) -> anyhow::Result<()> {
    let faults = match &arguments.script {
        None => Vec::new(),
        Some(inline) if inline.trim_start().starts_with('[') => parse_script(inline)?,
        Some(file) => {
            let text = std::fs::read_to_string(file).with_context(|| format!("cannot read the script {file}"))?;
            parse_script(&text).with_context(|| format!("cannot use the script {file}"))?
        }
    };
    let ids = match arguments.ids {
        IdsArgument::Ours => Ids::Ours,
        IdsArgument::Theirs => Ids::Theirs,
    };
    let conditions = Conditions {
        token: arguments.token,
        poison: arguments.poison,
        batch_events_max: arguments.batch_events_max,
        now: arguments.now,
        ..Conditions::default()
    };
    let settings = FakeSettings { ids, conditions, faults, port: arguments.port };
    let fake = FakeDataStorage::start(settings).await.context("cannot listen on loopback")?;
    let mut out = std::io::stdout();
    writeln!(out, "{}", fake.address().port()).and_then(|()| out.flush()).context("cannot print the port")?;
    fake.serve().await;
    Ok(())
}
