//! The part of `JSONPath` that printer columns and selectable fields use.

use serde_json::Value;

/// A parsed path such as `.status.conditions[?(@.type=="Ready")].reason`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct JsonPath(Vec<Step>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Step {
    Member(String),
    Index(i64),
    Every,
    Where { member: Vec<String>, equals: String },
}

impl JsonPath {
    /// Parses `text`; `None` where it uses more than this module knows.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut rest = text.trim().strip_prefix('$').unwrap_or(text.trim());
        let mut steps = Vec::new();
        while !rest.is_empty() {
            if let Some(tail) = rest.strip_prefix('.') {
                let end = member_end(tail);
                if end == 0 {
                    return None;
                }
                steps.push(Step::Member(tail[..end].replace("\\.", ".")));
                rest = &tail[end..];
            } else {
                let tail = rest.strip_prefix('[')?;
                let end = tail.find(']')?;
                steps.push(parse_bracket(&tail[..end])?);
                rest = &tail[end + 1..];
            }
        }
        Some(Self(steps))
    }

    /// The plain member names, where the path has nothing else.
    pub(crate) fn members(&self) -> Option<Vec<String>> {
        self.0
            .iter()
            .map(|step| match step {
                Step::Member(name) => Some(name.clone()),
                Step::Index(_) | Step::Every | Step::Where { .. } => None,
            })
            .collect()
    }

    /// The first value the path leads to.
    pub(crate) fn first<'a>(&self, root: &'a Value) -> Option<&'a Value> {
        let mut found = vec![root];
        for step in &self.0 {
            found = found.into_iter().flat_map(|value| step.apply(value)).collect();
        }
        found.into_iter().next()
    }
}

impl Step {
    fn apply<'a>(&self, value: &'a Value) -> Vec<&'a Value> {
        match self {
            Self::Member(name) => value.get(name).into_iter().collect(),
            Self::Index(index) => {
                let list = value.as_array().map_or(&[][..], Vec::as_slice);
                let length = i64::try_from(list.len()).unwrap_or(i64::MAX);
                let at = if *index < 0 { length + index } else { *index };
                usize::try_from(at).ok().and_then(|at| list.get(at)).into_iter().collect()
            }
            Self::Every => value.as_array().into_iter().flatten().collect(),
            Self::Where { member, equals } => value
                .as_array()
                .into_iter()
                .flatten()
                .filter(|item| {
                    let mut at = *item;
                    for name in member {
                        at = &at[name.as_str()];
                    }
                    match at {
                        Value::String(text) => text == equals,
                        other => equals.parse().is_ok_and(|wanted: Value| wanted == *other),
                    }
                })
                .collect(),
        }
    }
}

fn member_end(text: &str) -> usize {
    let mut escaped = false;
    for (at, letter) in text.char_indices() {
        match letter {
            '\\' => escaped = true,
            '.' | '[' if !escaped => return at,
            _ => escaped = false,
        }
    }
    text.len()
}

fn parse_bracket(text: &str) -> Option<Step> {
    let text = text.trim();
    if text == "*" {
        return Some(Step::Every);
    }
    if let Some(name) = unquote(text) {
        return Some(Step::Member(name));
    }
    if let Ok(index) = text.parse() {
        return Some(Step::Index(index));
    }
    let condition = text.strip_prefix("?(@.")?.strip_suffix(')')?;
    let (member, wanted) = condition.split_once("==")?;
    let wanted = wanted.trim();
    Some(Step::Where {
        member: member.trim().split('.').map(str::to_owned).collect(),
        equals: unquote(wanted).unwrap_or_else(|| wanted.to_owned()),
    })
}

fn unquote(text: &str) -> Option<String> {
    ['\'', '"'].into_iter().find_map(|quote| {
        let inner = text.strip_prefix(quote)?.strip_suffix(quote)?;
        Some(inner.to_owned())
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn paths_of_printer_columns_are_found() {
        let object = json!({
            "metadata": {"labels": {"a.b/c": "dotted"}},
            "status": {"conditions": [{"type": "Other", "reason": "no"}, {"type": "Ready", "reason": "yes"}]},
        });
        for (path, wanted) in [
            (r#".status.conditions[?(@.type=="Ready")].reason"#, json!("yes")),
            (r".status.conditions[?(@.type=='Other')].reason", json!("no")),
            (".status.conditions[-1].reason", json!("yes")),
            (".status.conditions[*].type", json!("Other")),
            (r".metadata.labels.a\.b/c", json!("dotted")),
            ("$.metadata.labels['a.b/c']", json!("dotted")),
        ] {
            let parsed = JsonPath::parse(path).expect(path);
            assert_eq!(parsed.first(&object), Some(&wanted), "{path}");
        }
        assert_eq!(JsonPath::parse(".spec.x").unwrap().first(&object), None);
        assert!(JsonPath::parse("spec").is_none());
    }
}
