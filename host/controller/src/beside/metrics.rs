//! What a controller beside another one counts, registered as a collector.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric as _};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;

use super::comparison::Verdict;

/// Counts remediations that are left alone, and comparisons; cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct BesideMetrics(Arc<Counts>);

#[derive(Debug, Default)]
struct Counts {
    left_alone: AtomicU64,
    agreed: AtomicU64,
    explained: AtomicU64,
    unexplained: AtomicU64,
    undecidable: AtomicU64,
}

impl BesideMetrics {
    pub(super) fn left_alone(&self, count: usize) {
        self.0.left_alone.store(count as u64, Ordering::Relaxed);
    }

    pub(super) fn compared(&self, verdict: &Verdict) {
        let counter = match verdict {
            Verdict::Agreed => &self.0.agreed,
            Verdict::Differing(differences) if differences.iter().all(|one| one.name.is_some()) => &self.0.explained,
            Verdict::Differing(_) => &self.0.unexplained,
            Verdict::Undecidable(_) => &self.0.undecidable,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }
}

impl Collector for BesideMetrics {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let read = |value: &AtomicU64| value.load(Ordering::Relaxed);
        let gauge = ConstGauge::new(i64::try_from(read(&self.0.left_alone)).unwrap_or(i64::MAX));
        let help = "Remediations left alone because another manager owns their phase";
        gauge.encode(encoder.encode_descriptor(
            "trimtab_remediations_of_others",
            help,
            None,
            gauge.metric_type(),
        )?)?;
        let counts = [
            ("agreed", &self.0.agreed),
            ("explained", &self.0.explained),
            ("unexplained", &self.0.unexplained),
            ("undecidable", &self.0.undecidable),
        ];
        let first = ConstCounter::new(0_u64);
        let help = "Steps of another orchestrator that were compared with ours, by result";
        let mut family = encoder.encode_descriptor("trimtab_observed_steps", help, None, first.metric_type())?;
        for (result, value) in counts {
            ConstCounter::new(read(value)).encode(family.encode_family(&[("result", result)])?)?;
        }
        Ok(())
    }
}
