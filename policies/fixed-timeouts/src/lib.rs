//! Fixed timeouts, by severity, namespace and environment: the smallest useful policy, meant to be copied.

use std::borrow::Cow;

use schemars::JsonSchema;
use serde::Deserialize;
use trimtab_policy_sdk::{
    Budget, Deadline, Explanation, Facts, Failure, GoDuration, Observation, Policy, Schedule, Timeouts, effective,
    entered_at, include_json, phases,
};

/// Rules in order, the first that matches wins; `default` holds for what it leaves out.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Lengths that no rule sets; what is left out here is Kubernaut's.
    pub default: Lengths,
    /// Rules in order.
    #[schemars(length(max = 64))]
    pub rules: Vec<Rule>,
}

/// What has to match (a key left out matches everything), and the lengths that then hold.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Rule {
    /// Name of the rule, for the explanation.
    pub name: String,
    /// Severity as the signal's source spells it.
    pub severity: Option<String>,
    /// Namespace of the object that the signal points at.
    pub namespace: Option<String>,
    /// Environment; matches only after signal processing has found it.
    pub environment: Option<String>,
    /// Lengths where this rule matches.
    pub timeouts: Lengths,
}

/// How long the remediation and its phases may last; 0 for a phase without a deadline of its own.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default, rename_all = "camelCase")]
#[expect(missing_docs, reason = "each is the phase of its name")]
pub struct Lengths {
    pub global: Option<GoDuration>,
    pub processing: Option<GoDuration>,
    pub analyzing: Option<GoDuration>,
    pub awaiting_approval: Option<GoDuration>,
    pub executing: Option<GoDuration>,
    pub verifying: Option<GoDuration>,
}

/// Kubernaut's lengths in minutes.
const STANDARD: [(&str, u64); 6] = [
    (phases::GLOBAL, 60),
    (phases::PROCESSING, 5),
    (phases::ANALYZING, 10),
    (phases::AWAITING_APPROVAL, 15),
    (phases::EXECUTING, 30),
    (phases::VERIFYING, 30),
];

impl Lengths {
    fn of(&self, phase: &str) -> Option<GoDuration> {
        match phase {
            phases::GLOBAL => self.global,
            phases::PROCESSING => self.processing,
            phases::ANALYZING => self.analyzing,
            phases::AWAITING_APPROVAL => self.awaiting_approval,
            phases::EXECUTING => self.executing,
            phases::VERIFYING => self.verifying,
            _ => None,
        }
    }
}

impl Rule {
    fn matches(&self, observation: &Observation) -> bool {
        let is = |wanted: &Option<String>, seen: &str| wanted.as_deref().is_none_or(|wanted| wanted == seen);
        is(&self.severity, &observation.severity)
            && is(&self.namespace, observation.target.namespace.as_deref().unwrap_or_default())
            && is(&self.environment, &observation.environment)
    }
}

/// The policy.
#[derive(Debug)]
pub struct FixedTimeouts;

impl Policy for FixedTimeouts {
    type Config = Config;
    const NAME: &'static str = "fixed-timeouts";
    const VERSION: &'static str = env!("CARGO_PKG_VERSION");
    const SUMMARY: &'static str = "Fixed timeouts by severity, namespace and environment.";

    fn config_schema() -> Cow<'static, str> {
        include_json!("../config.schema.json").into()
    }
}

impl Timeouts for FixedTimeouts {
    fn schedule<F: Facts>(_: &F, observation: &Observation, config: &Config) -> Result<Schedule, Failure> {
        let rule = config.rules.iter().find(|rule| rule.matches(observation));
        let name = rule.map_or("default", |rule| rule.name.as_str());
        let budgets = STANDARD.map(|(phase, minutes)| {
            let ruled = rule.and_then(|rule| rule.timeouts.of(phase)).or_else(|| config.default.of(phase));
            let length = ruled.unwrap_or(GoDuration::from_minutes(minutes)).milliseconds();
            Budget::new(phase, effective(observation, phase, length))
        });
        let why = Explanation::new("FixedTimeouts", format!("the lengths of rule \"{name}\" hold")).with("rule", name);
        let deadlines = budgets.iter().filter_map(|budget| deadline(observation, budget)).collect();
        Ok(Schedule { deadlines, budgets: budgets.into(), why, attributes: Vec::new() })
    }
}

/// The global clock and the current phase; zero means no deadline for a phase.
fn deadline(observation: &Observation, budget: &Budget) -> Option<Deadline> {
    let Budget { phase, duration } = budget;
    match phase.as_str() {
        phases::GLOBAL => Some(Deadline::time_out(phase, observation.started_at?, *duration)),
        _ if *phase != observation.phase || *duration == 0 => None,
        phases::AWAITING_APPROVAL | phases::VERIFYING => {
            Some(Deadline::ask(phase, entered_at(observation, phase)?, *duration))
        }
        _ => Some(Deadline::time_out(phase, entered_at(observation, phase)?, *duration)),
    }
}

trimtab_policy_sdk::export!(FixedTimeouts: timeouts);

#[cfg(test)]
mod tests;
