//! Log lines on standard error, for people or as JSON.

use std::io::IsTerminal as _;

use anyhow::Context as _;
use tracing_subscriber::EnvFilter;

use crate::bad_input;
use crate::cli::{LogArguments, LogFormat};

/// Starts logging for the rest of the process.
pub(crate) fn start(arguments: &LogArguments) -> anyhow::Result<()> {
    let filter = EnvFilter::builder()
        .parse(&arguments.log)
        .with_context(|| format!("--log \"{}\" is no filter; try info or debug", arguments.log))
        .map_err(bad_input)?;
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal());
    match arguments.log_format {
        LogFormat::Text => builder.with_target(false).init(),
        LogFormat::Json => builder.json().flatten_event(true).with_current_span(true).with_span_list(false).init(),
    }
    Ok(())
}
