//! Observations for the tests: one remediation, its phases a minute apart.

use trimtab_policy_sdk::{Child, Observation, PhaseEntry, Target, kinds, phases};

pub(crate) const SECOND: u64 = 1_000;
pub(crate) const MINUTE: u64 = 60 * SECOND;
pub(crate) const HOUR: u64 = 60 * MINUTE;
/// When the remediation started.
pub(crate) const START: u64 = 1_800_000_000_000;

/// A remediation in this phase, entered one minute after the phase before it; `now` is the moment of entry.
pub(crate) fn in_phase(phase: &str) -> Observation {
    let order = [
        phases::PENDING,
        phases::PROCESSING,
        phases::ANALYZING,
        phases::AWAITING_APPROVAL,
        phases::EXECUTING,
        phases::VERIFYING,
    ];
    let entered = order.iter().position(|name| *name == phase).unwrap_or(order.len());
    let mut phases: Vec<PhaseEntry> = (0_u64..)
        .zip(order)
        .take(entered)
        .map(|(minutes, phase)| PhaseEntry { phase: phase.to_owned(), entered_at: START + minutes * MINUTE })
        .collect();
    let now = START + phases.len() as u64 * MINUTE;
    phases.push(PhaseEntry { phase: phase.to_owned(), entered_at: now });
    Observation {
        now,
        seed: 42,
        uid: "9f0c".to_owned(),
        name: "rr-web".to_owned(),
        namespace: "kubernaut-system".to_owned(),
        phase: phase.to_owned(),
        phases,
        started_at: Some(START),
        attempt: 1,
        signal_name: "KubePodCrashLooping".to_owned(),
        severity: "critical".to_owned(),
        target: Target { kind: "Deployment".to_owned(), name: "web".to_owned(), ..Target::default() },
        ..Observation::default()
    }
}

/// A child of this kind in this phase of its own.
pub(crate) fn child(kind: &str, phase: &str) -> Child {
    let name = format!("{}-rr-web", kind.to_lowercase());
    Child { kind: kind.to_owned(), name, attempt: 1, found: true, phase: phase.to_owned(), ..Child::default() }
}

/// The same remediation with one more child.
pub(crate) fn with(observation: Observation, child: Child) -> Observation {
    let mut children = observation.children;
    children.push(child);
    Observation { children, ..observation }
}

/// A remediation in Analyzing with an analysis in this phase of its own.
pub(crate) fn analysis_in(phase: &str) -> Observation {
    with(in_phase(phases::ANALYZING), child(kinds::AI_ANALYSIS, phase))
}
