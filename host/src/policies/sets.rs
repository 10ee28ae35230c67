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
use trimtab_policy_engine::sets::{Filling, LoadedRevision, PolicySets, SetError, SetView, SmokeReport};
use trimtab_policy_engine::trust::Verification;
use trimtab_policy_engine::{ConfiguredPolicy, Digest, Engine, Limits};

use super::archive::LedgerArchive;
use super::documents::{Documents, Origin, PolicySpec, SetSpec, SlotSpec};
use super::fetching::{Component, Fetching};
use super::trust::Trust;
use super::{is_nothing, keep};
use crate::config;

/// How many of the last decisions are looked through for what a new revision is asked about before it is put in force.
const LAST_DECISIONS: usize = 256;

/// The sets of a folder.
#[derive(Debug)]
pub(super) struct Folder {
    path: PathBuf,
    fetching: Fetching,
    engine: Engine,
    ledger: Arc<SqliteLedger>,
    archive: Arc<LedgerArchive>,
    sets: PolicySets,
    /// What came of the last look.
    told: Mutex<Told>,
    /// What the newest revision of each set did with what was seen lately.
    smoke: Mutex<BTreeMap<String, SmokeReport>>,
}

/// What came of a look, for people.
#[derive(Debug, Clone, Default)]
struct Told {
    policies: Vec<PolicyReport>,
    /// Why a set could not be used, by name.
    sets: BTreeMap<String, String>,
    /// Why files and documents could not be.
    files: Vec<String>,
}

/// What a look at the folder has shown: two of them that are equal would have the same effect.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Look {
    documents: Documents,
    /// The component behind each policy, or why there is none.
    components: BTreeMap<String, Result<Component, String>>,
}

/// The sets, for people.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SetsReport {
    /// Each policy, in the order of their names.
    policies: Vec<PolicyReport>,
    /// Each set, in the order of their names.
    sets: Vec<SetReport>,
    /// Files and documents that cannot be used, and why.
    refused: Vec<String>,
}

/// A policy: where its component is, and whose.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
struct PolicyReport {
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    digest: Option<Digest>,
    /// Where it was found, a tag replaced by its digest.
    #[serde(skip_serializing_if = "String::is_empty")]
    resolved: String,
    /// What its signatures say: a stable code.
    #[serde(skip_serializing_if = "Option::is_none")]
    signature: Option<&'static str>,
    /// The same in words, or why there is no component.
    #[serde(skip_serializing_if = "String::is_empty")]
    message: String,
}

impl PolicyReport {
    fn of((name, component): (&String, &Result<Component, String>)) -> Self {
        let name = name.clone();
        match component {
            Ok(component) => Self {
                name,
                digest: Some(component.digest),
                resolved: component.resolved.clone(),
                signature: component.verification.as_ref().map(Verification::code),
                message: component.verification.as_ref().map(ToString::to_string).unwrap_or_default(),
            },
            Err(why) => Self { name, digest: None, resolved: String::new(), signature: None, message: why.clone() },
        }
    }
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
        (path, trust): (&Path, Trust),
        engine: &Engine,
        builtin: &Arc<ConfiguredPolicy>,
        ledger: &Arc<SqliteLedger>,
        settings: &Settings,
    ) -> Self {
        let archive = Arc::new(LedgerArchive::new(Arc::clone(ledger), settings.clone()));
        let kept = Arc::clone(&archive);
        Self {
            path: path.to_owned(),
            fetching: Fetching::new(path.to_owned(), trust),
            engine: engine.clone(),
            ledger: Arc::clone(ledger),
            archive,
            sets: PolicySets::new(engine.clone(), Arc::clone(builtin), kept),
            told: Mutex::default(),
            smoke: Mutex::default(),
        }
    }

    /// Looks at everything that the folder says, by content.
    pub(super) fn look(&self) -> Result<Look, String> {
        let documents = Documents::read(&self.path).map_err(|error| crate::one_line(&error))?;
        let component = |(name, spec): (&String, &PolicySpec)| (name.clone(), self.fetching.component(name, spec));
        let components = documents.policies.iter().map(component).collect();
        Ok(Look { documents, components })
    }

    /// Puts in force what a look has shown. `below` are the config file's values for the built-in policy.
    pub(super) fn apply(&self, look: &Look, below: &serde_json::Value) {
        let documents = &look.documents;
        let policies = look.components.iter().map(PolicyReport::of).collect();
        let mut told = Told { policies, files: documents.faults.clone(), ..Told::default() };
        for line in &told.files {
            tracing::error!(reason = line, "policies refused");
        }
        for (name, spec) in &documents.sets {
            if let Err(error) = self.apply_set(name, spec, look, below) {
                let reason = crate::one_line(&error);
                let kept = self.keep_set(name, spec);
                tracing::error!(set = name, reason, kept, "policy set refused");
                told.sets.insert(name.clone(), reason);
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
        *held(&self.told) = told;
    }

    /// Settings have changed that every decision depends on.
    pub(super) fn set_settings(&self, settings: &Settings) -> anyhow::Result<()> {
        self.archive.set_settings(settings.clone());
        Ok(self.sets.renew_environments()?)
    }

    /// The revision that answers for a remediation; `None` where no set does.
    pub(super) fn responsible(&self, seen: &Observation) -> Result<Option<Arc<LoadedRevision>>, SetError> {
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
            let next = trip.next.map(|next| next.revision);
            tracing::error!(
                set,
                revision,
                why = trip.why,
                next,
                "a policy revision has faulted too often: everybody leaves it"
            );
        }
    }

    /// Forgets remediations that there are none of any more.
    pub(super) fn tidy(&self, exists: &dyn Fn(&str) -> bool) {
        self.sets.tidy(exists);
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
        let told = held(&self.told).clone();
        let report = |set: SetView| {
            let refused = told.sets.get(&set.name).cloned();
            let smoke = held(&self.smoke).get(&set.name).cloned();
            SetReport { set, refused, smoke }
        };
        let mut sets: Vec<SetReport> = self.sets.view().into_iter().map(report).collect();
        let in_force: Vec<String> = sets.iter().map(|one| one.set.name.clone()).collect();
        let others = told.sets.iter().filter(|(name, _)| !in_force.contains(name));
        let never = others.map(|(name, reason)| format!("PolicySet {name}: {reason}"));
        let refused = told.files.iter().cloned().chain(never).collect();
        sets.sort_by(|one, other| one.set.name.cmp(&other.set.name));
        SetsReport { policies: told.policies, sets, refused }
    }

    fn apply_set(&self, name: &str, spec: &SetSpec, look: &Look, below: &serde_json::Value) -> anyhow::Result<()> {
        let settings = spec.settings()?;
        let mut fillings = BTreeMap::new();
        for slot in Slot::ALL {
            let filling = match spec.slots.get(&slot) {
                Some(named) => self.filling(named, look, below).with_context(|| format!("the {slot} slot"))?,
                None => self.filling(&SlotSpec::default(), look, below)?,
            };
            fillings.insert(slot, filling);
        }
        let seen = self.ledger.recent_observations(LAST_DECISIONS)?;
        let applied = self.sets.apply(name, settings, &fillings, &seen)?;
        match applied.smoke {
            Some(smoke) => held(&self.smoke).insert(name.to_owned(), smoke),
            // What is put in force again was asked when it was new.
            None => held(&self.smoke).remove(name),
        };
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
    fn filling(&self, spec: &SlotSpec, look: &Look, below: &serde_json::Value) -> anyhow::Result<Filling> {
        let (policy, component, what) = match &spec.policy {
            None => (builtin(), Ok(Component::builtin()), "the built-in policy".to_owned()),
            Some(name) => {
                let known = || format!("no Policy is called \"{name}\" here: name one of {}", names(&look.documents));
                let policy = look.documents.policies.get(name).with_context(known)?.clone();
                let component = look.components.get(name).cloned().with_context(known)?;
                (policy, component, format!("the policy {name}"))
            }
        };
        let Component { bytes, digest, .. } =
            component.map_err(|why| anyhow::anyhow!(why)).with_context(|| what.clone())?;
        if let Some(wanted) = policy.digest.filter(|wanted| *wanted != digest) {
            anyhow::bail!("{what}: its digest is {digest}, and spec.digest says {wanted}");
        }
        let component = self.engine.load(&bytes, policy.limits).with_context(|| what.clone())?;
        let config = match (&policy.source, is_nothing(below)) {
            (Origin::Builtin, false) => {
                let mut merged = below.clone();
                config::merge(&mut merged, &spec.config.clone().unwrap_or_default());
                merged.to_string()
            }
            _ => spec.config.as_ref().map(ToString::to_string).unwrap_or_default(),
        };
        let policy = component.configure(&config).with_context(|| what)?;
        keep(&self.ledger, &policy, &bytes)?;
        Ok(Filling { policy, strategy: spec.fail_strategy })
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

fn builtin() -> PolicySpec {
    PolicySpec { source: Origin::Builtin, digest: None, limits: Limits::default() }
}

fn names(documents: &Documents) -> String {
    let names: Vec<_> = documents.policies.keys().map(String::as_str).collect();
    if names.is_empty() { "the documents, of which there are none of kind Policy".to_owned() } else { names.join(", ") }
}

fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
