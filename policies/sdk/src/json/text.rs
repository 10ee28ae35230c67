//! The words of JSON: whitespace, marks, strings, numbers and the three names.

use super::Fault;

/// A document and a place in it.
pub(super) struct Text<'de> {
    document: &'de str,
    at: usize,
}

impl<'de> Text<'de> {
    pub(super) fn new(document: &'de str) -> Self {
        Self { document, at: 0 }
    }

    /// A fault of the text itself, with its place.
    pub(super) fn fault(&self, message: &str) -> Fault {
        let before = self.document.as_bytes().get(..self.at).unwrap_or_default();
        let (line, column) =
            before.split(|byte| *byte == b'\n').fold((0, 0), |(line, _), text| (line + 1, text.len() + 1));
        Fault::new(format!("{message} at line {line}, column {column}"))
    }

    /// The next byte that is not whitespace, without reading past it.
    pub(super) fn peek(&mut self) -> Option<u8> {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.byte() {
            self.at += 1;
        }
        self.byte()
    }

    /// Reads past this mark.
    pub(super) fn expect(&mut self, mark: u8) -> Result<(), Fault> {
        if self.peek() == Some(mark) {
            self.at += 1;
            return Ok(());
        }
        let mark = char::from(mark);
        Err(self.fault(&format!("has no \"{mark}\"")))
    }

    /// Nothing but whitespace may follow.
    pub(super) fn end(&mut self) -> Result<(), Fault> {
        match self.peek() {
            None => Ok(()),
            Some(_) => Err(self.fault("goes on after its end")),
        }
    }

    /// Reads `null`, `true` or `false`.
    pub(super) fn word(&mut self) -> Result<&'static str, Fault> {
        self.peek();
        let rest = self.rest();
        let word = ["null", "true", "false"].into_iter().find(|word| rest.starts_with(word.as_bytes()));
        let Some(word) = word else { return Err(self.fault("is no JSON")) };
        self.at += word.len();
        Ok(word)
    }

    /// Reads a number as it is written.
    pub(super) fn number(&mut self) -> Result<&'de str, Fault> {
        self.peek();
        let start = self.at;
        self.at += usize::from(self.byte() == Some(b'-'));
        let whole = self.digits();
        let leading_zero = whole > 1 && self.since(self.at - whole).starts_with('0');
        let mut is_sound = whole > 0 && !leading_zero;
        if self.byte() == Some(b'.') {
            self.at += 1;
            is_sound &= self.digits() > 0;
        }
        if let Some(b'e' | b'E') = self.byte() {
            self.at += 1;
            self.at += usize::from(matches!(self.byte(), Some(b'+' | b'-')));
            is_sound &= self.digits() > 0;
        }
        if is_sound { Ok(self.since(start)) } else { Err(self.fault("has a broken number")) }
    }

    /// Whether the number that stands here has a fraction or an exponent.
    pub(super) fn is_float(&self) -> bool {
        let mut number =
            self.rest().iter().take_while(|byte| matches!(byte, b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E'));
        number.any(|byte| matches!(byte, b'.' | b'e' | b'E'))
    }

    /// Reads a string.
    pub(super) fn string(&mut self) -> Result<String, Fault> {
        self.expect(b'"')?;
        let mut text = String::new();
        loop {
            let start = self.at;
            while self.byte().is_some_and(|byte| byte >= 0x20 && byte != b'"' && byte != b'\\') {
                self.at += 1;
            }
            text.push_str(self.since(start));
            match self.byte() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(text);
                }
                Some(b'\\') => {
                    self.at += 1;
                    text.push(self.escape()?);
                }
                Some(_) => return Err(self.fault("has a control character in a string")),
                None => return Err(self.fault("has a string without an end")),
            }
        }
    }

    fn escape(&mut self) -> Result<char, Fault> {
        let byte = self.byte();
        self.at += 1;
        let character = match byte {
            Some(byte @ (b'"' | b'\\' | b'/')) => char::from(byte),
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => return self.unicode(),
            _ => {
                self.at -= 1;
                return Err(self.fault("has an unknown escape in a string"));
            }
        };
        Ok(character)
    }

    /// Four hexadecimal digits, or two times four for a character beyond the first plane.
    fn unicode(&mut self) -> Result<char, Fault> {
        let mut code = self.hexadecimal()?;
        if (0xD800..0xDC00).contains(&code) && self.rest().starts_with(b"\\u") {
            self.at += 2;
            let low = self.hexadecimal()?;
            let is_low = (0xDC00..0xE000).contains(&low);
            code = if is_low { 0x1_0000 + ((code - 0xD800) << 10) + (low - 0xDC00) } else { code };
        }
        char::from_u32(code).ok_or_else(|| self.fault("has half a character in a string"))
    }

    fn hexadecimal(&mut self) -> Result<u32, Fault> {
        let digits = self.rest().get(..4).unwrap_or_default();
        let code = digits.iter().try_fold(0, |code, digit| Some(code * 16 + char::from(*digit).to_digit(16)?));
        match code {
            Some(code) if !digits.is_empty() => {
                self.at += 4;
                Ok(code)
            }
            _ => Err(self.fault("has an unknown escape in a string")),
        }
    }

    fn digits(&mut self) -> usize {
        let start = self.at;
        while self.byte().is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
        }
        self.at - start
    }

    /// What was read since `start`.
    fn since(&self, start: usize) -> &'de str {
        // `get` instead of an index: the message of a failed slice would link 5 KB.
        self.document.get(start..self.at).unwrap_or_default()
    }

    fn rest(&self) -> &'de [u8] {
        self.document.as_bytes().get(self.at..).unwrap_or_default()
    }

    fn byte(&self) -> Option<u8> {
        self.document.as_bytes().get(self.at).copied()
    }
}
