//! What the doctor says about one thing.

use std::fmt;

use serde::Serialize;

/// How bad a finding is; the order is from good to bad.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// As it should be.
    Ok,
    /// Works, and may not for long or not for everything.
    Warning,
    /// Something that was asked about can't work.
    Failure,
}

impl fmt::Display for Severity {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(match self {
            Severity::Ok => "ok",
            Severity::Warning => "warning",
            Severity::Failure => "failure",
        })
    }
}

/// What kind of thing was examined.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Check {
    /// A folder is writable and has room.
    Folder,
    /// A limit the system sets on a process.
    Limit,
    /// A TCP port on 127.0.0.1.
    Port,
    /// A process of ours that is still there.
    Process,
    /// A program of somebody else's.
    Tool,
}

/// One examined thing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// What kind of thing it is.
    pub check: Check,
    /// The thing, by name.
    pub thing: String,
    /// What was seen, in one line.
    pub seen: String,
    /// What to do about it, in one line; absent where nothing is to be done.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mend: Option<String>,
}

impl Finding {
    /// Something as it should be.
    pub(super) fn ok(check: Check, thing: impl Into<String>, seen: impl Into<String>) -> Finding {
        Finding { severity: Severity::Ok, check, thing: thing.into(), seen: seen.into(), mend: None }
    }

    /// The same finding, worse, with what to do about it.
    pub(super) fn needs(self, severity: Severity, mend: impl Into<String>) -> Finding {
        Finding { severity, mend: Some(mend.into()), ..self }
    }
}
