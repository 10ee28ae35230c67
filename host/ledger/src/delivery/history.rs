//! What was done to objects, as `DataStorage` has recorded it.

use std::sync::Arc;

use serde_json::Value;
use trimtab_core::json::text;
use trimtab_core::observation::HistoryEntry;
use trimtab_core::ports::{Clock, History, HistoryAnswer, HistoryFailure, HistoryQuestion};
use trimtab_core::time::{Span, Timestamp};

use super::receiver::Receiver;
use super::settings::{DeliveryFailure, DeliverySettings};

/// Asks `DataStorage` for the history of objects.
#[derive(Debug)]
pub struct DataStorageHistory {
    receiver: Receiver,
}

impl DataStorageHistory {
    /// Asks with these settings; of them the address, token, authorities and the time for a request matter.
    pub fn new(settings: &DeliverySettings, clock: Arc<dyn Clock>) -> Result<Self, DeliveryFailure> {
        Ok(Self { receiver: Receiver::new(settings, clock)? })
    }

    async fn ask(&self, question: &HistoryQuestion) -> Result<Vec<HistoryEntry>, String> {
        if question.current_hash.is_empty() {
            return Err("DataStorage tells it by the target's present state, which is not known".to_owned());
        }
        let window = Span::from_secs(u64::from(question.hours) * 3600).to_string();
        let mut asked = vec![
            ("targetKind", question.target.kind.as_str()),
            ("targetName", question.target.name.as_str()),
            ("targetNamespace", question.target.namespace.as_deref().unwrap_or_default()),
            ("currentSpecHash", question.current_hash.as_str()),
            ("tier1Window", window.as_str()),
        ];
        if !question.cluster_id.is_empty() {
            asked.push(("clusterId", question.cluster_id.as_str()));
        }
        let answer = self.receiver.history(&asked).await.map_err(|trouble| trouble.message)?;
        let chain = answer.pointer("/tier1/chain").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
        Ok(chain.iter().filter_map(entry).filter(|entry| entry.remediation != question.remediation).collect())
    }
}

impl History for DataStorageHistory {
    fn entries<'a>(&'a self, question: &'a HistoryQuestion) -> HistoryAnswer<'a> {
        Box::pin(async move {
            let target = question.target.qualified();
            self.ask(question).await.map_err(|why| HistoryFailure { target, why })
        })
    }
}

/// One entry; `None` for one that lacks what every entry has.
fn entry(found: &Value) -> Option<HistoryEntry> {
    let hash_match = match text(found, "/hashMatch") {
        known @ ("preRemediation" | "postRemediation") => known,
        _ => "none",
    };
    Some(HistoryEntry {
        remediation: Some(text(found, "/remediationUID")).filter(|uid| !uid.is_empty())?.to_owned(),
        completed_at: Timestamp::parse(text(found, "/completedAt"))?,
        action_type: text(found, "/actionType").to_owned(),
        signal_resolved: found.get("signalResolved").and_then(Value::as_bool),
        hash_match: hash_match.to_owned(),
        pre_hash: text(found, "/preRemediationSpecHash").to_owned(),
        post_hash: text(found, "/postRemediationSpecHash").to_owned(),
    })
}

#[cfg(test)]
mod tests;
