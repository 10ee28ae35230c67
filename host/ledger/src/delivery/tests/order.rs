//! Seeded faults of every kind at once: each sound event arrives, in the order of its remediation, none twice.

use trimtab_fake_datastorage::{Effect, Fault, On};

use super::crash::{receivers_runtime, run_for};
use super::support::{World, events, marker};
use crate::delivery::Ids;

/// Scripts of faults to try.
const SEEDS: u64 = 100;

/// A stream of numbers that its seed determines.
struct Draw(u64);

impl Draw {
    fn below(&mut self, bound: u64) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from((self.0 >> 11) % bound).unwrap()
    }
}

fn fault(draw: &mut Draw) -> Fault {
    let times = u32::try_from(1 + draw.below(3)).unwrap();
    let status = [401, 403, 404, 429, 500, 502, 503][draw.below(7)];
    match draw.below(6) {
        0 | 1 => Fault::status(status, times),
        2 => Fault::hang_up(false, times),
        3 => Fault::hang_up(true, times),
        4 => Fault { on: On::Write, times, effect: Effect::Status { status: 504, retry_after: None, stores: true } },
        // A path that is unknown would be an answer for good.
        _ => Fault::status(if status == 404 { 500 } else { status }, times).on_queries(),
    }
}

#[test]
fn order_is_kept_and_nothing_is_lost_or_doubled_under_seeded_faults() {
    let receivers = receivers_runtime();
    for seed in 0..SEEDS {
        let mut draw = Draw(0x9e37_79b9_7f4a_7c15 ^ (seed + 1));
        let ids = if seed % 2 == 0 { Ids::Ours } else { Ids::Theirs };
        let (count, correlations) = (1 + draw.below(40), 1 + draw.below(4));
        let faults = (0..draw.below(9)).map(|_| fault(&mut draw)).collect();
        let mut world = receivers.block_on(World::with(ids, events(count, correlations), faults));
        world.settings.batch_events_max = 1 + draw.below(16);
        world.outbox.fail_after((0..draw.below(4)).map(|_| u32::try_from(draw.below(20)).unwrap()).collect());
        let poison: Vec<_> = (0..count).filter(|_| draw.below(12) == 0).collect();
        world.fake.change(|conditions| {
            conditions.poison = poison.iter().map(|number| marker(*number)).collect();
            conditions.names_fields = draw.below(2) == 0;
            conditions.batch_events_max = 1 + draw.below(20);
        });
        for _ in 0..draw.below(4) {
            run_for(draw.below(60), &world);
            receivers.block_on(world.fake.idle()).unwrap();
        }
        while !world.outbox.is_settled() {
            run_for(usize::MAX, &world);
        }
        let sound: Vec<_> = (0..count).filter(|number| !poison.contains(number)).collect();
        // Batches go one after the other, so the order holds even across remediations.
        assert_eq!(world.stored(), sound, "seed {seed}: {:?}", world.fake.requests());
        assert_eq!(world.outbox.quarantined().len(), poison.len(), "seed {seed}");
    }
}
