//! Sets of the built-in policy with one config or another.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use serde_json::json;
use trimtab_core::decide::Evaluation;
use trimtab_core::members::Member;
use trimtab_core::observation::Observation;
use trimtab_core::ports::{Choice, FailStrategy};
use trimtab_core::proposal::Slot;
use trimtab_core::record::SetRevision;
use trimtab_core::time::Timestamp;
use trimtab_policy_engine::sets::{
    Applied, Archive, Filling, InFlight, KeptRevision, Pin, PolicySets, REPIN_ANNOTATION, RevisionDocument, Rollback,
    Selector, SetError, SetSettings, SmokeReport,
};
use trimtab_policy_engine::{BUILTIN, Engine, EngineConfig, Limits, PolicySet};

use crate::guests::Guest;
use crate::observations::{builtin, engine, observation, policy};

mod members;
mod restoring;
mod selector;

/// An archive that lasts as long as the test, like a ledger lasts longer than a process.
#[derive(Debug, Default)]
struct Shelf {
    revisions: Mutex<Vec<KeptRevision>>,
    configs: Mutex<BTreeMap<String, String>>,
    /// Whether no decision was made lately.
    is_quiet: AtomicBool,
    /// Whether nothing can be read just now.
    is_ailing: AtomicBool,
    /// Digest of the one config that cannot be read just now.
    ails_alone: Mutex<Option<String>>,
}

impl Archive for Shelf {
    fn keep(
        &self,
        name: &SetRevision,
        document: &RevisionDocument,
        is_candidate: bool,
        _: &[String],
    ) -> Result<(), String> {
        let mut revisions = held(&self.revisions);
        let tripped = revisions.iter().find(|kept| kept.name == *name).and_then(|kept| kept.tripped.clone());
        revisions.retain(|kept| kept.name != *name);
        revisions.insert(0, KeptRevision { name: name.clone(), document: document.clone(), tripped, is_candidate });
        Ok(())
    }

    fn trip(&self, name: &SetRevision, why: Option<&str>) -> Result<(), String> {
        for kept in held(&self.revisions).iter_mut().filter(|kept| kept.name == *name) {
            kept.tripped = why.map(str::to_owned);
        }
        Ok(())
    }

    fn revisions(&self, set: &str) -> Result<Vec<KeptRevision>, String> {
        Ok(held(&self.revisions).iter().filter(|kept| kept.name.set == set).cloned().collect())
    }

    fn component(&self, _: &str) -> Result<Option<Vec<u8>>, String> {
        Ok(Some(BUILTIN.to_vec()))
    }

    fn config(&self, digest: &str) -> Result<Option<String>, String> {
        if self.is_ailing.load(Ordering::Relaxed) || held(&self.ails_alone).as_deref() == Some(digest) {
            return Err("the disk does not answer".to_owned());
        }
        Ok(held(&self.configs).get(digest).cloned())
    }

    fn environment(&self, _: &PolicySet) -> Result<String, String> {
        Ok("sha256:environment".to_owned())
    }

    fn seen_lately(&self, most: usize, wanted: &dyn Fn(&Observation) -> bool) -> Result<Vec<Arc<Observation>>, String> {
        let seen = (!self.is_quiet.load(Ordering::Relaxed)).then(observation);
        Ok(seen.into_iter().filter(|seen| wanted(seen)).take(most).collect())
    }
}

/// A host, of which there can be several with one shelf, one after another.
struct Host {
    sets: PolicySets,
    engine: Engine,
    shelf: Arc<Shelf>,
}

impl Host {
    fn new(shelf: &Arc<Shelf>) -> Self {
        let archive = Arc::clone(shelf);
        let sets = PolicySets::new(engine(), builtin(), archive);
        Self { sets, engine: engine(), shelf: Arc::clone(shelf) }
    }

    /// Applies a set whose timeouts allow so many seconds for processing.
    fn apply(&self, set: &str, seconds: u32, settings: SetSettings) -> Result<Applied, SetError> {
        let config = json!({"timeouts": {"processing": format!("{seconds}s")}}).to_string();
        let component = self.engine.load(BUILTIN, Limits::DEFAULT).unwrap();
        let fillings = Slot::ALL.map(|slot| {
            let text = if slot == Slot::Timeouts { config.as_str() } else { "" };
            let policy = component.configure(text).unwrap();
            held(&self.shelf.configs).insert(policy.revision().config.clone(), policy.config().to_owned());
            (slot, Filling::one(policy, FailStrategy::LastGood))
        });
        self.sets.apply(set, settings, &BTreeMap::from(fillings))
    }

    fn answering(&self, seen: &Observation) -> Option<SetRevision> {
        self.sets.responsible(seen).unwrap().map(|revision| revision.name().clone())
    }
}

/// A remediation that has begun with `revision`, or has not begun.
fn seen(uid: &str, revision: Option<&SetRevision>) -> Observation {
    let mut seen = Observation::clone(&observation());
    seen.uid = uid.into();
    seen.record.set_revision = revision.cloned();
    seen.record.sequence = u64::from(revision.is_some());
    seen
}

fn annotated(mut seen: Observation, value: &str) -> Observation {
    let mut object = (*seen.object).clone();
    object["metadata"]["annotations"] = json!({REPIN_ANNOTATION: value});
    seen.object = Arc::new(object);
    seen
}

fn fault(slot: Slot) -> Evaluation {
    Evaluation {
        slot,
        member: Member::FIRST,
        choice: Choice::Active,
        revision: None,
        fuel: 0,
        log: Vec::new(),
        fault: Some(("Trap".into(), "unreachable".into())),
        proposal: None,
    }
}

fn at(seconds: u64) -> Timestamp {
    Timestamp::from_millis(seconds * 1000)
}

#[test]
fn a_remediation_finishes_with_the_revision_that_it_started_with_and_the_next_one_gets_the_new_one() {
    let host = Host::new(&Arc::default());
    let first = host.apply("night", 5, SetSettings::default()).unwrap();
    assert_eq!((first.before, &first.active), (None, &first.revision));
    let second = host.apply("night", 6, SetSettings::default()).unwrap();
    assert_eq!(second.before.as_ref(), Some(&first.revision));
    let differing = BTreeMap::from([(Slot::Timeouts, 1)]);
    assert_eq!(second.smoke, Some(SmokeReport { observations: 1, differing }));
    assert_ne!(second.revision, first.revision);
    assert_eq!(host.answering(&seen("old", Some(&first.revision))), Some(first.revision.clone()));
    assert_eq!(host.answering(&seen("new", None)), Some(second.revision.clone()));
    let following = SetSettings { pin: Pin::Active, ..SetSettings::default() };
    host.apply("night", 6, following).unwrap();
    assert_eq!(host.answering(&seen("old", Some(&first.revision))), Some(second.revision));
}

#[test]
fn the_same_content_makes_the_same_revision_on_every_host() {
    let one = Host::new(&Arc::default()).apply("night", 5, SetSettings::default()).unwrap();
    let other = Host::new(&Arc::default()).apply("night", 5, SetSettings::default()).unwrap();
    assert_eq!(one.revision, other.revision);
}

#[test]
fn a_pinned_revision_comes_back_after_a_restart_even_of_a_set_that_is_gone() {
    let shelf = Arc::default();
    let host = Host::new(&shelf);
    let revisions: Vec<_> =
        (1..9).map(|seconds| host.apply("night", seconds, SetSettings::default()).unwrap().revision).collect();
    drop(host);
    let host = Host::new(&shelf);
    let oldest = seen("old", Some(&revisions[0]));
    assert_eq!(host.answering(&oldest), Some(revisions[0].clone()), "the set is not applied yet");
    host.apply("night", 8, SetSettings::default()).unwrap();
    assert_eq!(host.answering(&oldest), Some(revisions[0].clone()));
    host.sets.note_running("old", Some(&revisions[0]));
    assert!(host.sets.remove("night"));
    assert_eq!(host.answering(&oldest), Some(revisions[0].clone()));
    assert_eq!(host.answering(&seen("last", Some(&revisions[7]))), Some(revisions[7].clone()));
    assert_eq!(host.answering(&seen("new", None)), None);
    let nobodys = SetRevision { set: "night".into(), revision: "000000000000".into() };
    assert_eq!(host.answering(&seen("lost", Some(&nobodys))), None, "what is known nowhere cannot answer");
}

#[test]
fn what_began_without_a_set_goes_on_without_one_unless_the_set_says_otherwise() {
    let host = Host::new(&Arc::default());
    let mut begun = seen("begun", None);
    begun.record.sequence = 3;
    let applied = host.apply("night", 5, SetSettings::default()).unwrap();
    assert_eq!(host.answering(&begun), None);
    assert_eq!(host.answering(&annotated(begun.clone(), "active")), Some(applied.revision.clone()));
    host.apply("night", 5, SetSettings { pin: Pin::Active, ..SetSettings::default() }).unwrap();
    assert_eq!(host.answering(&begun), Some(applied.revision));
}

#[test]
fn an_annotation_pins_a_remediation_anew() {
    let host = Host::new(&Arc::default());
    let first = host.apply("night", 5, SetSettings::default()).unwrap().revision;
    let second = host.apply("night", 6, SetSettings::default()).unwrap().revision;
    let old = seen("old", Some(&first));
    assert_eq!(host.answering(&annotated(old.clone(), "active")), Some(second.clone()));
    let newer = seen("newer", Some(&second));
    assert_eq!(host.answering(&annotated(newer, &first.revision)), Some(first.clone()));
    assert_eq!(host.answering(&annotated(old, "no-such-revision")), Some(first), "it stays with its own");
}

#[test]
fn the_most_specific_set_goes_first_then_the_first_by_name() {
    let host = Host::new(&Arc::default());
    let selecting = |namespaces: &[&str], severities: &[&str]| {
        let texts = |all: &[&str]| all.iter().map(|text| (*text).to_owned()).collect();
        let selector = Selector { namespaces: texts(namespaces), severities: texts(severities), ..Selector::default() };
        SetSettings { selector, ..SetSettings::default() }
    };
    let mut critical = seen("u", None);
    critical.namespace = "payments".into();
    critical.severity = "critical".into();
    host.apply("every", 1, selecting(&[], &[])).unwrap();
    host.apply("b-payments", 2, selecting(&["payments"], &[])).unwrap();
    host.apply("a-critical", 3, selecting(&[], &["critical"])).unwrap();
    let answering = |host: &Host| host.answering(&critical).map(|revision| revision.set);
    assert_eq!(answering(&host).as_deref(), Some("a-critical"), "of two with as many criteria, the first by name");
    host.apply("z-both", 4, selecting(&["payments"], &["critical"])).unwrap();
    assert_eq!(answering(&host).as_deref(), Some("z-both"));
    host.apply("zz-both", 5, selecting(&["payments"], &["critical"])).unwrap();
    let views = host.sets.view();
    let shadowed: Vec<_> =
        views.iter().filter_map(|view| Some((view.name.as_str(), view.never_answers_because_of.as_deref()?))).collect();
    assert_eq!(shadowed, [("zz-both", "z-both")]);
}

#[test]
fn rolled_back_new_remediations_get_the_old_revision_and_running_ones_drain_or_move() {
    let host = Host::new(&Arc::default());
    let first = host.apply("night", 5, SetSettings::default()).unwrap().revision;
    let second = host.apply("night", 6, SetSettings::default()).unwrap().revision;
    let running = seen("running", Some(&second));
    let back = |in_flight| SetSettings {
        rollback: Some(Rollback { to: first.revision.clone(), in_flight }),
        ..SetSettings::default()
    };
    let applied = host.apply("night", 6, back(InFlight::Drain)).unwrap();
    assert_eq!((&applied.revision, &applied.active), (&second, &first));
    assert_eq!(host.answering(&seen("new", None)), Some(first.clone()));
    assert_eq!(host.answering(&running), Some(second.clone()));
    host.apply("night", 6, back(InFlight::Move)).unwrap();
    assert_eq!(host.answering(&running), Some(first.clone()));
    let unknown = SetSettings {
        rollback: Some(Rollback { to: "ffff".into(), in_flight: InFlight::Drain }),
        ..back(InFlight::Drain)
    };
    let refused = host.apply("night", 6, unknown).unwrap_err().to_string();
    assert!(refused.contains("no revision of night is called ffff") && refused.contains(&first.revision), "{refused}");
    assert_eq!(host.answering(&seen("new", None)), Some(first), "what was refused has changed nothing");
}

#[test]
fn everybody_leaves_a_revision_whose_breaker_has_tripped_and_a_restart_remembers_it() {
    let shelf = Arc::default();
    let host = Host::new(&shelf);
    let first = host.apply("night", 5, SetSettings::default()).unwrap().revision;
    let second = host.apply("night", 6, SetSettings::default()).unwrap().revision;
    let running = seen("running", Some(&second));
    assert_eq!(host.sets.settle(&second, &[fault(Slot::Timeouts)], at(1)), None);
    assert_eq!(host.sets.settle(&second, &[fault(Slot::Children)], at(2)), None, "another slot's faults count apart");
    assert_eq!(host.sets.settle(&second, &[fault(Slot::Timeouts)], at(3)), None);
    let trip = host.sets.settle(&second, &[fault(Slot::Timeouts)], at(4)).unwrap();
    assert_eq!((&trip.name, trip.next.as_ref(), trip.slot), (&second, Some(&first), Slot::Timeouts));
    assert_eq!(trip.why, "3 faults in a row of the timeouts slot");
    assert_eq!(host.sets.settle(&second, &[fault(Slot::Timeouts)], at(5)), None, "it is told once");
    assert_eq!(host.answering(&running), Some(first.clone()));
    assert_eq!(host.answering(&seen("new", None)), Some(first.clone()));
    drop(host);
    let host = Host::new(&shelf);
    assert_eq!(host.apply("night", 6, SetSettings::default()).unwrap().active, first);
    assert_eq!(host.answering(&running), Some(first.clone()));
    let to_tripped = SetSettings {
        rollback: Some(Rollback { to: second.revision.clone(), in_flight: InFlight::Drain }),
        ..SetSettings::default()
    };
    let refused = host.apply("night", 6, to_tripped).unwrap_err().to_string();
    assert!(refused.contains("3 faults in a row") && refused.contains("breaker.forgive"), "{refused}");
    let forgiving = SetSettings { forgiven: vec![second.revision.clone()], ..SetSettings::default() };
    assert_eq!(host.apply("night", 6, forgiving.clone()).unwrap().active, second);
    assert_eq!(host.sets.settle(&second, &[fault(Slot::Timeouts)], at(6)), None, "its faults count no more");
    for second_of_day in 7..9 {
        host.sets.settle(&second, &[fault(Slot::Timeouts)], at(second_of_day));
    }
    assert_eq!(
        host.apply("night", 6, forgiving).unwrap().active,
        first,
        "what was forgiven once is not forgiven again"
    );
}

#[test]
fn faults_of_the_machine_trip_no_breaker() {
    let host = Host::new(&Arc::default());
    host.apply("night", 5, SetSettings::default()).unwrap();
    let second = host.apply("night", 6, SetSettings::default()).unwrap().revision;
    for code in ["Host", "DeadlineExceeded"] {
        for seconds in 1..9 {
            let late = Evaluation { fault: Some((code.into(), "late".into())), ..fault(Slot::Timeouts) };
            assert_eq!(host.sets.settle(&second, &[late], at(seconds)), None);
        }
    }
}

#[test]
fn what_was_rolled_back_to_and_trips_is_left_for_an_older_one_and_a_refused_document_changes_nothing() {
    let shelf = Arc::default();
    let host = Host::new(&shelf);
    let names: Vec<_> =
        (1..9).map(|seconds| host.apply("night", seconds, SetSettings::default()).unwrap().revision).collect();
    let back = |to: &SetRevision| SetSettings {
        rollback: Some(Rollback { to: to.revision.clone(), in_flight: InFlight::Move }),
        ..SetSettings::default()
    };
    assert_eq!(host.apply("night", 8, back(&names[1])).unwrap().active, names[1], "one that is kept and not loaded");
    assert_eq!(host.apply("night", 8, back(&names[6])).unwrap().active, names[6]);
    for seconds in 1..4 {
        host.sets.settle(&names[6], &[fault(Slot::Children)], at(seconds));
    }
    let new = seen("new", None);
    assert_eq!(host.answering(&new), Some(names[5].clone()), "an older one, and not what was rolled back from");
    assert_eq!(host.sets.apply_kept("night", back(&names[6])).unwrap(), Some(names[5].clone()));
    assert_eq!(host.answering(&new), Some(names[5].clone()));
    drop(host);
    let host = Host::new(&shelf);
    assert_eq!(host.sets.apply_kept("night", back(&names[1])).unwrap(), Some(names[1].clone()));
    let mistyped = SetSettings {
        rollback: Some(Rollback { to: "ffff".into(), in_flight: InFlight::Move }),
        ..SetSettings::default()
    };
    host.apply("night", 9, mistyped).unwrap_err();
    assert_eq!(shelf.revisions("night").unwrap().len(), 8, "what was refused is not kept");
}

#[test]
fn an_old_revision_whose_breaker_trips_is_left_for_the_active_one() {
    let shelf = Arc::default();
    let host = Host::new(&shelf);
    let names: Vec<_> =
        (1..9).map(|seconds| host.apply("night", seconds, SetSettings::default()).unwrap().revision).collect();
    let old = seen("old", Some(&names[0]));
    assert_eq!(host.answering(&old), Some(names[0].clone()));
    for seconds in 1..3 {
        assert_eq!(host.sets.settle(&names[0], &[fault(Slot::Timeouts)], at(seconds)), None);
    }
    let trip = host.sets.settle(&names[0], &[fault(Slot::Timeouts)], at(3)).unwrap();
    assert_eq!(trip.next.as_ref(), Some(&names[7]));
    assert_eq!(host.answering(&old), Some(names[7].clone()));
    assert_eq!(host.apply("night", 1, SetSettings::default()).unwrap().active, names[7], "its mark is kept");
}

#[test]
fn the_ramp_is_the_newest_revisions_alone() {
    let host = Host::new(&Arc::default());
    let first = host.apply("night", 4, SetSettings::default()).unwrap().revision;
    let second = host.apply("night", 5, SetSettings::default()).unwrap().revision;
    let ramp = SetSettings { ramp_percent: Some(10), ..SetSettings::default() };
    let third = host.apply("night", 6, ramp).unwrap().revision;
    for seconds in 1..4 {
        host.sets.settle(&third, &[fault(Slot::Timeouts)], at(seconds));
    }
    for nth in 0..50 {
        let answering = host.answering(&seen(&format!("uid-{nth}"), None));
        assert_eq!(answering, Some(second.clone()), "and not {first}, which nobody ran lately");
    }
}

#[test]
fn a_revision_that_is_alone_stays_when_its_breaker_trips() {
    let host = Host::new(&Arc::default());
    let only = host.apply("night", 5, SetSettings::default()).unwrap().revision;
    for second in 1..3 {
        assert_eq!(host.sets.settle(&only, &[fault(Slot::Timeouts)], at(second)), None);
    }
    assert_eq!(host.sets.settle(&only, &[fault(Slot::Timeouts)], at(3)).unwrap().next, Some(only.clone()));
    assert_eq!(host.answering(&seen("new", None)), Some(only), "its fail strategies answer for it");
}

#[test]
fn a_ramp_gives_its_share_of_new_remediations_the_newest_revision() {
    let host = Host::new(&Arc::default());
    let first = host.apply("night", 5, SetSettings::default()).unwrap().revision;
    let ramp = |percent| SetSettings { ramp_percent: Some(percent), ..SetSettings::default() };
    let second = host.apply("night", 6, ramp(25)).unwrap().revision;
    let share = |host: &Host| {
        (0..400).filter(|nth| host.answering(&seen(&format!("uid-{nth}"), None)).as_ref() == Some(&second)).count()
    };
    let quarter = share(&host);
    assert!((70..=130).contains(&quarter), "{quarter} of 400");
    assert_eq!(share(&host), quarter, "the same ones each time");
    host.apply("night", 6, ramp(0)).unwrap();
    assert_eq!(share(&host), 0);
    assert_eq!(host.answering(&seen("uid-0", None)), Some(first));
    host.apply("night", 6, ramp(100)).unwrap();
    assert_eq!(share(&host), 400);
}

/// Names of the revisions that forty new remediations get.
fn drawn(host: &Host) -> BTreeSet<String> {
    let names = (0..40).map(|nth| host.answering(&seen(&format!("uid-{nth}"), None)).unwrap().revision);
    names.collect()
}

#[test]
fn nobody_falls_back_on_what_was_only_ramped() {
    let ramp = |percent| SetSettings { ramp_percent: Some(percent), ..SetSettings::default() };
    let shelf = Arc::default();
    let mut host = Host::new(&shelf);
    let apply = |host: &Host, seconds, settings| host.apply("night", seconds, settings).unwrap().revision.revision;
    let all = apply(&host, 1, SetSettings::default());
    let set = |names: &[&String]| names.iter().map(|name| (*name).clone()).collect::<BTreeSet<_>>();
    let second = apply(&host, 2, ramp(50));
    assert_eq!(drawn(&host), set(&[&all, &second]));
    // A fix of the candidate, and more of them than stay loaded by themselves.
    for seconds in 3..9 {
        let fix = apply(&host, seconds, ramp(50));
        assert_eq!(drawn(&host), set(&[&all, &fix]), "{seconds}");
        let share = drawn(&host);
        host = Host::new(&shelf);
        assert_eq!(apply(&host, seconds, ramp(50)), fix);
        assert_eq!(drawn(&host), share, "a restart changes nothing");
    }
    // A candidate that trips is left for what all have had, and not for another candidate.
    let bad = SetRevision { set: "night".to_owned(), revision: apply(&host, 9, ramp(50)) };
    for seconds in 1..4 {
        host.sets.settle(&bad, &[fault(Slot::Timeouts)], at(seconds));
    }
    assert_eq!(drawn(&host), set(&[&all]));
    // Taken back, with the ramp left where it is.
    assert_eq!(apply(&host, 1, ramp(50)), all);
    assert_eq!(drawn(&host), set(&[&all]));
    let host = Host::new(&shelf);
    assert_eq!(apply(&host, 1, ramp(50)), all);
    assert_eq!(drawn(&host), set(&[&all]), "after a restart too");
    // For all, and then the next one falls back on it.
    let for_all = apply(&host, 4, SetSettings::default());
    assert_eq!(drawn(&host), set(&[&for_all]));
    let next = apply(&host, 5, ramp(50));
    assert_eq!(drawn(&host), set(&[&for_all, &next]));
}

#[test]
fn a_ramp_that_begins_later_is_about_the_newest_revision() {
    let ramp = SetSettings { ramp_percent: Some(0), ..SetSettings::default() };
    let host = Host::new(&Arc::default());
    let first = host.apply("night", 1, SetSettings::default()).unwrap().revision.revision;
    let second = host.apply("night", 2, SetSettings::default()).unwrap().revision.revision;
    assert_eq!(drawn(&host), BTreeSet::from([second]));
    host.apply("night", 2, ramp).unwrap();
    assert_eq!(drawn(&host), BTreeSet::from([first]));
}

#[test]
fn a_set_that_cannot_be_applied_goes_on_with_what_it_had() {
    let shelf = Arc::default();
    let host = Host::new(&shelf);
    assert_eq!(host.sets.apply_kept("night", SetSettings::default()).unwrap(), None);
    let first = host.apply("night", 5, SetSettings::default()).unwrap().revision;
    drop(host);
    let host = Host::new(&shelf);
    assert_eq!(host.sets.apply_kept("night", SetSettings::default()).unwrap(), Some(first.clone()));
    assert_eq!(host.answering(&seen("new", None)), Some(first.clone()));
    // Its settings hold all the same: what can be done without its slots is done.
    let second = host.apply("night", 6, SetSettings::default()).unwrap().revision;
    let back = |to: &str| {
        let rollback = Some(Rollback { to: to.to_owned(), in_flight: InFlight::Move });
        SetSettings { rollback, ..SetSettings::default() }
    };
    assert_eq!(host.sets.apply_kept("night", back("ffff")).unwrap(), Some(second.clone()), "nobody knows it");
    assert_eq!(host.sets.apply_kept("night", back(&first.revision)).unwrap(), Some(first.clone()));
    assert_eq!(host.answering(&seen("old", Some(&second))), Some(first));
}

#[test]
fn who_runs_with_what_is_counted_until_it_ends() {
    let host = Host::new(&Arc::default());
    let first = host.apply("night", 5, SetSettings::default()).unwrap().revision;
    let second = host.apply("night", 6, SetSettings::default()).unwrap().revision;
    host.sets.note_running("a", Some(&first));
    host.sets.note_running("b", Some(&second));
    host.sets.note_running("c", Some(&first));
    host.sets.note_running("b", None);
    let view = &host.sets.view()[0];
    let counts: Vec<_> = view.revisions.iter().map(|one| (one.name.as_str(), one.in_flight)).collect();
    assert_eq!(counts, [(second.revision.as_str(), 0), (first.revision.as_str(), 2)]);
    assert_eq!(view.active, second.revision);
    // Of a set that is gone, and with a revision that this process has never loaded.
    let kept = SetRevision { revision: "0".repeat(12), ..first.clone() };
    host.shelf.keep(&kept, &view.revisions[0].document, false, &[]).unwrap();
    host.sets.note_running("d", Some(&kept));
    host.sets.remove("night");
    assert!(host.sets.view().is_empty());
    let draining = host.sets.view_with_draining();
    let counts: BTreeMap<_, _> = draining[0].revisions.iter().map(|one| (one.name.as_str(), one.in_flight)).collect();
    assert_eq!(counts, BTreeMap::from([(first.revision.as_str(), 2), (kept.revision.as_str(), 1)]));
    assert!(draining[0].revisions.iter().all(|one| one.document.slots.len() == Slot::ALL.len()));
}

fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap()
}

#[test]
fn a_revision_that_faults_on_what_was_seen_lately_is_refused_and_nothing_changes() {
    let host = Host::new(&Arc::default());
    let first = host.apply("night", 5, SetSettings::default()).unwrap().revision;
    let policy = policy(&Guest::timeouts("(unreachable)"), Limits::DEFAULT);
    let fillings = BTreeMap::from([(Slot::Timeouts, Filling::one(policy, FailStrategy::LastGood))]);
    let refused = host.sets.apply("night", SetSettings::default(), &fillings).unwrap_err();
    let line = refused.to_string();
    assert!(
        line.starts_with("the timeouts slot faults on kubernaut-system/rr-1 as it was seen lately: Trap"),
        "{line}"
    );
    assert_eq!(host.answering(&seen("new", None)), Some(first.clone()));
    assert_eq!(host.sets.view()[0].revisions.len(), 1);
}

#[test]
fn a_revision_that_was_in_force_before_a_restart_is_not_asked_as_a_new_one() {
    let shelf: Arc<Shelf> = Arc::default();
    let policy = policy(&Guest::timeouts("(unreachable)"), Limits::DEFAULT);
    let fillings = BTreeMap::from([(Slot::Timeouts, Filling::one(policy, FailStrategy::LastGood))]);
    shelf.is_quiet.store(true, Ordering::Relaxed);
    let host = Host::new(&shelf);
    let first = host.sets.apply("night", SetSettings::default(), &fillings).unwrap();
    assert_eq!(first.smoke, Some(SmokeReport::default()), "it is new");
    drop(host);
    // It has faulted since then, and too seldom for its breaker.
    shelf.is_quiet.store(false, Ordering::Relaxed);
    let host = Host::new(&shelf);
    let again = host.sets.apply("night", SetSettings::default(), &fillings).unwrap();
    assert_eq!((again.active, again.smoke), (first.revision, None));
    host.sets.apply("day", SetSettings::default(), &fillings).unwrap_err();
}

#[test]
fn a_smoke_run_asks_what_fills_a_slot_anew_and_everything_where_others_are_selected() {
    let shelf: Arc<Shelf> = Arc::default();
    let host = Host::new(&shelf);
    let trapping = policy(&Guest::timeouts("(unreachable)"), Limits::DEFAULT);
    let component = host.engine.load(BUILTIN, Limits::DEFAULT).unwrap();
    let filled = |seconds: u32| {
        let config = json!({"timeouts": {"processing": format!("{seconds}s")}}).to_string();
        let anew = component.configure(&config).unwrap();
        [(Slot::Timeouts, Arc::clone(&trapping)), (Slot::Children, anew)]
            .map(|(slot, policy)| (slot, Filling::one(policy, FailStrategy::LastGood)))
            .into()
    };
    shelf.is_quiet.store(true, Ordering::Relaxed);
    host.sets.apply("night", SetSettings::default(), &filled(5)).unwrap();
    shelf.is_quiet.store(false, Ordering::Relaxed);
    let applied = host.sets.apply("night", SetSettings::default(), &filled(6)).unwrap();
    assert_eq!(applied.smoke, Some(SmokeReport { observations: 1, differing: BTreeMap::new() }));
    let selector = Selector { namespaces: [observation().namespace.clone()].into(), ..Selector::default() };
    let others = SetSettings { selector, ..SetSettings::default() };
    assert!(matches!(host.sets.apply("night", others, &filled(7)), Err(SetError::Smoke { .. })));
}

#[test]
fn a_machine_without_time_is_no_reason_to_refuse_a_revision() {
    let host = Host::new(&Arc::default());
    // Its clock runs; that of the tests' usual engine stands still.
    let engine = Engine::new(EngineConfig { pool: false, ..EngineConfig::default() }).unwrap();
    let filling = |limits: Limits| {
        let endless = Guest::timeouts("(loop $on (br $on)) (unreachable)").build();
        let policy = engine.load(&endless, limits).unwrap().configure("").unwrap();
        BTreeMap::from([(Slot::Timeouts, Filling::one(policy, FailStrategy::LastGood))])
    };
    let apply = |limits: Limits| host.sets.apply("night", SetSettings::default(), &filling(limits));
    assert!(matches!(apply(Limits::DEFAULT), Err(SetError::Smoke { .. })), "fuel is the policy's own");
    let until_the_clock = Limits { fuel: Limits::CEILING.fuel, wall_clock_millis: 10, ..Limits::DEFAULT };
    let applied = apply(until_the_clock).unwrap();
    assert_eq!(applied.smoke, Some(SmokeReport { observations: 1, differing: BTreeMap::new() }));
}
