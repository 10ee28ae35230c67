//! Who is looked at again when a policy was swapped: every remediation that has not ended, one after another, so that those
//! with something to do have their turn between them.

use std::collections::{HashSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::Stream;
use kube::ResourceExt as _;
use kube_runtime::reflector::ObjectRef;
use kube_runtime::watcher::Event;
use tokio::sync::watch;
use trimtab_api::Kind;
use trimtab_core::phase::Phase;

use super::changes::Known;
use crate::object::{self, Object};

/// How long it takes at most until all of them had their turn, as long as the pauses between two of them allow it.
const ROUND: Duration = Duration::from_secs(1);

/// Shortest pause between two of them.
const PAUSE_MIN: Duration = Duration::from_millis(1);

/// Longest pause between two of them: a look takes about a millisecond, so nearly all of a core is left to the others.
const PAUSE_MAX: Duration = Duration::from_millis(20);

/// The pause between two of so many.
fn pause(count: usize) -> Duration {
    let count = u32::try_from(count).unwrap_or(u32::MAX).max(1);
    (ROUND / count).clamp(PAUSE_MIN, PAUSE_MAX)
}

/// Remediations that have ended, by uid: no policy is asked about them any more.
#[derive(Debug, Default)]
pub(super) struct Ended(Mutex<HashSet<String>>);

impl Ended {
    /// A change of a remediation that a watch tells of.
    pub(super) fn hear(&self, change: &Event<Object>) {
        match change {
            Event::Apply(object) | Event::InitApply(object) => {
                let phase = object.phase(Kind::RemediationRequest).parse();
                let (uid, mut ended) = (object.uid().unwrap_or_default(), self.lock());
                if phase.is_ok_and(Phase::is_terminal) {
                    ended.insert(uid);
                } else {
                    ended.remove(&uid);
                }
            }
            Event::Delete(object) => {
                self.lock().remove(&object.uid().unwrap_or_default());
            }
            Event::Init | Event::InitDone => {}
        }
    }

    /// Forgets those that are gone.
    pub(super) fn tidy(&self, exist: &HashSet<String>) {
        self.lock().retain(|uid| exist.contains(uid));
    }

    fn lock(&self) -> MutexGuard<'_, HashSet<String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The remediations that are to be looked at after each swap; never ends. A swap that comes before all of the last one had
/// their turn has its own after them.
pub(super) fn wakes(
    swapped: watch::Receiver<u64>,
    known: Known,
    ended: Arc<Ended>,
) -> impl Stream<Item = ObjectRef<Object>> + Send + 'static {
    let none_yet = VecDeque::new();
    futures::stream::unfold((swapped, none_yet, PAUSE_MAX), move |(mut swapped, mut next, mut between)| {
        let (known, ended) = (known.clone(), Arc::clone(&ended));
        async move {
            if !next.is_empty() {
                tokio::time::sleep(between).await;
            }
            loop {
                if let Some(name) = next.pop_front() {
                    return Some((name, (swapped, next, between)));
                }
                if swapped.changed().await.is_err() {
                    // Nobody can swap any more; the stream must not end before the controller does.
                    std::future::pending::<()>().await;
                }
                next = running(&known, &ended);
                between = pause(next.len());
            }
        }
    })
}

fn running(known: &Known, ended: &Ended) -> VecDeque<ObjectRef<Object>> {
    let ended = ended.lock();
    let names = known.names.state();
    let running = names.iter().filter(|object| object.uid().is_none_or(|uid| !ended.contains(&uid)));
    running.map(|one| object::remediation(&one.namespace().unwrap_or_default(), &one.name_any())).collect()
}

#[cfg(test)]
mod tests {
    use futures::StreamExt as _;
    use serde_json::json;

    use super::*;

    fn remediation(uid: &str, phase: &str) -> Object {
        let json = json!({"metadata": {"name": uid, "namespace": "ns", "uid": uid}, "status": {"overallPhase": phase}});
        serde_json::from_value(json).unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn a_swap_wakes_all_that_have_not_ended_and_one_during_it_all_of_them_again() {
        let changes = [("a", "Processing"), ("b", "Completed"), ("c", "Failed"), ("d", "Blocked"), ("c", "Executing")];
        let shown = || changes.map(|(uid, phase)| Event::Apply(remediation(uid, phase)));
        let ended = Arc::new(Ended::default());
        for change in shown() {
            ended.hear(&change);
        }
        let started = [Event::Init, Event::InitDone].into_iter().chain(shown());
        let (known, stream) = super::super::changes::known(futures::stream::iter(started).boxed());
        stream.for_each(|_| std::future::ready(())).await;
        let (swap, swapped) = watch::channel(0);
        let woken = wakes(swapped, known, ended);
        futures::pin_mut!(woken);
        swap.send_replace(1);
        let mut names = vec![woken.next().await.unwrap().name];
        swap.send_replace(2);
        for _ in 0..5 {
            names.push(woken.next().await.unwrap().name);
        }
        names.get_mut(..3).unwrap().sort();
        names.get_mut(3..).unwrap().sort();
        assert_eq!(names, ["a", "c", "d", "a", "c", "d"]);
        let one_more = tokio::time::timeout(ROUND * 2, woken.next()).await;
        assert!(one_more.is_err(), "one too many is woken");
    }

    #[test]
    fn few_leave_time_between_them_and_many_are_done_soon() {
        let millis = [1, 10, 200, 500, 1000, 10_000].map(|count| pause(count).as_millis());
        assert_eq!(millis, [20, 20, 5, 2, 1, 1]);
    }

    #[test]
    fn what_is_gone_is_forgotten() {
        let ended = Ended::default();
        for uid in ["a", "b", "c"] {
            ended.hear(&Event::InitApply(remediation(uid, "Completed")));
        }
        ended.hear(&Event::Delete(remediation("a", "Completed")));
        ended.tidy(&HashSet::from(["c".to_owned(), "d".to_owned()]));
        assert_eq!(*ended.lock(), HashSet::from(["c".to_owned()]));
    }
}
