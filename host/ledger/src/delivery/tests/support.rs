//! Events, settings and a fake to deliver to.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tokio::net::TcpSocket;
use trimtab_core::audit::AuditEvent;
use trimtab_core::ports::Clock;
use trimtab_core::time::Timestamp;
use trimtab_fake_datastorage::{Conditions, FakeDataStorage, FakeSettings, Fault, Ids as FakeIds, Request, Stored};
use uuid::Uuid;

use super::outbox::MemoryOutbox;
use crate::delivery::{Delivery, DeliveryReport, DeliverySettings, Drained, Ids, Jitter};

/// What everybody takes for now.
pub(super) const NOW: &str = "2026-11-22T08:30:38Z";

#[derive(Debug)]
pub(super) struct FixedClock;

impl Clock for FixedClock {
    fn now(&self) -> Timestamp {
        Timestamp::parse(NOW).unwrap()
    }
}

/// An event as the orchestrator makes them; its number makes it unlike all others.
pub(super) fn event(number: usize, correlation: &str) -> AuditEvent {
    let event_type = "orchestrator.lifecycle.transitioned";
    let (at, data) = (
        "2026-11-22T08:30:37Z",
        json!({ "event_type": event_type, "rr_name": correlation, "namespace": "kubernaut-system",
            "from_phase": "Pending", "to_phase": "Processing", "message": format!("number {number};") }),
    );
    let body = json!({
        "version": "1.0", "event_type": event_type, "event_timestamp": at, "event_category": "orchestration",
        "event_action": "transitioned", "event_outcome": "success", "correlation_id": correlation,
        "actor_type": "service", "actor_id": "remediationorchestrator-controller", "namespace": "kubernaut-system",
        "resource_type": "RemediationRequest", "resource_id": correlation, "event_data": data,
    });
    AuditEvent {
        id: Uuid::from_u128(number as u128 + 1),
        at: Timestamp::parse(at).unwrap(),
        event_type: event_type.to_owned(),
        correlation_id: correlation.to_owned(),
        body,
    }
}

/// Events of `correlations` remediations in turn.
pub(super) fn events(count: usize, correlations: usize) -> Vec<AuditEvent> {
    (0..count).map(|number| event(number, &format!("rr-{}", number % correlations))).collect()
}

/// What the body of an event with this number holds, and no other.
pub(super) fn marker(number: usize) -> String {
    format!("number {number};")
}

/// The numbers of stored events, in order.
pub(super) fn numbers(stored: &[Stored]) -> Vec<usize> {
    let number = |one: &Stored| {
        let message = one.body["event_data"]["message"].as_str().unwrap();
        message.trim_start_matches("number ").trim_end_matches(';').parse().unwrap()
    };
    stored.iter().map(number).collect()
}

/// A fake, an outbox and the settings between them.
#[derive(Debug)]
pub(super) struct World {
    pub(super) fake: FakeDataStorage,
    pub(super) outbox: Arc<MemoryOutbox>,
    pub(super) settings: DeliverySettings,
}

impl World {
    pub(super) async fn new(ids: Ids, events: Vec<AuditEvent>) -> Self {
        Self::with(ids, events, Vec::new()).await
    }

    pub(super) async fn with(ids: Ids, events: Vec<AuditEvent>, faults: Vec<Fault>) -> Self {
        let conditions = Conditions { now: Some(NOW.parse().unwrap()), ..Conditions::default() };
        let fake_ids = match ids {
            Ids::Ours => FakeIds::Ours,
            Ids::Theirs => FakeIds::Theirs,
        };
        let settings = FakeSettings { ids: fake_ids, conditions, faults, port: 0 };
        let fake = FakeDataStorage::start(settings).await.unwrap();
        let settings = quick(&fake.url(), ids);
        Self { fake, outbox: MemoryOutbox::holding(events), settings }
    }

    pub(super) fn delivery(&self) -> Delivery {
        delivery(&self.outbox, &self.settings)
    }

    /// Delivers until nothing is due, and fails the test where something remains.
    pub(super) async fn drain(&self) -> DeliveryReport {
        let delivery = self.delivery();
        let report = delivery.report();
        assert_eq!(delivery.run(std::future::ready(())).await, Drained { remaining: Some(0) });
        report
    }

    /// The numbers of the stored events, in order.
    pub(super) fn stored(&self) -> Vec<usize> {
        numbers(&self.fake.stored())
    }

    /// The writes so far.
    pub(super) fn writes(&self) -> Vec<Request> {
        self.fake.requests().into_iter().filter(|request| request.line.starts_with("POST")).collect()
    }

    /// The queries so far.
    pub(super) fn queries(&self) -> Vec<Request> {
        self.fake.requests().into_iter().filter(|request| request.line.starts_with("GET")).collect()
    }
}

/// A port of which nobody listens yet, and which nobody else can take.
pub(super) fn closed_port() -> (TcpSocket, String) {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(([127, 0, 0, 1], 0).into()).unwrap();
    let url = format!("http://{}", socket.local_addr().unwrap());
    (socket, url)
}

/// Opens it: a fake that gives ids of its own.
pub(super) fn open(socket: TcpSocket) -> FakeDataStorage {
    let conditions = Conditions { now: Some(NOW.parse().unwrap()), ..Conditions::default() };
    let settings = FakeSettings { ids: FakeIds::Theirs, conditions, ..FakeSettings::default() };
    FakeDataStorage::start_on(socket.listen(64).unwrap(), settings).unwrap()
}

/// Settings with waits of milliseconds.
pub(super) fn quick(url: &str, ids: Ids) -> DeliverySettings {
    DeliverySettings {
        backoff_min: Duration::from_millis(1),
        backoff_max: Duration::from_millis(4),
        retry_after_max: Duration::from_millis(60),
        ..DeliverySettings::to(url, ids)
    }
}

/// What a process does before its first delivery.
pub(super) fn install_cryptography() {
    // Another test may have installed it before.
    let _ = rustls::crypto::ring::default_provider().install_default();
}

pub(super) fn delivery(outbox: &Arc<MemoryOutbox>, settings: &DeliverySettings) -> Delivery {
    install_cryptography();
    Delivery::new(outbox.clone(), settings.clone(), Arc::new(FixedClock), Jitter::seeded(7)).unwrap()
}

/// A stop that comes once attempts fail.
pub(super) async fn until_failing(report: DeliveryReport) {
    let failing = async {
        while !report.is_failing() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_mins(1), failing).await.expect("an attempt fails within a minute");
}
