//! Draws: functions of seed, object name and attempt, and of nothing else.

use sha2::{Digest as _, Sha256};

use super::laws::Law;

/// What is drawn for one object.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Drawn<O> {
    pub(super) seconds: f64,
    pub(super) outcome: Option<O>,
}

/// Draws latency and outcome for the object called `name`.
pub(super) fn draw<O: Copy>(law: &Law<O>, seed: u64, name: &str) -> Drawn<O> {
    let mut hash = Sha256::new();
    hash.update(seed.to_be_bytes());
    hash.update(name.as_bytes());
    hash.update(attempt_of(name).to_be_bytes());
    let digest: [u8; 32] = hash.finalize().into();
    let latency = &law.latency;
    let seconds = latency.min_seconds + unit(&digest[..8]) * (latency.max_seconds - latency.min_seconds);
    let total: f64 = law.outcomes.iter().map(|weighted| weighted.weight).sum();
    let mut left = unit(&digest[8..16]) * total;
    let chosen = law.outcomes.iter().filter(|weighted| weighted.weight > 0.0).find(|weighted| {
        left -= weighted.weight;
        left < 0.0
    });
    // Rounding may leave a rest after the last one.
    let chosen = chosen.or_else(|| law.outcomes.iter().rev().find(|weighted| weighted.weight > 0.0));
    Drawn { seconds, outcome: chosen.map(|weighted| weighted.outcome) }
}

/// A number in `[0, 1)` out of eight bytes.
#[expect(clippy::cast_precision_loss, reason = "53 bits fit a double exactly")]
fn unit(bytes: &[u8]) -> f64 {
    let word = bytes.iter().fold(0_u64, |word, byte| word << 8 | u64::from(*byte));
    (word >> 11) as f64 / (1_u64 << 53) as f64
}

/// The attempt that a child's name carries: `ai-rr-a2` is the second, `ai-rr` the first.
fn attempt_of(name: &str) -> u64 {
    name.rsplit_once("-a").and_then(|(_, number)| number.parse().ok()).unwrap_or(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stand_ins::{AnalysisOutcome, Laws};

    #[test]
    fn a_draw_depends_on_seed_and_name_alone() {
        let law = Laws::default().analysis;
        assert_eq!(draw(&law, 1, "ai-rr"), draw(&law, 1, "ai-rr"));
        assert_ne!(draw(&law, 1, "ai-rr"), draw(&law, 2, "ai-rr"));
        assert_ne!(draw(&law, 1, "ai-rr"), draw(&law, 1, "ai-rr-a2"));
        assert_eq!((attempt_of("ai-rr"), attempt_of("ai-rr-a12"), attempt_of("ai-rr-axe")), (1, 12, 1));
    }

    #[test]
    fn draws_follow_the_law() {
        let law = Laws::default().analysis;
        let drawn: Vec<_> = (0..4000).map(|number| draw(&law, 5, &format!("ai-{number}"))).collect();
        assert!(drawn.iter().all(|drawn| (2.0..6.0).contains(&drawn.seconds)));
        let share = drawn.iter().filter(|drawn| drawn.outcome == Some(AnalysisOutcome::Workflow)).count();
        assert!((2680..2920).contains(&share), "{share} of 4000 at weight 70 %");
    }
}
