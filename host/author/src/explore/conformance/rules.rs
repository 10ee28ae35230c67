//! The rules, and the counting of what breaks them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use trimtab_core::proposal::Slot;

use super::{Check, Failure, Headroom, Outcome, Share};
use crate::explore::case::Case;

/// A rule that every policy must keep.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Rule {
    Total,
    Repeatable,
    SeparateInstances,
    DeadlinesBounded,
    RecheckAhead,
    Lawful,
    ExpiredAnswered,
    ChildrenLawful,
    Explained,
    Monotone,
    Headroom,
    ConfigSchema,
    ConfigEmpty,
    ConfigStrict,
}

impl Rule {
    const ALL: [Self; 14] = [
        Self::Total,
        Self::Repeatable,
        Self::SeparateInstances,
        Self::DeadlinesBounded,
        Self::RecheckAhead,
        Self::Lawful,
        Self::ExpiredAnswered,
        Self::ChildrenLawful,
        Self::Explained,
        Self::Monotone,
        Self::Headroom,
        Self::ConfigSchema,
        Self::ConfigEmpty,
        Self::ConfigStrict,
    ];

    const fn texts(self) -> (&'static str, &'static str) {
        match self {
            Self::Total => ("total", "every observation gets an answer, without a fault"),
            Self::Repeatable => ("repeatable", "the same question gets the same answer for the same fuel"),
            Self::SeparateInstances => {
                ("separate-instances", "one instance for all slots answers as one instance for each slot does")
            }
            Self::DeadlinesBounded => {
                ("deadlines-bounded", "no deadline lies more than 24 hours after its entry, unless a person set it")
            }
            Self::RecheckAhead => ("recheck-ahead", "a stay asks to be looked at again at least 1 second from now"),
            Self::Lawful => ("lawful", "no schedule and no intent is refused by the host's guardrails"),
            Self::ExpiredAnswered => {
                ("expired-answered", "a passed deadline of kind \"ask\" is answered with other than an unbounded stay")
            }
            Self::ChildrenLawful => {
                ("children-lawful", "only known children and notifications are created, with allowed patches")
            }
            Self::Explained => ("explained", "every answer names its rule and says why, within the bounds"),
            Self::Monotone => ("monotone", "a deadline that has passed does not lie ahead again at a later moment"),
            Self::Headroom => ("headroom", "at most half of each default limit is used"),
            Self::ConfigSchema => ("config-schema", "the config's schema is a JSON Schema that says something"),
            Self::ConfigEmpty => ("config-empty", "the empty config is accepted"),
            Self::ConfigStrict => ("config-strict", "a config with an unknown member is refused"),
        }
    }

    /// Whether breaking it only warns.
    const fn is_advice(self) -> bool {
        matches!(self, Self::Headroom | Self::ConfigStrict)
    }

    /// The slots that it is about; empty for all.
    const fn slots(self) -> &'static [Slot] {
        match self {
            Self::DeadlinesBounded | Self::Monotone => &[Slot::Timeouts],
            Self::RecheckAhead | Self::ExpiredAnswered => &[Slot::Transitions],
            Self::Lawful => &[Slot::Timeouts, Slot::Transitions],
            Self::ChildrenLawful => &[Slot::Children],
            Self::Total
            | Self::Repeatable
            | Self::SeparateInstances
            | Self::Explained
            | Self::Headroom
            | Self::ConfigSchema
            | Self::ConfigEmpty
            | Self::ConfigStrict => &[],
        }
    }
}

#[derive(Debug, Default)]
struct Tally {
    tried: u64,
    broken: u64,
    /// Broken where it counts, and not only on what the host could not observe.
    is_failed: bool,
    by_reason: BTreeMap<String, u64>,
    first: Option<Failure>,
}

/// Counts of every rule.
#[derive(Debug)]
pub(crate) struct Rules {
    slots: BTreeSet<Slot>,
    tallies: BTreeMap<Rule, Tally>,
}

impl Rules {
    pub(crate) fn new(slots: &BTreeSet<Slot>) -> Self {
        Self { slots: slots.clone(), tallies: Rule::ALL.into_iter().map(|rule| (rule, Tally::default())).collect() }
    }

    /// Whether the policy fills this slot.
    pub(crate) fn fills(&self, slot: Slot) -> bool {
        self.slots.contains(&slot)
    }

    /// How many questions got no answer.
    pub(crate) fn faults(&self) -> u64 {
        self.tallies.get(&Rule::Total).map_or(0, |tally| tally.broken)
    }

    /// Notes one trial: `None` where the rule was kept, else reason and message.
    pub(crate) fn note(
        &mut self,
        rule: Rule,
        slot: Option<Slot>,
        case: Option<&Case>,
        broken: Option<(String, String)>,
    ) {
        let tally = self.tallies.entry(rule).or_default();
        tally.tried += 1;
        let Some((reason, message)) = broken else { return };
        // A policy has to stand what should never come, but need not make sense of it.
        let counts = rule == Rule::Total || case.is_none_or(|case| case.is_consistent);
        tally.broken += 1;
        *tally.by_reason.entry(reason.clone()).or_default() += 1;
        if tally.first.is_none() || (counts && !tally.is_failed) {
            tally.first = Some(Failure {
                case: case.map(|case| case.name.clone()).unwrap_or_default(),
                reason,
                message,
                slot,
                observation: case.map(|case| Arc::clone(&case.observation)),
            });
        }
        tally.is_failed |= counts;
    }

    pub(crate) fn hold_headroom(&mut self, headroom: &Headroom) {
        let rows = [("fuel", headroom.fuel), ("answerBytes", headroom.answer_bytes), ("logBytes", headroom.log_bytes)];
        for (name, share) in rows {
            let Share { used, limit } = share;
            let broken = (!share.is_enough())
                .then(|| ("HeadroomSmall".to_owned(), format!("{used} of {limit} {name} are used: at most half")));
            self.note(Rule::Headroom, None, None, broken);
        }
    }

    pub(crate) fn into_checks(self) -> Vec<Check> {
        let Self { slots, tallies } = self;
        let made = tallies.into_iter().map(|(rule, tally)| {
            let (name, text) = rule.texts();
            let Tally { tried, broken, is_failed, by_reason, first } = tally;
            let is_about = rule.slots().is_empty() || rule.slots().iter().any(|slot| slots.contains(slot));
            let outcome = match (is_about, broken, is_failed && !rule.is_advice()) {
                (false, ..) => Outcome::NotApplicable,
                (true, 0, _) => Outcome::Passed,
                (true, _, true) => Outcome::Failed,
                (true, _, false) => Outcome::Warned,
            };
            Check { name, rule: text, outcome, tried, broken, by_reason, first }
        });
        made.collect()
    }
}
