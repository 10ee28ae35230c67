//! Bodies of entries: versioned JSON, compressed by the caller before it joins the queue.

use std::borrow::Cow;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use trimtab_core::decide::Verdict;
use trimtab_core::plan::Plan;
use trimtab_core::ports::{DecisionRecord, ForeignStep, Settlement};

use super::chain::{self, Hash};
use super::fault::StoreFault;
use super::packing::{self, unpack};

/// Version of the bodies that this crate writes. It reads this version only.
const VERSION: u32 = 1;

/// A body as it is stored.
#[derive(Debug)]
pub(crate) struct Body {
    /// zstd.
    pub(crate) packed: Vec<u8>,
    /// Hash of the JSON, so that it outlives another compression.
    pub(crate) hash: Hash,
}

/// Read first: another version may have another form.
#[derive(Debug, Deserialize)]
struct Version {
    v: u32,
}

#[derive(Debug, Serialize)]
struct WrittenDecision<'a> {
    v: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    environment: Option<&'a str>,
    record: &'a DecisionRecord,
    /// Only where it is another one than the decision's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    plan: Option<&'a Plan>,
}

/// A decision as it is read back.
#[derive(Debug, Deserialize)]
pub(crate) struct ReadDecision {
    /// Digest of the environment that it was made in.
    pub(crate) environment: Option<String>,
    /// The decision.
    pub(crate) record: DecisionRecord,
    plan: Option<Arc<Plan>>,
}

impl ReadDecision {
    /// The plan that was prepared; `None` for a stay.
    pub(crate) fn plan(&self) -> Option<&Arc<Plan>> {
        self.plan.as_ref().or(match &self.record.decision.verdict {
            Verdict::Step(plan) => Some(plan),
            Verdict::Stay => None,
        })
    }
}

#[derive(Debug, Serialize, Deserialize)]
struct SettlementBody<'a> {
    v: u32,
    settlement: Cow<'a, Settlement>,
}

#[derive(Debug, Serialize, Deserialize)]
struct AdoptedBody<'a> {
    v: u32,
    step: Cow<'a, ForeignStep>,
}

/// The body of a step or stay.
pub(crate) fn of_decision(
    record: &DecisionRecord,
    plan: Option<&Arc<Plan>>,
    environment: Option<&str>,
) -> Result<Body, StoreFault> {
    let is_own = |plan: &&Arc<Plan>| match &record.decision.verdict {
        Verdict::Step(own) => Arc::ptr_eq(own, plan) || own == *plan,
        Verdict::Stay => false,
    };
    let plan = plan.filter(|plan| !is_own(plan)).map(Arc::as_ref);
    pack(&WrittenDecision { v: VERSION, environment, record, plan })
}

/// The body of a settlement.
pub(crate) fn of_settlement(settlement: &Settlement) -> Result<Body, StoreFault> {
    pack(&SettlementBody { v: VERSION, settlement: Cow::Borrowed(settlement) })
}

/// The body of an adopted step.
pub(crate) fn of_adopted(step: &ForeignStep) -> Result<Body, StoreFault> {
    pack(&AdoptedBody { v: VERSION, step: Cow::Borrowed(step) })
}

/// Reads a step or stay.
pub(crate) fn read_decision(packed: &[u8]) -> Result<ReadDecision, StoreFault> {
    parse(&unpack(packed)?)
}

/// Reads a settlement.
pub(crate) fn read_settlement(packed: &[u8]) -> Result<Settlement, StoreFault> {
    let read: SettlementBody<'_> = parse(&unpack(packed)?)?;
    Ok(read.settlement.into_owned())
}

/// Reads an adopted step.
pub(crate) fn read_adopted(packed: &[u8]) -> Result<ForeignStep, StoreFault> {
    let read: AdoptedBody<'_> = parse(&unpack(packed)?)?;
    Ok(read.step.into_owned())
}

fn parse<'a, T: Deserialize<'a>>(json: &'a [u8]) -> Result<T, StoreFault> {
    let fault = |error: serde_json::Error| StoreFault::Body(format!("its body cannot be understood: {error}"));
    let version = serde_json::from_slice::<Version>(json).map_err(fault)?.v;
    if version != VERSION {
        return Err(StoreFault::Body(format!("its body has version {version}, this trimtab reads {VERSION}")));
    }
    serde_json::from_slice(json).map_err(fault)
}

fn pack<T: Serialize>(value: &T) -> Result<Body, StoreFault> {
    packing::pack_written(|json| {
        serde_json::to_writer(&mut *json, value)
            .map_err(|error| StoreFault::Body(format!("it cannot be encoded: {error}")))?;
        Ok(chain::sha256(json))
    })
    .map(|(packed, hash)| Body { packed, hash })
}
