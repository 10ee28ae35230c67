//! `${…}` in scenario files: times relative to the present moment, and names.

use std::collections::BTreeMap;

use anyhow::{Context as _, bail};
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use crate::virtual_time::stage::Stage;

/// What names stand for; `now`, `now-61m` and the like are always known.
#[derive(Debug, Clone)]
pub struct Names {
    names: BTreeMap<&'static str, String>,
    stage: Option<Stage>,
}

impl Names {
    /// These names.
    pub fn new<const N: usize>(names: [(&'static str, String); N]) -> Self {
        Self { names: names.into_iter().collect(), stage: None }
    }

    /// With the clock of a virtual run.
    pub fn on(&mut self, stage: Stage) {
        self.stage = Some(stage);
    }

    /// The present, of the virtual run or of this machine.
    pub fn now(&self) -> Timestamp {
        self.stage.as_ref().map_or_else(Timestamp::now, Stage::now)
    }

    /// Fills in every string of a document.
    pub fn fill(&self, value: &Value) -> anyhow::Result<Value> {
        Ok(match value {
            Value::String(text) => Value::String(self.fill_text(text)?),
            Value::Array(list) => Value::Array(list.iter().map(|entry| self.fill(entry)).collect::<Result<_, _>>()?),
            Value::Object(members) => Value::Object(
                members
                    .iter()
                    .map(|(key, value)| Ok((key.clone(), self.fill(value)?)))
                    .collect::<anyhow::Result<_>>()?,
            ),
            other => other.clone(),
        })
    }

    /// Fills in one string.
    pub fn fill_text(&self, text: &str) -> anyhow::Result<String> {
        let mut filled = String::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("${") {
            let (name, after) = after.split_once('}').with_context(|| format!("\"{text}\": a ${{ without }}"))?;
            filled.push_str(before);
            filled.push_str(&self.value(name).with_context(|| format!("in \"{text}\""))?);
            rest = after;
        }
        filled.push_str(rest);
        Ok(filled)
    }

    fn value(&self, name: &str) -> anyhow::Result<String> {
        if let Some(known) = self.names.get(name) {
            return Ok(known.clone());
        }
        let Some(offset) = name.strip_prefix("now") else { bail!("${{{name}}} is unknown") };
        // Whole seconds, as every time of these kinds is written.
        let now = Timestamp::from_second(self.now().as_second())?;
        Ok((now + parse_offset(offset)?).to_string())
    }
}

fn parse_offset(text: &str) -> anyhow::Result<SignedDuration> {
    if text.is_empty() {
        return Ok(SignedDuration::ZERO);
    }
    let (sign, rest) = match text.split_at_checked(1) {
        Some(("+", rest)) => (1, rest),
        Some(("-", rest)) => (-1, rest),
        _ => bail!("\"{text}\" has no sign"),
    };
    let digits = rest.trim_end_matches(|character: char| character.is_ascii_lowercase());
    let unit = match rest.get(digits.len()..) {
        Some("s") => 1,
        Some("m") => 60,
        Some("h") => 3600,
        _ => bail!("\"{text}\" does not end in s, m or h"),
    };
    let count: i64 = digits.parse().with_context(|| format!("\"{text}\""))?;
    Ok(SignedDuration::from_secs(sign * count * unit))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_times_are_filled_in() {
        let names = Names::new([("rr", "rr-a".to_owned())]);
        assert_eq!(names.fill_text("sp-${rr}").ok().as_deref(), Some("sp-rr-a"));
        let past: Timestamp = names.fill_text("${now-61m}").unwrap().parse().unwrap();
        let age = Timestamp::now().duration_since(past).as_secs();
        assert!((61 * 60..61 * 60 + 5).contains(&age), "{age}");
        for bad in ["${soon}", "${now61m}", "${now-61}", "${rr"] {
            assert!(names.fill_text(bad).is_err(), "{bad}");
        }
    }
}
