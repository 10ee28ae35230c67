//! Tries to answer otherwise each time: from a counter that outlives a call, from addresses, from hash seeds, from the
//! bits of NaN, from what growing its memory gives, and with a loop whose length hangs on all of them.

use std::collections::HashMap;
use std::hash::BuildHasher;
use std::hint::black_box;
use std::sync::atomic::{AtomicU64, Ordering};

use trimtab_policy_sdk::{Explanation, Facts, Observation};

/// Outlives a call, but must not outlive a decision.
static CALLS: AtomicU64 = AtomicU64::new(0);

/// Pages before the growth; all ones where it was refused.
fn grow() -> usize {
    #[cfg(target_arch = "wasm32")]
    {
        core::arch::wasm32::memory_grow::<0>(1)
    }
    #[cfg(not(target_arch = "wasm32"))]
    {
        0
    }
}

/// NaNs made in ways whose sign and payload WebAssembly leaves to the machine.
fn nan_bits() -> u64 {
    let (zero, other_zero) = (black_box(0.0_f64), black_box(0.0_f64));
    let (infinite, other_infinite) = (black_box(f64::INFINITY), black_box(f64::INFINITY));
    let made =
        [zero / other_zero, infinite - other_infinite, (-zero / other_zero).sqrt(), infinite * zero, f64::NAN + zero];
    made.iter().fold(0, |bits, nan| bits.rotate_left(7) ^ nan.to_bits())
}

fn order_of_a_map() -> String {
    let map: HashMap<u32, u32> = (0..16).map(|number| (number, number)).collect();
    map.keys().map(u32::to_string).collect::<Vec<_>>().join(",")
}

fn misbehave<F: Facts>(_: &F, observation: &Observation) -> Explanation {
    let local = 0_u8;
    let heap = Box::new(observation.now);
    let calls = CALLS.fetch_add(1, Ordering::Relaxed);
    let addresses = [
        std::ptr::from_ref(&local).addr(),
        std::ptr::from_ref(heap.as_ref()).addr(),
        std::ptr::from_ref(&CALLS).addr(),
        (misbehave::<F> as fn(&F, &Observation) -> Explanation as *const ()).addr(),
    ];
    let hash = std::hash::RandomState::new().hash_one(addresses);
    let grown = grow();
    let turns = (hash ^ nan_bits()).wrapping_add(calls).wrapping_add(grown as u64) % 1000;
    let waste = (0..turns).fold(0_u64, |sum, turn| black_box(sum.wrapping_add(turn)));
    Explanation::new("Fickle", "answers from whatever may differ")
        .with("calls", calls)
        .with("addresses", format!("{addresses:?}"))
        .with("hash", hash)
        .with("nan", format!("{:016x}", nan_bits()))
        .with("grown", grown)
        .with("map", order_of_a_map())
        .with("waste", waste)
}

trimtab_test_guests::guest!("fickle", "Tries to answer otherwise each time.");
