//! The policy engine of the targets: no cache, no pool, no clock, so that only the input decides what happens.

use std::sync::LazyLock;

use trimtab_policy_engine::{Engine, EngineConfig, Limits, WallClock};

/// Small, so that an endless loop ends soon; each still lets a sound policy answer.
pub(crate) const LIMITS: Limits =
    Limits { fuel: 2_000_000, memory_bytes: 4 << 20, component_bytes: 1 << 20, ..Limits::DEFAULT };

/// The one engine.
pub(crate) fn engine() -> &'static Engine {
    static ENGINE: LazyLock<Engine> = LazyLock::new(|| {
        let config = EngineConfig { pool: false, wall_clock: WallClock::Stopped, ..EngineConfig::default() };
        Engine::new(config).expect("the machine gives memory to an instance")
    });
    &ENGINE
}
