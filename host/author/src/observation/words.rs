//! Times, lengths and names as people write them.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Error as _, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use trimtab_core::go_duration;
use trimtab_core::observation::ChildKind;
use trimtab_core::phase::Phase;
use trimtab_core::time::{Span, Timestamp};

/// A point in time, RFC 3339, to the millisecond.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Time(pub Timestamp);

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, millis) = (self.0.to_string(), self.0.as_millis() % 1000);
        match whole.strip_suffix('Z') {
            Some(seconds) if millis > 0 => write!(f, "{seconds}.{millis:03}Z"),
            _ => f.write_str(&whole),
        }
    }
}

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let mend = "write it like 2026-01-01T12:00:00Z";
        Timestamp::parse(&text).map(Self).ok_or_else(|| D::Error::custom(format!("\"{text}\" is no time: {mend}")))
    }
}

impl JsonSchema for Time {
    fn schema_name() -> Cow<'static, str> {
        "Time".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "string", "format": "date-time", "examples": ["2026-01-01T12:00:00Z"]})
    }
}

/// A length of time, a Go duration, to the millisecond.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Length(pub Span);

impl fmt::Display for Length {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl Serialize for Length {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Length {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let millis = go_duration::parse(&text).map_err(D::Error::custom)?;
        let millis = u64::try_from(millis)
            .map_err(|_| D::Error::custom(format!("\"{text}\" is negative: write a length such as 10m")))?;
        Ok(Self(Span::from_millis(millis)))
    }
}

impl JsonSchema for Length {
    fn schema_name() -> Cow<'static, str> {
        "Length".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "pattern": "^[+]?(0|([0-9]+([.][0-9]*)?|[.][0-9]+)(ns|us|µs|μs|ms|s|m|h))+$",
            "examples": ["45s", "10m", "1h30m"],
        })
    }
}

/// A phase of a remediation, or "" before its first step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct PhaseWord(pub Option<Phase>);

impl Serialize for PhaseWord {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0.map_or("", Phase::name))
    }
}

impl<'de> Deserialize<'de> for PhaseWord {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        if text.is_empty() {
            return Ok(Self(None));
        }
        phase(&text).map(|phase| Self(Some(phase))).map_err(D::Error::custom)
    }
}

impl JsonSchema for PhaseWord {
    fn schema_name() -> Cow<'static, str> {
        "Phase".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let names: Vec<&str> = std::iter::once("").chain(Phase::ALL.into_iter().map(Phase::name)).collect();
        json_schema!({"type": "string", "enum": names})
    }
}

/// The phase of this name, or a message that names them all.
pub(crate) fn phase(text: &str) -> Result<Phase, String> {
    let names = || Phase::ALL.map(Phase::name).join(", ");
    text.parse().map_err(|unknown| format!("{unknown}: use one of {}", names()))
}

/// Kind of a child.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ChildWord(pub ChildKind);

impl Serialize for ChildWord {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0.name())
    }
}

impl<'de> Deserialize<'de> for ChildWord {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let names = || ChildKind::ALL.map(ChildKind::name).join(", ");
        ChildKind::parse(&text)
            .map(Self)
            .ok_or_else(|| D::Error::custom(format!("no child is of kind \"{text}\": use one of {}", names())))
    }
}

impl JsonSchema for ChildWord {
    fn schema_name() -> Cow<'static, str> {
        "ChildKind".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "string", "enum": ChildKind::ALL.map(ChildKind::name)})
    }
}

/// When each phase was last entered.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PhaseTimes(pub BTreeMap<Phase, Time>);

impl Serialize for PhaseTimes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(phase, at)| (phase.name(), at)))
    }
}

/// One entry of the list form.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct PhaseEntry {
    /// The phase.
    phase: PhaseWord,
    /// When it was entered.
    entered_at: Time,
}

impl<'de> Deserialize<'de> for PhaseTimes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(PhaseTimesVisitor)
    }
}

struct PhaseTimesVisitor;

impl<'de> Visitor<'de> for PhaseTimesVisitor {
    type Value = PhaseTimes;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a map from phase to time, or a list of {phase, enteredAt}")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<PhaseTimes, A::Error> {
        let mut times = BTreeMap::new();
        while let Some((name, at)) = map.next_entry::<String, Time>()? {
            times.insert(phase(&name).map_err(A::Error::custom)?, at);
        }
        Ok(PhaseTimes(times))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<PhaseTimes, A::Error> {
        let mut times = BTreeMap::new();
        while let Some(entry) = list.next_element::<PhaseEntry>()? {
            let phase = entry.phase.0.ok_or_else(|| A::Error::custom("an entry needs the name of a phase"))?;
            if times.insert(phase, entry.entered_at).is_some() {
                return Err(A::Error::custom(format!("{phase} is entered twice: give the last entry only")));
            }
        }
        Ok(PhaseTimes(times))
    }
}

impl JsonSchema for PhaseTimes {
    fn schema_name() -> Cow<'static, str> {
        "PhaseTimes".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let time = generator.subschema_for::<Time>();
        let entry = generator.subschema_for::<PhaseEntry>();
        json_schema!({"oneOf": [
            {
                "type": "object",
                "additionalProperties": time,
                "propertyNames": {"enum": Phase::ALL.map(Phase::name)},
            },
            {"type": "array", "items": entry},
        ]})
    }
}
