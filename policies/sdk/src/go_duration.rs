//! A length of time in a config document, written as Go writes it.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, de};

/// A length of time of whole milliseconds, from zero to about 584 million years: "45s", "10m", "1h30m", "1.5h".
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GoDuration {
    milliseconds: u64,
}

/// A text that is not a length of time, with the reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotADuration {
    text: String,
}

impl fmt::Display for NotADuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\" is not a length of time: write it like \"45s\", \"10m\" or \"1h30m\"", self.text)
    }
}

impl std::error::Error for NotADuration {}

/// So much of a text that is no length of time is told.
const TOLD_BYTES_MAX: usize = 64;

const SECOND: u64 = 1_000;
const MINUTE: u64 = 60 * SECOND;
const HOUR: u64 = 60 * MINUTE;

impl GoDuration {
    /// Nothing at all.
    pub const ZERO: Self = Self::from_milliseconds(0);

    /// That many milliseconds.
    pub const fn from_milliseconds(milliseconds: u64) -> Self {
        Self { milliseconds }
    }

    /// That many seconds, at most what fits.
    pub const fn from_seconds(seconds: u64) -> Self {
        Self::from_milliseconds(seconds.saturating_mul(SECOND))
    }

    /// That many minutes, at most what fits.
    pub const fn from_minutes(minutes: u64) -> Self {
        Self::from_milliseconds(minutes.saturating_mul(MINUTE))
    }

    /// That many hours, at most what fits.
    pub const fn from_hours(hours: u64) -> Self {
        Self::from_milliseconds(hours.saturating_mul(HOUR))
    }

    /// Its length in milliseconds.
    pub const fn milliseconds(self) -> u64 {
        self.milliseconds
    }
}

/// Go's own form: "1h30m0s", "10m0s", "45s", "1.5s", "250ms", "0s".
impl fmt::Display for GoDuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (hours, minutes) = (self.milliseconds / HOUR, self.milliseconds % HOUR / MINUTE);
        let (seconds, rest) = (self.milliseconds % MINUTE / SECOND, self.milliseconds % SECOND);
        if self.milliseconds < SECOND && self.milliseconds > 0 {
            return write!(f, "{rest}ms");
        }
        if hours > 0 {
            write!(f, "{hours}h")?;
        }
        if hours > 0 || minutes > 0 {
            write!(f, "{minutes}m")?;
        }
        write!(f, "{seconds}")?;
        if rest > 0 {
            let digits = format!("{rest:03}");
            write!(f, ".{}", digits.trim_end_matches('0'))?;
        }
        f.write_str("s")
    }
}

impl FromStr for GoDuration {
    type Err = NotADuration;

    fn from_str(text: &str) -> Result<Self, NotADuration> {
        parse(text).map(Self::from_milliseconds).ok_or_else(|| {
            let end = text.floor_char_boundary(TOLD_BYTES_MAX);
            NotADuration { text: text.get(..end).unwrap_or_default().to_owned() }
        })
    }
}

/// Byte by byte: the searches and numbers of the standard library would link 2 KB.
fn parse(text: &str) -> Option<u64> {
    if text == "0" {
        return Some(0);
    }
    let mut rest = text.as_bytes();
    let mut sum: u64 = 0;
    while !rest.is_empty() {
        let (whole, digits) = number(&mut rest)?;
        let (fraction, fraction_digits) = match rest {
            [b'.', tail @ ..] => {
                rest = tail;
                number(&mut rest)?
            }
            _ => (0, 0),
        };
        let unit;
        (unit, rest) = match rest {
            [b'm', b's', tail @ ..] => (1, tail),
            [b'h', tail @ ..] => (HOUR, tail),
            [b'm', tail @ ..] => (MINUTE, tail),
            [b's', tail @ ..] => (SECOND, tail),
            _ => return None,
        };
        if digits + fraction_digits == 0 || fraction_digits > 9 {
            return None;
        }
        // A fraction that is not a whole number of milliseconds is cut.
        let part = fraction.checked_mul(unit)? / 10_u64.pow(fraction_digits);
        sum = sum.checked_add(whole.checked_mul(unit)?.checked_add(part)?)?;
    }
    (!text.is_empty()).then_some(sum)
}

/// Reads past the digits that stand here: the number, and how many they are. No digits are nothing.
fn number(rest: &mut &[u8]) -> Option<(u64, u32)> {
    let (mut number, mut digits) = (0_u64, 0);
    while let [digit @ b'0'..=b'9', tail @ ..] = *rest {
        number = number.checked_mul(10)?.checked_add(u64::from(digit - b'0'))?;
        digits += 1;
        *rest = tail;
    }
    Some((number, digits))
}

/// A whole number without a sign; `None` for any other text.
pub(crate) fn whole(text: &str) -> Option<u64> {
    let mut rest = text.as_bytes();
    let (number, digits) = number(&mut rest)?;
    (digits > 0 && rest.is_empty()).then_some(number)
}

impl<'de> Deserialize<'de> for GoDuration {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(de::Error::custom)
    }
}

impl JsonSchema for GoDuration {
    fn schema_name() -> Cow<'static, str> {
        "GoDuration".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A length of time as Go writes it.",
            "type": "string",
            "pattern": r"^(0|([0-9]+(\.[0-9]{1,9})?(h|m|s|ms))+)$",
            "examples": ["45s", "10m", "1h30m"],
        })
    }
}

impl serde::Serialize for GoDuration {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_in_the_form_of_go_are_read() {
        for (text, milliseconds) in [
            ("0", 0),
            ("0s", 0),
            ("45s", 45_000),
            ("10m", 600_000),
            ("1h30m", 5_400_000),
            ("1h0m0s", 3_600_000),
            ("1.5h", 5_400_000),
            ("250ms", 250),
            ("1m0.5s", 60_500),
            ("1.0009s", 1_000),
        ] {
            assert_eq!(text.parse(), Ok(GoDuration::from_milliseconds(milliseconds)), "{text}");
        }
    }

    #[test]
    fn other_texts_are_refused_with_the_mend() {
        for text in
            ["", "10", "m", "-5m", "5 m", "1d", "5m!", "1..5s", ".s", "99999999999999999999s", "ten minutes", "5M"]
        {
            let error = text.parse::<GoDuration>().expect_err(text).to_string();
            assert!(error.contains("write it like"), "{error}");
        }
    }

    #[test]
    fn lengths_are_written_as_go_writes_them() {
        for (milliseconds, text) in [
            (0, "0s"),
            (250, "250ms"),
            (45_000, "45s"),
            (60_500, "1m0.5s"),
            (600_000, "10m0s"),
            (3_600_000, "1h0m0s"),
            (5_400_000, "1h30m0s"),
        ] {
            assert_eq!(GoDuration::from_milliseconds(milliseconds).to_string(), text);
            assert_eq!(text.parse(), Ok(GoDuration::from_milliseconds(milliseconds)), "{text}");
        }
    }
}
