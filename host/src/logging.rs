//! Log lines on standard error, for people or as JSON.

use std::io::IsTerminal as _;
use std::sync::Arc;

use anyhow::Context as _;
use tracing_subscriber::EnvFilter;

use crate::bad_input;
use crate::cli::{LogArguments, LogFormat};
use crate::config::Configuration;

/// The filter where nobody sets one.
pub(crate) const STANDARD: &str = "info";

/// The filter of the log while the process runs.
#[derive(Clone)]
pub(crate) struct Level(Arc<dyn Fn(EnvFilter) -> anyhow::Result<()> + Send + Sync>);

impl std::fmt::Debug for Level {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Level")
    }
}

impl Level {
    /// Lets another filter hold from now on.
    pub(crate) fn set(&self, filter: &str) -> anyhow::Result<()> {
        (self.0)(parse(filter)?)
    }
}

fn parse(filter: &str) -> anyhow::Result<EnvFilter> {
    EnvFilter::builder()
        .parse(filter)
        .with_context(|| format!("\"{filter}\" is no filter of the log; try info or debug"))
        .map_err(bad_input)
}

/// Starts logging for the rest of the process. Flags come before what the config file says.
pub(crate) fn start(arguments: &LogArguments, configuration: &Configuration) -> anyhow::Result<Level> {
    let said = arguments.log.as_deref().or(configuration.level.as_deref()).unwrap_or(STANDARD);
    let builder = tracing_subscriber::fmt()
        .with_env_filter(parse(said)?)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal());
    let format = arguments.log_format.or(configuration.log_format).unwrap_or(LogFormat::Text);
    Ok(match format {
        LogFormat::Text => {
            let builder = builder.with_target(false).with_filter_reloading();
            let handle = builder.reload_handle();
            builder.init();
            Level(Arc::new(move |filter| Ok(handle.reload(filter)?)))
        }
        LogFormat::Json => {
            let builder = builder.json().flatten_event(true).with_current_span(true).with_span_list(false);
            let builder = builder.with_filter_reloading();
            let handle = builder.reload_handle();
            builder.init();
            Level(Arc::new(move |filter| Ok(handle.reload(filter)?)))
        }
    })
}
