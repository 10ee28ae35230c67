//! Cases: the boundary observations, smallest first.

use std::collections::BTreeSet;
use std::sync::Arc;

use trimtab_core::observation::Observation;
use trimtab_core::phase::Phase;
use trimtab_core::proposal::Slot;
use trimtab_core::time::Span;

use super::remediation::sealed;
use super::shrink::members;
use super::situations::{Situation, situations};
use super::variations::{self, Variation};
use super::vocabulary::Vocabulary;

/// Words and lengths that are tried in every phase that can expire; the rest in Analyzing.
const WORDS_IN_EVERY_PHASE: usize = 32;
const LENGTHS_MAX: usize = 16;
const RULES_IN_EVERY_PHASE: usize = 64;

/// One observation to ask about.
#[derive(Debug, Clone)]
pub struct Case {
    /// Situation and variation, for people.
    pub name: String,
    /// The observation, read live, every fact gathered.
    pub observation: Arc<Observation>,
    /// Deadlines of kind "ask" that the transitions slot is told have passed.
    pub expired: Vec<String>,
    /// Whether the host could have observed it. The others show whether a policy stands what should never come.
    pub is_consistent: bool,
}

/// Boundary observations for policies that fill these slots, smallest first: always the same ones.
pub fn observations(slots: &BTreeSet<Slot>) -> Vec<Arc<Observation>> {
    observations_with(slots, &Vocabulary::default())
}

/// The same, with more of them made of the words that a policy may look for.
pub fn observations_with(slots: &BTreeSet<Slot>, vocabulary: &Vocabulary) -> Vec<Arc<Observation>> {
    // Passed deadlines are a question of their own, not another observation.
    let cases = cases(slots, vocabulary);
    cases.into_iter().filter(|case| case.expired.is_empty()).map(|case| case.observation).collect()
}

/// The same, each with what else belongs to the question.
pub fn cases(slots: &BTreeSet<Slot>, vocabulary: &Vocabulary) -> Vec<Case> {
    let mut made = Made::default();
    for situation in situations() {
        made.add(&situation, None);
        let list = if situation.is_usual { variations::single() } else { variations::everywhere() };
        made.all(&situation, &list);
        if situation.is_usual {
            of_vocabulary(&mut made, &situation, vocabulary);
        }
        if situation.is_usual && can_expire(&situation) {
            made.all(&situation, &variations::crossed());
        }
        if slots.contains(&Slot::Transitions) && can_expire(&situation) {
            made.expired(&situation);
        }
    }
    let mut cases = made.cases;
    cases.sort_by_cached_key(|case| (members(&case.observation), case.expired.len(), case.name.len()));
    cases
}

fn can_expire(situation: &Situation) -> bool {
    situation.seen.phase.is_some_and(|phase| !phase.is_terminal())
}

fn of_vocabulary(made: &mut Made, situation: &Situation, vocabulary: &Vocabulary) {
    let is_analyzing = situation.seen.phase == Some(Phase::Analyzing);
    for (place, word) in vocabulary.words().enumerate() {
        if is_analyzing {
            made.all(situation, &variations::of_word(word));
        } else if place < WORDS_IN_EVERY_PHASE {
            made.all(situation, &variations::of_word_in_every_phase(word));
        }
    }
    for (place, rule) in vocabulary.rules().enumerate() {
        if is_analyzing || place < RULES_IN_EVERY_PHASE {
            made.all(situation, &[variations::of_rule(rule)]);
        }
    }
    let lengths: Vec<Span> = vocabulary.lengths().take(LENGTHS_MAX).collect();
    if can_expire(situation) {
        made.all(situation, &variations::times(&lengths));
    }
}

#[derive(Debug, Default)]
struct Made {
    cases: Vec<Case>,
}

impl Made {
    fn add(&mut self, situation: &Situation, variation: Option<&Variation>) {
        let Some(variation) = variation else {
            self.push(situation.name.clone(), situation.seen.clone(), situation.is_consistent);
            return;
        };
        let mut seen = situation.seen.clone();
        variation.apply(&mut seen);
        if seen == situation.seen {
            return;
        }
        // Before signal processing has completed, the host knows neither environment nor priority.
        let is_early = situation.seen.facts.classification.is_none() && seen.facts.classification.is_some();
        let is_consistent = situation.is_consistent && variation.is_consistent && !is_early;
        self.push(format!("{} {}", situation.name, variation.name), sealed(seen), is_consistent);
    }

    fn all(&mut self, situation: &Situation, list: &[Variation]) {
        for variation in list {
            self.add(situation, Some(variation));
        }
    }

    fn push(&mut self, name: String, seen: Observation, is_consistent: bool) {
        self.cases.push(Case { name, observation: Arc::new(seen), expired: Vec::new(), is_consistent });
    }

    /// The host has come to the end of a deadline that the policy wanted to be asked about.
    fn expired(&mut self, situation: &Situation) {
        let Some(phase) = situation.seen.phase else { return };
        let mut seen = situation.seen.clone();
        seen.now = seen.phase_entered_at().unwrap_or(seen.now).plus(Span::from_secs(3 * 3600));
        let observation = Arc::new(seen);
        for expired in [vec![phase.name().to_owned()], vec!["Global".to_owned()]] {
            let name = format!("{} expired={}", situation.name, expired.join("+"));
            let observation = Arc::clone(&observation);
            self.cases.push(Case { name, observation, expired, is_consistent: situation.is_consistent });
        }
    }
}
