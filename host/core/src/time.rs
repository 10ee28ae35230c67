//! Points in time and lengths of time, both in whole milliseconds.

use std::fmt;

use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

/// The end of the year 9999, less a day: in every time zone RFC 3339 can write it.
const MILLIS_MAX: u64 = 253_402_207_199_999;

/// Milliseconds since the Unix epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(u64);

impl Timestamp {
    /// From milliseconds since the Unix epoch; bounded by the year 9999, the last that RFC 3339 can write.
    pub const fn from_millis(millis: u64) -> Self {
        Self(if millis < MILLIS_MAX { millis } else { MILLIS_MAX })
    }

    /// Milliseconds since the Unix epoch.
    pub const fn as_millis(self) -> u64 {
        self.0
    }

    /// Reads RFC 3339; `None` where the text is no time or lies before the epoch.
    pub fn parse(text: &str) -> Option<Self> {
        let parsed: jiff::Timestamp = text.parse().ok()?;
        u64::try_from(parsed.as_millisecond()).ok().map(Self::from_millis)
    }

    /// This time plus a length, saturating at the largest time.
    #[must_use]
    pub fn plus(self, length: Span) -> Self {
        Self::from_millis(self.0.saturating_add(length.0))
    }

    /// The length from `earlier` to this time; zero where `earlier` is later.
    pub fn since(self, earlier: Self) -> Span {
        Span(self.0.saturating_sub(earlier.0))
    }

    /// This time with its milliseconds cut off: what the seconds of Kubernetes status fields can hold.
    #[must_use]
    pub fn whole_seconds(self) -> Self {
        Self(self.0 - self.0 % 1000)
    }
}

/// RFC 3339 in UTC with whole seconds, as Kubernetes writes times.
impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let millis = i64::try_from(self.0).unwrap_or(i64::MAX);
        let civil = jiff::Timestamp::from_millisecond(millis)
            .unwrap_or(jiff::Timestamp::UNIX_EPOCH)
            .to_zoned(TimeZone::UTC)
            .datetime();
        write!(
            f,
            "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}Z",
            civil.year(),
            civil.month(),
            civil.day(),
            civil.hour(),
            civil.minute(),
            civil.second()
        )
    }
}

/// A length of time in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Span(u64);

impl Span {
    /// From milliseconds.
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis)
    }

    /// From seconds.
    pub const fn from_secs(seconds: u64) -> Self {
        Self(seconds * 1000)
    }

    /// In milliseconds.
    pub const fn as_millis(self) -> u64 {
        self.0
    }
}

/// Go's notation, as every Kubernaut field has it: `1h0m0s`.
impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&crate::go_duration::format(i64::try_from(self.0).unwrap_or(i64::MAX)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_written_as_kubernetes_writes_it() {
        let time = Timestamp::parse("2026-11-22T08:30:18.734Z").unwrap();
        assert_eq!(time.to_string(), "2026-11-22T08:30:18Z");
        assert_eq!(time.as_millis() % 1000, 734);
        assert_eq!(time.whole_seconds(), Timestamp::parse("2026-11-22T08:30:18Z").unwrap());
    }

    #[test]
    fn the_largest_time_saturates_and_can_be_written() {
        let end = Timestamp::from_millis(u64::MAX);
        assert_eq!(end.plus(Span::from_secs(1)), end);
        assert!(end.to_string().starts_with("9999-"));
    }

    #[test]
    fn a_time_before_the_epoch_is_no_time() {
        assert_eq!(Timestamp::parse("1969-12-31T23:59:59Z"), None);
        assert_eq!(Timestamp::parse("yesterday"), None);
    }
}
