//! Variations of what stands in the way of a remediation: scope, other remediations, other executions, history.

use trimtab_core::observation::{
    HistoryEntry, ROUTING_ITEMS_MAX, Scope, SignalRemediation, SignalRemediations, TargetExecution,
};
use trimtab_core::time::Timestamp;

use super::remediation::START;
use super::variations::{Variation, shifted};

/// Milliseconds of an hour.
const HOUR: i64 = 3_600_000;

/// Every single change.
pub(super) fn all() -> Vec<Variation> {
    let mut all: Vec<_> = ["unmanaged", "unknown"].map(scope).into();
    all.extend(remediations());
    all.extend(executions());
    all.extend(history());
    all.push(Variation::new("next-allowed-later", |seen| {
        seen.facts.routing.next_allowed_at = Some(shifted(seen.now, 60_000));
    }));
    all.push(Variation::new("next-allowed-now", |seen| seen.facts.routing.next_allowed_at = Some(seen.now)));
    all
}

fn scope(verdict: &'static str) -> Variation {
    Variation::new(format!("scope={verdict}"), move |seen| {
        seen.facts.scope = Some(Scope { verdict: verdict.to_owned(), because: "the label says so".to_owned() });
    })
}

fn remediation(place: usize, phase: &str, comes_first: bool, namespace: Option<&str>) -> SignalRemediation {
    SignalRemediation {
        name: format!("rr-{}", place + 2),
        phase: phase.to_owned(),
        target_namespace: namespace.unwrap_or_default().to_owned(),
        comes_first,
        created_at: shifted(START, if comes_first { -HOUR } else { 1 }),
        ..SignalRemediation::default()
    }
}

fn remediations() -> Vec<Variation> {
    let rows: [(&str, &'static str, usize, bool); 9] = [
        ("original", "Executing", 1, true),
        ("later", "Executing", 1, false),
        ("blocked-original", "Blocked", 1, true),
        ("new-original", "", 1, true),
        ("failed=1", "Failed", 1, true),
        ("failed=2", "Failed", 2, true),
        ("failed=3", "Failed", 3, true),
        ("failed=many", "Failed", ROUTING_ITEMS_MAX, true),
        ("completed=3", "Completed", 3, true),
    ];
    let row = |(name, phase, count, comes_first): (&str, &'static str, usize, bool)| {
        Variation::new(format!("others-{name}"), move |seen| {
            let namespace = seen.target.namespace.as_deref();
            let items = (0..count).map(|place| remediation(place, phase, comes_first, namespace)).collect();
            let total = u32::try_from(count).unwrap_or(u32::MAX);
            seen.facts.signal_remediations = Some(SignalRemediations { total, items });
        })
    };
    let mut all: Vec<_> = rows.map(row).into();
    all.push(Variation::new("others-elsewhere", |seen| {
        let items = (0..3).map(|place| remediation(place, "Failed", true, Some("elsewhere"))).collect();
        seen.facts.signal_remediations = Some(SignalRemediations { total: 3, items });
    }));
    all
}

fn executions() -> Vec<Variation> {
    let rows: [(&str, &'static str, bool, &'static str, i64); 6] = [
        ("busy", "Running", false, "another", 0),
        ("busy-new", "", false, "grow-memory", 0),
        ("own", "Running", true, "grow-memory", 0),
        ("just-completed", "Completed", false, "grow-memory", -60_000),
        ("completed-otherwise", "Completed", false, "another", -60_000),
        ("completed-long-ago", "Completed", false, "grow-memory", -HOUR),
    ];
    let row = |(name, phase, own, workflow, ended): (&str, &'static str, bool, &'static str, i64)| {
        Variation::new(format!("target-{name}"), move |seen| {
            let completed_at = (ended != 0).then(|| shifted(seen.now, ended));
            if let Some(page) = &mut seen.facts.target_executions {
                let (name, workflow_id, phase) = ("we-another".to_owned(), workflow.to_owned(), phase.to_owned());
                page.items = vec![TargetExecution { name, own, workflow_id, phase, completed_at }];
                page.total = 1;
            }
        })
    };
    let mut all: Vec<_> = rows.map(row).into();
    all.push(Variation::new("target-locked-by-another", |seen| {
        if let Some(page) = &mut seen.facts.target_executions {
            page.locked = false;
            "another".clone_into(&mut page.holder);
        }
    }));
    all
}

fn entry(completed_at: Timestamp, hash_match: &str, resolved: Option<bool>, hashes: (&str, &str)) -> HistoryEntry {
    HistoryEntry {
        remediation: "earlier".to_owned(),
        completed_at,
        action_type: "IncreaseMemory".to_owned(),
        signal_resolved: resolved,
        hash_match: hash_match.to_owned(),
        pre_hash: hashes.0.to_owned(),
        post_hash: hashes.1.to_owned(),
    }
}

fn history() -> Vec<Variation> {
    type Make = fn(Timestamp) -> Vec<HistoryEntry>;
    let rows: [(&str, Make); 4] = [
        ("reverted", |now| vec![entry(shifted(now, -HOUR), "preRemediation", Some(true), ("a", "b")); 3]),
        ("chained", |now| {
            let at = |minutes: i64| shifted(now, minutes * -60_000);
            let (first, second) = (("x", "y"), ("y", "a"));
            vec![entry(at(30), "none", Some(false), first), entry(at(20), "postRemediation", Some(false), second)]
        }),
        ("often", |now| vec![entry(shifted(now, -HOUR), "none", Some(true), ("p", "q")); 5]),
        ("once", |now| vec![entry(shifted(now, -HOUR), "none", None, ("p", "q"))]),
    ];
    let row = |(name, make): (&str, Make)| {
        Variation::new(format!("history-{name}"), move |seen| {
            if let Some(page) = &mut seen.facts.remediation_history {
                page.items = make(seen.now);
                "a".clone_into(&mut page.current_hash);
            }
        })
    };
    let mut all: Vec<_> = rows.map(row).into();
    all.push(Variation::new("history-unavailable", |seen| {
        if let Some(page) = &mut seen.facts.remediation_history {
            page.available = false;
        }
    }));
    all
}
