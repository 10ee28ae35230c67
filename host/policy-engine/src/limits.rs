//! What one instance of a component may use. Each limit has its own reason when it strikes.

use serde::{Deserialize, Serialize};

/// Bounds of one instance: one component in one decision, over all slots that it answers.
///
/// How often an evaluation may be repeated for facts is bounded by the caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "camelCase")]
pub struct Limits {
    /// Units of fuel, host calls included: 1,000 a call and one a byte.
    pub fuel: u64,
    /// Bytes of linear memory, all memories and tables of the instance together.
    pub memory_bytes: u64,
    /// Wall clock in milliseconds; struck to the 10 ms tick before it.
    pub wall_clock_millis: u64,
    /// Bytes of one answer: its strings, and 32 for each record.
    pub answer_bytes: u64,
    /// Bytes of log lines that are kept; what is over is cut and said so.
    pub log_bytes: u64,
    /// Bytes of all answers to `facts` together.
    pub transfer_bytes: u64,
    /// Bytes of the component itself.
    pub component_bytes: u64,
}

impl Limits {
    /// What a policy has that sets nothing.
    pub const DEFAULT: Self = Self {
        fuel: 10_000_000,
        memory_bytes: 16 << 20,
        wall_clock_millis: 50,
        answer_bytes: 256 << 10,
        log_bytes: 4 << 10,
        transfer_bytes: 64 << 10,
        component_bytes: 64 << 20,
    };

    /// The most that can be set; memory is bounded by the engine as well.
    pub const CEILING: Self = Self {
        fuel: 100_000_000_000,
        memory_bytes: 1 << 30,
        wall_clock_millis: 60_000,
        answer_bytes: 16 << 20,
        log_bytes: 1 << 20,
        transfer_bytes: 64 << 20,
        component_bytes: 1 << 30,
    };

    /// Refuses a limit of zero and one above [`Limits::CEILING`] or the engine's memory.
    pub fn check(&self, engine_memory_bytes: u64) -> Result<(), LimitOutOfBounds> {
        let top = Self::CEILING;
        let rows = [
            ("fuel", self.fuel, top.fuel),
            ("memoryBytes", self.memory_bytes, top.memory_bytes.min(engine_memory_bytes)),
            ("wallClockMillis", self.wall_clock_millis, top.wall_clock_millis),
            ("answerBytes", self.answer_bytes, top.answer_bytes),
            ("logBytes", self.log_bytes, top.log_bytes),
            ("transferBytes", self.transfer_bytes, top.transfer_bytes),
            ("componentBytes", self.component_bytes, top.component_bytes),
        ];
        match rows.into_iter().find(|(_, value, most)| *value == 0 || value > most) {
            Some((name, value, most)) => Err(LimitOutOfBounds { name, value, most }),
            None => Ok(()),
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// A limit that no policy can have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("limit {name} is {value}: set it between 1 and {most}")]
pub struct LimitOutOfBounds {
    /// The limit, as it is spelt in a policy.
    pub name: &'static str,
    /// What was asked for.
    pub value: u64,
    /// The most that this host allows.
    pub most: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_policy_does_not_set_has_its_default() {
        let limits: Limits = serde_json::from_str(r#"{"fuel":5,"wallClockMillis":20}"#).unwrap();
        assert_eq!(limits, Limits { fuel: 5, wall_clock_millis: 20, ..Limits::DEFAULT });
    }

    #[test]
    fn an_unknown_limit_is_refused() {
        let fault = serde_json::from_str::<Limits>(r#"{"petrol":5}"#).unwrap_err();
        assert!(fault.to_string().contains("petrol"), "{fault}");
    }

    #[test]
    fn a_limit_of_zero_or_above_the_engine_is_refused_by_name() {
        let none = Limits { fuel: 0, ..Limits::DEFAULT };
        assert_eq!(none.check(u64::MAX).unwrap_err().name, "fuel");
        let much = Limits { memory_bytes: 65 << 20, ..Limits::DEFAULT };
        assert_eq!(
            much.check(64 << 20).unwrap_err().to_string(),
            "limit memoryBytes is 68157440: set it between 1 and 67108864"
        );
        assert_eq!(Limits::DEFAULT.check(64 << 20), Ok(()));
    }
}
