//! Faults on demand: what goes wrong, at which requests, how often.

use serde::{Deserialize, Serialize};

/// Which requests a fault meets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum On {
    /// Single and batch writes.
    #[default]
    Write,
    /// Queries of events.
    Query,
}

/// What goes wrong. `stores` says whether a write takes effect all the same.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case")]
pub enum Effect {
    /// The answer has this status.
    Status {
        /// HTTP status.
        status: u16,
        /// Value of the `Retry-After` header.
        #[serde(default)]
        retry_after: Option<String>,
        /// Whether the write takes effect.
        #[serde(default)]
        stores: bool,
    },
    /// The connection ends without an answer.
    HangUp {
        /// Whether the write takes effect.
        #[serde(default)]
        stores: bool,
    },
    /// The usual answer comes late.
    Delay {
        /// How late, in milliseconds.
        millis: u64,
        /// Whether the write takes effect before the delay; else afterwards, if the client still waits.
        #[serde(default)]
        stores: bool,
    },
}

/// An effect for the next requests of a kind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    /// Which requests.
    #[serde(default)]
    pub on: On,
    /// How many of them.
    #[serde(default = "once")]
    pub times: u32,
    /// What goes wrong.
    #[serde(flatten)]
    pub effect: Effect,
}

const fn once() -> u32 {
    1
}

impl Fault {
    /// The next `times` writes are answered with this status and store nothing.
    pub const fn status(status: u16, times: u32) -> Self {
        Self { on: On::Write, times, effect: Effect::Status { status, retry_after: None, stores: false } }
    }

    /// The next `times` writes end without an answer.
    pub const fn hang_up(stores: bool, times: u32) -> Self {
        Self { on: On::Write, times, effect: Effect::HangUp { stores } }
    }

    /// The same fault for queries.
    #[must_use]
    pub fn on_queries(mut self) -> Self {
        self.on = On::Query;
        self
    }
}

/// Why a script of faults cannot be used.
#[derive(Debug, thiserror::Error)]
#[error(
    "the script is no JSON array of faults such as \
     [{{\"on\":\"write\",\"times\":2,\"do\":\"status\",\"status\":503}}]: {why}"
)]
pub struct ScriptInvalid {
    /// Cause, with its place.
    pub why: String,
}

/// Reads a JSON array of faults; they strike in this order.
pub fn parse_script(text: &str) -> Result<Vec<Fault>, ScriptInvalid> {
    serde_json::from_str(text).map_err(|error| ScriptInvalid { why: error.to_string() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_script_names_effects_and_has_defaults() {
        let script = r#"[{"times":2,"do":"status","status":503},{"on":"query","do":"hang_up"},
            {"do":"delay","millis":7,"stores":true}]"#;
        let faults = parse_script(script).unwrap();
        assert_eq!(faults[0], Fault::status(503, 2));
        assert_eq!(faults[1], Fault::hang_up(false, 1).on_queries());
        assert_eq!(faults[2].effect, Effect::Delay { millis: 7, stores: true });
    }

    #[test]
    fn a_script_with_an_unknown_effect_is_refused_with_an_example() {
        let refused = parse_script(r#"[{"do":"explode"}]"#).unwrap_err().to_string();
        assert!(refused.contains("explode") && refused.contains("JSON array of faults"), "{refused}");
    }
}
