//! One WebAssembly engine for the process: its meters, its memory pool, its ticker and its compile cache.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use wasmtime::component::Linker;
use wasmtime::{Config, Enabled, InstanceAllocationStrategy, Module, PoolingAllocationConfig, Store};

use crate::cache::{Cache, CacheConfig, CacheReport};
use crate::compiler::Compiler;
use crate::facts;
use crate::instance::State;
use crate::parts::{CORE_INSTANCES_MAX, MEMORIES_MAX, TABLE_ELEMENTS_MAX, TABLES_MAX};
use crate::times::{Work, WorkReport};

mod prices;
mod ticker;

pub(crate) use ticker::TICK_MILLIS;

/// Bytes of a warm slot that are cleared instead of given back to the kernel.
const KEEP_RESIDENT_BYTES: usize = 256 << 10;
/// Most bytes of native stack that a guest may use.
const GUEST_STACK_BYTES: usize = 512 << 10;
/// Address space of one memory where a reservation of 4 GiB cannot be had.
const SMALL_RESERVATION_BYTES: u64 = 1 << 20;
/// `(module (memory 1))`: what shows that an instance can be had.
const PROBE: &[u8] = b"\0asm\x01\0\0\0\x05\x03\x01\0\x01";

/// Whether the wall clock can end an evaluation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum WallClock {
    /// A thread ticks every 10 ms.
    #[default]
    Ticking,
    /// No thread, no clock: fuel alone bounds an evaluation. For virtual runs.
    Stopped,
}

/// What an engine is made of.
#[derive(Debug, Clone)]
pub struct EngineConfig {
    /// Where compiled components are kept; absent: nowhere.
    pub cache: Option<CacheConfig>,
    /// Compiles into that cache what it does not have; absent: this process compiles.
    pub compiler: Option<Arc<dyn Compiler>>,
    /// Instances that can live at the same time, 1 to 4,096.
    pub instances: u32,
    /// Most bytes of memory that a policy's limits can ask for.
    pub memory_bytes_max: u64,
    /// Whether the wall clock runs.
    pub wall_clock: WallClock,
    /// Answer of `host-capabilities`.
    pub capabilities: BTreeSet<String>,
    /// Whether the memory pool is tried at all.
    pub pool: bool,
}

impl Default for EngineConfig {
    fn default() -> Self {
        Self {
            cache: None,
            compiler: None,
            instances: 64,
            memory_bytes_max: 128 << 20,
            wall_clock: WallClock::Ticking,
            capabilities: BTreeSet::new(),
            pool: true,
        }
    }
}

/// Where the memory of instances comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Allocation {
    /// From a pool that was set up at the start.
    Pool,
    /// Mapped for each instance.
    OnDemand {
        /// Why there is no pool.
        why: String,
    },
    /// Mapped for each instance with little address space: slower code, the same answers.
    OnDemandSmall {
        /// Why there is neither a pool nor address space.
        why: String,
    },
}

impl fmt::Display for Allocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pool => f.write_str("pool"),
            Self::OnDemand { why } => write!(f, "mapped on demand ({why})"),
            Self::OnDemandSmall { why } => write!(f, "mapped on demand with little address space ({why})"),
        }
    }
}

/// Why there is no engine.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// No way of allocating worked.
    #[error("set up the policy engine: {detail}")]
    Unavailable {
        /// What the engine said.
        detail: String,
    },
    /// The price list does not fit this engine.
    #[error("set up the fuel prices: {detail}")]
    Prices {
        /// What does not fit.
        detail: String,
    },
    /// The thread that ticks could not be started.
    #[error("start the thread of the policy engine's wall clock")]
    Ticker(#[source] std::io::Error),
    /// A number out of its bounds.
    #[error("{name} of the policy engine is {value}: set it between 1 and {most}")]
    OutOfBounds {
        /// Which.
        name: &'static str,
        /// What was asked for.
        value: u64,
        /// The most.
        most: u64,
    },
}

struct Parts {
    // INVARIANT: the ticker is dropped first, so that its thread never outlives the engine.
    ticker: Option<ticker::Ticker>,
    wasmtime: wasmtime::Engine,
    linker: Linker<State>,
    allocation: Allocation,
    cache: Cache,
    config: EngineConfig,
    capabilities: Arc<Vec<String>>,
    work: Arc<Work>,
}

/// The engine; a clone is another handle to the same one.
#[derive(Clone)]
pub struct Engine(Arc<Parts>);

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine")
            .field("allocation", &self.0.allocation)
            .field("ticker", &self.0.ticker)
            .field("cache", &self.0.cache)
            .finish_non_exhaustive()
    }
}

impl Engine {
    /// Sets up the engine: the pool if it can be had, else memory mapped on demand.
    pub fn new(config: EngineConfig) -> Result<Self, EngineError> {
        let bounds =
            [("instances", u64::from(config.instances), 4096), ("memory_bytes_max", config.memory_bytes_max, 1 << 31)];
        if let Some((name, value, most)) = bounds.into_iter().find(|(_, value, most)| *value == 0 || value > most) {
            return Err(EngineError::OutOfBounds { name, value, most });
        }
        let (wasmtime, allocation) = allocate(&config)?;
        if allocation != Allocation::Pool {
            tracing::warn!(%allocation, "the policy engine runs without its memory pool");
        }
        let ticker = match config.wall_clock {
            WallClock::Ticking => Some(ticker::Ticker::start(&wasmtime).map_err(EngineError::Ticker)?),
            WallClock::Stopped => None,
        };
        let mut linker = Linker::new(&wasmtime);
        facts::link(&mut linker).map_err(|error| EngineError::Unavailable { detail: format!("{error:#}") })?;
        let cache = Cache::open(config.cache.clone(), &wasmtime);
        let capabilities = Arc::new(config.capabilities.iter().cloned().collect());
        let work = Arc::default();
        Ok(Self(Arc::new(Parts { ticker, wasmtime, linker, allocation, cache, config, capabilities, work })))
    }

    /// Where the memory of instances comes from.
    pub fn pool(&self) -> &Allocation {
        &self.0.allocation
    }

    /// What the compile cache does and has done.
    pub fn cache(&self) -> CacheReport {
        self.0.cache.report()
    }

    /// What it has done since its start, how long that took, and what it holds.
    pub fn report(&self) -> WorkReport {
        self.0.work.report()
    }

    /// What the engine was made of.
    pub fn config(&self) -> &EngineConfig {
        &self.0.config
    }

    pub(crate) fn wasmtime(&self) -> &wasmtime::Engine {
        &self.0.wasmtime
    }

    pub(crate) fn linker(&self) -> &Linker<State> {
        &self.0.linker
    }

    pub(crate) fn compile_cache(&self) -> &Cache {
        &self.0.cache
    }

    pub(crate) fn work(&self) -> &Arc<Work> {
        &self.0.work
    }

    pub(crate) fn capabilities(&self) -> &Arc<Vec<String>> {
        &self.0.capabilities
    }
}

/// The first of three ways that gives an instance.
fn allocate(config: &EngineConfig) -> Result<(wasmtime::Engine, Allocation), EngineError> {
    let mut why = if config.pool { String::new() } else { "the pool is switched off".to_owned() };
    if config.pool {
        let mut settings = settings()?;
        settings.allocation_strategy(InstanceAllocationStrategy::Pooling(pool(config)));
        match probed(&settings) {
            Ok(engine) => return Ok((engine, Allocation::Pool)),
            Err(detail) => why = detail,
        }
    }
    let mut settings = settings()?;
    settings.allocation_strategy(InstanceAllocationStrategy::OnDemand);
    match probed(&settings) {
        Ok(engine) => return Ok((engine, Allocation::OnDemand { why })),
        Err(detail) => why = detail,
    }
    make_small(&mut settings);
    let engine = probed(&settings).map_err(|detail| EngineError::Unavailable { detail })?;
    Ok((engine, Allocation::OnDemandSmall { why }))
}

/// Bounds checks in code instead of 4 GiB of address space for each memory.
fn make_small(settings: &mut Config) {
    settings.memory_reservation(SMALL_RESERVATION_BYTES).memory_reservation_for_growth(SMALL_RESERVATION_BYTES);
    settings.memory_guard_size(0).memory_may_move(true);
}

fn settings() -> Result<Config, EngineError> {
    let mut settings = Config::new();
    settings.consume_fuel(true).operator_cost(prices::prices()?).epoch_interruption(true);
    // The same input gives the same answer on every machine.
    settings.cranelift_nan_canonicalization(true).wasm_relaxed_simd(false).relaxed_simd_deterministic(true);
    // Every call is synchronous; without the machinery of the asynchronous ABI a call is cheaper.
    settings.concurrency_support(false).shared_memory(false).wasm_memory64(false);
    // Faults name functions, not offsets: without the map of offsets native code is smaller and loads faster.
    // No native stack is unwound through a guest either, since traps and the engine's backtraces do without.
    settings.generate_address_map(false).native_unwind_info(false);
    // Symbols are for tools that read the native code in a file.
    settings.debug_symbols(false);
    settings.max_wasm_stack(GUEST_STACK_BYTES).memory_init_cow(true);
    Ok(settings)
}

fn pool(config: &EngineConfig) -> PoolingAllocationConfig {
    let mut pool = PoolingAllocationConfig::new();
    let instances = config.instances;
    // Room for every instance to be of the largest component, so that no component can take another's place. What is not
    // used is address space only.
    pool.total_component_instances(instances)
        .total_core_instances(instances.saturating_mul(CORE_INSTANCES_MAX))
        .total_memories(instances.saturating_mul(MEMORIES_MAX))
        .total_tables(instances.saturating_mul(TABLES_MAX))
        .max_core_instances_per_component(CORE_INSTANCES_MAX)
        .max_memories_per_component(MEMORIES_MAX)
        .max_tables_per_component(TABLES_MAX)
        .max_memories_per_module(MEMORIES_MAX)
        .max_tables_per_module(TABLES_MAX)
        .table_elements(TABLE_ELEMENTS_MAX)
        .max_memory_size(usize::try_from(config.memory_bytes_max).unwrap_or(usize::MAX))
        .linear_memory_keep_resident(KEEP_RESIDENT_BYTES)
        .table_keep_resident(KEEP_RESIDENT_BYTES)
        // Asks the kernel which pages were written; where the kernel cannot say, the engine clears them all.
        .pagemap_scan(Enabled::Auto);
    pool
}

/// An engine with these settings, if it can give an instance.
fn probed(settings: &Config) -> Result<wasmtime::Engine, String> {
    let attempt = || -> wasmtime::Result<wasmtime::Engine> {
        let engine = wasmtime::Engine::new(settings)?;
        let module = Module::new(&engine, PROBE)?;
        let mut store = Store::new(&engine, ());
        store.set_fuel(1)?;
        store.set_epoch_deadline(1);
        wasmtime::Instance::new(&mut store, &module, &[])?;
        Ok(engine)
    };
    attempt().map_err(|error| format!("{error:#}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_engine_says_where_memory_comes_from() {
        let pooled = Engine::new(EngineConfig::default()).unwrap();
        assert_eq!(*pooled.pool(), Allocation::Pool, "{}", pooled.pool());
        let mapped = Engine::new(EngineConfig { pool: false, ..EngineConfig::default() }).unwrap();
        assert_eq!(mapped.pool().to_string(), "mapped on demand (the pool is switched off)");
    }

    #[test]
    fn an_instance_can_be_had_with_little_address_space() {
        let mut settings = settings().unwrap();
        settings.allocation_strategy(InstanceAllocationStrategy::OnDemand);
        make_small(&mut settings);
        assert_eq!(probed(&settings).map(drop), Ok(()));
    }

    #[test]
    fn the_ticking_thread_ends_with_the_engine() {
        let engine = Engine::new(EngineConfig { pool: false, ..EngineConfig::default() }).unwrap();
        let weak = engine.wasmtime().weak();
        drop(engine);
        assert!(weak.upgrade().is_none(), "the ticker was joined, so nothing holds the engine");
    }

    #[test]
    fn a_number_out_of_bounds_is_refused_by_name() {
        let fault = Engine::new(EngineConfig { instances: 0, ..EngineConfig::default() }).unwrap_err();
        assert_eq!(fault.to_string(), "instances of the policy engine is 0: set it between 1 and 4096");
    }
}
