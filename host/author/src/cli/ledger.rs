//! The arguments of the commands that read the ledger: `explain`, `history`, `audit`.

use std::path::PathBuf;
use std::str::FromStr;

use clap::{Args, Subcommand, ValueEnum};
use trimtab_core::go_duration;
use trimtab_core::time::{Span, Timestamp};
use trimtab_ledger::reader::EventState;

use crate::output::Format;

/// Where the ledger is.
#[derive(Debug, Clone, Default, Args)]
pub struct LedgerArguments {
    /// Folder of the ledger [default: the one of `trimtab run`]
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
}

/// A moment as people name it: a length ago, or a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// So long ago.
    Ago(Span),
    /// This moment.
    At(Timestamp),
}

impl Moment {
    /// The moment that is meant at `now`.
    pub fn at(self, now: Timestamp) -> Timestamp {
        match self {
            Self::Ago(length) => Timestamp::from_millis(now.as_millis().saturating_sub(length.as_millis())),
            Self::At(at) => at,
        }
    }
}

impl FromStr for Moment {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Some(at) = Timestamp::parse(text) {
            return Ok(Self::At(at));
        }
        let length = go_duration::parse(text).ok().and_then(|millis| u64::try_from(millis).ok());
        length.map(|millis| Self::Ago(Span::from_millis(millis))).ok_or_else(|| {
            format!("\"{text}\" is neither a length such as 1h30m nor a time such as 2026-01-01T12:00:00Z")
        })
    }
}

/// Say why a remediation ended as it did, or stands where it is
#[derive(Debug, Clone, Args)]
pub struct ExplainArguments {
    /// Name of the remediation, or its uid
    #[arg(value_name = "NAME")]
    pub name: String,
    /// Its namespace, where several have one of that name
    #[arg(short, long, value_name = "NAMESPACE")]
    pub namespace: Option<String>,
    /// Its uid, where several were called so one after the other
    #[arg(long, value_name = "UID")]
    pub uid: Option<String>,
    /// Every decision, not the last word alone
    #[arg(long)]
    pub all: bool,
    /// Everything, as JSON; the same as --output json
    #[arg(long, conflicts_with = "output")]
    pub json: bool,
    /// How it is printed; JSON and YAML hold everything
    #[arg(short, long, value_enum, default_value_t, value_name = "FORMAT")]
    pub output: Format,
    /// Where the ledger is.
    #[command(flatten)]
    pub ledger: LedgerArguments,
}

/// List remediations, the latest first
#[derive(Debug, Clone, Args)]
pub struct HistoryArguments {
    /// Only those of this target: Kind/name, or namespace/Kind/name
    #[arg(long, value_name = "KIND/NAME")]
    pub target: Option<String>,
    /// Only those of this signal
    #[arg(long, value_name = "NAME")]
    pub signal: Option<String>,
    /// Only those that a policy with this digest decided on; its first digits will do
    #[arg(long, value_name = "PREFIX")]
    pub digest: Option<String>,
    /// Only those of this namespace
    #[arg(short, long, value_name = "NAMESPACE")]
    pub namespace: Option<String>,
    /// Only those with a decision since: a length ago, or a time
    #[arg(long, value_name = "1h|TIME")]
    pub since: Option<Moment>,
    /// At most so many
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..), value_name = "N")]
    pub limit: u32,
    /// How it is printed
    #[arg(short, long, value_enum, default_value_t, value_name = "FORMAT")]
    pub output: Format,
    /// Where the ledger is.
    #[command(flatten)]
    pub ledger: LedgerArguments,
}

/// Look at, export and verify the audit trail
#[derive(Debug, Clone, Args)]
pub struct AuditArguments {
    /// What to do.
    #[command(subcommand)]
    pub command: AuditCommand,
}

/// What can be done with the audit trail.
#[derive(Debug, Clone, Subcommand)]
pub enum AuditCommand {
    /// List audit events and where each is on its way
    Query(QueryArguments),
    /// Write whole audit events, one after the other
    Export(ExportArguments),
    /// Check that nothing was changed, removed or swapped since it was recorded
    Verify(VerifyArguments),
}

fn state(text: &str) -> Result<EventState, String> {
    EventState::ALL.into_iter().find(|state| state.name() == text).ok_or_else(|| {
        let known = EventState::ALL.map(EventState::name).join(", ");
        format!("no event is in a state \"{text}\": use one of {known}")
    })
}

/// Which audit events are meant.
#[derive(Debug, Clone, Default, Args)]
pub struct EventArguments {
    /// Only of this correlation id: the name of a remediation
    #[arg(long, value_name = "NAME")]
    pub correlation: Option<String>,
    /// Only of this type, such as orchestrator.lifecycle.started
    #[arg(long = "type", value_name = "TYPE")]
    pub event_type: Option<String>,
    /// Only in this state: held, waiting, delivered, quarantined or withdrawn
    #[arg(long, value_parser = state, value_name = "STATE")]
    pub state: Option<EventState>,
    /// Only those since: a length ago, or a time
    #[arg(long, value_name = "1h|TIME")]
    pub since: Option<Moment>,
    /// Only those before: a length ago, or a time
    #[arg(long, value_name = "1h|TIME")]
    pub until: Option<Moment>,
}

/// Arguments of `audit query`.
#[derive(Debug, Clone, Args)]
pub struct QueryArguments {
    /// Which events.
    #[command(flatten)]
    pub events: EventArguments,
    /// At most so many, the latest
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=100_000), value_name = "N")]
    pub limit: u32,
    /// How it is printed
    #[arg(short, long, value_enum, default_value_t, value_name = "FORMAT")]
    pub output: Format,
    /// Where the ledger is.
    #[command(flatten)]
    pub ledger: LedgerArguments,
}

/// How exported events are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum ExportFormat {
    /// One event a line.
    #[default]
    Ndjson,
    /// One JSON array.
    Json,
}

/// Arguments of `audit export`.
#[derive(Debug, Clone, Args)]
pub struct ExportArguments {
    /// Which events.
    #[command(flatten)]
    pub events: EventArguments,
    /// How they are written
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    pub format: ExportFormat,
    /// Where they are written [default: standard output]
    #[arg(long, value_name = "FILE")]
    pub file: Option<PathBuf>,
    /// Where the ledger is.
    #[command(flatten)]
    pub ledger: LedgerArguments,
}

/// Arguments of `audit verify`.
#[derive(Debug, Clone, Args)]
pub struct VerifyArguments {
    /// Only the chain of this correlation id: the name of a remediation
    #[arg(long, value_name = "NAME")]
    pub correlation: Option<String>,
    /// How it is printed
    #[arg(short, long, value_enum, default_value_t, value_name = "FORMAT")]
    pub output: Format,
    /// Where the ledger is.
    #[command(flatten)]
    pub ledger: LedgerArguments,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_a_length_ago_or_a_time() {
        let now = Timestamp::from_millis(10_000_000);
        let read = |text: &str| text.parse::<Moment>().map(|moment| moment.at(now).as_millis());
        assert_eq!(read("1h"), Ok(6_400_000));
        assert_eq!(read("1970-01-01T00:00:01Z"), Ok(1000));
        assert!(read("yesterday").unwrap_err().contains("neither a length such as 1h30m nor a time"));
        assert!(read("-1h").is_err());
    }
}
