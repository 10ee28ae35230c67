//! What was done to objects, as the ledger itself has recorded it: used where no `DataStorage` is.

use std::sync::Arc;

use trimtab_core::observation::HistoryEntry;
use trimtab_core::ports::{History, HistoryAnswer, HistoryFailure, HistoryQuestion};

use crate::sqlite::SqliteLedger;

/// The remediations that this ledger has seen end. What another host has carried out, or retention has removed, is not
/// there.
#[derive(Debug, Clone)]
pub struct LedgerHistory {
    ledger: Arc<SqliteLedger>,
}

impl LedgerHistory {
    /// Reads from this ledger.
    pub fn of(ledger: Arc<SqliteLedger>) -> Self {
        Self { ledger }
    }
}

impl History for LedgerHistory {
    fn entries<'a>(&'a self, question: &'a HistoryQuestion) -> HistoryAnswer<'a> {
        let failure = |why: String| HistoryFailure { target: question.target.qualified(), why };
        Box::pin(async move {
            if self.ledger.is_inline() {
                return self.ledger.past(question).map_err(|fault| failure(fault.to_string()));
            }
            let (ledger, asked) = (Arc::clone(&self.ledger), question.clone());
            // The writer may be at work for others: an async worker must not wait for it.
            let answered: Result<Vec<HistoryEntry>, _> =
                tokio::task::spawn_blocking(move || ledger.past(&asked).map_err(|fault| fault.to_string()))
                    .await
                    .map_err(|error| failure(error.to_string()))?;
            answered.map_err(failure)
        })
    }
}

#[cfg(test)]
mod tests;
