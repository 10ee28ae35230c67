//! `trimtab demo`: two dozen incidents on an embedded cluster, with the real controller, in about a minute.

mod cast;
mod report;
mod stage;
mod story;

use trimtab_ledger::reader::LedgerReader;

use crate::cli::DemoArguments;
use crate::demo::report::{Report, line};
use crate::demo::stage::Stage;
use crate::demo::story::Story;
use crate::stop::stop_signal;

/// Plays the incidents; an ending other than the expected one is a failure.
pub(crate) async fn main(arguments: DemoArguments) -> anyhow::Result<()> {
    let report = Report::new();
    line("trimtab demo: 24 incidents, the real controller and WebAssembly policies, an embedded Kubernetes API.");
    line("Every duration is scaled 1:60, so a minute of Kubernaut's defaults is a second here.");
    let has_swap = arguments.policies.policies.is_empty() && arguments.policies.configs.is_empty();
    if !has_swap {
        line("Policies were given, so the live swap is left out and endings may differ from the expected ones.");
    }
    let mut stage = Stage::set(&arguments, has_swap).await?;
    line(&format!("API at {}; its files are in {}", stage.address(), stage.folder().display()));
    let mut story = Story::new(stage.client().await?, report, has_swap);
    let stopped = stop_signal(false);
    tokio::pin!(stopped);
    let played = tokio::select! {
        played = story.play(&mut stage) => played,
        () = &mut stopped => anyhow::bail!("stopped before the end"),
    };
    let report = story.into_report();
    played?;
    let is_as_expected = report.summary(&LedgerReader::open(&stage.ledger())?, has_swap)?;
    Report::next_commands(&stage, arguments.stay);
    if arguments.stay {
        stopped.await;
    }
    stage.strike().await;
    if is_as_expected { Ok(()) } else { anyhow::bail!("some incidents did not end as expected, see the table") }
}
