//! What a command prints: tables for people, JSON and YAML for programs.

use clap::ValueEnum;
use serde::Serialize;

use crate::error::{AuthorError, FINE};

/// How data is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum Format {
    /// For people.
    #[default]
    Table,
    /// One JSON document.
    Json,
    /// One YAML document.
    Yaml,
}

/// What a command leaves: text for standard output and the exit code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// For standard output.
    pub text: String,
    /// 0: fine; 1: a check failed; 2: bad input.
    pub exit_code: u8,
}

impl Outcome {
    /// Everything is fine.
    pub fn fine(text: impl Into<String>) -> Self {
        Self { text: text.into(), exit_code: FINE }
    }
}

/// The value in the format that was asked for; `table` is made only where it is.
pub fn render<T: Serialize>(
    value: &T,
    format: Format,
    table: impl FnOnce(&T) -> String,
) -> Result<String, AuthorError> {
    match format {
        Format::Table => Ok(table(value)),
        Format::Json => serde_json::to_string_pretty(value)
            .map(|text| text + "\n")
            .map_err(|error| AuthorError::Host(format!("cannot print JSON: {error}"))),
        Format::Yaml => {
            serde_saphyr::to_string(value).map_err(|error| AuthorError::Host(format!("cannot print YAML: {error}")))
        }
    }
}

/// Rows in columns of equal width, two spaces between them, each row indented.
pub fn columns(rows: &[Vec<String>], indent: usize) -> String {
    let count = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width =
        |at: usize| rows.iter().filter_map(|row| row.get(at)).map(|cell| cell.chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..count).map(width).collect();
    let mut text = String::new();
    for row in rows {
        let mut line = " ".repeat(indent);
        for (cell, width) in row.iter().zip(&widths) {
            line.push_str(cell);
            line.push_str(&" ".repeat(width - cell.chars().count() + 2));
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

/// A number with commas between thousands.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// So many of a thing: "1 chain", "2 chains".
pub fn counted(number: u64, thing: &str) -> String {
    format!("{} {thing}{}", grouped(number), if number == 1 { "" } else { "s" })
}

/// A size in the largest unit that leaves a whole number or one digit after the point.
pub fn sized(bytes: u64) -> String {
    const KIB: u64 = 1 << 10;
    const MIB: u64 = 1 << 20;
    let (unit, name) = if bytes >= MIB { (MIB, "MiB") } else { (KIB, "KiB") };
    if bytes < KIB {
        return format!("{bytes} B");
    }
    let tenths = bytes.saturating_mul(10) / unit;
    if tenths.is_multiple_of(10) {
        format!("{} {name}", tenths / 10)
    } else {
        format!("{}.{} {name}", tenths / 10, tenths % 10)
    }
}

/// Microseconds as milliseconds with three digits after the point.
pub fn milliseconds(micros: u128) -> String {
    format!("{}.{:03} ms", micros / 1000, micros % 1000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_sizes_read_well() {
        assert_eq!([grouped(0), grouped(999), grouped(10_000_000)], ["0", "999", "10,000,000"]);
        assert_eq!(
            [sized(12), sized(16 << 20), sized(75_014), sized(1_310_720)],
            ["12 B", "16 MiB", "73.2 KiB", "1.2 MiB"]
        );
        assert_eq!(milliseconds(1234), "1.234 ms");
    }

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let rows = [vec!["a".into(), "bcd".into()], vec!["efg".into(), "h".into()]];
        assert_eq!(columns(&rows, 2), "  a    bcd\n  efg  h\n");
    }
}
