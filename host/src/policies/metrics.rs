//! Who runs with which revision of which set, and how long its evaluations take, beside the controller's metrics.

use std::sync::Arc;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric as _};
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::{MetricType, TypedMetric as _};
use trimtab_policy_engine::sets::{RevisionView, SetView};

use super::Slotted;
use crate::engine_metrics::encode_times;

/// Reads the sets at each scrape.
#[derive(Debug)]
pub(crate) struct SetMetrics(pub(crate) Arc<Slotted>);

type Labels = [(&'static str, String); 2];

/// A gauge: its name, what it tells, and its value for one revision.
type Row = (&'static str, &'static str, fn(&SetView, &RevisionView) -> i64);

const ROWS: [Row; 3] = [
    ("trimtab_policy_revision_in_flight", "Remediations that run with a revision of a policy set", |_, revision| {
        i64::try_from(revision.in_flight).unwrap_or(i64::MAX)
    }),
    (
        "trimtab_policy_revision_active",
        "Whether new remediations get a revision of a policy set: 1 or 0",
        |set, revision| i64::from(set.active == revision.name),
    ),
    (
        "trimtab_policy_revision_tripped",
        "Whether everybody has left a revision of a policy set: 1 or 0",
        |_, revision| i64::from(revision.tripped.is_some()),
    ),
];

impl SetMetrics {
    /// Series of revisions that are loaded, and of the policies outside of the sets, whose set and revision are empty. They
    /// are gone with their revision.
    fn encode_evaluations(&self, encoder: &mut DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let all = self.0.evaluation_times();
        if all.iter().all(|(_, times)| times.is_empty()) {
            return Ok(());
        }
        let name = "trimtab_policy_evaluation_microseconds";
        let help = "Microseconds of a question to a policy, by how it ended: answered, gathering or faulted";
        let mut family = encoder.encode_descriptor(name, help, None, MetricType::Histogram)?;
        for (revision, times) in all {
            for ((slot, outcome), times) in times {
                let labels = [
                    ("slot", slot.name()),
                    ("set", revision.set.as_str()),
                    ("revision", revision.revision.as_str()),
                    ("outcome", outcome.name()),
                ];
                encode_times(family.encode_family(&labels)?, &times)?;
            }
        }
        Ok(())
    }
}

impl Collector for SetMetrics {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let sets = self.0.sets.view_with_draining();
        for (name, help, value) in ROWS {
            let family = Family::<Labels, Gauge>::default();
            for set in &sets {
                for revision in &set.revisions {
                    let labels = [("set", set.name.clone()), ("revision", revision.name.clone())];
                    family.get_or_create(&labels).set(value(set, revision));
                }
            }
            // A family that is empty is left out.
            if !sets.is_empty() {
                family.encode(encoder.encode_descriptor(name, help, None, Gauge::<i64>::TYPE)?)?;
            }
        }
        self.encode_evaluations(&mut encoder)
    }
}
