//! Events that the receiver refuses: they alone are set aside.

use std::collections::HashSet;
use std::sync::Arc;

use tokio::sync::oneshot;

use super::support::{World, event, events, marker};
use crate::delivery::{AttemptResult, Ids};

/// Delivers events of which some are poisoned, and checks that these are set aside and no others. Returns the writes.
async fn poisoned(count: usize, poison: &[usize], names_fields: bool) -> usize {
    let world = World::new(Ids::Theirs, events(count, 3)).await;
    world.fake.change(|conditions| {
        conditions.poison = poison.iter().map(|number| marker(*number)).collect();
        conditions.names_fields = names_fields;
    });
    let report = world.drain().await;
    let sound: Vec<_> = (0..count).filter(|number| !poison.contains(number)).collect();
    assert_eq!(world.stored(), sound);
    let quarantined = world.outbox.quarantined();
    let expected: Vec<_> = poison.iter().map(|number| event(*number, "").id).collect();
    assert_eq!(quarantined.iter().map(|(id, _)| *id).collect::<Vec<_>>(), expected);
    assert!(quarantined.iter().all(|(_, reason)| reason.starts_with("Validation Error: ")), "{quarantined:?}");
    assert!(quarantined.iter().all(|(_, reason)| reason.contains("validation-error")), "{quarantined:?}");
    assert_eq!(report.quarantined(), u64::try_from(poison.len()).unwrap());
    assert_eq!((report.is_failing(), world.fake.doubles()), (false, 0));
    world.writes().len()
}

#[tokio::test]
async fn one_poisoned_event_in_a_batch_is_found_by_halving() {
    for place in [0, 77, 199] {
        let writes = poisoned(200, &[place], false).await;
        assert!(writes <= 2 * 8 + 1, "{writes}");
    }
}

#[tokio::test]
async fn two_poisoned_events_are_found_by_halving() {
    for pair in [[3, 4], [0, 199], [99, 100]] {
        let writes = poisoned(200, &pair, false).await;
        assert!(writes <= 2 * (2 * 8) + 1, "{writes}");
    }
}

#[tokio::test]
async fn a_refusal_that_names_the_event_needs_no_halving() {
    assert_eq!(poisoned(200, &[77], true).await, 4);
    assert_eq!(poisoned(200, &[77, 120], true).await, 7);
    assert_eq!(poisoned(200, &[0, 199], true).await, 5);
}

#[tokio::test]
async fn a_batch_of_nothing_but_poison_ends() {
    poisoned(16, &(0..16).collect::<Vec<_>>(), false).await;
    poisoned(1, &[0], true).await;
}

#[tokio::test]
async fn events_behind_a_poisoned_one_of_the_same_remediation_still_go() {
    let world = World::new(Ids::Ours, events(5, 1)).await;
    world.fake.change(|conditions| conditions.poison = vec![marker(2)]);
    world.drain().await;
    assert_eq!(world.stored(), [0, 1, 3, 4]);
}

#[tokio::test]
async fn what_the_receiver_finds_invalid_is_set_aside_with_its_words() {
    let mut old = event(1, "rr");
    old.body["event_timestamp"] = "2026-11-01T00:00:00Z".into();
    let mut huge = event(2, "rr");
    huge.body["event_data"]["message"] = "x".repeat(300 * 1024).into();
    let world = World::new(Ids::Theirs, vec![event(0, "rr"), old, huge, event(3, "rr")]).await;
    world.drain().await;
    assert_eq!(world.stored(), [0, 3]);
    let reasons: Vec<_> = world.outbox.quarantined().into_iter().map(|(_, reason)| reason).collect();
    assert!(reasons[0].contains("more than 7 days old"), "{reasons:?}");
    assert!(reasons[1].contains("at most 262144"), "{reasons:?}");
}

#[tokio::test]
async fn an_event_that_is_too_large_alone_is_set_aside() {
    let mut large = event(1, "rr");
    large.body["event_data"]["message"] = "x".repeat(5000).into();
    let world = World::new(Ids::Ours, vec![event(0, "rr"), large, event(2, "rr")]).await;
    world.fake.change(|conditions| conditions.body_bytes_max = 4000);
    let report = world.drain().await;
    assert_eq!((world.stored(), report.quarantined()), (vec![0, 2], 1));
    assert!(world.outbox.quarantined()[0].1.contains("413"));
}

#[tokio::test]
async fn an_event_stored_under_our_id_before_with_another_body_does_not_block_the_rest() {
    let world = World::new(Ids::Ours, events(3, 1)).await;
    world.drain().await;
    let mut changed = event(1, "rr-0");
    changed.body["event_outcome"] = "failure".into();
    let world = World {
        outbox: super::outbox::MemoryOutbox::holding(vec![event(5, "rr-0"), changed, event(6, "rr-0")]),
        ..world
    };
    let report = world.drain().await;
    assert_eq!((world.stored(), report.delivered()), (vec![0, 1, 2, 5, 6], 3));
    assert!(report.attempts(AttemptResult::Refused) >= 2);
}

/// A receiver that fails at some events, and takes the others. Returns which were stored.
async fn stumbling(ids: Ids, count: usize, over: &[usize]) -> Vec<usize> {
    let world = World::new(ids, events(count, 3)).await;
    world.fake.change(|conditions| conditions.stumbling = over.iter().map(|number| marker(*number)).collect());
    let report = world.drain().await;
    let quarantined = world.outbox.quarantined();
    let expected: HashSet<_> = over.iter().map(|number| event(*number, "").id).collect();
    assert_eq!(quarantined.iter().map(|(id, _)| *id).collect::<HashSet<_>>(), expected);
    assert!(quarantined.iter().all(|(_, reason)| reason.contains("Database Error")), "{quarantined:?}");
    assert_eq!((report.is_failing(), world.fake.doubles()), (false, 0));
    let mut stored = world.stored();
    stored.sort_unstable();
    stored
}

#[tokio::test]
async fn an_event_that_the_receiver_fails_at_blocks_no_other() {
    for ids in [Ids::Ours, Ids::Theirs] {
        for over in [&[0][..], &[7], &[29], &[3, 4, 5]] {
            let sound: Vec<_> = (0..30).filter(|number| !over.contains(number)).collect();
            assert_eq!(stumbling(ids, 30, over).await, sound, "{ids:?} {over:?}");
        }
    }
}

#[tokio::test]
async fn an_event_that_the_receiver_fails_at_waits_until_it_takes_another() {
    let world = World::new(Ids::Ours, events(1, 1)).await;
    world.fake.change(|conditions| conditions.stumbling = vec![marker(0)]);
    let delivery = world.delivery();
    let (report, outbox) = (delivery.report(), Arc::clone(&world.outbox));
    let (stop, stopped) = oneshot::channel::<()>();
    let running = tokio::spawn(delivery.run(async { drop(stopped.await) }));
    while report.attempts(AttemptResult::ReceiverFailed) < 30 {
        tokio::task::yield_now().await;
    }
    assert_eq!((report.quarantined(), world.stored()), (0, vec![]), "it may be the receiver that is unwell");
    outbox.add(vec![event(1, "rr-0")]);
    while report.quarantined() == 0 {
        tokio::task::yield_now().await;
    }
    stop.send(()).unwrap();
    running.await.unwrap();
    assert_eq!(world.stored(), [1]);
}
