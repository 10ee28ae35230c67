//! Reads YAML and JSON files, and says where in them a fault is.

use std::path::Path;

use serde::Deserialize;
use serde::de::{DeserializeOwned, MapAccess, SeqAccess, Visitor};
use serde_saphyr::Spanned;

use crate::error::{AuthorError, Finding};

/// Most bytes of a document that is read.
pub const DOCUMENT_BYTES_MAX: u64 = 4 << 20;

/// The text of a file, at most [`DOCUMENT_BYTES_MAX`] bytes.
pub fn read_text(what: &'static str, file: &Path) -> Result<String, AuthorError> {
    let length = std::fs::metadata(file).map_err(|error| AuthorError::read(what, file, error))?.len();
    if length > DOCUMENT_BYTES_MAX {
        let name = file.display();
        let text = format!("the {what} {name} has {length} bytes: at most {DOCUMENT_BYTES_MAX} are read");
        return Err(AuthorError::Input(text));
    }
    std::fs::read_to_string(file).map_err(|error| AuthorError::read(what, file, error))
}

/// Reads a file, JSON where its name ends in `.json`, else YAML.
pub fn read<T: DeserializeOwned>(what: &'static str, file: &Path) -> Result<T, AuthorError> {
    let text = read_text(what, file)?;
    Ok(parse(&file.display().to_string(), &text)?)
}

/// Reads a document; `file` is named in findings, and tells JSON from YAML. An empty document is an empty object.
pub fn parse<T: DeserializeOwned>(file: &str, text: &str) -> Result<T, Finding> {
    let text = if is_empty(text) { "{}" } else { text };
    if is_json(file) {
        return serde_json::from_str(text).map_err(|error| of_json(file, &error));
    }
    serde_saphyr::from_str(text).map_err(|error| of_yaml(file, &error))
}

/// Reads every document of a file: several in YAML, one in JSON.
pub fn parse_all<T: DeserializeOwned>(file: &str, text: &str) -> Result<Vec<T>, Finding> {
    if is_json(file) {
        return parse(file, text).map(|one| vec![one]);
    }
    serde_saphyr::from_multiple(text).map_err(|error| of_yaml(file, &error))
}

fn is_json(file: &str) -> bool {
    Path::new(file).extension().is_some_and(|extension| extension.eq_ignore_ascii_case("json"))
}

fn is_empty(text: &str) -> bool {
    text.lines().all(|line| line.trim().is_empty() || line.trim_start().starts_with('#'))
}

fn of_json(file: &str, error: &serde_json::Error) -> Finding {
    let message = error.to_string();
    let message = message.rsplit_once(" at line ").map_or(message.as_str(), |(text, _)| text).to_owned();
    Finding { file: file.to_owned(), line: error.line() as u64, column: error.column() as u64, message }
}

fn of_yaml(file: &str, error: &serde_saphyr::Error) -> Finding {
    let place = error.location();
    let text = error.without_snippet().to_string();
    let (line, column) = place.map_or((0, 0), |place| (place.line(), place.column()));
    Finding { file: file.to_owned(), line, column, message: plain(&text) }
}

/// The first line of a message, without the place that is told beside it.
fn plain(text: &str) -> String {
    let line = text.lines().next().unwrap_or_default();
    let line = line.strip_prefix("error: ").unwrap_or(line);
    let line = match line.split_once(": ") {
        Some((place, rest)) if place.starts_with("line ") => rest,
        _ => line,
    };
    let end = line.rfind(" at line ").unwrap_or(line.len());
    line[..end].trim_end_matches([',', ' ']).to_owned()
}

/// Where each value of a document stands.
#[derive(Debug)]
pub struct Places {
    root: Option<Node>,
}

#[derive(Debug)]
struct Node {
    line: u64,
    column: u64,
    content: Content,
}

#[derive(Debug)]
enum Content {
    Scalar,
    List(Vec<Node>),
    Map(Vec<(String, Node)>),
}

impl Places {
    /// The places of a document's values; JSON is read as the YAML that it is. Empty where it cannot be read so.
    pub fn of(text: &str) -> Self {
        Self { root: serde_saphyr::from_str::<Node>(text).ok() }
    }

    /// The same for each document of a file of several.
    pub fn of_each(text: &str) -> Vec<Self> {
        let roots = serde_saphyr::from_multiple::<Node>(text).unwrap_or_default();
        roots.into_iter().map(|root| Self { root: Some(root) }).collect()
    }

    /// The places of what lies at a member of this document.
    #[must_use]
    pub fn within(self, member: &str) -> Self {
        let Some(Node { content: Content::Map(members), .. }) = self.root else { return Self { root: None } };
        Self { root: members.into_iter().find(|(key, _)| key == member).map(|(_, value)| value) }
    }

    /// Line and column, from 1, of the value at a JSON Pointer, or of the innermost value on the way to it.
    pub fn at(&self, pointer: &str) -> Option<(u64, u64)> {
        let mut node = self.root.as_ref()?;
        for step in pointer.split('/').skip(1) {
            let step = step.replace("~1", "/").replace("~0", "~");
            let inner = match &node.content {
                Content::Scalar => None,
                Content::List(items) => step.parse::<usize>().ok().and_then(|index| items.get(index)),
                Content::Map(members) => members.iter().find(|(key, _)| *key == step).map(|(_, value)| value),
            };
            match inner {
                Some(inner) => node = inner,
                None => break,
            }
        }
        Some((node.line, node.column))
    }
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let spanned = Spanned::<Content>::deserialize(deserializer)?;
        Ok(Self { line: spanned.referenced.line(), column: spanned.referenced.column(), content: spanned.value })
    }
}

impl<'de> Deserialize<'de> for Content {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ContentVisitor)
    }
}

struct ContentVisitor;

impl<'de> Visitor<'de> for ContentVisitor {
    type Value = Content;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("any value")
    }

    fn visit_bool<E>(self, _: bool) -> Result<Content, E> {
        Ok(Content::Scalar)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Content, E> {
        Ok(Content::Scalar)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Content, E> {
        Ok(Content::Scalar)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Content, E> {
        Ok(Content::Scalar)
    }

    fn visit_str<E>(self, _: &str) -> Result<Content, E> {
        Ok(Content::Scalar)
    }

    fn visit_unit<E>(self) -> Result<Content, E> {
        Ok(Content::Scalar)
    }

    fn visit_none<E>(self) -> Result<Content, E> {
        Ok(Content::Scalar)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Content, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = list.next_element()? {
            items.push(item);
        }
        Ok(Content::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Content, A::Error> {
        let mut members = Vec::new();
        while let Some(member) = map.next_entry()? {
            members.push(member);
        }
        Ok(Content::Map(members))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Small {
        #[expect(dead_code, reason = "only read")]
        number: u32,
    }

    #[test]
    fn an_unknown_member_is_told_with_its_line_and_column() {
        let finding = parse::<Small>("a.yaml", "number: 1\nnumbre: 2\n").unwrap_err();
        assert_eq!((finding.line, finding.column), (2, 1), "{finding}");
        assert_eq!(finding.to_string(), "a.yaml:2:1: unknown field `numbre`, expected one of number");
        let finding = parse::<Small>("a.json", "{\"number\": 1,\n \"numbre\": 2}").unwrap_err();
        assert!(finding.to_string().starts_with("a.json:2:9: unknown field `numbre`"), "{finding}");
    }

    #[test]
    fn a_wrong_type_and_bad_syntax_are_told_with_their_place() {
        let finding = parse::<Small>("a.yaml", "number: many\n").unwrap_err();
        assert_eq!((finding.line, finding.column), (1, 9), "{finding}");
        let finding = parse::<Small>("a.yaml", "number: [1\n").unwrap_err();
        assert!(finding.line >= 1, "{finding}");
        assert!(!finding.message.contains("line "), "{finding}");
    }

    #[test]
    fn a_pointer_leads_to_the_place_of_its_value() {
        let places = Places::of("a:\n  - b: 1\n    c: 2\n");
        assert_eq!(places.at("/a/0/c"), Some((3, 8)));
        assert_eq!(places.at(""), Some((1, 1)));
        assert_eq!(places.at("/a/0/missing"), places.at("/a/0"));
    }
}
