//! What a scenario expects beside its transcript: metrics, audit events, notifications.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use serde::Deserialize;
use serde_json::Value;

use super::model::contains;
use super::template::Names;
use crate::virtual_time::stage::Stage;

/// How long a metric or an audit event may be behind the write that it tells of, in virtual time.
const BEHIND: Duration = Duration::from_secs(5);

/// Time between two looks, in virtual time.
const LOOK: Duration = Duration::from_millis(100);

/// What must be true. Metrics and audit events are looked at in virtual time only.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Expect {
    /// A sample of a metric.
    #[serde(default)]
    pub metric: Option<Metric>,
    /// Every audit event until now, in order: its type, or what it contains.
    #[serde(default)]
    pub audit: Option<Vec<Value>>,
    /// A notification's `name`, and what it contains.
    #[serde(default)]
    pub notification: Option<Value>,
}

/// A sample of a metric.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Metric {
    /// As it is exposed, with its ending: `…_total`.
    pub name: String,
    /// Labels that it has; it may have others.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    /// The sum over all samples that have them; nothing counts as 0.
    pub value: f64,
}

impl Expect {
    /// Whether part of it can only be looked at in virtual time.
    pub const fn needs_stage(&self) -> bool {
        self.metric.is_some() || self.audit.is_some()
    }

    /// Looks until it is so.
    pub async fn meet(&self, stage: &Stage, names: &Names) -> anyhow::Result<()> {
        let looks = BEHIND.as_millis() / LOOK.as_millis();
        let mut last = Ok(());
        for _ in 0..=looks {
            last = self.look(stage, names);
            if last.is_ok() {
                return Ok(());
            }
            tokio::time::sleep(LOOK).await;
        }
        last
    }

    fn look(&self, stage: &Stage, names: &Names) -> anyhow::Result<()> {
        if let Some(metric) = &self.metric {
            let text = stage.metrics();
            let value = metric.sum(&text);
            let family: Vec<_> = text.lines().filter(|line| line.starts_with(&metric.name)).collect();
            ensure!(
                (value - metric.value).abs() < 1e-9,
                "{} {:?} is {value}, not {}:\n{}",
                metric.name,
                metric.labels,
                metric.value,
                family.join("\n")
            );
        }
        match &self.audit {
            Some(expected) => audit(&names.fill(&Value::Array(expected.clone()))?, &stage.audit()?),
            None => Ok(()),
        }
    }
}

fn audit(expected: &Value, found: &[Value]) -> anyhow::Result<()> {
    let expected = expected.as_array().context("no list of events")?;
    let event_type = |event: &Value| event["event_type"].as_str().unwrap_or_default().to_owned();
    let types = || found.iter().map(event_type).collect::<Vec<_>>().join("\n");
    for (nth, one) in expected.iter().enumerate() {
        let Some(event) = found.get(nth) else {
            bail!("audit event {} is missing: {one}; there are\n{}", nth + 1, types())
        };
        let is_so = one.as_str().map_or_else(|| contains(event, one), |name| event_type(event) == name);
        ensure!(is_so, "audit event {} is not {one}:\n{event}\nthere are\n{}", nth + 1, types());
    }
    ensure!(found.len() == expected.len(), "{} audit events are expected; there are\n{}", expected.len(), types());
    Ok(())
}

impl Metric {
    fn sum(&self, text: &str) -> f64 {
        text.lines()
            .filter(|line| self.is_told_by(line))
            .filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok())
            // The sum of nothing would be -0.
            .fold(0.0, std::ops::Add::add)
    }

    fn is_told_by(&self, line: &str) -> bool {
        let Some(rest) = line.strip_prefix(self.name.as_str()) else { return false };
        (rest.starts_with('{') || rest.starts_with(' '))
            && self.labels.iter().all(|(name, value)| {
                let label = format!("{name}=\"{value}\"");
                rest.contains(&format!("{{{label}")) || rest.contains(&format!(",{label}"))
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn samples_with_the_labels_are_added_up() {
        let text = "a_total{phase=\"X\",namespace=\"n\"} 2\na_total{phase=\"Y\",namespace=\"n\"} 3\na_total_more 9\n";
        let metric = |labels: &[(&str, &str)]| Metric {
            name: "a_total".to_owned(),
            labels: labels.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
            value: 0.0,
        };
        assert_eq!(metric(&[]).sum(text).to_string(), "5");
        assert_eq!(metric(&[("phase", "Y")]).sum(text).to_string(), "3");
        assert_eq!(metric(&[("phase", "Z")]).sum(text).to_string(), "0");
    }

    #[test]
    fn audit_events_are_held_against_types_and_parts_in_order() {
        let found = [json!({"event_type": "a", "x": 1}), json!({"event_type": "b"})];
        assert!(audit(&json!([{"event_type": "a", "x": 1}, "b"]), &found).is_ok());
        assert!(audit(&json!(["a"]), &found).is_err(), "one too many");
        assert!(audit(&json!(["b", "a"]), &found).is_err());
        assert!(audit(&json!(["a", "b", "c"]), &found).is_err());
    }
}
