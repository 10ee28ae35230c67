//! Reads JSON text into a config type, in a fraction of the size of a general reader, and says where a fault is.
//!
//! A component carries its reader, so what is not needed must not be linked: each kind of value has its own method, and
//! floats are parsed only for a config type that has some.

mod compact;
mod path;
pub(crate) mod table;
mod text;

use std::fmt;

use serde::de::value::StrDeserializer;
use serde::de::{self, DeserializeOwned, DeserializeSeed, EnumAccess, Unexpected, VariantAccess, Visitor};

pub use compact::{compact, compact_length};
pub use path::string_at;
use text::Text;

/// How deep arrays and objects may be nested.
const DEPTH_MAX: u8 = 64;

/// What is wrong with a document, and where: a JSON Pointer (RFC 6901) and one sentence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) path: String,
    pub(crate) message: String,
}

impl Fault {
    fn new(message: impl Into<String>) -> Self {
        Self { path: String::new(), message: message.into() }
    }

    fn under(mut self, step: &str) -> Self {
        let mut path = String::from("/");
        for character in step.chars() {
            match character {
                '~' => path += "~0",
                '/' => path += "~1",
                other => path.push(other),
            }
        }
        self.path = path + &self.path;
        self
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Fault {}

impl de::Error for Fault {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::new(message.to_string())
    }

    fn invalid_type(found: Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        // The standard text would link the formatting of floats, 20 KB.
        let found = match found {
            Unexpected::Bool(_) => "a boolean",
            Unexpected::Unsigned(_) | Unexpected::Signed(_) | Unexpected::Float(_) => "a number",
            Unexpected::Str(_) | Unexpected::Char(_) => "a string",
            Unexpected::Unit | Unexpected::Option => "null",
            Unexpected::Seq => "an array",
            Unexpected::Map => "an object",
            _ => "something else",
        };
        Self::new(format!("is {found}, expected {expected}"))
    }

    fn invalid_value(found: Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        match found {
            Unexpected::Unsigned(number) => Self::new(format!("is {number}, expected {expected}")),
            Unexpected::Signed(number) => Self::new(format!("is {number}, expected {expected}")),
            Unexpected::Str(text) => Self::new(format!("is \"{text}\", expected {expected}")),
            other => Self::invalid_type(other, expected),
        }
    }
}

/// Reads a whole document.
pub(crate) fn read<T: DeserializeOwned>(document: &str) -> Result<T, Fault> {
    let mut reader = Reader { text: Text::new(document), depth: 0 };
    let value = T::deserialize(&mut reader)?;
    reader.text.end()?;
    Ok(value)
}

struct Reader<'de> {
    text: Text<'de>,
    depth: u8,
}

impl<'de> Reader<'de> {
    fn nested<T>(&mut self, body: impl FnOnce(&mut Self) -> Result<T, Fault>) -> Result<T, Fault> {
        if self.depth == DEPTH_MAX {
            return Err(self.text.fault("is nested too deeply"));
        }
        self.depth += 1;
        let value = body(self)?;
        self.depth -= 1;
        Ok(value)
    }

    fn map<V: Visitor<'de>>(&mut self, visitor: V) -> Result<V::Value, Fault> {
        self.text.expect(b'{')?;
        self.nested(|reader| {
            let mut entries = Entries::until(b'}', reader);
            let value = visitor.visit_map(&mut entries)?;
            if entries.more()? { Err(Fault::new("has more members than expected")) } else { Ok(value) }
        })
    }

    fn seq<V: Visitor<'de>>(&mut self, visitor: V) -> Result<V::Value, Fault> {
        self.text.expect(b'[')?;
        self.nested(|reader| {
            let mut entries = Entries::until(b']', reader);
            let value = visitor.visit_seq(&mut entries)?;
            if entries.more()? { Err(Fault::new("has more elements than expected")) } else { Ok(value) }
        })
    }

    /// Reads past any value.
    fn skip(&mut self) -> Result<(), Fault> {
        match self.text.peek() {
            Some(b'{') => self.map(de::IgnoredAny).map(drop),
            Some(b'[') => self.seq(de::IgnoredAny).map(drop),
            Some(b'"') => self.text.string().map(drop),
            Some(b'-' | b'0'..=b'9') => self.text.number().map(drop),
            _ => self.text.word().map(drop),
        }
    }

    /// What stands here instead of what was expected.
    fn unexpected(&mut self, expected: &dyn de::Expected) -> Fault {
        let found = match self.text.peek() {
            Some(b'{') => Unexpected::Map,
            Some(b'[') => Unexpected::Seq,
            Some(b'"') => Unexpected::Str(""),
            Some(b'-' | b'0'..=b'9') => Unexpected::Unsigned(0),
            _ => match self.text.word() {
                Ok("null") => Unexpected::Unit,
                Ok(_) => Unexpected::Bool(false),
                Err(fault) => return fault,
            },
        };
        de::Error::invalid_type(found, expected)
    }

    fn integer<V: Visitor<'de>>(&mut self, visitor: V) -> Result<V::Value, Fault> {
        if !matches!(self.text.peek(), Some(b'-' | b'0'..=b'9')) {
            return Err(self.unexpected(&visitor));
        }
        let number = self.text.number()?;
        match (number.parse::<u64>(), number.parse::<i64>()) {
            (Ok(number), _) => visitor.visit_u64(number),
            (_, Ok(number)) => visitor.visit_i64(number),
            _ => Err(Fault::new(format!("is {number}, expected a whole number of at most 64 bits"))),
        }
    }

    fn float<V: Visitor<'de>>(&mut self, visitor: V) -> Result<V::Value, Fault> {
        if !matches!(self.text.peek(), Some(b'-' | b'0'..=b'9')) {
            return Err(self.unexpected(&visitor));
        }
        let number = self.text.number()?;
        match number.parse::<f64>() {
            Ok(parsed) if parsed.is_finite() => visitor.visit_f64(parsed),
            _ => Err(Fault::new(format!("is {number}, too large a number"))),
        }
    }
}

/// The same method of a deserializer under several names.
macro_rules! alike {
    ($($method:ident)* => $own:ident) => {
        $(fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
            self.$own(visitor)
        })*
    };
}

impl<'de> de::Deserializer<'de> for &mut Reader<'de> {
    type Error = Fault;

    alike!(deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64 => integer);
    alike!(deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64 => integer);
    alike!(deserialize_f32 deserialize_f64 => float);
    alike!(deserialize_string deserialize_identifier deserialize_char => deserialize_str);
    alike!(deserialize_bytes deserialize_byte_buf deserialize_seq => seq_or_fault);
    alike!(deserialize_map => map_or_fault);

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match self.text.peek() {
            Some(b'{') => self.map(visitor),
            Some(b'[') => self.seq(visitor),
            Some(b'"') => self.deserialize_str(visitor),
            Some(b'-' | b'0'..=b'9') if self.text.is_float() => self.float(visitor),
            Some(b'-' | b'0'..=b'9') => self.integer(visitor),
            _ => match self.text.word()? {
                "null" => visitor.visit_unit(),
                word => visitor.visit_bool(word == "true"),
            },
        }
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match self.text.peek() {
            Some(b't' | b'f') => visitor.visit_bool(self.text.word()? == "true"),
            _ => Err(self.unexpected(&visitor)),
        }
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match self.text.peek() {
            Some(b'"') => visitor.visit_str(&self.text.string()?),
            _ => Err(self.unexpected(&visitor)),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match self.text.peek() {
            Some(b'n') => self.deserialize_unit(visitor),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match self.text.peek() {
            Some(b'n') => self.text.word().and_then(|_| visitor.visit_unit()),
            _ => Err(self.unexpected(&visitor)),
        }
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Fault> {
        self.deserialize_unit(visitor)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Fault> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, Fault> {
        self.seq_or_fault(visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: usize,
        visitor: V,
    ) -> Result<V::Value, Fault> {
        self.seq_or_fault(visitor)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        self.map_or_fault(visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        match self.text.peek() {
            Some(b'"') => visitor.visit_enum(StrDeserializer::new(&self.text.string()?)),
            Some(b'{') => {
                self.text.expect(b'{')?;
                let value = self.nested(|reader| visitor.visit_enum(Variant { reader }))?;
                self.text.expect(b'}')?;
                Ok(value)
            }
            _ => Err(self.unexpected(&visitor)),
        }
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        self.skip()?;
        visitor.visit_unit()
    }
}

impl<'de> Reader<'de> {
    fn map_or_fault<V: Visitor<'de>>(&mut self, visitor: V) -> Result<V::Value, Fault> {
        if self.text.peek() == Some(b'{') { self.map(visitor) } else { Err(self.unexpected(&visitor)) }
    }

    fn seq_or_fault<V: Visitor<'de>>(&mut self, visitor: V) -> Result<V::Value, Fault> {
        if self.text.peek() == Some(b'[') { self.seq(visitor) } else { Err(self.unexpected(&visitor)) }
    }
}

/// The members of an object or the elements of an array.
struct Entries<'r, 'de> {
    reader: &'r mut Reader<'de>,
    end: u8,
    /// Entries read so far.
    count: usize,
    is_done: bool,
    key: String,
}

impl<'r, 'de> Entries<'r, 'de> {
    fn until(end: u8, reader: &'r mut Reader<'de>) -> Self {
        Self { reader, end, count: 0, is_done: false, key: String::new() }
    }

    /// Whether another entry follows; reads past the comma before it, or past the end.
    fn more(&mut self) -> Result<bool, Fault> {
        let text = &mut self.reader.text;
        if !self.is_done && text.peek() == Some(self.end) {
            text.expect(self.end)?;
            self.is_done = true;
        }
        if !self.is_done && self.count > 0 {
            text.expect(b',')?;
        }
        self.count += usize::from(!self.is_done);
        Ok(!self.is_done)
    }
}

impl<'de> de::MapAccess<'de> for &mut Entries<'_, 'de> {
    type Error = Fault;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Fault> {
        if !self.more()? {
            return Ok(None);
        }
        self.key = self.reader.text.string()?;
        self.reader.text.expect(b':')?;
        let key = StrDeserializer::<Fault>::new(&self.key);
        seed.deserialize(key).map(Some).map_err(|fault| fault.under(&self.key))
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Fault> {
        seed.deserialize(&mut *self.reader).map_err(|fault| fault.under(&self.key))
    }
}

impl<'de> de::SeqAccess<'de> for &mut Entries<'_, 'de> {
    type Error = Fault;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Fault> {
        if !self.more()? {
            return Ok(None);
        }
        let index = self.count - 1;
        seed.deserialize(&mut *self.reader).map(Some).map_err(|fault| fault.under(&index.to_string()))
    }
}

/// An enum's variant with its content: `{"variant": content}`.
struct Variant<'r, 'de> {
    reader: &'r mut Reader<'de>,
}

impl<'de> EnumAccess<'de> for Variant<'_, 'de> {
    type Error = Fault;
    type Variant = Self;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Self), Fault> {
        let name = self.reader.text.string()?;
        self.reader.text.expect(b':')?;
        let variant = seed.deserialize(StrDeserializer::<Fault>::new(&name)).map_err(|fault| fault.under(&name))?;
        Ok((variant, self))
    }
}

impl<'de> VariantAccess<'de> for Variant<'_, 'de> {
    type Error = Fault;

    fn unit_variant(self) -> Result<(), Fault> {
        de::Deserialize::deserialize(self.reader)
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, Fault> {
        seed.deserialize(self.reader)
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, Fault> {
        self.reader.seq_or_fault(visitor)
    }

    fn struct_variant<V: Visitor<'de>>(self, _: &'static [&'static str], visitor: V) -> Result<V::Value, Fault> {
        self.reader.map_or_fault(visitor)
    }
}

#[cfg(test)]
mod tests;
