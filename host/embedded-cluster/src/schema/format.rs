//! The `format` keyword, as far as the real server checks it.

use std::sync::LazyLock;

use base64::Engine as _;
use regex::Regex;

/// A format that is checked; all others are accepted unseen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    DateTime,
    Date,
    Duration,
    Byte,
    Uuid,
    Int32,
}

static DATE_TIME: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"^\d{4}-\d{2}-\d{2}[Tt]\d{2}:\d{2}:\d{2}(\.\d+)?([Zz]|[+-]\d{2}:\d{2})$").ok());
static DURATION: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"^[+-]?(0|((\d+(\.\d*)?|\.\d+)(ns|us|µs|μs|ms|s|m|h))+)$").ok());

impl Format {
    pub(crate) fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "date-time" | "datetime" => Self::DateTime,
            "date" => Self::Date,
            "duration" => Self::Duration,
            "byte" => Self::Byte,
            "uuid" => Self::Uuid,
            "int32" => Self::Int32,
            _ => return None,
        })
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::DateTime => "date-time",
            Self::Date => "date",
            Self::Duration => "duration",
            Self::Byte => "byte",
            Self::Uuid => "uuid",
            Self::Int32 => "int32",
        }
    }

    /// Whether `text` has this format.
    pub(crate) fn accepts(self, text: &str) -> bool {
        let shaped = |shape: &LazyLock<Option<Regex>>| shape.as_ref().is_some_and(|shape| shape.is_match(text));
        match self {
            Self::DateTime => shaped(&DATE_TIME) && text.to_uppercase().parse::<jiff::Timestamp>().is_ok(),
            Self::Date => text.parse::<jiff::civil::Date>().is_ok(),
            Self::Duration => shaped(&DURATION),
            Self::Byte => base64::engine::general_purpose::STANDARD.decode(text).is_ok(),
            Self::Uuid => uuid::Uuid::try_parse(text).is_ok(),
            Self::Int32 => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_accept_and_refuse() {
        for (format, text, wanted) in [
            (Format::DateTime, "2026-11-22T08:30:18Z", true),
            (Format::DateTime, "2026-11-22T08:30:18.123456+01:00", true),
            (Format::DateTime, "2026-11-22", false),
            (Format::DateTime, "2026-13-22T08:30:18Z", false),
            (Format::Duration, "5m0s", true),
            (Format::Duration, "5 minutes", false),
            (Format::Byte, "aGk=", true),
            (Format::Byte, "*", false),
        ] {
            assert_eq!(format.accepts(text), wanted, "{} {text}", format.name());
        }
    }
}
