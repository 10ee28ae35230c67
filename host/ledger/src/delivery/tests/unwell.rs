//! Receivers, tokens and ledgers that are unwell for a while: nothing is dropped, and it goes on once they are well.

use std::io::Write;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use trimtab_fake_datastorage::{Effect, Fault, On};

use super::outbox::MemoryOutbox;
use super::support::{World, closed_port, delivery, events, numbers, open, quick, until_failing};
use crate::delivery::{AttemptResult, Drained, Ids};

#[tokio::test]
async fn a_rotated_token_is_read_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("token");
    std::fs::write(&path, "old\n").unwrap();
    let mut world = World::new(Ids::Ours, events(3, 1)).await;
    world.fake.change(|conditions| conditions.token = Some("new".to_owned()));
    world.settings.token_file = Some(path.clone());
    let delivery = world.delivery();
    let report = delivery.report();
    let (stop, stopped) = oneshot::channel::<()>();
    let running = tokio::spawn(delivery.run(async { drop(stopped.await) }));
    world.fake.answered(2).await;
    assert!(report.is_failing() && report.last_error().unwrap().contains("does not accept the token"));
    std::fs::write(&path, "new\n").unwrap();
    stop.send(()).unwrap();
    assert_eq!(running.await.unwrap(), Drained { remaining: Some(0) });
    assert_eq!((world.stored(), report.quarantined(), report.is_failing()), (vec![0, 1, 2], 0, false));
    assert!(report.attempts(AttemptResult::Unauthorized) >= 2);
}

#[tokio::test]
async fn without_a_usable_token_nothing_is_sent() {
    let folder = tempfile::tempdir().unwrap();
    for (name, content) in [("missing", None), ("empty", Some("\n")), ("torn", Some("a\nb"))] {
        let path = folder.path().join(name);
        if let Some(content) = content {
            std::fs::write(&path, content).unwrap();
        }
        let mut world = World::new(Ids::Ours, events(3, 1)).await;
        world.settings.token_file = Some(path.clone());
        world.settings.drain_limit = Duration::ZERO;
        let delivery = world.delivery();
        let report = delivery.report();
        assert_eq!(delivery.run(until_failing(report.clone())).await, Drained { remaining: Some(3) });
        assert!(world.fake.requests().is_empty());
        let error = report.last_error().unwrap();
        assert!(error.contains(&path.display().to_string()), "{error}");
        assert!(world.outbox.entries().iter().all(|entry| !entry.was_sent), "{name}");
    }
}

#[tokio::test]
async fn retry_after_is_kept_within_its_bound() {
    let throttle = |wait: &str| {
        let effect = Effect::Status { status: 429, retry_after: Some(wait.to_owned()), stores: false };
        vec![Fault { on: On::Write, times: 1, effect }]
    };
    for wait in ["3600", "Sun, 22 Nov 2026 09:30:00 GMT"] {
        let world = World::with(Ids::Theirs, events(3, 1), throttle(wait)).await;
        let began = Instant::now();
        let report = world.drain().await;
        // The backoff of at most 4 ms alone would be far shorter, the hour far longer.
        assert!((world.settings.retry_after_max..Duration::from_mins(1)).contains(&began.elapsed()), "{wait}");
        assert_eq!((world.stored(), report.attempts(AttemptResult::Throttled)), (vec![0, 1, 2], 1));
        assert_eq!(report.questions(), 0, "nothing was stored, as the receiver said itself");
    }
}

#[tokio::test]
async fn a_storm_of_failures_costs_nothing_and_two_log_lines() {
    let lines = Lines::default();
    let writer = lines.clone();
    let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(move || writer.clone()).finish();
    // While there is one dispatcher only, a callsite that another test's thread meets first would be silenced for good.
    let _second = tracing::Dispatch::new(tracing_subscriber::fmt().finish());
    let _kept = tracing::subscriber::set_default(subscriber);
    let world = World::with(Ids::Ours, events(50, 4), vec![Fault::status(503, 40)]).await;
    let report = world.drain().await;
    let mut stored = world.stored();
    // So long a storm lets events overtake each other.
    stored.sort_unstable();
    assert_eq!((stored, report.quarantined()), ((0..50).collect::<Vec<_>>(), 0));
    assert_eq!((report.attempts(AttemptResult::ReceiverFailed), report.is_failing()), (40, false));
    let text = lines.text();
    assert_eq!(text.matches("began to fail").count(), 1, "{text}");
    assert_eq!(text.matches("works again failed_attempts=40").count(), 1, "{text}");
    assert_eq!(text.lines().count(), 3, "{text}");
}

#[tokio::test]
async fn failures_that_pass_before_events_are_tried_alone_keep_the_order() {
    for failures in [8, 9, 16, 19] {
        let world = World::with(Ids::Ours, events(50, 4), vec![Fault::status(503, failures)]).await;
        let report = world.drain().await;
        assert_eq!((world.stored(), report.quarantined()), ((0..50).collect::<Vec<_>>(), 0), "{failures}");
    }
}

#[tokio::test]
async fn a_wrong_address_is_no_poisoned_event() {
    for status in [404, 405, 302, 200] {
        let world = World::with(Ids::Ours, events(3, 1), vec![Fault::status(status, 3)]).await;
        let report = world.drain().await;
        assert_eq!((world.stored(), report.quarantined()), (vec![0, 1, 2], 0), "{status}");
        assert!(report.last_error().unwrap().contains("address"), "{status}");
    }
}

#[tokio::test]
async fn what_was_turned_away_at_the_door_is_not_in_doubt_later() {
    let effect = Effect::Status { status: 429, retry_after: Some("3600".to_owned()), stores: false };
    let mut world = World::with(Ids::Theirs, events(3, 1), vec![Fault { on: On::Write, times: 1, effect }]).await;
    (world.settings.retry_after_max, world.settings.drain_limit) = (Duration::from_hours(1), Duration::ZERO);
    let delivery = world.delivery();
    let report = delivery.report();
    assert_eq!(delivery.run(until_failing(report)).await, Drained { remaining: Some(3) });
    assert!(world.outbox.entries().iter().all(|entry| !entry.was_sent));
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let world = World::new(Ids::Ours, events(3, 1)).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut settings = quick(&format!("http://{}", listener.local_addr().unwrap()), Ids::Ours);
    settings.drain_limit = Duration::ZERO;
    let answer = format!(
        "HTTP/1.1 307 Temporary Redirect\r\nlocation: {}/api/v1/audit/events/batch\r\ncontent-length: 0\r\n\r\n",
        world.fake.url()
    );
    let elsewhere = tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let (mut request, mut part) = (Vec::new(), vec![0; 4096]);
            while !request.ends_with(b"]") {
                let length = stream.read(&mut part).await.unwrap();
                request.extend_from_slice(&part[..length]);
            }
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
    });
    let delivery = delivery(&world.outbox, &settings);
    let report = delivery.report();
    assert_eq!(delivery.run(until_failing(report.clone())).await, Drained { remaining: Some(3) });
    elsewhere.abort();
    assert!(world.fake.requests().is_empty() && report.last_error().unwrap().contains("307"));
}

#[tokio::test]
async fn events_wait_for_a_receiver_that_starts_later() {
    let (socket, url) = closed_port();
    let (outbox, settings) = (MemoryOutbox::holding(events(3, 1)), quick(&url, Ids::Theirs));
    let delivery = delivery(&outbox, &settings);
    let report = delivery.report();
    let (stop, stopped) = oneshot::channel::<()>();
    let running = tokio::spawn(delivery.run(async { drop(stopped.await) }));
    while report.attempts(AttemptResult::Unreachable) < 3 {
        tokio::task::yield_now().await;
    }
    assert!(report.is_failing());
    let fake = open(socket);
    stop.send(()).unwrap();
    assert_eq!(running.await.unwrap(), Drained { remaining: Some(0) });
    assert_eq!(numbers(&fake.stored()), [0, 1, 2]);
    assert_eq!(report.questions(), 0, "what never left needs no question");
}

#[tokio::test]
async fn a_ledger_that_fails_for_a_while_neither_loses_nor_doubles() {
    for ids in [Ids::Ours, Ids::Theirs] {
        for first in 0..8 {
            let mut world = World::with(ids, events(12, 2), vec![Fault::hang_up(true, 1)]).await;
            world.settings.batch_events_max = 5;
            world.outbox.fail_after(vec![first, 1, 0, 2]);
            let report = world.drain().await;
            assert_eq!((world.stored(), world.fake.doubles()), ((0..12).collect::<Vec<_>>(), 0), "{first}");
            assert!(report.attempts(AttemptResult::LedgerFailed) >= 1);
            assert!(!report.is_failing());
        }
    }
}

#[tokio::test]
async fn a_failing_ledger_that_holds_nothing_is_well_again_once_it_answers() {
    let mut world = World::new(Ids::Ours, Vec::new()).await;
    world.settings.drain_limit = Duration::from_secs(10);
    world.outbox = Arc::new(MemoryOutbox::default());
    world.outbox.fail_after(vec![0, 0]);
    let report = world.drain().await;
    assert!(!report.is_failing() && report.last_error().unwrap().contains("disk is full"));
}

/// Where log lines go.
#[derive(Debug, Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Lines {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
