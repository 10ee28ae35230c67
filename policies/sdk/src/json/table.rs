//! Reads a document into a config by a table of its keys, in a fraction of the size of what serde derives.
//!
//! A component carries its reader. The one that serde derives costs some 4 KB for each struct; a table costs some 300
//! bytes, since one loop reads all of them.

use serde::de::{Error as _, Unexpected};

use super::{Entries, Fault, Reader, Text};
use crate::{ConfigFault, GoDuration};

/// A config, or a part of one, whose members are found by their keys. Made by [`table!`](crate::table).
pub trait Table {
    /// Every key.
    fn keys(&self) -> &'static [&'static str];

    /// The member whose key stands at this place of the [`keys`](Self::keys).
    fn field(&mut self, place: usize) -> Option<&mut dyn Field>;
}

/// A value that can be read. What the document leaves out stays as it is.
pub trait Field {
    /// Reads the value that stands here.
    ///
    /// # Errors
    /// What is wrong with it, and where.
    fn read(&mut self, place: &mut Place<'_, '_>) -> Result<(), ConfigFault>;
}

/// A place in a document.
#[allow(missing_debug_implementations, reason = "lives only while a document is read")]
pub struct Place<'r, 'de>(pub(super) &'r mut Reader<'de>);

/// Reads a whole document by its table. The empty text and `{}` change nothing.
///
/// # Errors
/// The first fault and its place.
pub fn read_table<T: Table + Default>(document: &str) -> Result<T, ConfigFault> {
    let mut config = T::default();
    read_into(document, &mut config)?;
    Ok(config)
}

fn read_into(document: &str, config: &mut dyn Table) -> Result<(), ConfigFault> {
    let mut reader = Reader { text: Text::new(document), depth: 0 };
    Place(&mut reader).table(config)?;
    reader.text.end().map_err(told)
}

/// Reads one entry: its place, its key, and the keys before it.
type One<'f> = dyn FnMut(&mut Place<'_, '_>, &str, &[String]) -> Result<(), ConfigFault> + 'f;

impl Place<'_, '_> {
    /// Reads an object by its table.
    ///
    /// # Errors
    /// What is wrong with it, and where.
    pub fn table(&mut self, table: &mut dyn Table) -> Result<(), ConfigFault> {
        self.each(b'{', "an object", &mut |place, key, earlier| {
            if earlier.iter().any(|known| known == key) {
                return Err(told(Fault::new(format!("duplicate field `{key}`"))));
            }
            let known = table.keys();
            let Some(field) = known.iter().position(|known| *known == key).and_then(|at| table.field(at)) else {
                let mut message = format!("unknown field `{key}`");
                // Without `join`, which would link 1 KB.
                for (at, known) in known.iter().enumerate() {
                    message += if at == 0 { ", expected one of `" } else { "`, `" };
                    message += known;
                }
                if !known.is_empty() {
                    message += "`";
                }
                return Err(told(Fault::new(message)));
            };
            field.read(place)
        })
    }

    /// Reads a string.
    ///
    /// # Errors
    /// Where something else stands here.
    pub fn text(&mut self) -> Result<String, ConfigFault> {
        match self.0.text.peek() {
            Some(b'"') => self.0.text.string().map_err(told),
            _ => Err(told(self.0.unexpected(&"a string"))),
        }
    }

    /// Reads the members of an object, or with `[` the elements of an array under their numbers: each with the keys
    /// before it.
    pub(super) fn each(&mut self, begin: u8, expected: &str, one: &mut One<'_>) -> Result<(), ConfigFault> {
        if self.0.text.peek() != Some(begin) {
            return Err(told(self.0.unexpected(&expected)));
        }
        self.0.text.expect(begin).map_err(told)?;
        if self.0.depth == super::DEPTH_MAX {
            return Err(told(self.0.text.fault("is nested too deeply")));
        }
        self.0.depth += 1;
        let is_array = begin == b'[';
        let mut earlier = Vec::new();
        let mut entries = Entries::until(if is_array { b']' } else { b'}' }, self.0);
        while entries.more().map_err(told)? {
            let key = if is_array { (entries.count - 1).to_string() } else { key(&mut entries).map_err(told)? };
            one(&mut Place(entries.reader), &key, &earlier).map_err(|fault| under(fault, &key))?;
            earlier.push(key);
        }
        self.0.depth -= 1;
        Ok(())
    }
}

fn key(entries: &mut Entries<'_, '_>) -> Result<String, Fault> {
    let key = entries.reader.text.string()?;
    entries.reader.text.expect(b':')?;
    Ok(key)
}

fn told(fault: Fault) -> ConfigFault {
    ConfigFault { path: fault.path, message: fault.message }
}

fn under(fault: ConfigFault, key: &str) -> ConfigFault {
    told(Fault { path: fault.path, message: fault.message }.under(key))
}

impl Field for String {
    fn read(&mut self, place: &mut Place<'_, '_>) -> Result<(), ConfigFault> {
        *self = place.text()?;
        Ok(())
    }
}

impl Field for GoDuration {
    fn read(&mut self, place: &mut Place<'_, '_>) -> Result<(), ConfigFault> {
        *self = place.text()?.parse().map_err(|fault| told(Fault::custom(fault)))?;
        Ok(())
    }
}

impl Field for bool {
    fn read(&mut self, place: &mut Place<'_, '_>) -> Result<(), ConfigFault> {
        match place.0.text.peek() {
            Some(b't' | b'f') => *self = place.0.text.word().map_err(told)? == "true",
            _ => return Err(told(place.0.unexpected(&"a boolean"))),
        }
        Ok(())
    }
}

impl Field for u32 {
    fn read(&mut self, place: &mut Place<'_, '_>) -> Result<(), ConfigFault> {
        if !matches!(place.0.text.peek(), Some(b'-' | b'0'..=b'9')) {
            return Err(told(place.0.unexpected(&"u32")));
        }
        let number = place.0.text.number().map_err(told)?;
        let read = crate::go_duration::whole(number).and_then(|number| Self::try_from(number).ok());
        let mend = || told(Fault::new(format!("is {number}, expected a whole number from 0 to {}", Self::MAX)));
        *self = read.ok_or_else(mend)?;
        Ok(())
    }
}

/// `null` is none.
impl<T: Field + Default> Field for Option<T> {
    fn read(&mut self, place: &mut Place<'_, '_>) -> Result<(), ConfigFault> {
        if place.0.text.peek() == Some(b'n') {
            *self = None;
            return place.0.text.word().map(drop).map_err(told);
        }
        self.insert(T::default()).read(place)
    }
}

impl<T: Field + Default> Field for Vec<T> {
    fn read(&mut self, place: &mut Place<'_, '_>) -> Result<(), ConfigFault> {
        self.clear();
        place.each(b'[', "an array", &mut |place, _, _| {
            let mut one = T::default();
            one.read(place)?;
            self.push(one);
            Ok(())
        })
    }
}

/// What a string is that names none of these words.
///
/// # Errors
/// Always.
pub fn no_such_word<T>(found: &str, words: &'static str) -> Result<T, ConfigFault> {
    Err(told(Fault::invalid_value(Unexpected::Str(found), &words)))
}

/// Lets a struct be read by its keys: `table!(Lengths { "analyzing" => analyzing });`.
#[macro_export]
macro_rules! table {
    ($record:ty { $($key:literal => $field:ident),+ $(,)? }) => {
        impl $crate::Table for $record {
            fn keys(&self) -> &'static [&'static str] {
                &[$($key),+]
            }

            fn field(&mut self, place: usize) -> Option<&mut dyn $crate::Field> {
                // One after the other, since a macro cannot count; the compiler makes a table of it.
                let mut at = 0;
                $(
                    if place == at {
                        return Some(&mut self.$field);
                    }
                    at += 1;
                )+
                let _ = at;
                None
            }
        }

        impl $crate::Field for $record {
            fn read(&mut self, place: &mut $crate::Place<'_, '_>) -> Result<(), $crate::ConfigFault> {
                place.table(self)
            }
        }
    };
}
