//! Whose components may run: the document of `--policy-trust`.

use std::path::Path;

use serde::Deserialize;
use trimtab_policy_engine::trust::{TrustRule, TrustRules};

use crate::{bad_input, paths};

/// The document.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "camelCase")]
struct TrustDocument {
    /// Whether an artifact of a registry has to be named by its digest.
    require_digest: bool,
    /// Which keys count for which places.
    rules: Vec<TrustRule>,
}

/// Rules whose keys were read.
#[derive(Debug, Clone, Default)]
pub(crate) struct Trust {
    pub(super) rules: TrustRules,
    pub(super) requires_digest: bool,
}

impl Trust {
    /// Reads the document; without one every component may run, and says whether it is signed.
    pub(crate) fn read(file: Option<&Path>) -> anyhow::Result<Self> {
        let Some(file) = file else { return Ok(Self::default()) };
        let TrustDocument { require_digest: requires_digest, rules } = paths::read_document(file)?;
        let rules = TrustRules::read(rules);
        let rules = rules.map_err(|fault| bad_input(anyhow::anyhow!("{}: {fault}", file.display())))?;
        Ok(Self { rules, requires_digest })
    }
}
