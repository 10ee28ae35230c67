//! A JSON document without what only its readers need, made while compiling.

/// How many bytes [`compact`] leaves of a document.
pub const fn compact_length(document: &str) -> usize {
    copy(document, &mut [])
}

/// The document without whitespace between its words. `N` is its [`compact_length`].
pub const fn compact<const N: usize>(document: &str) -> [u8; N] {
    let mut bytes = [0; N];
    copy(document, &mut bytes);
    bytes
}

/// Copies as much as there is place for, and counts everything.
const fn copy(document: &str, to: &mut [u8]) -> usize {
    let from = document.as_bytes();
    let (mut at, mut length, mut is_string, mut is_escaped) = (0, 0, false, false);
    while at < from.len() {
        let byte = from[at];
        if is_string || !byte.is_ascii_whitespace() {
            if length < to.len() {
                to[length] = byte;
            }
            length += 1;
        }
        if byte == b'"' && !is_escaped {
            is_string = !is_string;
        }
        is_escaped = is_string && byte == b'\\' && !is_escaped;
        at += 1;
    }
    length
}

/// The text of a JSON file, as `include_str!` gives it, without whitespace between its words.
#[macro_export]
macro_rules! include_json {
    ($file:expr $(,)?) => {{
        const TEXT: &str = include_str!($file);
        const BYTES: [u8; $crate::compact_length(TEXT)] = $crate::compact(TEXT);
        const COMPACT: &str = match ::core::str::from_utf8(&BYTES) {
            Ok(text) => text,
            Err(_) => TEXT,
        };
        COMPACT
    }};
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whitespace_goes_outside_of_strings_only() {
        const TEXT: &str = "{ \"a b\" :\n\t[ 1 , \"\\\" \\\\\" , \" ä \" ]\r\n}\n";
        const BYTES: [u8; compact_length(TEXT)] = compact(TEXT);
        assert_eq!(std::str::from_utf8(&BYTES), Ok("{\"a b\":[1,\"\\\" \\\\\",\" ä \"]}"));
    }
}
