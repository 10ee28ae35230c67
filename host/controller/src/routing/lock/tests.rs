//! Locks on an API server in memory.

use serde_json::{Value, json};
use trimtab_core::time::{Span, Timestamp};

use super::*;
use crate::fake::Store;

const TARGET: &str = "shop/Deployment/web";

/// A clock that is set by hand.
#[derive(Debug)]
struct HandSet(Mutex<Timestamp>);

impl Clock for HandSet {
    fn now(&self) -> Timestamp {
        *self.0.lock().unwrap()
    }
}

struct Bench {
    store: Store,
    clock: Arc<HandSet>,
}

type Process = (Locks<u32>, Arc<Wakes<Key>>);

impl Bench {
    fn new() -> Self {
        let clock = HandSet(Mutex::new(Timestamp::from_millis(1_800_000_000_000)));
        Self { store: Store::default(), clock: Arc::new(clock) }
    }

    /// Another process that knows the same cluster.
    fn process(&self) -> Process {
        let woken: Arc<Wakes<Key>> = Arc::default();
        let clock = Arc::clone(&self.clock) as Arc<dyn Clock>;
        (Locks::new(self.store.client(), "own", clock, Metrics::default(), Arc::clone(&woken)), woken)
    }

    fn pass(&self, seconds: u64) {
        let mut now = self.clock.0.lock().unwrap();
        *now = now.plus(Span::from_secs(seconds));
    }

    fn lease(&self) -> Option<Value> {
        self.store.object(&path())
    }
}

fn path() -> String {
    format!("/apis/coordination.k8s.io/v1/namespaces/own/leases/{}", lease_name(TARGET))
}

fn asker(uid: &str) -> Asker<'_> {
    Asker { uid, namespace: "ns", name: uid }
}

fn is_shown(_: &Key) -> bool {
    true
}

fn next(woken: &Wakes<Key>) -> Option<Key> {
    futures::FutureExt::now_or_never(woken.next())
}

#[test]
fn the_leases_name_is_the_peers() {
    // `ro-lock-` and the first 16 hexadecimal digits of the SHA-256 of the target string.
    assert_eq!(lease_name("abc"), "ro-lock-ba7816bf8f01cfea");
}

#[tokio::test]
async fn one_of_two_remediations_gets_it_and_the_other_is_woken_when_it_is_given_back() {
    let bench = Bench::new();
    let (locks, woken) = bench.process();
    assert_eq!(locks.take(TARGET, asker("a")).await.unwrap(), Hold::Ours);
    let lease = bench.lease().unwrap();
    assert_eq!(lease["spec"]["holderIdentity"], "a");
    assert_eq!(lease["spec"]["leaseDurationSeconds"], 30);
    assert_eq!(lease["metadata"]["annotations"]["trimtab.dev/target"], TARGET);
    bench.store.requests();
    assert_eq!(locks.take(TARGET, asker("b")).await.unwrap(), Hold::Others("a".into()));
    assert_eq!(locks.take(TARGET, asker("a")).await.unwrap(), Hold::Ours);
    assert_eq!(bench.store.requests(), [""; 0], "within a process nobody has to ask");
    locks.finish("b", is_shown).await;
    assert!(bench.lease().is_some(), "it is not theirs");
    locks.finish("a", is_shown).await;
    assert_eq!(bench.lease(), None);
    assert_eq!(next(&woken), Some(("ns".into(), "b".into())));
    assert_eq!(locks.take(TARGET, asker("b")).await.unwrap(), Hold::Ours);
    assert_eq!(next(&woken), None);
}

#[tokio::test]
async fn of_two_processes_one_wins_and_another_target_is_free() {
    let bench = Bench::new();
    let ((one, _), (other, _)) = (bench.process(), bench.process());
    let (a, b) = tokio::join!(one.take(TARGET, asker("a")), other.take(TARGET, asker("b")));
    let held = [a.unwrap(), b.unwrap()];
    assert_eq!(held.iter().filter(|hold| **hold == Hold::Ours).count(), 1, "{held:?}");
    assert_eq!(other.take("shop/Deployment/api", asker("c")).await.unwrap(), Hold::Ours);
}

#[tokio::test]
async fn the_same_remediation_goes_on_with_it_after_its_process_died() {
    let bench = Bench::new();
    let (first, _) = bench.process();
    assert_eq!(first.take(TARGET, asker("a")).await.unwrap(), Hold::Ours);
    drop(first);
    let (second, _) = bench.process();
    assert_eq!(second.take(TARGET, asker("a")).await.unwrap(), Hold::Ours);
    second.starts(TARGET, "a", ("ns".into(), "we-a".into()));
    second.finish("a", is_shown).await;
    assert_eq!(bench.lease(), None);
}

#[tokio::test]
async fn what_two_processes_hold_for_one_remediation_is_not_given_back_by_the_one_that_starts_nothing() {
    let bench = Bench::new();
    let ((one, _), (other, _)) = (bench.process(), bench.process());
    assert_eq!(one.take(TARGET, asker("a")).await.unwrap(), Hold::Ours);
    assert_eq!(other.take(TARGET, asker("a")).await.unwrap(), Hold::Ours);
    // An error, a brake, a write that came too late: nothing comes of it here.
    other.finish("a", is_shown).await;
    let held = other.take(TARGET, asker("b")).await.unwrap();
    assert_eq!(held, Hold::Others("a".into()), "the first process is about to start an execution");
    one.starts(TARGET, "a", ("ns".into(), "we-a".into()));
    one.finish("a", is_shown).await;
    bench.pass(31);
    assert_eq!(other.take(TARGET, asker("b")).await.unwrap(), Hold::Ours);
}

#[tokio::test(start_paused = true)]
async fn a_holder_that_died_loses_it_after_its_term_and_not_before() {
    let bench = Bench::new();
    let ((one, _), (other, _)) = (bench.process(), bench.process());
    assert_eq!(one.take(TARGET, asker("a")).await.unwrap(), Hold::Ours);
    one.note(TARGET, "a", 7);
    bench.pass(30);
    assert_eq!(other.take(TARGET, asker("b")).await.unwrap(), Hold::Others("a".into()));
    bench.pass(1);
    assert_eq!(other.take(TARGET, asker("b")).await.unwrap(), Hold::Ours);
    assert_eq!(bench.lease().unwrap()["spec"]["leaseTransitions"], 1);
    // The former holder was only slow: it finds out before it does anything, and what it had noted is void.
    tokio::time::advance(Duration::from_secs(31)).await;
    assert_eq!(one.take(TARGET, asker("a")).await.unwrap(), Hold::Others("b".into()));
    assert_eq!(one.notes(TARGET, "a"), None);
    one.finish("a", is_shown).await;
    assert_eq!(bench.lease().unwrap()["spec"]["holderIdentity"], "b", "nobody deletes what is another's");
}

#[tokio::test(start_paused = true)]
async fn it_is_renewed_when_it_is_not_fresh_any_more() {
    let bench = Bench::new();
    let (locks, _) = bench.process();
    locks.take(TARGET, asker("a")).await.unwrap();
    let before = bench.lease().unwrap();
    bench.pass(6);
    tokio::time::advance(Duration::from_secs(6)).await;
    locks.note(TARGET, "a", 7);
    assert_eq!(locks.take(TARGET, asker("a")).await.unwrap(), Hold::Ours);
    let after = bench.lease().unwrap();
    assert_ne!(before["spec"]["renewTime"], after["spec"]["renewTime"]);
    assert_eq!(before["spec"]["acquireTime"], after["spec"]["acquireTime"]);
    assert_eq!(locks.notes(TARGET, "a"), Some(7), "it was never lost in between");
}

#[tokio::test(start_paused = true)]
async fn it_is_kept_until_the_cache_shows_the_execution() {
    let bench = Bench::new();
    let (locks, woken) = bench.process();
    let execution: Key = ("ns".into(), "we-a".into());
    locks.take(TARGET, asker("a")).await.unwrap();
    locks.starts(TARGET, "a", execution.clone());
    locks.finish("a", |_| false).await;
    assert!(bench.lease().is_some());
    assert_eq!(locks.take(TARGET, asker("b")).await.unwrap(), Hold::Others("a".into()));
    locks.shown(&("ns".into(), "we-other".into()));
    locks.shown(&execution);
    tokio::select! {
        () = locks.keep() => {}
        key = woken.next() => assert_eq!(key, ("ns".into(), "b".into())),
    }
    assert_eq!(bench.lease(), None);
}

#[tokio::test(start_paused = true)]
async fn an_execution_that_no_watch_shows_keeps_it_for_a_while_only() {
    let bench = Bench::new();
    let (locks, woken) = bench.process();
    locks.take(TARGET, asker("a")).await.unwrap();
    locks.starts(TARGET, "a", ("ns".into(), "we-a".into()));
    locks.finish("a", |_| false).await;
    locks.take(TARGET, asker("b")).await.unwrap();
    let begun = Instant::now();
    tokio::select! {
        () = locks.keep() => {}
        _ = woken.next() => {}
    }
    assert!((20..=31).contains(&begun.elapsed().as_secs()), "{:?}", begun.elapsed());
    assert_eq!(bench.lease(), None);
}

#[tokio::test]
async fn an_execution_that_was_not_created_after_all_does_not_keep_it() {
    let bench = Bench::new();
    let (locks, _) = bench.process();
    locks.take(TARGET, asker("a")).await.unwrap();
    locks.starts(TARGET, "a", ("ns".into(), "we-a".into()));
    locks.starts_none("a");
    locks.finish("a", |_| false).await;
    assert_eq!(bench.lease(), None);
}

#[tokio::test(start_paused = true)]
async fn a_remediation_that_is_gone_leaves_no_lock_behind() {
    let bench = Bench::new();
    let (locks, woken) = bench.process();
    locks.take(TARGET, asker("a")).await.unwrap();
    locks.take(TARGET, asker("b")).await.unwrap();
    locks.forget("a");
    tokio::select! {
        () = locks.keep() => {}
        _ = woken.next() => {}
    }
    assert_eq!(bench.lease(), None);
}

#[tokio::test]
async fn what_dead_processes_left_behind_is_swept_away_and_nothing_else() {
    let bench = Bench::new();
    let ((one, _), (other, _)) = (bench.process(), bench.process());
    one.take(TARGET, asker("a")).await.unwrap();
    drop(one);
    bench.pass(31);
    other.take("shop/Deployment/api", asker("b")).await.unwrap();
    assert_eq!(other.leases.sweep().await.unwrap(), 1);
    assert_eq!(bench.lease(), None);
    assert_eq!(other.leases.sweep().await.unwrap(), 0);
}

#[tokio::test]
async fn a_lease_that_does_not_say_when_it_was_renewed_is_held() {
    let bench = Bench::new();
    let (locks, _) = bench.process();
    let lease =
        json!({"metadata": {"name": lease_name(TARGET), "namespace": "own"}, "spec": {"holderIdentity": "pod-1"}});
    bench.store.put(&path(), lease);
    bench.pass(3600);
    assert_eq!(locks.take(TARGET, asker("a")).await.unwrap(), Hold::Others("pod-1".into()));
}

#[tokio::test]
async fn what_the_api_server_refuses_is_told_and_leaves_nothing_held() {
    let bench = Bench::new();
    let (locks, _) = bench.process();
    bench.store.refuse(http::Method::POST, "/apis/coordination", 403);
    let refused = locks.take(TARGET, asker("a")).await.unwrap_err();
    assert_eq!(refused.tried(), format!("cannot create Lease own/{}", lease_name(TARGET)));
    bench.store.refuse_none();
    assert_eq!(locks.take(TARGET, asker("b")).await.unwrap(), Hold::Ours);
    // What cannot be deleted now ends by itself, and this process does not count on it any more.
    bench.store.refuse(http::Method::DELETE, "/apis/coordination", 503);
    locks.finish("b", is_shown).await;
    bench.store.refuse_none();
    assert_eq!(locks.take(TARGET, asker("a")).await.unwrap(), Hold::Others("b".into()));
}
