//! Steps, stays, settlements and adoptions.

use std::collections::BTreeMap;

use trimtab_core::members::{Combined, Member, Rule};

use super::*;
use crate::sqlite::{body, packing};

#[test]
fn the_last_decisions_are_found_newest_first() {
    let (_folder, ledger) = new();
    take(&ledger, "a", 1, Phase::Executing);
    prepare(&ledger, "b", 1, Phase::Executing);
    ledger.note(&stay(&objects(), "c", "Waits", 50)).unwrap();
    let uids: Vec<_> =
        ledger.recent_observations(2, 9, &|_| true).unwrap().iter().map(|seen| seen.uid.clone()).collect();
    assert_eq!(uids, ["c", "b"]);
    assert_eq!(ledger.recent_observations(9, 9, &|_| true).unwrap().len(), 3);
    // More than are read at a time.
    for number in 0..70 {
        ledger.note(&stay(&objects(), &format!("n{number}"), "Waits", 50)).unwrap();
    }
    let found = |count, most, wanted: &dyn Fn(&Observation) -> bool| -> Vec<String> {
        let seen = ledger.recent_observations(count, most, wanted).unwrap();
        seen.iter().map(|seen| seen.uid.clone()).collect()
    };
    let newest: Vec<_> = (0..70).rev().map(|number| format!("n{number}")).collect();
    assert_eq!(found(70, 99, &|_| true), newest);
    assert_eq!(found(40, 99, &|_| true), newest[..40]);
    assert_eq!(found(99, 35, &|_| true), newest[..35]);
    assert_eq!(found(99, 9, &|seen| !seen.uid.starts_with('n')), ["c", "b", "a"]);
}

#[test]
fn an_open_step_is_found_again_and_a_settled_one_is_not() {
    let (folder, ledger) = new();
    prepare(&ledger, "a", 1, Phase::Processing);
    prepare(&ledger, "b", 4, Phase::Executing);
    ledger.settle("a", &Settlement::Confirmed, at(11)).unwrap();
    drop(ledger);
    let ledger = open(folder.path());
    assert_eq!(ledger.unsettled("a"), None);
    assert_eq!(ledger.unsettled("b"), Some(plan(&objects(), "b", 4, Phase::Executing)));
    assert_eq!(ledger.open_remediations(), ["b"]);
    assert!(ledger.knows("a", 1) && !ledger.knows("a", 2), "a confirmed step is known");
    assert!(ledger.knows("b", 4) && !ledger.knows("c", 1), "an open step is known");
}

#[test]
fn a_plan_that_is_not_the_decisions_own_is_kept_as_it_is() {
    let (folder, ledger) = new();
    let objects = objects();
    let mut other = plan(&objects, "a", 1, Phase::Executing);
    let record = step(&objects, &other);
    Arc::make_mut(&mut other).audit.clear();
    ledger.prepare(&record, &other).unwrap();
    drop(ledger);
    assert_eq!(open(folder.path()).unsettled("a"), Some(other));
}

#[test]
fn a_second_step_waits_for_the_first_to_be_settled() {
    let (_folder, ledger) = new();
    let objects = objects();
    prepare(&ledger, "a", 1, Phase::Executing);
    let second = plan(&objects, "a", 2, Phase::Verifying);
    let refused = ledger.prepare(&step(&objects, &second), &second).unwrap_err().to_string();
    assert_eq!(
        refused,
        "the ledger cannot record step 2 of ns/rr-a: step 1 of it is not settled yet; settle that one first"
    );
    ledger.settle("a", &Settlement::Confirmed, at(11)).unwrap();
    ledger.prepare(&step(&objects, &second), &second).unwrap();
}

#[test]
fn two_first_steps_at_once_are_not_both_recorded() {
    let (_folder, ledger) = new();
    let objects = objects();
    let plan = plan(&objects, "a", 1, Phase::Executing);
    let record = step(&objects, &plan);
    let recorded = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(|| ledger.prepare(&record, &plan).is_ok())).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).filter(|done| *done).count()
    });
    assert_eq!(recorded, 1);
}

#[test]
fn a_stay_that_says_the_same_only_raises_a_counter() {
    let (folder, ledger) = new();
    let objects = objects();
    for (rule, seconds) in [("Waiting", 1), ("Waiting", 2), ("Waiting", 3), ("Cooldown", 4), ("Waiting", 5)] {
        ledger.note(&stay(&objects, "a", rule, seconds)).unwrap();
    }
    drop(ledger);
    let ledger = open(folder.path());
    ledger.note(&stay(&objects, "a", "Waiting", 6)).unwrap();
    drop(ledger);
    assert_eq!(count(folder.path(), "SELECT count(*) FROM entry"), 3);
    let rows = "SELECT group_concat(entry || ':' || count || ':' || last_at, ' ') FROM repeat";
    let repeats: String = raw(folder.path()).query_row(rows, [], |row| row.get(0)).unwrap();
    assert_eq!(repeats, format!("1:2:{} 3:1:{}", at(3).as_millis(), at(6).as_millis()));
}

#[test]
fn another_fault_or_another_revision_is_another_stay() {
    let (folder, ledger) = new();
    let objects = objects();
    let mut record = stay(&objects, "a", "Held", 1);
    ledger.note(&record).unwrap();
    record.decision.evaluations[0].fault = Some(("Trap".into(), "unreachable".into()));
    ledger.note(&record).unwrap();
    record.decision.evaluations[0].fault = Some(("Trap".into(), "other words for the same".into()));
    ledger.note(&record).unwrap();
    record.decision.evaluations[0].revision.as_mut().unwrap().config = "other".into();
    ledger.note(&record).unwrap();
    drop(ledger);
    assert_eq!(count(folder.path(), "SELECT count(*) FROM entry WHERE kind = 'stay'"), 3);
}

#[test]
fn another_policy_whose_deadline_holds_is_another_stay() {
    let (folder, ledger) = new();
    let mut record = stay(&objects(), "a", "Waiting", 1);
    for (winner, rule) in [(0, Rule::Earliest), (0, Rule::Earliest), (1, Rule::Earliest), (1, Rule::Latest)] {
        let deadlines = [("Global".to_owned(), Member::at(winner).unwrap())].into();
        record.decision.combined =
            Some(Combined { rule, members: 2, deadlines, endings: BTreeMap::new(), budgets: BTreeMap::new() });
        ledger.note(&record).unwrap();
    }
    drop(ledger);
    assert_eq!(
        count(folder.path(), "SELECT count(*) FROM entry WHERE kind = 'stay'"),
        2,
        "a rule is of another revision"
    );
}

#[test]
fn a_body_from_before_there_could_be_several_policies_reads_and_several_are_read_back() {
    let mut record = stay(&objects(), "a", "Waiting", 1);
    let packed = |record: &DecisionRecord| body::of_decision(record, None, None).unwrap();
    let alone = packed(&record);
    let text = String::from_utf8(packing::unpack(&alone.packed).unwrap()).unwrap();
    assert!(!text.contains("\"member\"") && !text.contains("\"combined\""), "as it always was: {text}");
    assert_eq!(body::read_decision(&alone.packed).unwrap().record, record);
    record.decision.evaluations[1].slot = Slot::Timeouts;
    record.decision.evaluations[1].member = Member::at(1).unwrap();
    let deadlines = [("Global".to_owned(), Member::at(1).unwrap())].into();
    record.decision.combined = Some(Combined {
        rule: Rule::Latest,
        members: 2,
        deadlines,
        endings: BTreeMap::new(),
        budgets: BTreeMap::new(),
    });
    let several = packed(&record);
    assert_ne!(several.hash, alone.hash, "the chain covers who decided");
    assert_eq!(body::read_decision(&several.packed).unwrap().record, record);
}

#[test]
fn events_are_held_until_the_step_is_confirmed() {
    let (_folder, ledger) = new();
    prepare(&ledger, "a", 1, Phase::Executing);
    assert_eq!((ledger.report().unwrap().held, ledger.report().unwrap().waiting), (2, 0));
    ledger.settle("a", &Settlement::Confirmed, at(11)).unwrap();
    let report = ledger.report().unwrap();
    assert_eq!((report.held, report.waiting, report.oldest), (0, 2, Some(at(10))));
}

#[test]
fn a_discarded_step_says_nothing_and_its_number_is_used_again() {
    let (_folder, ledger) = new();
    prepare(&ledger, "a", 1, Phase::Executing);
    ledger.settle("a", &Settlement::Discarded { reason: "Stale".into() }, at(11)).unwrap();
    assert_eq!(ledger.report().unwrap(), OutboxReport::default());
    assert!(!ledger.knows("a", 1), "a discarded step was not taken");
    // Planned again later: the same ids, other times.
    let objects = objects();
    let mut again = plan(&objects, "a", 1, Phase::Executing);
    Arc::make_mut(&mut again).audit[0].body["event_timestamp"] = "later".into();
    ledger.prepare(&step(&objects, &again), &again).unwrap();
    ledger.settle("a", &Settlement::Confirmed, at(12)).unwrap();
    assert_eq!(ledger.due(10, usize::MAX).unwrap()[0].event, again.audit[0]);
}

#[test]
fn a_step_whose_object_is_gone_is_unknown_and_counted() {
    let (folder, ledger) = new();
    prepare(&ledger, "a", 1, Phase::Executing);
    ledger.settle("a", &Settlement::Unknown, at(11)).unwrap();
    ledger.settle("a", &Settlement::Unknown, at(12)).unwrap();
    assert_eq!((ledger.unsettled("a"), ledger.report().unwrap().waiting), (None, 0));
    drop(ledger);
    assert_eq!(open(folder.path()).numbers().unwrap().unknown, 1);
}

#[test]
fn settling_where_nothing_is_open_does_nothing() {
    let (folder, ledger) = new();
    ledger.settle("a", &Settlement::Confirmed, at(1)).unwrap();
    take(&ledger, "a", 1, Phase::Executing);
    ledger.settle("a", &Settlement::Discarded { reason: "Late".into() }, at(12)).unwrap();
    drop(ledger);
    assert_eq!(count(folder.path(), "SELECT count(*) FROM entry"), 2);
}

#[test]
fn an_adopted_step_goes_out_once_and_may_have_arrived_already() {
    let (folder, ledger) = new();
    ledger.adopt(&foreign("a", 3)).unwrap();
    ledger.adopt(&foreign("a", 3)).unwrap();
    assert!(ledger.knows("a", 3) && !ledger.knows("a", 4));
    let due = ledger.due(10, usize::MAX).unwrap();
    assert_eq!(due, [Outgoing { event: foreign("a", 3).audit[0].clone(), was_sent: true }]);
    assert_eq!(deliver(&ledger), 1);
    ledger.adopt(&foreign("a", 3)).unwrap();
    assert_eq!(ledger.due(10, usize::MAX).unwrap(), []);
    drop(ledger);
    assert_eq!(count(folder.path(), "SELECT count(*) FROM entry"), 1);
    assert!(open(folder.path()).knows("a", 3));
}

#[test]
fn an_adopted_step_without_events_is_known_all_the_same() {
    let (_folder, ledger) = new();
    ledger.adopt(&ForeignStep { audit: Vec::new(), ..foreign("a", 3) }).unwrap();
    assert!(ledger.knows("a", 3));
}

#[test]
fn an_event_is_recorded_once_and_never_with_another_content() {
    let (_folder, ledger) = new();
    let objects = objects();
    take(&ledger, "a", 1, Phase::Executing);
    let mut second = plan(&objects, "a", 2, Phase::Verifying);
    Arc::make_mut(&mut second).audit = plan(&objects, "a", 1, Phase::Executing).audit.clone();
    ledger.prepare(&step(&objects, &second), &second).unwrap();
    ledger.settle("a", &Settlement::Confirmed, at(21)).unwrap();
    assert_eq!(ledger.due(10, usize::MAX).unwrap().len(), 2);
    let changed = Arc::make_mut(&mut second);
    changed.sequence = 3;
    changed.audit[1].body["event_outcome"] = "failure".into();
    let refused = ledger.prepare(&step(&objects, &second), &second).unwrap_err().to_string();
    let id = second.audit[1].id;
    assert!(refused.contains(&format!("audit event {id} is recorded already with another content")), "{refused}");
    assert_eq!(ledger.unsettled("a"), None);
}

#[test]
fn a_ledger_without_a_file_does_the_same() {
    let ledger = SqliteLedger::in_memory().unwrap();
    take(&ledger, "a", 1, Phase::Executing);
    ledger.note(&stay(&objects(), "a", "Waiting", 30)).unwrap();
    assert_eq!((deliver(&ledger), ledger.numbers().unwrap().entries), (2, 3));
}

#[test]
fn a_component_under_another_digest_is_refused() {
    let (_folder, ledger) = new();
    let refused = ledger.keep(BlobKind::Component, "sha256:00", b"wasm").unwrap_err().to_string();
    assert!(refused.contains(&digest_of(b"wasm")), "{refused}");
}

#[test]
fn entries_and_the_content_of_events_never_change() {
    let (folder, ledger) = new();
    take(&ledger, "a", 1, Phase::Executing);
    let raw = raw(folder.path());
    for sql in [
        "UPDATE entry SET at = 0",
        "DELETE FROM entry",
        "UPDATE event SET body = '{}'",
        "UPDATE event SET type = 'other'",
        "DELETE FROM event",
    ] {
        assert!(raw.execute(sql, []).is_err(), "{sql}");
    }
    raw.execute("UPDATE event SET was_sent = 1", []).unwrap();
}
