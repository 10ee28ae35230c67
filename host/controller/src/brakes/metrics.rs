//! The metrics of the brakes, registered as a collector beside the controller's.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric as _};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use trimtab_core::brakes::Rule;

use super::state::Held;

/// Counts what the brakes do; cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct BrakesMetrics(Arc<Counts>);

#[derive(Debug, Default)]
struct Counts {
    pauses: AtomicU64,
    is_open: AtomicU64,
    is_broken: AtomicU64,
    held: [AtomicU64; Rule::ALL.len()],
    faults: AtomicU64,
    late_expiries: AtomicU64,
    storms: AtomicU64,
    rechecks_stretched: AtomicU64,
}

impl BrakesMetrics {
    pub(super) fn pauses(&self, count: usize) {
        self.0.pauses.store(count as u64, Ordering::Relaxed);
    }

    pub(super) fn breaker(&self, is_open: bool) {
        self.0.is_open.store(u64::from(is_open), Ordering::Relaxed);
    }

    pub(super) fn broken(&self, is_broken: bool) {
        self.0.is_broken.store(u64::from(is_broken), Ordering::Relaxed);
    }

    pub(super) fn fault(&self) {
        self.0.faults.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn held(&self, held: &HashMap<String, Held>) {
        for (rule, gauge) in Rule::ALL.iter().zip(&self.0.held) {
            let count = held.values().filter(|one| one.rule == *rule).count();
            gauge.store(count as u64, Ordering::Relaxed);
        }
    }

    pub(super) fn late_expiry(&self) {
        self.0.late_expiries.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn storm(&self) {
        self.0.storms.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn recheck_stretched(&self) {
        self.0.rechecks_stretched.fetch_add(1, Ordering::Relaxed);
    }
}

impl Collector for BrakesMetrics {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let counts = &self.0;
        let gauges = [
            ("trimtab_brakes_pauses", "Pauses that are on", &counts.pauses),
            ("trimtab_brakes_breaker_open", "Whether the breaker is open", &counts.is_open),
            ("trimtab_brakes_unreadable", "Whether the ConfigMap of the brakes cannot be used", &counts.is_broken),
        ];
        for (name, help, value) in gauges {
            let gauge = ConstGauge::new(signed(value));
            gauge.encode(encoder.encode_descriptor(name, help, None, gauge.metric_type())?)?;
        }
        let first = ConstGauge::new(0_i64);
        let help = "Remediations whose execution is held, by brake";
        let mut family = encoder.encode_descriptor("trimtab_brakes_held", help, None, first.metric_type())?;
        for (rule, value) in Rule::ALL.iter().zip(&counts.held) {
            ConstGauge::new(signed(value)).encode(family.encode_family(&[("rule", rule.code())])?)?;
        }
        let counters = [
            ("trimtab_brakes_faults", "Failed reads and writes of the ConfigMap of the brakes", &counts.faults),
            ("trimtab_late_expiries", "Expiries that were missed by more than a minute", &counts.late_expiries),
            ("trimtab_expiry_storms", "Storms of missed expiries", &counts.storms),
            ("trimtab_rechecks_stretched", "Rechecks put off beyond the budget", &counts.rechecks_stretched),
        ];
        for (name, help, value) in counters {
            let counter = ConstCounter::new(value.load(Ordering::Relaxed));
            counter.encode(encoder.encode_descriptor(name, help, None, counter.metric_type())?)?;
        }
        Ok(())
    }
}

fn signed(value: &AtomicU64) -> i64 {
    i64::try_from(value.load(Ordering::Relaxed)).unwrap_or(i64::MAX)
}
