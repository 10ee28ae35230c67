//! Reads the config file: every value by its key, or every fault with its place.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use trimtab_author::error::Finding;
use trimtab_core::go_duration;
use trimtab_core::time::Span;

use super::keys::{self, Key, Shape};
use super::nearest::nearest;
use super::tree::{Content, Node, Place};

/// Most namespaces that may be named.
const NAMESPACES_MAX: usize = 256;

/// Most bytes of a namespace's name.
const NAME_BYTES_MAX: usize = 63;

/// A value that fits its key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Value {
    Length(Span),
    Count(u32),
    Flag(bool),
    Text(String),
    Address(SocketAddr),
    Names(Vec<String>),
    Unread,
}

/// A value and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Given {
    pub(super) place: Place,
    pub(super) value: Value,
}

/// What the file says, by path.
pub(super) type Values = BTreeMap<&'static str, Given>;

/// Reads a document; `everywhere` is where an address without a host listens. Every fault, in the order of the file.
pub(super) fn read(file: &str, text: &str, everywhere: IpAddr) -> Result<Values, Vec<Finding>> {
    let root: Option<Node> = match serde_saphyr::from_str(text) {
        Ok(root) => root,
        Err(_) if is_empty(text) => None,
        // The same faults in the same words as in every other document.
        Err(error) => return Err(vec![syntax(file, text, &error)]),
    };
    let mut reading = Reading { file, everywhere, values: Values::new(), faults: Vec::new() };
    if let Some(root) = root {
        reading.section("", &root);
    }
    if reading.faults.is_empty() { Ok(reading.values) } else { Err(reading.faults) }
}

fn is_empty(text: &str) -> bool {
    text.lines().all(|line| line.trim().is_empty() || line.trim_start().starts_with(['#', '-']))
}

fn syntax(file: &str, text: &str, error: &serde_saphyr::Error) -> Finding {
    let told = trimtab_author::document::parse::<serde_json::Value>("config.yaml", text);
    let place = error.location().map_or((0, 0), |place| (place.line(), place.column()));
    match told {
        Err(finding) => Finding { file: file.to_owned(), ..finding },
        Ok(_) => Finding { file: file.to_owned(), line: place.0, column: place.1, message: "is no map of keys".into() },
    }
}

/// A fault at a place.
pub(super) fn finding(file: &str, place: Place, message: String) -> Finding {
    Finding { file: file.to_owned(), line: place.line, column: place.column, message }
}

struct Reading<'a> {
    file: &'a str,
    everywhere: IpAddr,
    values: Values,
    faults: Vec<Finding>,
}

impl Reading<'_> {
    fn section(&mut self, path: &str, node: &Node) {
        let members = match &node.content {
            Content::Map(members) => members,
            // A section with nothing in it sets nothing.
            Content::Nothing => return,
            other => {
                let what = if path.is_empty() { "the document" } else { path };
                self.fault(node.place, format!("{what} is {}: it has to be a map of keys", other.kind()));
                return;
            }
        };
        for (name, value) in members {
            let inner = if path.is_empty() { name.text.clone() } else { format!("{path}.{}", name.text) };
            if let Some(key) = keys::find(&inner) {
                self.value(key, value);
            } else if keys::is_section(&inner) {
                self.section(&inner, value);
            } else {
                self.fault(name.place, unknown(path, &name.text));
            }
        }
    }

    fn value(&mut self, key: &'static Key, node: &Node) {
        if node.content == Content::Nothing {
            return;
        }
        match fit(key.shape, &node.content, self.everywhere) {
            Ok(value) => {
                self.values.insert(key.path, Given { place: node.place, value });
            }
            Err(bound) => {
                let message = format!("{} is {}: {bound}", key.path, node.content.shown());
                self.fault(node.place, message);
            }
        }
    }

    fn fault(&mut self, place: Place, message: String) {
        self.faults.push(finding(self.file, place, message));
    }
}

/// An unknown key, the known one that may have been meant, and else all that can stand here.
fn unknown(section: &str, name: &str) -> String {
    let path = |name: &str| if section.is_empty() { name.to_owned() } else { format!("{section}.{name}") };
    let known = keys::names_below(section);
    if let Some(meant) = nearest(name, known.iter().copied()) {
        return format!("unknown key {}, is {} meant?", path(name), path(meant));
    }
    let elsewhere = keys::KEYS.iter().find(|key| key.path.rsplit('.').next() == Some(name));
    match elsewhere {
        Some(key) => format!("unknown key {}, is {} meant?", path(name), key.path),
        None => format!("unknown key {}, known here are {}", path(name), known.join(", ")),
    }
}

/// The value, or which bound it does not keep.
fn fit(shape: Shape, content: &Content, everywhere: IpAddr) -> Result<Value, String> {
    match (shape, content) {
        (Shape::Anything, _) => Ok(Value::Unread),
        (Shape::Length { least, most }, Content::Text(text)) => length(text, least, most).map(Value::Length),
        // Go reads a bare 0 as no time at all, and no other bare number.
        (Shape::Length { least, most }, Content::Count(0)) => length("0", least, most).map(Value::Length),
        (Shape::Length { .. }, _) => Err("it has to be a length with its unit, such as 90s, 5m or 1h30m".to_owned()),
        (Shape::Count { least, most } | Shape::Hours { least, most }, Content::Count(count)) => {
            let within = u32::try_from(*count).ok().filter(|_| (least..=most).contains(count));
            let value = within.ok_or_else(|| match shape {
                Shape::Count { .. } if most == i64::from(u32::MAX) => format!("at least {least} is needed"),
                _ => format!("from {least} to {most} is allowed"),
            })?;
            let hours = |count: u32| Value::Length(Span::from_secs(u64::from(count) * 3600));
            Ok(if matches!(shape, Shape::Hours { .. }) { hours(value) } else { Value::Count(value) })
        }
        (Shape::Count { .. } | Shape::Hours { .. }, _) => Err("it has to be a whole number".to_owned()),
        (Shape::Flag, Content::Flag(flag)) => Ok(Value::Flag(*flag)),
        (Shape::Flag, _) => Err("it has to be true or false".to_owned()),
        (Shape::Text { must_say: true }, Content::Text(text)) if text.is_empty() => {
            Err("it has to say something; leave the key out for the default".to_owned())
        }
        (Shape::Text { .. }, Content::Text(text)) => Ok(Value::Text(text.clone())),
        (Shape::Text { .. }, _) => Err("it has to be a text".to_owned()),
        (Shape::Word(words), Content::Text(text)) => words
            .iter()
            .find(|word| word.eq_ignore_ascii_case(text))
            .map(|word| Value::Text((*word).to_owned()))
            .ok_or_else(|| one_of(words)),
        (Shape::Word(words), _) => Err(one_of(words)),
        (Shape::Address, Content::Text(text)) => address(text, everywhere).map(Value::Address),
        (Shape::Address, _) => Err(ADDRESS.to_owned()),
        (Shape::Namespaces, Content::List(items)) => namespaces(items).map(Value::Names),
        (Shape::Namespaces, _) => Err("it has to be a list of namespaces".to_owned()),
    }
}

fn one_of(words: &[&str]) -> String {
    let shown: Vec<_> = words.iter().map(|word| if word.is_empty() { "\"\"" } else { word }).collect();
    format!("it has to be one of {}", shown.join(", "))
}

fn length(text: &str, least: Span, most: Span) -> Result<Span, String> {
    let millis = go_duration::parse(text).map_err(|error| error.to_string())?;
    let least_allowed = || match least.as_millis() {
        0 => "it must not be negative".to_owned(),
        1 => "it has to be longer than 0".to_owned(),
        _ => format!("from {least} to {most} is allowed"),
    };
    let length = u64::try_from(millis).map(Span::from_millis).map_err(|_| least_allowed())?;
    if length < least {
        return Err(least_allowed());
    }
    if most > Span::default() && length > most {
        let is_open = least.as_millis() <= 1;
        return Err(if is_open { format!("at most {most} is allowed") } else { least_allowed() });
    }
    Ok(length)
}

const ADDRESS: &str = "it has to be an address to listen on, such as :9090 or 127.0.0.1:9090";

fn address(text: &str, everywhere: IpAddr) -> Result<SocketAddr, String> {
    let port = |port: &str| port.parse::<u16>().map_err(|_| ADDRESS.to_owned());
    if let Some(rest) = text.strip_prefix(':') {
        return Ok(SocketAddr::new(everywhere, port(rest)?));
    }
    if let Some(rest) = text.strip_prefix("localhost:") {
        return Ok(SocketAddr::new(Ipv4Addr::LOCALHOST.into(), port(rest)?));
    }
    text.parse().map_err(|_| ADDRESS.to_owned())
}

fn namespaces(items: &[Node]) -> Result<Vec<String>, String> {
    if items.is_empty() || items.len() > NAMESPACES_MAX {
        return Err(format!("from 1 to {NAMESPACES_MAX} namespaces are allowed; leave the key out for the default"));
    }
    let mut names = Vec::new();
    for item in items {
        let Content::Text(name) = &item.content else {
            return Err(format!("{} is no namespace", item.content.shown()));
        };
        if !is_name(name) {
            return Err(format!("{name:?} is no name of a namespace"));
        }
        if !names.contains(name) {
            names.push(name.clone());
        }
    }
    Ok(names)
}

/// Whether this can be a namespace's name (RFC 1123).
pub(crate) fn is_name(name: &str) -> bool {
    let is_edge = |byte: Option<&u8>| byte.is_some_and(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
    let bytes = name.as_bytes();
    bytes.len() <= NAME_BYTES_MAX
        && is_edge(bytes.first())
        && is_edge(bytes.last())
        && bytes.iter().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || *byte == b'-')
}
