//! Events made ready for the wire, and how a run of them is cut.

use std::collections::BTreeSet;

use serde_json::Value;
use trimtab_core::audit::AuditEvent;

use super::settings::Ids;
use crate::outbox::Outgoing;

/// An event with the bytes that are sent for it.
#[derive(Debug)]
pub(super) struct Parcel {
    pub(super) event: AuditEvent,
    json: Vec<u8>,
    /// Whether it may have arrived: it was sent and no answer came.
    pub(super) was_sent: bool,
    /// Whether asking for it led nowhere, so that it is sent again blindly.
    pub(super) is_unknowable: bool,
}

impl Parcel {
    fn new(outgoing: Outgoing, ids: Ids) -> Self {
        let Outgoing { event, was_sent } = outgoing;
        let mut body = event.body.clone();
        if let (Ids::Ours, Some(members)) = (ids, body.as_object_mut()) {
            members.insert("event_id".to_owned(), Value::String(event.id.to_string()));
        }
        let json = body.to_string().into_bytes();
        Self { event, json, was_sent, is_unknowable: false }
    }
}

/// Makes events ready for a receiver.
pub(super) fn pack(due: Vec<Outgoing>, ids: Ids) -> Vec<Parcel> {
    due.into_iter().map(|outgoing| Parcel::new(outgoing, ids)).collect()
}

/// Cuts off the longest run from the front that fits into one request, but one event at least; and the rest.
pub(super) fn fitting(mut parcels: Vec<Parcel>, events_max: usize, bytes_max: usize) -> (Vec<Parcel>, Vec<Parcel>) {
    let mut bytes = 1;
    let fits = |parcel: &Parcel| {
        bytes += parcel.json.len() + 1;
        bytes <= bytes_max
    };
    let count = parcels.iter().map(fits).take_while(|fits| *fits).count().min(events_max).max(1);
    let rest = if count < parcels.len() { parcels.split_off(count) } else { Vec::new() };
    (parcels, rest)
}

/// Bytes of the body of a request for these.
pub(super) fn body_length(parcels: &[Parcel]) -> usize {
    // Each brings a bracket or a comma before it; one bracket closes.
    parcels.iter().map(|parcel| parcel.json.len() + 1).sum::<usize>() + 1
}

/// The body of a request for these.
pub(super) fn request_body(parcels: &[Parcel]) -> Vec<u8> {
    let mut body = Vec::with_capacity(body_length(parcels));
    for parcel in parcels {
        body.push(if body.is_empty() { b'[' } else { b',' });
        body.extend_from_slice(&parcel.json);
    }
    body.push(b']');
    body
}

/// Cuts into two halves.
pub(super) fn halves(mut parcels: Vec<Parcel>) -> Vec<Vec<Parcel>> {
    let rest = parcels.split_off(parcels.len() / 2);
    vec![parcels, rest]
}

/// Cuts so that each suspect stands alone, in order; into halves where no suspect tells anything.
pub(super) fn around(parcels: Vec<Parcel>, suspects: &BTreeSet<usize>) -> Vec<Vec<Parcel>> {
    if !suspects.iter().any(|place| *place < parcels.len()) {
        return halves(parcels);
    }
    let mut parts = vec![Vec::new()];
    for (place, parcel) in parcels.into_iter().enumerate() {
        let is_border = suspects.contains(&place) || place > 0 && suspects.contains(&(place - 1));
        match parts.last_mut() {
            Some(part) if !is_border || part.is_empty() => part.push(parcel),
            _ => parts.push(vec![parcel]),
        }
    }
    parts
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use trimtab_core::time::Timestamp;
    use uuid::Uuid;

    use super::*;

    fn due(count: u128) -> Vec<Outgoing> {
        let event = |number| AuditEvent {
            id: Uuid::from_u128(number),
            at: Timestamp::from_millis(1),
            event_type: "t".to_owned(),
            correlation_id: "c".to_owned(),
            body: json!({ "number": number.to_string() }),
        };
        (0..count).map(|number| Outgoing { event: event(number), was_sent: false }).collect()
    }

    fn sizes(parts: &[Vec<Parcel>]) -> Vec<usize> {
        parts.iter().map(Vec::len).collect()
    }

    fn order(parts: &[Vec<Parcel>]) -> Vec<u128> {
        parts.iter().flatten().map(|parcel| parcel.event.id.as_u128()).collect()
    }

    #[test]
    fn a_batch_fills_its_bytes_and_holds_one_event_at_least() {
        for bytes_max in [1, 100, 333, 4096] {
            let (batch, rest) = fitting(pack(due(50), Ids::Ours), 50, bytes_max);
            let body = request_body(&batch);
            assert_eq!(body.len(), body_length(&batch));
            assert!(body.len() <= bytes_max || batch.len() == 1, "{bytes_max}");
            assert_eq!(batch.len() + rest.len(), 50);
            assert_eq!(serde_json::from_slice::<Vec<Value>>(&body).unwrap().len(), batch.len());
        }
        assert_eq!(fitting(pack(due(50), Ids::Ours), 50, 1 << 20).0.len(), 50);
        assert_eq!(fitting(pack(due(50), Ids::Ours), 7, 1 << 20).0.len(), 7);
    }

    #[test]
    fn our_id_goes_along_only_where_it_is_kept() {
        let sent = |ids| serde_json::from_slice::<Value>(&request_body(&pack(due(2), ids))).unwrap();
        assert_eq!(sent(Ids::Ours)[1]["event_id"], Uuid::from_u128(1).to_string());
        assert_eq!(sent(Ids::Theirs), json!([{ "number": "0" }, { "number": "1" }]));
    }

    #[test]
    fn cuts_keep_the_order_and_leave_no_part_empty() {
        let cut = |count, suspects: &[usize]| around(pack(due(count), Ids::Ours), &suspects.iter().copied().collect());
        for (suspects, expected) in [
            (vec![], vec![3, 4]),
            (vec![9], vec![3, 4]),
            (vec![0], vec![1, 6]),
            (vec![6], vec![6, 1]),
            (vec![2, 3], vec![2, 1, 1, 3]),
            (vec![1, 5, 9], vec![1, 1, 3, 1, 1]),
        ] {
            let parts = cut(7, &suspects);
            assert_eq!(sizes(&parts), expected, "{suspects:?}");
            assert_eq!(order(&parts), (0..7).collect::<Vec<_>>());
        }
    }
}
