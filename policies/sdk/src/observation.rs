//! Short questions to an observation.

use crate::{Child, DurationMs, Observation, TimestampMs};

/// The length of a phase, or of the whole remediation for [`phases::GLOBAL`](crate::phases::GLOBAL): a person's
/// override where there is one, else `configured`.
pub fn effective(observation: &Observation, phase: &str, configured: DurationMs) -> DurationMs {
    observation.overrides.iter().find(|budget| budget.phase == phase).map_or(configured, |budget| budget.duration)
}

/// Whether a person has set the length of this phase by hand.
pub fn is_overridden(observation: &Observation, phase: &str) -> bool {
    observation.overrides.iter().any(|budget| budget.phase == phase)
}

/// The newest child of this kind, whether the cluster still has it or not.
pub fn child<'a>(observation: &'a Observation, kind: &str) -> Option<&'a Child> {
    observation.children.iter().rev().find(|child| child.kind == kind)
}

/// When this phase was last entered.
pub fn entered_at(observation: &Observation, phase: &str) -> Option<TimestampMs> {
    observation.phases.iter().rev().find(|entry| entry.phase == phase).map(|entry| entry.entered_at)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Budget, PhaseEntry, kinds, phases};

    #[test]
    fn a_persons_override_comes_first_even_if_it_is_zero() {
        let observation = Observation {
            overrides: vec![Budget::new(phases::ANALYZING, 0), Budget::new(phases::GLOBAL, 7)],
            ..Observation::default()
        };
        assert_eq!(effective(&observation, phases::ANALYZING, 600_000), 0);
        assert_eq!(effective(&observation, phases::GLOBAL, 600_000), 7);
        assert_eq!(effective(&observation, phases::EXECUTING, 600_000), 600_000);
        assert!(is_overridden(&observation, phases::ANALYZING) && !is_overridden(&observation, phases::EXECUTING));
    }

    #[test]
    fn the_last_entry_and_the_newest_child_count() {
        let entry = |phase: &str, entered_at| PhaseEntry { phase: phase.into(), entered_at };
        let analysis = |name: &str| Child { kind: kinds::AI_ANALYSIS.into(), name: name.into(), ..Child::default() };
        let observation = Observation {
            phases: vec![entry("Pending", 1), entry("Analyzing", 2), entry("Analyzing", 3)],
            children: vec![analysis("ai-x"), analysis("ai-x-a2")],
            ..Observation::default()
        };
        assert_eq!(entered_at(&observation, phases::ANALYZING), Some(3));
        assert_eq!(entered_at(&observation, phases::EXECUTING), None);
        assert_eq!(child(&observation, kinds::AI_ANALYSIS).map(|child| child.name.as_str()), Some("ai-x-a2"));
        assert_eq!(child(&observation, kinds::WORKFLOW_EXECUTION), None);
    }
}
