//! The delivery ends at any of its await points: the next one loses nothing, invents nothing and doubles nothing.

use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;

use tokio::runtime::{Builder, Runtime};
use trimtab_fake_datastorage::Fault;

use super::support::{World, events, marker};
use crate::delivery::Ids;

/// Runs a delivery as a process of its own would, until `is_over` says so before a poll; `true` where it came to its end.
pub(super) fn run_until(mut is_over: impl FnMut() -> bool, world: &World) -> bool {
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    let delivery = world.delivery();
    runtime.block_on(async {
        let mut work = pin!(delivery.run(std::future::ready(())));
        let cut =
            poll_fn(|context| if is_over() { Poll::Ready(false) } else { work.as_mut().poll(context).map(|_| true) });
        cut.await
    })
    // The runtime ends here, and with it every call of the outbox that has not begun.
}

/// Runs a delivery until it has been polled so often.
pub(super) fn run_for(polls: usize, world: &World) -> bool {
    let mut left = polls;
    let count = || {
        left = left.wrapping_sub(1);
        left == usize::MAX
    };
    run_until(count, world)
}

pub(super) fn receivers_runtime() -> Runtime {
    Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap()
}

/// What is counted until the end.
#[derive(Debug, Clone, Copy)]
enum Cut {
    Polls,
    OutboxCalls,
    Answers,
}

/// Ends the delivery after each number of polls, calls of the outbox, or answers, and lets the next one come to its end.
fn cut_everywhere(ids: Ids, faults: &[Fault], poison: Option<usize>) {
    let receivers = receivers_runtime();
    let sound: Vec<_> = (0..6).filter(|number| Some(*number) != poison).collect();
    for cut in [Cut::Polls, Cut::OutboxCalls, Cut::Answers] {
        for count in 0.. {
            let mut world = receivers.block_on(World::with(ids, events(6, 2), faults.to_vec()));
            world.settings.batch_events_max = 4;
            world.fake.change(|conditions| conditions.poison = poison.into_iter().map(marker).collect());
            let is_whole = match cut {
                Cut::Polls => run_for(count, &world),
                Cut::OutboxCalls => run_until(|| world.outbox.calls() > count, &world),
                Cut::Answers => run_until(|| world.fake.requests().len() > count, &world),
            };
            receivers.block_on(world.fake.idle()).unwrap();
            assert!(run_for(usize::MAX, &world), "{cut:?} {count}");
            assert_eq!(world.stored(), sound, "{cut:?} {count}: {:?}", world.fake.requests());
            assert!(world.outbox.is_settled());
            assert_eq!(world.outbox.quarantined().len(), usize::from(poison.is_some()));
            if is_whole {
                break;
            }
        }
    }
}

#[test]
fn nothing_is_lost_or_doubled_when_it_ends_anywhere_with_our_ids() {
    cut_everywhere(Ids::Ours, &[], None);
    cut_everywhere(Ids::Ours, &[Fault::hang_up(true, 1), Fault::status(503, 1)], Some(2));
}

#[test]
fn nothing_is_lost_or_doubled_when_it_ends_anywhere_with_their_ids() {
    cut_everywhere(Ids::Theirs, &[], None);
    cut_everywhere(
        Ids::Theirs,
        &[Fault::hang_up(true, 1), Fault::status(429, 1), Fault::status(500, 1).on_queries()],
        Some(2),
    );
}
