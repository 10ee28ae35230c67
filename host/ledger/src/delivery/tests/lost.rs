//! Answers that are lost: nothing is lost with them, and doubles only where nobody can tell.

use std::time::Duration;

use tokio::sync::oneshot;
use trimtab_fake_datastorage::{Effect, Fault, On};

use super::outbox::MemoryOutbox;
use super::support::{World, closed_port, delivery, events, numbers, open, quick};
use crate::delivery::{AttemptResult, Drained, Ids};

fn all(count: usize) -> Vec<usize> {
    (0..count).collect()
}

#[tokio::test]
async fn with_our_ids_a_resend_stores_exactly_once() {
    for stores in [false, true] {
        let world = World::with(Ids::Ours, events(20, 3), vec![Fault::hang_up(stores, 3)]).await;
        let report = world.drain().await;
        assert_eq!(world.stored(), all(20), "{stores}");
        assert_eq!((report.attempts(AttemptResult::AnswerLost), report.questions()), (3, 0));
        assert_eq!(report.doubles_possible(), 0);
    }
}

#[tokio::test]
async fn with_their_ids_the_receiver_is_asked_before_a_resend() {
    for stores in [false, true] {
        let world = World::with(Ids::Theirs, events(20, 3), vec![Fault::hang_up(stores, 1)]).await;
        let report = world.drain().await;
        assert_eq!((world.stored(), world.fake.doubles()), (all(20), 0), "{stores}");
        assert_eq!(world.queries().len(), 3);
        assert_eq!(report.found(), if stores { 20 } else { 0 });
        assert_eq!((report.delivered(), report.doubles_possible(), report.is_failing()), (20, 0, false));
    }
}

#[tokio::test]
async fn a_server_error_after_storing_is_asked_about_as_well() {
    let effect = Effect::Status { status: 504, retry_after: None, stores: true };
    let fault = Fault { on: On::Write, times: 1, effect };
    let world = World::with(Ids::Theirs, events(20, 3), vec![fault]).await;
    let report = world.drain().await;
    assert_eq!((world.stored(), world.fake.doubles(), report.found()), (all(20), 0, 20));
}

#[tokio::test]
async fn an_answer_that_comes_too_late_counts_as_lost() {
    let fault = Fault { on: On::Write, times: 1, effect: Effect::Delay { millis: 60_000, stores: true } };
    let mut world = World::with(Ids::Theirs, events(5, 2), vec![fault]).await;
    world.settings.request_timeout = Duration::from_secs(1);
    let report = world.drain().await;
    assert_eq!((world.stored(), world.fake.doubles()), (all(5), 0));
    assert!(report.attempts(AttemptResult::AnswerLost) >= 1);
}

#[tokio::test]
async fn a_question_that_fails_is_repeated_rather_than_doubled() {
    let faults = vec![
        Fault::hang_up(true, 1),
        Fault::status(500, 5).on_queries(),
        Fault::hang_up(false, 3).on_queries(),
        Fault::status(429, 2).on_queries(),
    ];
    let world = World::with(Ids::Theirs, events(20, 1), faults).await;
    let report = world.drain().await;
    assert_eq!((world.stored(), world.fake.doubles(), report.doubles_possible()), (all(20), 0, 0));
    assert_eq!((world.writes().len(), world.queries().len()), (1, 11));
}

#[tokio::test]
async fn only_what_can_never_be_known_is_doubled_and_it_is_counted() {
    for status in [404, 500] {
        let mut world = World::with(Ids::Theirs, events(20, 2), vec![Fault::hang_up(true, 1)]).await;
        world.settings.ask_attempts_max = 4;
        world.fake.change(|conditions| conditions.query_status = Some(status));
        let report = world.drain().await;
        assert_eq!((world.fake.stored().len(), world.fake.doubles()), (40, 20), "{status}");
        assert_eq!((report.doubles_possible(), report.delivered()), (20, 20));
        let questions = report.questions();
        assert!(if status == 404 { questions == 2 } else { (5..=8).contains(&questions) }, "{questions}");
    }
}

#[tokio::test]
async fn what_an_earlier_process_may_have_sent_is_asked_for_first() {
    let world = World::with(Ids::Theirs, events(6, 2), vec![Fault::hang_up(true, 1)]).await;
    world.drain().await;
    assert_eq!(world.stored(), all(6));
    // The same events again, as another host that has not learned of the answer would have them.
    let again = MemoryOutbox::holding(events(9, 2));
    again.mark_sent();
    let world = World { outbox: again, ..world };
    world.fake.add_fault(Fault::status(401, 1).on_queries());
    let report = world.drain().await;
    assert_eq!((world.stored(), world.fake.doubles(), report.found()), (all(9), 0, 6));
}

#[tokio::test]
async fn many_events_of_one_remediation_are_asked_for_page_by_page() {
    let world = World::with(Ids::Theirs, events(450, 1), vec![Fault::hang_up(true, 1)]).await;
    let report = world.drain().await;
    assert_eq!((world.stored(), report.found()), (all(450), 450));
    assert_eq!(world.queries().len(), 3);
    assert!(world.queries()[2].query.contains("offset=400"), "{:?}", world.queries()[2]);
}

#[tokio::test]
async fn a_receiver_that_does_not_keep_our_ids_is_noticed() {
    // The first batch told; the answer to a later one is lost, and is asked for.
    let mut world = World::new(Ids::Theirs, events(4, 1)).await;
    world.settings.ids = Ids::Ours;
    world.settings.batch_events_max = 2;
    world.fake.add_fault(Fault { on: On::Write, times: 1, effect: Effect::Delay { millis: 0, stores: true } });
    world.fake.add_fault(Fault::hang_up(true, 1));
    let report = world.drain().await;
    assert_eq!((world.stored(), world.fake.doubles(), report.found()), (all(4), 0, 2));
}

#[tokio::test]
async fn a_receiver_that_cannot_be_reached_is_asked_until_it_can() {
    let (socket, url) = closed_port();
    let outbox = MemoryOutbox::holding(events(3, 1));
    outbox.mark_sent();
    let mut settings = quick(&url, Ids::Theirs);
    settings.ask_attempts_max = 1;
    let delivery = delivery(&outbox, &settings);
    let report = delivery.report();
    let (stop, stopped) = oneshot::channel::<()>();
    let running = tokio::spawn(delivery.run(async { drop(stopped.await) }));
    while report.questions() < 3 {
        tokio::task::yield_now().await;
    }
    let fake = open(socket);
    stop.send(()).unwrap();
    assert_eq!(running.await.unwrap(), Drained { remaining: Some(0) });
    assert_eq!((numbers(&fake.stored()), report.doubles_possible()), (all(3), 0));
}
