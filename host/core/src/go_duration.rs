//! Go duration strings (`1h0m0s`), the form in which Kubernaut writes every duration.
//!
//! Reading follows Go's `time.ParseDuration` and writing its `Duration.String`, so that a value survives the way
//! through either program. Only the resolution differs: a millisecond here, a nanosecond there.

/// The text is not a Go duration.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GoDurationError {
    /// Not a sequence of numbers, each followed by its unit.
    #[error("invalid duration {text:?}: write numbers with units, such as 1h30m, 45s or 250ms")]
    Invalid {
        /// The text as given.
        text: String,
    },
    /// A number without a unit.
    #[error("missing unit in duration {text:?}: add one of h, m, s, ms, us, ns")]
    MissingUnit {
        /// The text as given.
        text: String,
    },
    /// A unit that Go does not know.
    #[error("unknown unit {unit:?} in duration {text:?}: use one of h, m, s, ms, us, ns")]
    UnknownUnit {
        /// The unit as given.
        unit: String,
        /// The text as given.
        text: String,
    },
    /// Outside the range of a Go duration, about 292 years either way.
    #[error("duration {text:?} is out of range: at most 2562047h47m16.854775807s either way")]
    OutOfRange {
        /// The text as given.
        text: String,
    },
}

/// Magnitude of the most negative Go duration, in nanoseconds.
const MAGNITUDE_MAX_NS: u64 = 1 << 63;
const NS_PER_MS: u64 = 1_000_000;
const MS_PER_SECOND: u64 = 1_000;
const MS_PER_MINUTE: u64 = 60 * MS_PER_SECOND;
const MS_PER_HOUR: u64 = 60 * MS_PER_MINUTE;

/// Reads a Go duration string as milliseconds.
///
/// A fraction of a millisecond is rounded away from zero: zero and the sign have meanings of their own (no limit, a
/// configuration error), which rounding must not bring about or hide.
pub fn parse(text: &str) -> Result<i64, GoDurationError> {
    let (negative, unsigned) = match text.as_bytes().first() {
        Some(b'-') => (true, &text[1..]),
        Some(b'+') => (false, &text[1..]),
        _ => (false, text),
    };
    if unsigned == "0" {
        return Ok(0);
    }
    if unsigned.is_empty() {
        return Err(invalid(text));
    }
    let mut total_ns: u64 = 0;
    let mut rest = unsigned;
    while !rest.is_empty() {
        let (term_ns, after) = parse_term(rest, text)?;
        total_ns = total_ns
            .checked_add(term_ns)
            .filter(|total| *total <= MAGNITUDE_MAX_NS)
            .ok_or_else(|| out_of_range(text))?;
        rest = after;
    }
    if !negative && total_ns == MAGNITUDE_MAX_NS {
        return Err(out_of_range(text));
    }
    let magnitude_ms = i64::try_from(total_ns.div_ceil(NS_PER_MS)).map_err(|_| out_of_range(text))?;
    Ok(if negative { -magnitude_ms } else { magnitude_ms })
}

/// Writes milliseconds exactly as Go prints the same duration.
pub fn format(ms: i64) -> String {
    let magnitude = ms.unsigned_abs();
    let sign = if ms < 0 { "-" } else { "" };
    if magnitude == 0 {
        return "0s".to_owned();
    }
    if magnitude < MS_PER_SECOND {
        return format!("{sign}{magnitude}ms");
    }
    let hours = magnitude / MS_PER_HOUR;
    let minutes = magnitude % MS_PER_HOUR / MS_PER_MINUTE;
    let seconds = seconds_text(magnitude % MS_PER_MINUTE);
    if hours > 0 {
        format!("{sign}{hours}h{minutes}m{seconds}s")
    } else if minutes > 0 {
        format!("{sign}{minutes}m{seconds}s")
    } else {
        format!("{sign}{seconds}s")
    }
}

/// Seconds with as many decimals as are needed, at most three.
fn seconds_text(ms: u64) -> String {
    let (whole, fraction) = (ms / MS_PER_SECOND, ms % MS_PER_SECOND);
    if fraction == 0 {
        return whole.to_string();
    }
    let decimals = format!("{fraction:03}");
    format!("{whole}.{}", decimals.trim_end_matches('0'))
}

/// Reads one number with its unit; returns its nanoseconds and the text after it.
fn parse_term<'a>(rest: &'a str, text: &str) -> Result<(u64, &'a str), GoDurationError> {
    let (integer_digits, after_integer) = split_digits(rest);
    let (fraction_digits, after_number) = match after_integer.strip_prefix('.') {
        Some(after_point) => split_digits(after_point),
        None => ("", after_integer),
    };
    if integer_digits.is_empty() && fraction_digits.is_empty() {
        return Err(invalid(text));
    }
    let unit_end = after_number
        .find(|character: char| character == '.' || character.is_ascii_digit())
        .unwrap_or(after_number.len());
    let (unit, after) = after_number.split_at(unit_end);
    let unit_ns = unit_ns(unit, text)?;
    let integer =
        if integer_digits.is_empty() { 0 } else { integer_digits.parse::<u64>().map_err(|_| out_of_range(text))? };
    let term_ns = integer
        .checked_mul(unit_ns)
        .and_then(|whole| whole.checked_add(fraction_ns(fraction_digits, unit_ns)))
        .filter(|total| *total <= MAGNITUDE_MAX_NS)
        .ok_or_else(|| out_of_range(text))?;
    Ok((term_ns, after))
}

fn split_digits(text: &str) -> (&str, &str) {
    let end = text.find(|character: char| !character.is_ascii_digit()).unwrap_or(text.len());
    text.split_at(end)
}

/// Nanoseconds of a decimal fraction of a unit, cut off below one nanosecond.
///
/// The longest unit has 3.6e12 nanoseconds, so digits after the eighteenth cannot count.
fn fraction_ns(digits: &str, unit_ns: u64) -> u64 {
    const DIGITS_MAX: usize = 18;
    let mut numerator: u128 = 0;
    let mut denominator: u128 = 1;
    for digit in digits.bytes().take(DIGITS_MAX) {
        numerator = numerator * 10 + u128::from(digit - b'0');
        denominator *= 10;
    }
    // The quotient is less than unit_ns, which is a u64.
    u64::try_from(numerator * u128::from(unit_ns) / denominator).unwrap_or(unit_ns)
}

fn unit_ns(unit: &str, text: &str) -> Result<u64, GoDurationError> {
    match unit {
        "" => Err(GoDurationError::MissingUnit { text: text.to_owned() }),
        "ns" => Ok(1),
        // ASCII, the micro sign and the Greek letter.
        "us" | "\u{b5}s" | "\u{3bc}s" => Ok(1_000),
        "ms" => Ok(NS_PER_MS),
        "s" => Ok(MS_PER_SECOND * NS_PER_MS),
        "m" => Ok(MS_PER_MINUTE * NS_PER_MS),
        "h" => Ok(MS_PER_HOUR * NS_PER_MS),
        _ => Err(GoDurationError::UnknownUnit { unit: unit.to_owned(), text: text.to_owned() }),
    }
}

fn invalid(text: &str) -> GoDurationError {
    GoDurationError::Invalid { text: text.to_owned() }
}

fn out_of_range(text: &str) -> GoDurationError {
    GoDurationError::OutOfRange { text: text.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_read_as_go_reads_them() {
        let cases = [
            ("0", 0),
            ("+0", 0),
            ("-0", 0),
            ("0s", 0),
            ("5s", 5_000),
            ("+5s", 5_000),
            ("-5m", -300_000),
            ("30s", 30_000),
            ("1478s", 1_478_000),
            ("5.0s", 5_000),
            ("5.6s", 5_600),
            ("5.s", 5_000),
            (".5s", 500),
            ("1.0s", 1_000),
            ("1.004s", 1_004),
            ("1.0040s", 1_004),
            ("300ms", 300),
            ("1h0m0s", 3_600_000),
            ("10m0s", 600_000),
            ("3h30m", 12_600_000),
            ("10.5s4m", 250_500),
            ("-2m3.4s", -123_400),
            ("1h2m3s4ms5000us6000000ns", 3_723_015),
            ("39h9m14.425s", 140_954_425),
            ("0.100000000000000000000h", 360_000),
            ("0.3333333333333333333h", 1_200_000),
            ("0.830103483285477580700h", 2_988_373),
            ("9007199254740993ns", 9_007_199_255),
            ("5000us", 5),
            ("5000\u{b5}s", 5),
            ("5000\u{3bc}s", 5),
        ];
        for (text, ms) in cases {
            assert_eq!(parse(text), Ok(ms), "{text}");
        }
    }

    #[test]
    fn fraction_of_a_millisecond_keeps_its_sign_and_is_not_zero() {
        assert_eq!(parse("1ns"), Ok(1));
        assert_eq!(parse("-1ns"), Ok(-1));
        assert_eq!(parse("1500us"), Ok(2));
        assert_eq!(parse("0.1ns"), Ok(0));
    }

    #[test]
    fn texts_that_go_refuses_are_refused() {
        for text in ["", "-", "+", "s", ".", "-.", ".s", "+.s", "--1s", " 1s", "\u{661}s"] {
            assert_eq!(parse(text), Err(invalid(text)), "{text}");
        }
        for text in ["3", "1h5", "3000", "1.5"] {
            let error = GoDurationError::MissingUnit { text: text.to_owned() };
            assert_eq!(parse(text), Err(error), "{text}");
        }
        for (text, unit) in [("1d", "d"), ("1S", "S"), ("1s ", "s "), ("1h-5m", "h-"), ("1 s", " s")] {
            let error = GoDurationError::UnknownUnit { unit: unit.to_owned(), text: text.to_owned() };
            assert_eq!(parse(text), Err(error), "{text}");
        }
    }

    #[test]
    fn range_ends_where_go_ends_it() {
        assert_eq!(parse("9223372036854775807ns"), Ok(9_223_372_036_855));
        assert_eq!(parse("-9223372036854775808ns"), Ok(-9_223_372_036_855));
        assert_eq!(parse("2562047h47m16.854775807s"), Ok(9_223_372_036_855));
        for text in [
            "9223372036854775808ns",
            "9223372036854775.808us",
            "-9223372036854775809ns",
            "2562048h",
            "3000000h",
            "99999999999999999999h",
            "9223372036854775807ns1ns",
        ] {
            assert_eq!(parse(text), Err(out_of_range(text)), "{text}");
        }
    }

    #[test]
    fn values_are_written_as_go_writes_them() {
        let cases = [
            (0, "0s"),
            (1, "1ms"),
            (250, "250ms"),
            (-250, "-250ms"),
            (1_000, "1s"),
            (1_100, "1.1s"),
            (1_500, "1.5s"),
            (2_000, "2s"),
            (2_050, "2.05s"),
            (60_000, "1m0s"),
            (300_000, "5m0s"),
            (600_000, "10m0s"),
            (3_600_000, "1h0m0s"),
            (5_445_001, "1h30m45.001s"),
            (-300_000, "-5m0s"),
            (86_400_000, "24h0m0s"),
            (9_223_372_036_854, "2562047h47m16.854s"),
        ];
        for (ms, text) in cases {
            assert_eq!(format(ms), text);
        }
    }

    #[test]
    fn written_values_read_back_the_same() {
        for ms in [0, 1, -1, 999, 1_000, 59_999, 60_000, 3_599_999, 3_600_000, 86_399_999] {
            assert_eq!(parse(&format(ms)), Ok(ms));
            assert_eq!(parse(&format(-ms)), Ok(-ms));
        }
        // Beyond Go's range, but still written in full.
        assert_eq!(format(i64::MIN), "-2562047788015h12m55.808s");
    }
}
