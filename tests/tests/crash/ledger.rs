//! What the ledger says in the end.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Result;
use trimtab_core::ports::Settlement;
use trimtab_ledger::reader::{EntryContent, EventFilter, EventState, LedgerReader, RemediationFilter};

/// The steps of a ledger.
#[derive(Debug, Default)]
pub(crate) struct Account {
    pub(crate) prepared: usize,
    pub(crate) settled_confirmed: usize,
    pub(crate) discarded: usize,
    pub(crate) unknown: usize,
    /// Numbers of the confirmed steps that wrote a status, by remediation.
    pub(crate) confirmed: BTreeMap<String, Vec<u64>>,
    /// Names of remediations with a step that is not settled.
    pub(crate) open: Vec<String>,
    /// Audit events of confirmed steps.
    pub(crate) events: usize,
    /// Those of them that have not been delivered.
    pub(crate) undelivered: usize,
}

impl Account {
    /// Reads the ledger, which a process may be writing.
    pub(crate) fn read(folder: &Path) -> Result<Self> {
        let reader = LedgerReader::open(folder)?;
        let mut account = Self::default();
        for remediation in reader.remediations(&RemediationFilter::default())? {
            if remediation.is_open {
                account.open.push(remediation.name.clone());
            }
            let mut writes_status = false;
            for entry in reader.decisions(&remediation.uid)? {
                match entry.content {
                    EntryContent::Step { plan, .. } => {
                        account.prepared += 1;
                        writes_status = plan.status.is_some();
                    }
                    EntryContent::Settlement(Settlement::Confirmed) => {
                        account.settled_confirmed += 1;
                        if writes_status {
                            account.confirmed.entry(remediation.uid.clone()).or_default().push(entry.sequence);
                        }
                    }
                    EntryContent::Settlement(Settlement::Discarded { .. }) => account.discarded += 1,
                    EntryContent::Settlement(Settlement::Unknown) => account.unknown += 1,
                    EntryContent::Stay { .. } | EntryContent::Adopted(_) => {}
                }
            }
        }
        for event in reader.events(&EventFilter::default())? {
            if event.state != EventState::Withdrawn {
                account.events += 1;
                account.undelivered += usize::from(event.state != EventState::Delivered);
            }
        }
        Ok(account)
    }
}
