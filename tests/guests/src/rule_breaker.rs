//! Breaks one rule of the host, the one that its config names, in every slot where that rule holds.
//!
//! Its answers are well-formed and arrive: it is the guardrails between a proposal and a plan that have to refuse them.

use std::borrow::Cow;

use schemars::JsonSchema;
use serde::Deserialize;
use trimtab_policy_sdk::{
    Children, Creation, Creations, Deadline, Explanation, Facts, Failure, Intent, Observation, Policy, Schedule,
    Timeouts, Transitions, block_reasons, kinds, phases,
};

/// Which rule is broken.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default, rename_all = "camelCase")]
pub struct Config {
    /// The reason that the host refuses with; empty: no rule.
    pub breaks: String,
}

/// The guest.
#[allow(unreachable_pub, reason = "public so that a native build, which has no exports, uses it")]
#[derive(Debug)]
pub struct RuleBreaker;

fn why(config: &Config) -> Explanation {
    Explanation::new("RuleBroken", format!("this answer breaks {}", config.breaks))
}

/// One hour after the start.
fn deadline(observation: &Observation, phase: &str) -> Deadline {
    Deadline::time_out(phase, observation.started_at.unwrap_or(observation.now), 3_600_000)
}

impl Policy for RuleBreaker {
    type Config = Config;
    const NAME: &'static str = "rule-breaker";
    const VERSION: &'static str = env!("CARGO_PKG_VERSION");
    const SUMMARY: &'static str = "Breaks the rule that its config names.";

    fn config_schema() -> Cow<'static, str> {
        r#"{"type":"object","additionalProperties":false,"properties":{"breaks":{"type":"string"}}}"#.into()
    }
}

impl Timeouts for RuleBreaker {
    fn schedule<F: Facts>(_: &F, observation: &Observation, config: &Config) -> Result<Schedule, Failure> {
        let global = || deadline(observation, phases::GLOBAL);
        let with_notice = |patch: &str| Deadline { notice: Some(patch.to_owned()), ..global() };
        let deadlines = match config.breaks.as_str() {
            "TooMany" => vec![global(); 9],
            "Duplicate" => vec![global(); 2],
            "PhaseUnknown" => vec![deadline(observation, "Napping")],
            "OnExpiryUnknown" => vec![Deadline { on_expiry: "shrug".to_owned(), ..global() }],
            "PatchInvalid" => vec![with_notice("[]")],
            "PatchForbidden" => vec![with_notice(r#"{"recipients":[{"email":"someone@example.com"}]}"#)],
            "ExpiredDeadlineIgnored" => vec![Deadline::ask(&observation.phase, 0, 1)],
            _ => vec![global()],
        };
        Ok(Schedule { deadlines, budgets: Vec::new(), why: why(config), attributes: Vec::new() })
    }
}

impl Transitions for RuleBreaker {
    fn decide<F: Facts>(_: &F, _: &Observation, _: &[String], config: &Config) -> Result<Intent, Failure> {
        let why = why(config);
        Ok(match config.breaks.as_str() {
            "PhaseUnknown" => Intent::advance("Napping", why),
            "IntentUnknown" => Intent { kind: "shrug".to_owned(), why, ..Intent::default() },
            "IntentUnsupported" => Intent { kind: "wait-on".to_owned(), why, ..Intent::default() },
            "AttemptsExhausted" | "ExecutionUnsettled" => Intent::retry(why),
            "FieldMissing" => Intent::advance("", why),
            "FieldInvalid" => Intent::fail("Napping", "it overslept", why),
            "EdgeIllegal" => Intent::advance(phases::VERIFYING, why),
            "ApprovalMissing" | "WorkflowIncomplete" | "TargetBusy" => Intent::advance(phases::EXECUTING, why),
            "SourceInvalid" => Intent::wait_on("we-nobody", block_reasons::RESOURCE_BUSY, "nobody is in the way", why),
            _ => Intent::stay(why),
        })
    }
}

impl Children for RuleBreaker {
    fn create<F: Facts>(_: &F, _: &Observation, _: &Intent, config: &Config) -> Result<Creations, Failure> {
        let analysis = || Creation::standard(kinds::AI_ANALYSIS);
        let items = match config.breaks.as_str() {
            "TooMany" => vec![analysis(); 9],
            "Duplicate" => vec![analysis(); 2],
            "CreationUnexpected" => vec![analysis(), Creation::standard(kinds::WORKFLOW_EXECUTION)],
            "PatchInvalid" => vec![analysis().with_patch("[]")],
            "PatchForbidden" => vec![analysis().with_patch(r#"{"remediationId":"another"}"#)],
            _ => Vec::new(),
        };
        Ok(Creations { items, why: why(config), attributes: Vec::new() })
    }
}

trimtab_policy_sdk::export!(RuleBreaker: timeouts, transitions, children);
