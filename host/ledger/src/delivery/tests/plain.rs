//! Deliveries without faults, their sizes, and their end.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;
use trimtab_core::ports::{Clock as _, ForeignStep, Ledger as _};
use trimtab_fake_datastorage::Fault;

use super::support::{FixedClock, World, event, events, install_cryptography, quick, until_failing};
use crate::SqliteLedger;
use crate::delivery::{AttemptResult, Delivery, DeliveryFailure, Drained, Ids, Jitter};
use crate::outbox::Outbox;

#[tokio::test]
async fn events_arrive_once_and_in_order_whoever_gives_the_ids() {
    for ids in [Ids::Ours, Ids::Theirs] {
        let world = World::new(ids, events(7, 3)).await;
        let report = world.drain().await;
        assert_eq!(world.stored(), (0..7).collect::<Vec<_>>());
        assert!(world.outbox.is_settled());
        assert_eq!((report.delivered(), report.attempts(AttemptResult::Stored)), (7, 1));
        assert_eq!((report.is_failing(), report.questions()), (false, 0));
        assert!(report.last_success().is_some() && report.last_error().is_none());
        let has_our_id = world.fake.stored()[3].body["event_id"] == world.outbox.entries()[3].event.id.to_string();
        assert_eq!(has_our_id, ids == Ids::Ours);
    }
}

#[tokio::test]
async fn events_that_become_due_later_wake_the_delivery() {
    let world = World::new(Ids::Ours, Vec::new()).await;
    let (stop, stopped) = oneshot::channel::<()>();
    let running = tokio::spawn(world.delivery().run(async { drop(stopped.await) }));
    for number in 0..3 {
        world.outbox.add(vec![event(number, "rr")]);
        world.fake.answered(number + 1).await;
    }
    stop.send(()).unwrap();
    assert_eq!(running.await.unwrap(), Drained { remaining: Some(0) });
    assert_eq!(world.stored(), [0, 1, 2]);
}

#[tokio::test]
async fn ten_thousand_events_go_in_batches_of_the_servers_limit() {
    let world = World::new(Ids::Theirs, events(10_000, 40)).await;
    let report = world.drain().await;
    assert_eq!(world.stored(), (0..10_000).collect::<Vec<_>>());
    assert_eq!(report.attempts(AttemptResult::Stored), 20);
    assert!(world.writes().iter().all(|write| write.events == 500 && write.bytes <= 1024 * 1024));
}

#[tokio::test]
async fn a_server_with_a_smaller_limit_is_learned_once_and_loses_nothing() {
    let world = World::new(Ids::Theirs, events(1000, 5)).await;
    world.fake.change(|conditions| conditions.batch_events_max = 100);
    let report = world.drain().await;
    assert_eq!(world.stored(), (0..1000).collect::<Vec<_>>());
    let refused: Vec<_> = world.writes().iter().filter(|write| write.status == 400).map(|write| write.events).collect();
    assert_eq!(refused, [500, 250, 125]);
    assert!(world.writes().iter().skip(3).all(|write| write.events <= 62));
    assert_eq!((report.quarantined(), report.is_failing()), (0, false));
}

#[tokio::test]
async fn a_server_that_takes_fewer_bytes_is_learned_and_loses_nothing() {
    let world = World::new(Ids::Ours, events(300, 5)).await;
    world.fake.change(|conditions| conditions.body_bytes_max = 40_000);
    let report = world.drain().await;
    assert_eq!(world.stored(), (0..300).collect::<Vec<_>>());
    assert_eq!(report.quarantined(), 0);
    let refused = world.writes().iter().filter(|write| write.status == 413).count();
    assert!((1..=7).contains(&refused), "{refused}");
}

#[tokio::test]
async fn the_bytes_of_a_request_are_bounded() {
    let mut world = World::new(Ids::Ours, events(100, 5)).await;
    world.settings.batch_bytes_max = 5000;
    world.drain().await;
    assert_eq!(world.stored(), (0..100).collect::<Vec<_>>());
    assert!(world.writes().iter().all(|write| write.bytes <= 5000 && write.events > 1));
}

#[tokio::test]
async fn events_taken_for_later_count_as_delivered() {
    let fault = Fault::status(202, 1);
    let world = World::with(Ids::Ours, events(3, 1), vec![fault]).await;
    let report = world.drain().await;
    assert_eq!((report.delivered(), report.attempts(AttemptResult::Queued)), (3, 1));
    assert!(world.outbox.is_settled());
}

#[tokio::test]
async fn a_stop_delivers_what_is_due_first() {
    let mut world = World::new(Ids::Ours, events(30, 3)).await;
    world.settings.batch_events_max = 4;
    let (stop, stopped) = oneshot::channel::<()>();
    let running = tokio::spawn(world.delivery().run(async { drop(stopped.await) }));
    world.fake.answered(1).await;
    stop.send(()).unwrap();
    assert_eq!(running.await.unwrap(), Drained { remaining: Some(0) });
    assert_eq!(world.stored(), (0..30).collect::<Vec<_>>());
}

#[tokio::test]
async fn the_drain_ends_at_its_limit_and_says_what_remains() {
    let mut world = World::with(Ids::Ours, events(30, 3), vec![Fault::status(503, 1_000_000)]).await;
    world.settings.drain_limit = Duration::from_millis(30);
    let delivery = world.delivery();
    let report = delivery.report();
    assert_eq!(delivery.run(until_failing(report.clone())).await, Drained { remaining: Some(30) });
    assert!(report.is_failing() && report.last_error().unwrap().contains("503"));
    assert!(world.outbox.entries().iter().all(|entry| entry.was_sent));
}

#[tokio::test]
async fn a_stop_does_not_wait_for_a_long_backoff() {
    let mut world = World::with(Ids::Ours, events(3, 3), vec![Fault::status(503, 1)]).await;
    (world.settings.backoff_min, world.settings.backoff_max) = (Duration::from_hours(1), Duration::from_hours(1));
    let delivery = world.delivery();
    let report = delivery.report();
    assert_eq!(delivery.run(until_failing(report)).await, Drained { remaining: Some(0) });
    assert_eq!(world.stored(), [0, 1, 2]);
}

#[tokio::test]
async fn the_ledger_is_an_outbox_that_this_drains() {
    let world = World::with(Ids::Theirs, Vec::new(), vec![Fault::hang_up(true, 1)]).await;
    install_cryptography();
    let ledger = Arc::new(SqliteLedger::in_memory().unwrap());
    let (stop, stopped) = oneshot::channel::<()>();
    let delivery =
        Delivery::new(ledger.clone(), world.settings.clone(), Arc::new(FixedClock), Jitter::seeded(1)).unwrap();
    let running = tokio::spawn(delivery.run(async { drop(stopped.await) }));
    for (place, audit) in [events(3, 1), events(5, 1).split_off(3)].into_iter().enumerate() {
        let adopted = ForeignStep {
            uid: "uid-0".to_owned(),
            namespace: "kubernaut-system".to_owned(),
            name: "rr-0".to_owned(),
            sequence: u64::try_from(place).unwrap() + 1,
            at: FixedClock.now(),
            audit,
        };
        ledger.adopt(&adopted).unwrap();
    }
    stop.send(()).unwrap();
    assert_eq!(running.await.unwrap(), Drained { remaining: Some(0) });
    assert_eq!((world.stored(), world.fake.doubles()), ((0..5).collect::<Vec<_>>(), 0));
    assert_eq!(Outbox::report(ledger.as_ref()).unwrap().delivered, 5);
}

#[tokio::test]
async fn a_delivery_that_cannot_work_is_refused_in_one_line() {
    install_cryptography();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ca.pem");
    for content in [None, Some(""), Some("no certificate")] {
        if let Some(content) = content {
            std::fs::write(&path, content).unwrap();
        }
        let mut settings = quick("https://127.0.0.1:1", Ids::Ours);
        settings.ca_file = Some(path.clone());
        let outbox = super::outbox::MemoryOutbox::holding(Vec::new());
        let refused = Delivery::new(outbox, settings, Arc::new(FixedClock), Jitter::seeded(1)).unwrap_err();
        assert!(matches!(refused, DeliveryFailure::Authorities { .. }), "{refused:?}");
        assert!(refused.to_string().contains("ca.pem") && !refused.to_string().contains('\n'), "{refused}");
    }
}
