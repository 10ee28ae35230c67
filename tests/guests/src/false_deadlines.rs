//! Lies about its deadlines, in the way that its config names.

use std::borrow::Cow;

use schemars::JsonSchema;
use serde::Deserialize;
use trimtab_policy_sdk::{
    Budget, Children, Creations, Deadline, Explanation, Facts, Failure, Intent, Observation, Policy, Schedule,
    Timeouts, Transitions, on_expiry, phases,
};

/// The last millisecond of the year 9999.
const YEAR_9999: u64 = 253_402_300_799_999;
/// One hour.
const HOUR: u64 = 3_600_000;

/// How it lies.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default, rename_all = "camelCase")]
pub struct Config {
    /// "past", "year-9999", "end-of-time", "duration" or "on-expiry"; empty: not at all.
    pub lie: String,
}

/// The guest.
#[allow(unreachable_pub, reason = "public so that a native build, which has no exports, uses it")]
#[derive(Debug)]
pub struct FalseDeadlines;

fn why(config: &Config) -> Explanation {
    Explanation::new("Lied", format!("about {}", config.lie))
}

impl Policy for FalseDeadlines {
    type Config = Config;
    const NAME: &'static str = "false-deadlines";
    const VERSION: &'static str = env!("CARGO_PKG_VERSION");
    const SUMMARY: &'static str = "Lies about its deadlines.";

    fn config_schema() -> Cow<'static, str> {
        r#"{"type":"object","additionalProperties":false,"properties":{"lie":{"type":"string"}}}"#.into()
    }
}

impl Timeouts for FalseDeadlines {
    fn schedule<F: Facts>(_: &F, observation: &Observation, config: &Config) -> Result<Schedule, Failure> {
        let honest = observation.started_at.unwrap_or(observation.now).saturating_add(HOUR);
        let (at, duration, expiry) = match config.lie.as_str() {
            "past" => (0, HOUR, on_expiry::TIME_OUT),
            "year-9999" => (YEAR_9999, HOUR, on_expiry::TIME_OUT),
            "end-of-time" => (u64::MAX, u64::MAX, on_expiry::ASK),
            "duration" => (honest, u64::MAX, on_expiry::TIME_OUT),
            "on-expiry" => (honest, HOUR, "time-out\u{0}; DROP"),
            _ => (honest, HOUR, on_expiry::TIME_OUT),
        };
        let deadline = |phase: &str| Deadline {
            phase: phase.to_owned(),
            at,
            on_expiry: expiry.to_owned(),
            duration,
            notice: None,
            attributes: Vec::new(),
        };
        let mut deadlines = vec![deadline(phases::GLOBAL)];
        if !observation.phase.is_empty() {
            deadlines.push(deadline(&observation.phase));
        }
        let budgets = vec![Budget::new(phases::GLOBAL, duration), Budget::new(phases::EXECUTING, duration)];
        Ok(Schedule { deadlines, budgets, why: why(config), attributes: Vec::new() })
    }
}

impl Transitions for FalseDeadlines {
    fn decide<F: Facts>(_: &F, _: &Observation, _: &[String], config: &Config) -> Result<Intent, Failure> {
        Ok(Intent::stay(why(config)))
    }
}

impl Children for FalseDeadlines {
    fn create<F: Facts>(_: &F, _: &Observation, _: &Intent, config: &Config) -> Result<Creations, Failure> {
        Ok(Creations { items: Vec::new(), why: why(config), attributes: Vec::new() })
    }
}

trimtab_policy_sdk::export!(FalseDeadlines: timeouts, transitions, children);
