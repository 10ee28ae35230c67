//! Bodies of entries: versioned JSON, compressed by the caller before it joins the queue.

use std::borrow::Cow;
use std::sync::{Arc, Mutex, PoisonError};

use serde::{Deserialize, Serialize};
use trimtab_core::decide::Verdict;
use trimtab_core::plan::Plan;
use trimtab_core::ports::{DecisionRecord, ForeignStep, Settlement};

use super::chain::{self, Hash};
use super::fault::StoreFault;

/// Version of the bodies that this crate writes. It reads this version only.
const VERSION: u32 = 1;

/// Most bytes of a body before it is compressed.
const BODY_BYTES_MAX: usize = 64 << 20;

/// Little more space than the slowest levels, at a fraction of their time.
const COMPRESSION_LEVEL: i32 = 1;

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

/// What packing needs. Making a compressor costs more than compressing a record with it, and each takes most of a
/// megabyte: so a few are kept for all threads.
struct Tools {
    compressor: zstd::bulk::Compressor<'static>,
    /// A record's JSON on its way to the compressor.
    json: Vec<u8>,
}

static TOOLS: Mutex<Vec<Tools>> = Mutex::new(Vec::new());

/// Most of them that are kept.
const TOOLS_KEPT: usize = 2;

/// Most bytes of JSON that each keeps room for.
const JSON_BYTES_KEPT: usize = 64 << 10;

/// Works with tools that nobody else uses meanwhile.
fn with_tools<T>(work: impl FnOnce(&mut Tools) -> Result<T, StoreFault>) -> Result<T, StoreFault> {
    let kept = TOOLS.lock().unwrap_or_else(PoisonError::into_inner).pop();
    let mut tools = match kept {
        Some(tools) => tools,
        None => Tools {
            compressor: zstd::bulk::Compressor::new(COMPRESSION_LEVEL).map_err(|error| uncompressed(&error))?,
            json: Vec::new(),
        },
    };
    let done = work(&mut tools);
    tools.json.clear();
    tools.json.shrink_to(JSON_BYTES_KEPT);
    let mut all = TOOLS.lock().unwrap_or_else(PoisonError::into_inner);
    if all.len() < TOOLS_KEPT {
        all.push(tools);
    }
    done
}

fn pack<T: Serialize>(value: &T) -> Result<Body, StoreFault> {
    with_tools(|Tools { compressor, json }| {
        serde_json::to_writer(&mut *json, value)
            .map_err(|error| StoreFault::Body(format!("it cannot be encoded: {error}")))?;
        Ok(Body { packed: compressed(compressor, json)?, hash: chain::sha256(json) })
    })
}

/// Compresses, up to [`BODY_BYTES_MAX`].
pub(crate) fn compress(bytes: &[u8]) -> Result<Vec<u8>, StoreFault> {
    with_tools(|tools| compressed(&mut tools.compressor, bytes))
}

fn compressed(compressor: &mut zstd::bulk::Compressor<'_>, bytes: &[u8]) -> Result<Vec<u8>, StoreFault> {
    if bytes.len() > BODY_BYTES_MAX {
        let text = format!("it has {} bytes, more than the {BODY_BYTES_MAX} that are kept", bytes.len());
        return Err(StoreFault::Body(text));
    }
    compressor.compress(bytes).map_err(|error| uncompressed(&error))
}

fn uncompressed(error: &std::io::Error) -> StoreFault {
    StoreFault::Body(format!("it cannot be compressed: {error}"))
}

/// What was compressed, up to [`BODY_BYTES_MAX`].
pub(crate) fn unpack(packed: &[u8]) -> Result<Vec<u8>, StoreFault> {
    zstd::bulk::decompress(packed, BODY_BYTES_MAX)
        .map_err(|error| StoreFault::Body(format!("its body cannot be decompressed: {error}")))
}
