//! Why a command did not do what it was asked: one line that names the thing and the mend, and details for `-v`.

use std::fmt;
use std::path::Path;

use trimtab_policy_engine::source::SourceError;
use trimtab_policy_engine::{ConfigError, EngineError, LoadError, SwapError};

/// Exit code: everything is fine.
pub const FINE: u8 = 0;
/// Exit code: a check failed, two policies differ, a gate was exceeded, or a tool that was started failed.
pub const FAILED: u8 = 1;
/// Exit code: input that cannot be used.
pub const BAD_INPUT: u8 = 2;

/// A place in a file and what is wrong there, written `file:line:column: message`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
pub struct Finding {
    /// The file as it was named.
    pub file: String,
    /// From 1; 0 where the whole file is meant.
    pub line: u64,
    /// From 1; 0 where the whole file is meant.
    pub column: u64,
    /// What is wrong, and what would be right.
    pub message: String,
}

impl Finding {
    /// A finding about a whole file.
    pub fn whole(file: &str, message: impl Into<String>) -> Self {
        Self { file: file.to_owned(), line: 0, column: 0, message: message.into() }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.line == 0 {
            return write!(f, "{}: {}", self.file, self.message);
        }
        write!(f, "{}:{}:{}: {}", self.file, self.line, self.column, self.message)
    }
}

impl std::error::Error for Finding {}

/// Why a command ended early.
#[derive(Debug, thiserror::Error)]
pub enum AuthorError {
    /// A file could not be read.
    #[error("cannot read the {what} {file}: {source}")]
    Read {
        /// What it was to be.
        what: &'static str,
        /// Its path.
        file: String,
        /// Why.
        source: std::io::Error,
    },
    /// A file or folder could not be written.
    #[error("cannot write {file}: {source}")]
    Write {
        /// Its path.
        file: String,
        /// Why.
        source: std::io::Error,
    },
    /// A document that cannot be used.
    #[error(transparent)]
    Document(#[from] Finding),
    /// A component that the host would refuse.
    #[error("{file}: {source}")]
    Component {
        /// Its path.
        file: String,
        /// Why.
        #[source]
        source: Box<LoadError>,
    },
    /// A config that the policy does not take.
    #[error("{file}: {source}")]
    Config {
        /// The config's file, or the place it comes from.
        file: String,
        /// Why.
        #[source]
        source: Box<ConfigError>,
    },
    /// No engine.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The policy cannot fill the slots that it says it fills.
    #[error(transparent)]
    Swap(#[from] SwapError),
    /// A component that cannot be fetched, or not be pushed.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// Anything else that the caller has to mend.
    #[error("{0}")]
    Input(String),
    /// A program that was started failed.
    #[error("{line}")]
    Tool {
        /// What failed and how to mend it.
        line: String,
        /// What the program said.
        details: String,
    },
    /// The host lacks something of its own.
    #[error("{0}")]
    Host(String),
}

impl AuthorError {
    /// Why `file` could not be read.
    pub fn read(what: &'static str, file: &Path, source: std::io::Error) -> Self {
        Self::Read { what, file: file.display().to_string(), source }
    }

    /// Why `file` could not be written.
    pub fn write(file: &Path, source: std::io::Error) -> Self {
        Self::Write { file: file.display().to_string(), source }
    }

    /// The exit code: [`BAD_INPUT`] for what the caller gave, else [`FAILED`].
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Read { .. }
            | Self::Document(_)
            | Self::Component { .. }
            | Self::Config { .. }
            | Self::Swap(_)
            | Self::Source(SourceError::Invalid { .. })
            | Self::Input(_) => BAD_INPUT,
            Self::Write { .. } | Self::Engine(_) | Self::Source(_) | Self::Tool { .. } | Self::Host(_) => FAILED,
        }
    }

    /// What `-v` adds, if there is more to say.
    pub fn details(&self) -> Option<String> {
        match self {
            Self::Tool { details, .. } => Some(details.clone()),
            Self::Component { source, .. } => Some(format!("reason {}: {source:?}", source.reason())),
            Self::Config { source, .. } => Some(format!("reason {}: {source:?}", source.reason())),
            Self::Source(source) => Some(format!("reason {}: {source:?}", source.reason())),
            Self::Read { .. }
            | Self::Write { .. }
            | Self::Document(_)
            | Self::Engine(_)
            | Self::Swap(_)
            | Self::Input(_)
            | Self::Host(_) => None,
        }
    }
}
