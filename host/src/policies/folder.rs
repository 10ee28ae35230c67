//! The folder of `--policies`: its documents become policy sets, and what cannot be used is refused with its reason while what
//! was in force stays.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::Context as _;
use serde::Serialize;
use trimtab_core::decide::Verdict;
use trimtab_core::observation::Observation;
use trimtab_core::phase::Phase;
use trimtab_core::ports::DecisionRecord;
use trimtab_core::proposal::Slot;
use trimtab_core::settings::Settings;
use trimtab_ledger::SqliteLedger;
use trimtab_policy_engine::sets::{Filling, LoadedRevision, PolicySets, SetView, SmokeReport};
use trimtab_policy_engine::{BUILTIN, ConfiguredPolicy, Digest, Engine, Limits};

use super::archive::LedgerArchive;
use super::documents::{Documents, PolicySpec, SetSpec, SlotSpec, Source};
use super::{is_nothing, keep, read_bounded};
use crate::config;

/// Observations of the last decisions that a new revision is asked about before it is put in force.
const SMOKE_OBSERVATIONS: usize = 32;

/// The sets of a folder.
#[derive(Debug)]
pub(super) struct Folder {
    path: PathBuf,
    engine: Engine,
    ledger: Arc<SqliteLedger>,
    archive: Arc<LedgerArchive>,
    sets: PolicySets,
    /// What of the last look could not be used, each set by name.
    refused: Mutex<Refused>,
    /// What the newest revision of each set did with what was seen lately.
    smoke: Mutex<BTreeMap<String, SmokeReport>>,
}

#[derive(Debug, Clone, Default)]
struct Refused {
    sets: BTreeMap<String, String>,
    files: Vec<String>,
}

/// What a look at the folder has shown: two of them that are equal would have the same effect.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Look {
    documents: Documents,
    /// The component behind each policy, or why there is none.
    components: BTreeMap<String, Result<Digest, String>>,
}

/// The sets, for people.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SetsReport {
    /// Each set, in the order of their names.
    sets: Vec<SetReport>,
    /// Files and documents that cannot be used, and why.
    refused: Vec<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct SetReport {
    #[serde(flatten)]
    set: SetView,
    /// Why what the folder says of it is not in force.
    #[serde(skip_serializing_if = "Option::is_none")]
    refused: Option<String>,
    /// What its newest revision did, before it was put in force, with what was seen lately.
    #[serde(skip_serializing_if = "Option::is_none")]
    smoke: Option<SmokeReport>,
}

impl Folder {
    pub(super) fn new(
        path: &Path,
        engine: &Engine,
        builtin: &Arc<ConfiguredPolicy>,
        ledger: &Arc<SqliteLedger>,
        settings: &Settings,
    ) -> Self {
        let archive = Arc::new(LedgerArchive::new(Arc::clone(ledger), settings.clone()));
        let kept = Arc::clone(&archive);
        Self {
            path: path.to_owned(),
            engine: engine.clone(),
            ledger: Arc::clone(ledger),
            archive,
            sets: PolicySets::new(engine.clone(), Arc::clone(builtin), kept),
            refused: Mutex::default(),
            smoke: Mutex::default(),
        }
    }

    /// Looks at everything that the folder says, by content.
    pub(super) fn look(&self) -> Result<Look, String> {
        let documents = Documents::read(&self.path).map_err(|error| crate::one_line(&error))?;
        let digest = |spec: &PolicySpec| match self.bytes(spec) {
            Ok(bytes) => Ok(Digest::of(&bytes)),
            Err(error) => Err(crate::one_line(&error)),
        };
        let components = documents.policies.iter().map(|(name, spec)| (name.clone(), digest(spec))).collect();
        Ok(Look { documents, components })
    }

    /// Puts in force what a look has shown. `below` are the config file's values for the built-in policy.
    pub(super) fn apply(&self, look: &Look, below: &serde_json::Value) {
        let documents = &look.documents;
        let mut refused = Refused { files: documents.faults.clone(), ..Refused::default() };
        for line in &refused.files {
            tracing::error!(reason = line, "policies refused");
        }
        for (name, spec) in &documents.sets {
            if let Err(error) = self.apply_set(name, spec, documents, below) {
                let reason = crate::one_line(&error);
                let kept = self.keep_set(name, spec);
                tracing::error!(set = name, reason, kept, "policy set refused");
                refused.sets.insert(name.clone(), reason);
            }
        }
        for view in self.sets.view() {
            // A file that cannot be read may be the one that has it.
            if !documents.sets.contains_key(&view.name) && documents.faults.is_empty() && self.sets.remove(&view.name) {
                tracing::info!(
                    set = view.name,
                    "policy set removed; remediations that are pinned to it finish with it"
                );
            }
            if let Some(other) = view.never_answers_because_of {
                tracing::warn!(
                    set = view.name,
                    because_of = other,
                    "this policy set never answers: another selects the same and goes first"
                );
            }
        }
        *held(&self.refused) = refused;
    }

    /// Settings have changed that every decision depends on.
    pub(super) fn set_settings(&self, settings: &Settings) -> anyhow::Result<()> {
        self.archive.set_settings(settings.clone());
        Ok(self.sets.renew_environments()?)
    }

    /// The revision that answers for a remediation; `None` where no set does.
    pub(super) fn responsible(&self, seen: &Observation) -> Option<Arc<LoadedRevision>> {
        self.sets.responsible(seen)
    }

    /// Hears what came of a decision.
    pub(super) fn settle(&self, record: &DecisionRecord) {
        let seen = &record.observation;
        let revision = record.basis.as_ref().and_then(|basis| basis.set_revision.as_ref());
        let next = match &record.decision.verdict {
            Verdict::Step(plan) => plan.to,
            Verdict::Stay => seen.phase,
        };
        self.sets.note_running(&seen.uid, revision.filter(|_| !next.is_some_and(Phase::is_terminal)));
        let tripped = revision.and_then(|name| self.sets.settle(name, &record.decision.evaluations, seen.now));
        if let Some(trip) = tripped {
            let (set, revision) = (&trip.name.set, &trip.name.revision);
            let next = &trip.next.revision;
            tracing::error!(
                set,
                revision,
                why = trip.why,
                next,
                "a policy revision has faulted too often: everybody leaves it"
            );
        }
    }

    /// A remediation is gone.
    pub(super) fn forget(&self, uid: &str) {
        self.sets.note_running(uid, None);
    }

    /// Every set that is in force.
    pub(super) fn sets(&self) -> Vec<SetView> {
        self.sets.view()
    }

    /// Every set, and what could not be used.
    pub(super) fn report(&self) -> SetsReport {
        let refused = held(&self.refused).clone();
        let report = |set: SetView| {
            let refused = refused.sets.get(&set.name).cloned();
            let smoke = held(&self.smoke).get(&set.name).cloned();
            SetReport { set, refused, smoke }
        };
        let mut sets: Vec<SetReport> = self.sets.view().into_iter().map(report).collect();
        let in_force: Vec<String> = sets.iter().map(|one| one.set.name.clone()).collect();
        let others = refused.sets.iter().filter(|(name, _)| !in_force.contains(name));
        let never = others.map(|(name, reason)| format!("PolicySet {name}: {reason}"));
        let refused = refused.files.iter().cloned().chain(never).collect();
        sets.sort_by(|one, other| one.set.name.cmp(&other.set.name));
        SetsReport { sets, refused }
    }

    fn apply_set(
        &self,
        name: &str,
        spec: &SetSpec,
        documents: &Documents,
        below: &serde_json::Value,
    ) -> anyhow::Result<()> {
        let settings = spec.settings()?;
        let mut fillings = BTreeMap::new();
        for slot in Slot::ALL {
            let filling = match spec.slots.get(&slot) {
                Some(named) => self.filling(named, documents, below).with_context(|| format!("the {slot} slot"))?,
                None => self.filling(&SlotSpec::default(), documents, below)?,
            };
            fillings.insert(slot, filling);
        }
        let seen = self.ledger.recent_observations(SMOKE_OBSERVATIONS)?;
        let applied = self.sets.apply(name, settings, spec.forgiven(), &fillings, &seen)?;
        if let Some(smoke) = applied.smoke {
            held(&self.smoke).insert(name.to_owned(), smoke);
        }
        if applied.before.as_ref() != Some(&applied.active) {
            let before = applied.before.map(|before| before.revision);
            tracing::info!(
                set = name,
                before,
                after = applied.active.revision,
                applied = applied.revision.revision,
                "policy set in force"
            );
        }
        Ok(())
    }

    /// What fills a slot, kept in the ledger before any decision of it is recorded.
    fn filling(&self, spec: &SlotSpec, documents: &Documents, below: &serde_json::Value) -> anyhow::Result<Filling> {
        let builtin = PolicySpec { source: Source::Builtin {}, digest: None, limits: Limits::default() };
        let policy = match &spec.policy {
            None => &builtin,
            Some(name) => documents
                .policies
                .get(name)
                .with_context(|| format!("no Policy is called \"{name}\" here: name one of {}", names(documents)))?,
        };
        let named = || {
            spec.policy.as_ref().map_or_else(|| "the built-in policy".to_owned(), |name| format!("the policy {name}"))
        };
        let bytes = self.bytes(policy).with_context(named)?;
        let found = Digest::of(&bytes);
        if let Some(wanted) = policy.digest.filter(|wanted| *wanted != found) {
            anyhow::bail!("{}: its digest is {found}, and spec.digest says {wanted}", named());
        }
        let component = self.engine.load(&bytes, policy.limits).with_context(named)?;
        let config = match (&policy.source, is_nothing(below)) {
            (Source::Builtin {}, false) => {
                let mut merged = below.clone();
                config::merge(&mut merged, &spec.config.clone().unwrap_or_default());
                merged.to_string()
            }
            _ => spec.config.as_ref().map(ToString::to_string).unwrap_or_default(),
        };
        let policy = component.configure(&config).with_context(named)?;
        keep(&self.ledger, &policy, &bytes)?;
        Ok(Filling { policy, strategy: spec.fail_strategy })
    }

    fn bytes(&self, spec: &PolicySpec) -> anyhow::Result<Vec<u8>> {
        match &spec.source {
            Source::Builtin {} => Ok(BUILTIN.to_vec()),
            Source::File { path } => {
                let path = self.path.join(path);
                read_bounded(&path, spec.limits.component_bytes)
                    .with_context(|| format!("cannot read {}", path.display()))
            }
        }
    }

    /// Lets a set that cannot be applied go on with what it had; the result names that.
    fn keep_set(&self, name: &str, spec: &SetSpec) -> String {
        let kept = spec.settings().and_then(|settings| Ok(self.sets.apply_kept(name, settings)?));
        match kept {
            Ok(Some(active)) => active.revision,
            Ok(None) => "nothing: other sets and the policies of the command line answer".to_owned(),
            Err(error) => crate::one_line(&error),
        }
    }
}

fn names(documents: &Documents) -> String {
    let names: Vec<_> = documents.policies.keys().map(String::as_str).collect();
    if names.is_empty() { "the documents, of which there are none of kind Policy".to_owned() } else { names.join(", ") }
}

fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
