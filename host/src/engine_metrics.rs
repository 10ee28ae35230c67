//! What the policy engine does, beside the controller's metrics.

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric as _, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use trimtab_policy_engine::{Allocation, Engine, Times};

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
        let report = self.0.report();
        let times = [
            ("load", "Microseconds until a component could be asked, compiling included", &report.load),
            ("compile", "Microseconds of compiling a component that the cache did not have", &report.compile),
            ("swap", "Microseconds until loaded policies were in force, smoke runs included", &report.swap),
        ];
        for (name, help, times) in times {
            let name = format!("trimtab_policy_{name}_microseconds");
            encode_times(encoder.encode_descriptor(&name, help, None, MetricType::Histogram)?, times)?;
        }
        let gauges = [
            ("trimtab_policy_components_loaded", "Components that are loaded", report.components),
            ("trimtab_policy_code_bytes", "Bytes of native code of the components that are loaded", report.code_bytes),
        ];
        for (name, help, value) in gauges {
            let gauge = ConstGauge::new(i64::try_from(value).unwrap_or(i64::MAX));
            gauge.encode(encoder.encode_descriptor(name, help, None, gauge.metric_type())?)?;
        }
        let pooled = ConstGauge::new(i64::from(*self.0.pool() == Allocation::Pool));
        let help = "Whether the memory of policies comes from a pool: 1, or 0 where it is mapped for each instance";
        pooled.encode(encoder.encode_descriptor("trimtab_policy_memory_pooled", help, None, pooled.metric_type())?)
    }
}

/// A histogram that was counted elsewhere.
#[expect(clippy::cast_precision_loss, reason = "a sum of microseconds is exact up to 285 years")]
pub(crate) fn encode_times(mut encoder: MetricEncoder<'_>, times: &Times) -> Result<(), std::fmt::Error> {
    let bounds = times.bounds.iter().map(|bound| *bound as f64).chain([f64::INFINITY]);
    let buckets: Vec<(f64, u64)> = bounds.zip(times.counts.iter().copied()).collect();
    encoder.encode_histogram::<NoLabelSet>(times.sum_micros as f64, times.count(), &buckets, None)
}
