//! What the ledger's file says in the end.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context as _, Result};
use serde_json::Value;

/// The steps of a ledger.
#[derive(Debug, Default)]
pub(crate) struct Account {
    pub(crate) prepared: usize,
    pub(crate) settled_confirmed: usize,
    pub(crate) discarded: usize,
    pub(crate) unknown: usize,
    /// Numbers of the confirmed steps that wrote a status, by remediation.
    pub(crate) confirmed: BTreeMap<String, Vec<u64>>,
    /// Uid and number of steps that are not settled.
    pub(crate) open: BTreeMap<String, u64>,
}

impl Account {
    /// Reads the file up to its last whole line.
    pub(crate) fn read(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path).with_context(|| path.display().to_string())?;
        let whole = text.rfind('\n').map_or("", |at| &text[..=at]);
        let mut account = Self::default();
        let mut writes_status: BTreeMap<String, bool> = BTreeMap::new();
        for line in whole.lines() {
            let line: Value = serde_json::from_str(line).with_context(|| format!("a line of the ledger: {line}"))?;
            if line["entry"] == "prepare" {
                let plan = &line["plan"];
                let uid = plan["uid"].as_str().unwrap_or_default().to_owned();
                account.prepared += 1;
                writes_status.insert(uid.clone(), !plan["status"].is_null());
                account.open.insert(uid, plan["sequence"].as_u64().unwrap_or(0));
            } else if line["entry"] == "settle" {
                let uid = line["uid"].as_str().unwrap_or_default().to_owned();
                let sequence = line["sequence"].as_u64().unwrap_or(0);
                account.open.remove(&uid);
                account.settle(&uid, sequence, &line["settlement"], writes_status.get(&uid) == Some(&true));
            }
        }
        Ok(account)
    }

    fn settle(&mut self, uid: &str, sequence: u64, settlement: &Value, writes_status: bool) {
        let text = settlement.to_string();
        if text.contains("Confirmed") || text.contains("confirmed") {
            self.settled_confirmed += 1;
            if writes_status {
                self.confirmed.entry(uid.to_owned()).or_default().push(sequence);
            }
        } else if text.contains("iscarded") {
            self.discarded += 1;
        } else {
            self.unknown += 1;
        }
    }
}
