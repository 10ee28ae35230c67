//! What the administrator has set: pauses, limits, and the state of the breaker, as the `ConfigMap` holds them.

use serde::{Deserialize, Serialize};

use super::runs::Subject;
use crate::time::Span;

/// Most pauses at once.
pub const PAUSES_MAX: usize = 100;

/// Most bytes of a text that a person gives.
pub const TEXT_BYTES_MAX: usize = 1024;

/// Everything in the `ConfigMap`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Rules {
    /// What is paused.
    pub pauses: Vec<Pause>,
    /// What is limited.
    pub limits: Limits,
    /// The breaker's state.
    pub breaker: Breaker,
}

/// No new execution for the remediations that it covers. Every member that is set must fit; with none it is for all.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Pause {
    /// Labels of the remediation: `team=web,!canary`; see [`LabelSelector`].
    #[serde(skip_serializing_if = "String::is_empty")]
    pub labels: String,
    /// Namespace of the target.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub namespace: String,
    /// Severity, raw or normalised.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub severity: String,
    /// Why.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub reason: String,
    /// Who.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub by: String,
    /// When, as RFC 3339.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub at: String,
}

impl Pause {
    /// Whether both cover the same.
    pub fn has_scope_of(&self, other: &Self) -> bool {
        (&self.labels, &self.namespace, &self.severity) == (&other.labels, &other.namespace, &other.severity)
    }

    /// Whether it covers a remediation. One whose labels cannot be read covers every remediation.
    pub fn covers(&self, subject: &Subject) -> bool {
        let fits = |wanted: &str, has: &[String]| wanted.is_empty() || has.iter().any(|one| one == wanted);
        fits(&self.namespace, &subject.namespaces)
            && fits(&self.severity, &subject.severities)
            && LabelSelector::parse(&self.labels).map_or(true, |selector| selector.fits(subject))
    }

    /// The scope as the command line has it.
    pub fn flags(&self) -> String {
        let members = [("selector", &self.labels), ("namespace", &self.namespace), ("severity", &self.severity)];
        let set = members.into_iter().filter(|(_, value)| !value.is_empty());
        let flags: Vec<_> = set.map(|(name, value)| format!("--{name} {}", quoted(value))).collect();
        if flags.is_empty() { "--all".to_owned() } else { flags.join(" ") }
    }

    /// Reason and mend.
    pub fn sentence(&self) -> String {
        let or = |text: &str, absent: &'static str| if text.is_empty() { absent.to_owned() } else { text.to_owned() };
        let (reason, by, at) =
            (or(&self.reason, "no reason given"), or(&self.by, "somebody"), or(&self.at, "some time"));
        let flags = self.flags();
        format!("Paused by {by} at {at}: {reason}. No execution starts until `trimtab resume {flags}`.")
    }
}

/// The value as a shell takes it.
fn quoted(value: &str) -> String {
    let is_plain = value.chars().all(|one| one.is_ascii_alphanumeric() || "-_./=,:".contains(one));
    if is_plain { value.to_owned() } else { format!("'{}'", value.replace('\'', r"'\''")) }
}

/// Labels that a remediation must have: `key=value`, `key!=value`, `key` or `!key`, joined by commas; empty fits all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LabelSelector(Vec<Term>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Term {
    Equal(String, String),
    NotEqual(String, String),
    Present(String),
    Absent(String),
}

impl LabelSelector {
    /// Reads a selector; the error names the part that is none.
    pub fn parse(text: &str) -> Result<Self, String> {
        let terms = text.split(',').map(str::trim).filter(|_| !text.trim().is_empty()).map(term).collect();
        Ok(Self(Result::<Vec<_>, String>::from_iter::<Vec<_>>(terms)?))
    }

    fn fits(&self, subject: &Subject) -> bool {
        self.0.iter().all(|term| match term {
            Term::Equal(key, value) => subject.labels.get(key) == Some(value),
            Term::NotEqual(key, value) => subject.labels.get(key) != Some(value),
            Term::Present(key) => subject.labels.contains_key(key),
            Term::Absent(key) => !subject.labels.contains_key(key),
        })
    }
}

fn term(text: &str) -> Result<Term, String> {
    let is_word = |word: &str, marks: &str| word.chars().all(|one| one.is_ascii_alphanumeric() || marks.contains(one));
    let pair = |key: &str, value: &str| (key.trim().to_owned(), value.trim().to_owned());
    let term = if let Some((key, value)) = text.split_once("!=") {
        let (key, value) = pair(key, value);
        Term::NotEqual(key, value)
    } else if let Some((key, value)) = text.split_once("==").or_else(|| text.split_once('=')) {
        let (key, value) = pair(key, value);
        Term::Equal(key, value)
    } else if let Some(key) = text.strip_prefix('!') {
        Term::Absent(key.trim().to_owned())
    } else {
        Term::Present(text.to_owned())
    };
    let (key, value) = match &term {
        Term::Equal(key, value) | Term::NotEqual(key, value) => (key, value.as_str()),
        Term::Present(key) | Term::Absent(key) => (key, ""),
    };
    if key.is_empty() || !is_word(key, "-_./") || !is_word(value, "-_.") {
        return Err(format!(
            "\"{text}\" is no label selector: use key=value, key!=value, key or !key, joined by commas"
        ));
    }
    Ok(term)
}

/// How many executions there may be, and when failures open the breaker. What is absent is not limited.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Limits {
    /// Active at once.
    #[serde(skip_serializing_if = "is_default")]
    pub active: ActiveLimits,
    /// Started within a length of time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub started: Option<StartLimit>,
    /// The share of failures that opens the breaker.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failures: Option<FailureLimit>,
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// How many executions may be active at once; 0 lets none start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct ActiveLimits {
    /// In all that the controller watches.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cluster: Option<u32>,
    /// In the namespace of a target.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace: Option<u32>,
    /// On everything that the same object owns.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub owner: Option<u32>,
}

/// How many executions may be started within a length of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct StartLimit {
    /// How many.
    pub count: u32,
    /// Within what, as `10m`.
    #[serde(with = "go_span")]
    pub within: Span,
}

/// When failures open the breaker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct FailureLimit {
    /// The share of failed executions that opens it, 1 to 100.
    pub percent: u32,
    /// Fewest ended executions that say anything, at least 1.
    pub samples: u32,
    /// Executions that ended longer ago do not count.
    #[serde(with = "go_span", default = "an_hour")]
    pub within: Span,
}

fn an_hour() -> Span {
    Span::from_secs(3600)
}

/// The breaker's state.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Breaker {
    /// Since when it is open, and why.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tripped: Option<Trip>,
    /// Who closed it last; what ended before does not count any more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reset: Option<Reset>,
}

/// The breaker has opened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Trip {
    /// When, as RFC 3339.
    pub at: String,
    /// Why.
    pub text: String,
}

/// Somebody has closed the breaker.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Reset {
    /// When, as RFC 3339.
    pub at: String,
    /// Who.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub by: String,
}

impl Rules {
    /// What is wrong with them besides their form; empty where they can be used.
    pub fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        if self.pauses.len() > PAUSES_MAX {
            faults.push(format!("{} pauses; at most {PAUSES_MAX}", self.pauses.len()));
        }
        for pause in &self.pauses {
            faults.extend(LabelSelector::parse(&pause.labels).err());
        }
        if self.limits.started.is_some_and(|limit| limit.within == Span::default()) {
            faults.push("limits.started.within is zero".to_owned());
        }
        if let Some(limit) = self.limits.failures {
            if !(1..=100).contains(&limit.percent) {
                faults.push(format!("limits.failures.percent is {}; use 1 to 100", limit.percent));
            }
            if limit.samples == 0 {
                faults.push("limits.failures.samples is 0; use at least 1".to_owned());
            }
        }
        faults
    }

    /// Whether any brake is on or any limit is set.
    pub fn is_empty(&self) -> bool {
        self.pauses.is_empty() && is_default(&self.limits) && self.breaker.tripped.is_none()
    }
}

/// Lengths of time as `10m`.
mod go_span {
    use serde::{Deserialize as _, Deserializer, Serializer, de};

    use crate::go_duration;
    use crate::time::Span;

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
    pub(super) fn serialize<S: Serializer>(span: &Span, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(span)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Span, D::Error> {
        let text = String::deserialize(from)?;
        let millis = go_duration::parse(&text).map_err(de::Error::custom)?;
        u64::try_from(millis).map(Span::from_millis).map_err(|_| de::Error::custom(format!("{text} is negative")))
    }
}
