//! A time as it stands in an object: RFC 3339 text, parsed only where it is used.

use std::borrow::Cow;
use std::fmt;

use jiff::Timestamp;
use jiff::fmt::temporal::DateTimePrinter;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

/// Kubernetes writes times in whole seconds and UTC.
const PRINTER: DateTimePrinter = DateTimePrinter::new().precision(Some(0));

/// RFC 3339 text of an instant, kept as read.
///
/// The API server's `date-time` check lets a few values through that are no instants (an offset of 99 hours). Were
/// they refused while reading, one such object would make the whole list unreadable.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Deserialize, Serialize)]
#[serde(transparent)]
pub struct WireTime(String);

/// The text of a time field is not an instant.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("time {text:?} is not RFC 3339, such as 2026-01-31T08:30:00Z: {reason}")]
pub struct WireTimeError {
    text: String,
    reason: String,
}

impl WireTime {
    /// The text as it stands in the object.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The instant that the text names.
    pub fn timestamp(&self) -> Result<Timestamp, WireTimeError> {
        self.0.parse().map_err(|error: jiff::Error| WireTimeError { text: self.0.clone(), reason: error.to_string() })
    }
}

impl From<Timestamp> for WireTime {
    /// Drops fractions of a second, as Kubernetes does.
    fn from(timestamp: Timestamp) -> Self {
        Self(PRINTER.timestamp_to_string(&timestamp))
    }
}

impl From<String> for WireTime {
    /// Takes the text as it is; whether it names an instant shows in [`WireTime::timestamp`].
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl fmt::Display for WireTime {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl JsonSchema for WireTime {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "WireTime".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "format": "date-time" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_in_whole_seconds_and_utc() {
        let timestamp: Timestamp = "2026-11-22T08:30:18.987654321+01:00".parse().unwrap();
        assert_eq!(WireTime::from(timestamp).as_str(), "2026-11-22T07:30:18Z");
    }

    #[test]
    fn times_before_the_epoch_are_written_in_whole_seconds() {
        let timestamp: Timestamp = "1969-12-31T23:59:58.5Z".parse().unwrap();
        let written = WireTime::from(timestamp);
        assert_eq!(written.as_str(), "1969-12-31T23:59:58Z");
    }

    #[test]
    fn text_that_is_no_instant_is_kept_and_named_when_used() {
        let time = WireTime::from("2026-11-22T08:30:18+99:00".to_owned());
        let error = time.timestamp().unwrap_err().to_string();
        assert!(error.contains("2026-11-22T08:30:18+99:00"), "{error}");
        assert_eq!(serde_json::to_value(&time).unwrap(), "2026-11-22T08:30:18+99:00");
    }
}
