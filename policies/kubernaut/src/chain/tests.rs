//! Tables of histories, newest last, and which look sees them.

use super::*;
use trimtab_policy_sdk::GoDuration;

const MINUTE: u64 = 60_000;
const NOW: u64 = 1_000 * MINUTE;

/// One remediation: how many minutes ago it ended, what it did, whether the signal went, the states before and after.
type Row = (u64, &'static str, Option<bool>, &'static str, &'static str);

fn entry((minutes, action_type, signal_resolved, pre_hash, post_hash): Row) -> HistoryEntry {
    HistoryEntry {
        remediation: format!("uid-{minutes}"),
        completed_at: NOW - minutes * MINUTE,
        action_type: action_type.to_owned(),
        signal_resolved,
        hash_match: "none".to_owned(),
        pre_hash: pre_hash.to_owned(),
        post_hash: post_hash.to_owned(),
    }
}

fn history(rows: &[Row]) -> RemediationHistoryPage {
    let items = rows.iter().copied().map(entry).collect();
    RemediationHistoryPage { available: true, current_hash: "now".to_owned(), items }
}

fn seen_in(history: &RemediationHistoryPage) -> Option<(u32, &'static str)> {
    let seen = look(history, NOW, &RoutingConfig::default(), || "Restart".to_owned());
    seen.map(|seen| (seen.count, seen.seen_by))
}

fn seen_of(rows: &[Row]) -> Option<(u32, &'static str)> {
    seen_in(&history(rows))
}

#[test]
fn three_remediations_in_a_row_that_the_target_went_back_behind_are_too_many() {
    let reverted: Row = (9, "Scale", Some(true), "now", "other");
    let lasting: Row = (9, "Scale", Some(true), "first", "second");
    assert_eq!(seen_of(&[reverted; 3]), Some((3, "hash chain")));
    assert_eq!(seen_of(&[reverted; 4]), Some((4, "hash chain")));
    assert_eq!(seen_of(&[reverted; 2]), None, "below the threshold");
    assert_eq!(seen_of(&[reverted, reverted, reverted, lasting]), None, "the last one has lasted");
    assert_eq!(seen_of(&[lasting, reverted, reverted, reverted]), Some((3, "hash chain")));
    assert_eq!(seen_of(&[reverted, reverted, lasting, reverted]), None, "one that lasted breaks the row");
    let unknown: Row = (9, "Scale", Some(true), "", "");
    assert_eq!(seen_of(&[reverted, reverted, unknown, reverted]), None, "one without states breaks it too");
}

#[test]
fn a_state_that_the_assessment_knows_again_counts_as_one_that_is_the_same() {
    let mut drifted = history(&[(9, "Scale", Some(true), "first", "second"); 3]);
    assert_eq!(seen_in(&drifted), None);
    for entry in &mut drifted.items {
        entry.hash_match = "preRemediation".to_owned();
    }
    assert_eq!(seen_in(&drifted), Some((3, "hash chain")));
    for entry in &mut drifted.items {
        entry.hash_match = "postRemediation".to_owned();
    }
    assert_eq!(seen_in(&drifted), None);
}

#[test]
fn two_remediations_of_one_kind_that_lead_to_here_without_an_effect_are_too_many() {
    let step = |minutes, pre, post| (minutes, "Restart", Some(false), pre, post);
    let (first, second, third) = (step(40, "a", "b"), step(30, "b", "c"), step(20, "c", "now"));
    assert_eq!(seen_of(&[second, third]), Some((2, "forward chain")));
    assert_eq!(seen_of(&[first, second, third]), Some((3, "forward chain")));
    assert_eq!(seen_of(&[third]), None, "below the threshold");
    assert_eq!(seen_of(&[first, third]), None, "the states do not meet");
    assert_eq!(seen_of(&[first, second]), None, "somebody else has changed the target since");
    assert_eq!(seen_of(&[step(30, "", ""), step(20, "", "now")]), None, "states that are not known do not meet");
}

#[test]
fn what_resolved_did_something_else_or_is_long_ago_is_no_link() {
    let step = |minutes, action, resolved, pre, post| (minutes, action, resolved, pre, post);
    let last = step(20, "Restart", Some(false), "c", "now");
    for other in [
        step(30, "Restart", Some(true), "b", "c"),
        step(30, "Restart", None, "b", "c"),
        step(30, "Scale", Some(false), "b", "c"),
        step(30, "", Some(false), "b", "c"),
        step(61, "Restart", Some(false), "b", "c"),
    ] {
        assert_eq!(seen_of(&[other, last]), None, "{other:?}");
    }
    assert_eq!(seen_of(&[step(60, "Restart", Some(false), "b", "c"), last]), Some((2, "forward chain")));
    let between = step(25, "Scale", Some(false), "x", "y");
    let chain = [step(30, "Restart", Some(false), "b", "c"), between, last];
    assert_eq!(seen_of(&chain), Some((2, "forward chain")), "what did something else stands aside");
}

#[test]
fn what_is_about_to_be_done_is_asked_only_where_it_matters() {
    let ask = |rows: &[Row]| {
        let mut asked = false;
        let seen = look(&history(rows), NOW, &RoutingConfig::default(), || {
            asked = true;
            String::new()
        });
        (asked, seen)
    };
    let step: Row = (20, "", Some(false), "c", "now");
    assert_eq!(ask(&[step]), (false, None));
    assert_eq!(ask(&[step, step]), (true, None), "nothing is known of it, so nothing is the same");
}

#[test]
fn five_remediations_within_four_hours_are_too_many_whatever_they_did() {
    let at = |minutes| (minutes, "", None, "", "");
    let rows = [200, 150, 100, 50, 10].map(at);
    assert_eq!(seen_of(&rows), Some((5, "recurrence")));
    assert_eq!(seen_of(&rows[1..]), None);
    let old = [241, 150, 100, 50, 10].map(at);
    assert_eq!(seen_of(&old), None, "what is long ago does not count");
    assert_eq!(seen_of(&[240, 150, 100, 50, 10].map(at)), Some((5, "recurrence")));
}

#[test]
fn without_a_state_or_a_history_nothing_is_seen() {
    let rows: [Row; 5] = [(9, "Restart", Some(false), "now", "now"); 5];
    assert!(seen_of(&rows).is_some());
    assert_eq!(seen_in(&RemediationHistoryPage { current_hash: String::new(), ..history(&rows) }), None);
    assert_eq!(seen_in(&RemediationHistoryPage { available: false, ..history(&rows) }), None);
    assert_eq!(seen_of(&[]), None);
}

#[test]
fn numbers_and_windows_are_configured() {
    let routing = RoutingConfig {
        ineffective_chain_threshold: 1,
        ineffective_time_window: GoDuration::from_minutes(10),
        forward_chain_threshold: 1,
        forward_chain_window: GoDuration::from_minutes(20),
        recurrence_count_threshold: 2,
        ..RoutingConfig::default()
    };
    let seen = |rows: &[Row]| {
        look(&history(rows), NOW, &routing, || "Restart".to_owned())
            .map(|seen| (seen.count, seen.threshold, seen.seen_by))
    };
    assert_eq!(seen(&[(9, "", None, "now", "")]), Some((1, 1, "hash chain")));
    assert_eq!(seen(&[(11, "", None, "now", "")]), None);
    assert_eq!(seen(&[(19, "Restart", Some(false), "a", "now")]), Some((1, 1, "forward chain")));
    assert_eq!(seen(&[(21, "Restart", Some(false), "a", "now")]), None);
    assert_eq!(seen(&[(9, "", None, "", ""), (8, "", None, "", "")]), Some((2, 2, "recurrence")));
    assert_eq!(routing.history_hours(), 1);
    assert_eq!(RoutingConfig::default().history_hours(), 4);
    let longer = RoutingConfig { forward_chain_window: GoDuration::from_minutes(301), ..routing };
    assert_eq!(longer.history_hours(), 6, "hours that have begun count");
}
