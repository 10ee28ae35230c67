//! The way of audit events from the ledger to `DataStorage`: set up from the arguments, shown as metrics and a condition.

use std::hash::{BuildHasher as _, RandomState};
use std::path::PathBuf;
use std::sync::Arc;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use serde::Serialize;
use trimtab_controller::SystemClock;
use trimtab_core::ports::{Clock as _, History};
use trimtab_ledger::delivery::{
    AttemptResult, DataStorageHistory, Delivery, DeliveryReport, DeliverySettings, Ids, Jitter,
};
use trimtab_ledger::outbox::{Outbox as _, OutboxReport};
use trimtab_ledger::{LedgerHistory, SqliteLedger};

use crate::cli::{AuditArguments, EventIds};
use crate::config::Configuration;
use crate::{bad_input, paths};

/// Where a pod finds its own token.
const SERVICE_ACCOUNT_TOKEN: &str = "/var/run/secrets/kubernetes.io/serviceaccount/token";

/// The ledger's outbox and, where there is a receiver, what its delivery tells.
#[derive(Debug, Clone)]
pub(crate) struct AuditTrail {
    ledger: Arc<SqliteLedger>,
    delivery: Option<DeliveryReport>,
}

/// A condition in Kubernetes' form.
#[derive(Debug, Serialize, PartialEq, Eq)]
pub(crate) struct Condition {
    #[serde(rename = "type")]
    pub(crate) kind: &'static str,
    pub(crate) status: &'static str,
    pub(crate) reason: &'static str,
    pub(crate) message: String,
}

/// Sets up the trail; the delivery, where there is a receiver, still has to be run. Without a configuration nothing goes
/// out, whatever the arguments say.
pub(crate) fn open(
    arguments: &AuditArguments,
    configuration: Option<&Configuration>,
    ledger: &Arc<SqliteLedger>,
) -> anyhow::Result<(AuditTrail, Option<Delivery>)> {
    let to = configuration.and_then(|known| receiver(arguments, known).map(|url| (url, known)));
    let delivery = to.map(|(url, known)| deliver(url, arguments, known, ledger)).transpose()?;
    let report = delivery.as_ref().map(Delivery::report);
    Ok((AuditTrail { ledger: Arc::clone(ledger), delivery: report }, delivery))
}

/// Address of the receiver, where there is one: the flag's, else the config file's.
pub(crate) fn receiver<'a>(arguments: &'a AuditArguments, configuration: &'a Configuration) -> Option<&'a str> {
    arguments.datastorage_url.as_deref().or(configuration.datastorage_url.as_deref())
}

/// Who knows what was done to objects: the receiver where there is one, else our own ledger.
pub(crate) fn history(
    arguments: &AuditArguments,
    configuration: &Configuration,
    ledger: &Arc<SqliteLedger>,
) -> anyhow::Result<Arc<dyn History>> {
    let Some(url) = receiver(arguments, configuration) else {
        return Ok(Arc::new(LedgerHistory::of(Arc::clone(ledger))));
    };
    let settings = settings(url, arguments, configuration);
    Ok(Arc::new(DataStorageHistory::new(&settings, Arc::new(SystemClock)).map_err(bad_input)?))
}

fn deliver(
    url: &str,
    arguments: &AuditArguments,
    configuration: &Configuration,
    ledger: &Arc<SqliteLedger>,
) -> anyhow::Result<Delivery> {
    let settings = settings(url, arguments, configuration);
    let jitter = Jitter::seeded(RandomState::new().hash_one(std::process::id()));
    Delivery::new(Arc::clone(ledger) as _, settings, Arc::new(SystemClock), jitter).map_err(bad_input)
}

fn settings(url: &str, arguments: &AuditArguments, configuration: &Configuration) -> DeliverySettings {
    let ids = match arguments.datastorage_ids {
        EventIds::Theirs => Ids::Theirs,
        EventIds::Ours => Ids::Ours,
    };
    let in_cluster = || paths::is_in_cluster().then(|| PathBuf::from(SERVICE_ACCOUNT_TOKEN));
    let standard = DeliverySettings::to(url, ids);
    DeliverySettings {
        token_file: arguments.datastorage_token.clone().or_else(in_cluster),
        ca_file: arguments.datastorage_ca.clone(),
        request_timeout: configuration.datastorage_timeout.unwrap_or(standard.request_timeout),
        // The receiver takes no more than the standard, whatever Kubernaut's chart says.
        batch_events_max: configuration
            .batch_events_max
            .map_or(standard.batch_events_max, |most| most.min(standard.batch_events_max)),
        ..standard
    }
}

impl AuditTrail {
    /// Whether events go out.
    pub(crate) fn condition(&self) -> Condition {
        let report = match self.ledger.report() {
            Ok(report) => report,
            Err(error) => return condition("Unknown", "LedgerUnreadable", error.to_string()),
        };
        let OutboxReport { waiting, quarantined, .. } = report;
        match &self.delivery {
            None => condition("Unknown", "NoReceiver", format!("{waiting} events are kept in the ledger")),
            Some(delivery) if delivery.is_failing() => {
                let error = delivery.last_error().unwrap_or_default();
                condition("False", "DeliveryFailing", format!("{waiting} events wait: {error}"))
            }
            Some(_) if quarantined > 0 => {
                let message = format!(
                    "DataStorage does not take {quarantined} events: see `trimtab audit query --state quarantined`"
                );
                condition("False", "EventsQuarantined", message)
            }
            Some(_) => condition("True", "Delivering", format!("{waiting} events wait")),
        }
    }
}

fn condition(status: &'static str, reason: &'static str, message: String) -> Condition {
    Condition { kind: "AuditEventsDelivered", status, reason, message }
}

impl Collector for AuditTrail {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let mut row = |name: &str, help: &str, value: Value| match value {
            Value::Gauge(value) => encode(&mut encoder, name, help, &ConstGauge::new(value)),
            Value::Counter(value) => encode(&mut encoder, name, help, &ConstCounter::new(value)),
        };
        if let Ok(report) = self.ledger.report() {
            let age = report.oldest.map_or(0, |oldest| SystemClock.now().since(oldest).as_millis() / 1000);
            row("trimtab_audit_events_held", "Audit events whose step is not settled", gauge(report.held))?;
            row("trimtab_audit_events_waiting", "Audit events that wait to be delivered", gauge(report.waiting))?;
            row("trimtab_audit_oldest_waiting_seconds", "Age of the oldest audit event that waits", gauge(age))?;
            let help = "Audit events that the receiver refused for good";
            row("trimtab_audit_events_quarantined", help, gauge(report.quarantined))?;
            let help = "Audit events delivered since the ledger began";
            row("trimtab_audit_events_delivered", help, Value::Counter(report.delivered))?;
        }
        if let Ok(numbers) = self.ledger.numbers() {
            row("trimtab_ledger_entries", "Entries of the ledger", gauge(numbers.entries))?;
            row("trimtab_ledger_bytes", "Bytes of the ledger's file in use", gauge(numbers.bytes))?;
            let help = "Steps whose remediation was gone before anybody could tell whether they were done";
            row("trimtab_ledger_unknown_steps", help, Value::Counter(numbers.unknown))?;
            row("trimtab_ledger_write_failures", "Writes of the ledger that failed", Value::Counter(numbers.failures))?;
        }
        let Some(delivery) = &self.delivery else { return Ok(()) };
        for result in AttemptResult::ALL {
            let name = format!("trimtab_audit_attempts_{}", result.code());
            let help = "Requests to DataStorage that ended so";
            row(&name, help, Value::Counter(delivery.attempts(result)))?;
        }
        let help = "Audit events that the receiver may hold twice";
        row("trimtab_audit_doubles_possible", help, Value::Counter(delivery.doubles_possible()))
    }
}

enum Value {
    Gauge(i64),
    Counter(u64),
}

fn gauge(value: u64) -> Value {
    Value::Gauge(i64::try_from(value).unwrap_or(i64::MAX))
}

fn encode(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    metric: &impl EncodeMetric,
) -> Result<(), std::fmt::Error> {
    metric.encode(encoder.encode_descriptor(name, help, None, metric.metric_type())?)
}
