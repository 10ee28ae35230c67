//! What the policy engine does, beside the controller's metrics.

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric as _};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use trimtab_policy_engine::{Allocation, Engine};

/// Reads the engine at each scrape.
#[derive(Debug)]
pub(crate) struct EngineMetrics(pub(crate) Engine);

impl Collector for EngineMetrics {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let cache = self.0.cache();
        let counters = [
            ("hits", "Components that came from the compile cache", cache.hits),
            ("misses", "Components that were compiled because the cache had no entry", cache.misses),
            ("rejections", "Cache entries that were not authentic and were compiled anew", cache.rejections),
            ("write_failures", "Cache entries that could not be written", cache.write_failures),
        ];
        for (name, help, value) in counters {
            let name = format!("trimtab_compile_cache_{name}");
            let counter = ConstCounter::new(value);
            counter.encode(encoder.encode_descriptor(&name, help, None, counter.metric_type())?)?;
        }
        let pooled = ConstGauge::new(i64::from(*self.0.pool() == Allocation::Pool));
        let help = "Whether the memory of policies comes from a pool: 1, or 0 where it is mapped for each instance";
        pooled.encode(encoder.encode_descriptor("trimtab_policy_memory_pooled", help, None, pooled.metric_type())?)
    }
}
