//! Policy sets from documents: what can be used is put in force, and what cannot is refused with its reason while what was in
//! force stays.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use trimtab_api::PolicyKind;
use trimtab_author::inspect;
use trimtab_core::decide::Verdict;
use trimtab_core::observation::Observation;
use trimtab_core::phase::Phase;
use trimtab_core::ports::DecisionRecord;
use trimtab_core::proposal::Slot;
use trimtab_core::record::SetRevision;
use trimtab_core::settings::Settings;
use trimtab_ledger::SqliteLedger;
use trimtab_policy_engine::sets::{Filled, Filling, LoadedRevision, PolicySets, SetError, SetView, SmokeReport};
use trimtab_policy_engine::{BUILTIN, Class, Component, ConfiguredPolicy, Digest, Engine, EvaluationTimes, Limits};

use super::archive::LedgerArchive;
use super::documents::{DocumentFault, Documents, MemberSpec, PolicySpec, SetSpec, SlotSpec};
use super::fetching::{Fetched, Fetching};
use super::stage::{Refusal, Stage};
use super::{is_nothing, keep};
use crate::config;

/// The sets, and what came of the documents that they are made from.
#[derive(Debug)]
pub(super) struct Sets {
    fetching: Fetching,
    engine: Engine,
    builtin: Arc<ConfiguredPolicy>,
    ledger: Arc<SqliteLedger>,
    archive: Arc<LedgerArchive>,
    in_force: PolicySets,
    /// What came of the last look.
    outcome: Mutex<Outcome>,
}

/// What came of a look.
#[derive(Debug, Clone, Default)]
pub(super) struct Outcome {
    pub(super) documents: Documents,
    /// Each policy that could be read.
    pub(super) policies: BTreeMap<String, Result<LoadedPolicy, Refusal>>,
    /// Each set that could be read.
    pub(super) sets: BTreeMap<String, SetOutcome>,
    /// The policies that each revision was made with, as far as this process knows.
    pub(super) made_with: BTreeMap<SetRevision, BTreeSet<String>>,
    /// Where each policy's tag was found to lead, whether the component could be brought this time or not.
    pub(super) resolved: BTreeMap<String, String>,
    /// Components that came and could not be loaded, by the names of their policies.
    unloaded: BTreeMap<String, Unloaded>,
}

impl Outcome {
    /// What failed.
    pub(super) fn refusals(&self) -> impl Iterator<Item = &Refusal> {
        let of_policies = self.policies.values().filter_map(|policy| policy.as_ref().err());
        let of_sets = self.sets.values().filter_map(|set| set.refusal.as_ref());
        of_policies.chain(of_sets)
    }
}

/// A component that could not be loaded.
#[derive(Debug, Clone)]
struct Unloaded {
    digest: Digest,
    limits: Limits,
    refusal: Refusal,
}

/// What came of a set.
#[derive(Debug, Clone, Default)]
pub(super) struct SetOutcome {
    /// Why it is not in force as it is written.
    pub(super) refusal: Option<Refusal>,
    /// Its newest revision, and what that did with what was seen lately before it was put in force.
    pub(super) smoke: Option<(String, SmokeReport)>,
}

/// A policy that slots can be filled with.
#[derive(Debug, Clone)]
pub(super) struct LoadedPolicy {
    pub(super) fetched: Fetched,
    pub(super) component: Arc<Component>,
    /// Functions that it imports.
    pub(super) imports: Vec<String>,
}

/// What a look at documents and their sources has shown: two of them that are equal would have the same effect.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Look {
    documents: Documents,
    /// The component behind each policy, or why there is none.
    components: BTreeMap<String, Result<Fetched, Refusal>>,
}

impl Sets {
    pub(super) fn new(
        fetching: Fetching,
        engine: &Engine,
        builtin: &Arc<ConfiguredPolicy>,
        ledger: &Arc<SqliteLedger>,
        settings: &Settings,
    ) -> Self {
        let archive = Arc::new(LedgerArchive::new(Arc::clone(ledger), settings.clone()));
        let kept = Arc::clone(&archive);
        Self {
            fetching,
            engine: engine.clone(),
            builtin: Arc::clone(builtin),
            ledger: Arc::clone(ledger),
            archive,
            in_force: PolicySets::new(engine.clone(), Arc::clone(builtin), kept),
            outcome: Mutex::default(),
        }
    }

    /// Looks at what documents name, by content. `are_new`: they are others than the last time. It can take as long as a server
    /// takes to answer.
    pub(super) fn look(&self, documents: Documents, are_new: bool) -> Look {
        let components = self.fetching.components(&documents.policies, are_new);
        Look { documents, components }
    }

    /// What the tags of policies were found to be, by the names of the policies.
    pub(super) fn set_resolved(&self, resolved: BTreeMap<String, String>) {
        self.fetching.set_resolved(resolved);
    }

    /// Puts in force what a look has shown. `below` are the config file's values for the built-in policy. `is_again` tells that
    /// what may have passed by itself is tried once more; else a component that could not be loaded is let be, since a compiler
    /// may take a minute over it.
    pub(super) fn apply(&self, look: &Look, below: &serde_json::Value, is_again: bool) {
        let documents = &look.documents;
        for fault in &documents.faults {
            tracing::error!(reason = fault.line, "policies refused");
        }
        let before = self.outcome();
        let mut now = Outcome { documents: documents.clone(), made_with: before.made_with, ..Outcome::default() };
        now.resolved = self.resolved(look);
        for (name, spec) in &documents.policies {
            let Some(fetched) = look.components.get(name) else { continue };
            let known = before.policies.get(name).and_then(|policy| policy.as_ref().ok());
            let unloaded = before.unloaded.get(name).filter(|unloaded| !(is_again && unloaded.refusal.is_passing));
            let loaded = match fetched {
                Ok(fetched) => self.loaded(fetched, spec, (known, unloaded)).map_err(|refusal| {
                    let (digest, limits, refusal) = (fetched.digest, spec.limits, refusal.of(Some(name)));
                    now.unloaded.insert(name.clone(), Unloaded { digest, limits, refusal: refusal.clone() });
                    refusal
                }),
                Err(refusal) => Err(refusal.clone().of(Some(name))),
            };
            now.policies.insert(name.clone(), loaded);
        }
        for (name, spec) in &documents.sets {
            let smoke = before.sets.get(name).and_then(|set| set.smoke.clone());
            let outcome = match self.apply_set(name, spec, (&now.policies, &documents.faults), below) {
                Ok((newest, asked)) => {
                    let named = spec.policies().map(str::to_owned).collect();
                    now.made_with.insert(newest.clone(), named);
                    // A revision that is known was asked when it was new.
                    let smoke = smoke.filter(|(asked, _)| *asked == newest.revision);
                    let smoke = asked.map(|asked| (newest.revision, asked)).or(smoke);
                    SetOutcome { refusal: None, smoke }
                }
                Err(refusal) => {
                    let (kept, may_pass) = self.keep_set(name, spec);
                    let is_passing = refusal.is_passing || may_pass;
                    let refusal = refusal.passing(is_passing);
                    tracing::error!(set = name, reason = refusal.message, kept, "policy set refused");
                    SetOutcome { refusal: Some(refusal), smoke }
                }
            };
            now.sets.insert(name.clone(), outcome);
        }
        for view in self.in_force.view() {
            if !documents.may_have_set(&view.name) && self.in_force.remove(&view.name) {
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
        let kept: BTreeSet<_> = self.view_with_draining().iter().flat_map(SetView::names).collect();
        now.made_with.retain(|name, _| kept.contains(name));
        *held(&self.outcome) = now;
    }

    /// Settings have changed that every decision depends on.
    pub(super) fn set_settings(&self, settings: &Settings) -> anyhow::Result<()> {
        self.archive.set_settings(settings.clone());
        Ok(self.in_force.renew_environments()?)
    }

    /// The revision that answers for a remediation; `None` where no set does.
    pub(super) fn responsible(&self, seen: &Observation) -> Result<Option<Arc<LoadedRevision>>, SetError> {
        self.in_force.responsible(seen)
    }

    /// Hears what came of a decision. The result tells whether everybody has left a revision for it.
    pub(super) fn settle(&self, record: &DecisionRecord) -> bool {
        let seen = &record.observation;
        let revision = record.basis.as_ref().and_then(|basis| basis.set_revision.as_ref());
        let next = match &record.decision.verdict {
            Verdict::Step(plan) => plan.to,
            Verdict::Stay => seen.phase,
        };
        self.in_force.note_running(&seen.uid, revision.filter(|_| !next.is_some_and(Phase::is_terminal)));
        let tripped = revision.and_then(|name| self.in_force.settle(name, &record.decision.evaluations, seen.now));
        let Some(trip) = tripped else { return false };
        let (set, revision) = (&trip.name.set, &trip.name.revision);
        let next = trip.next.map(|next| next.revision);
        tracing::error!(
            set,
            revision,
            why = trip.why,
            next,
            "a policy revision has faulted too often: everybody leaves it"
        );
        true
    }

    /// Forgets remediations that there are none of any more.
    pub(super) fn tidy(&self, exists: &dyn Fn(&str) -> bool) {
        self.in_force.tidy(exists);
    }

    /// A remediation runs with a revision, and is decided later.
    pub(super) fn found(&self, uid: &str, revision: &SetRevision) {
        self.in_force.note_running(uid, Some(revision));
    }

    /// A remediation is gone.
    pub(super) fn forget(&self, uid: &str) {
        self.in_force.note_running(uid, None);
    }

    /// How long evaluations took, by revision.
    pub(super) fn evaluation_times(&self) -> BTreeMap<SetRevision, EvaluationTimes> {
        self.in_force.evaluation_times()
    }

    /// Every set that is in force, and then every one that is gone and that remediations finish with.
    pub(super) fn view_with_draining(&self) -> Vec<SetView> {
        self.in_force.view_with_draining()
    }

    /// What came of the last look.
    pub(super) fn outcome(&self) -> Outcome {
        held(&self.outcome).clone()
    }

    /// Where the policies of a look lead: what was found now, or earlier for the same document.
    fn resolved(&self, look: &Look) -> BTreeMap<String, String> {
        let resolved = |(name, fetched): (&String, &Result<Fetched, Refusal>)| {
            let place = match fetched {
                Ok(fetched) => Some(fetched.resolved.clone()).filter(|place| !place.is_empty()),
                Err(_) => self.fetching.resolved(name),
            };
            Some((name.clone(), place?))
        };
        look.components.iter().filter_map(resolved).collect()
    }

    /// A policy with this component; neither what was loaded nor what could not be is loaded again.
    fn loaded(
        &self,
        fetched: &Fetched,
        spec: &PolicySpec,
        (known, unloaded): (Option<&LoadedPolicy>, Option<&Unloaded>),
    ) -> Result<LoadedPolicy, Refusal> {
        if let Some(wanted) = spec.digest.filter(|wanted| *wanted != fetched.digest) {
            let message = format!("its digest is {}, and spec.digest says {wanted}", fetched.digest);
            return Err(Refusal::new(Stage::Fetched, "DigestMismatch", message));
        }
        let (digest, limits) = (fetched.digest, spec.limits);
        if let Some(known) = known.filter(|one| one.fetched.digest == digest && *one.component.limits() == limits) {
            return Ok(LoadedPolicy { fetched: fetched.clone(), ..known.clone() });
        }
        if let Some(unloaded) = unloaded.filter(|one| one.digest == digest && one.limits == limits) {
            return Err(unloaded.refusal.clone());
        }
        let component = self.engine.load(&fetched.bytes, limits)?;
        let imports = inspect::imports(&fetched.bytes);
        let imports = imports.map_err(|error| Refusal::new(Stage::Compatible, "ComponentMalformed", error))?;
        Ok(LoadedPolicy { fetched: fetched.clone(), component, imports })
    }

    /// Puts a set in force; the result is its newest revision, and what that did with what was seen lately where it is new.
    fn apply_set(
        &self,
        name: &str,
        spec: &SetSpec,
        policies: (&BTreeMap<String, Result<LoadedPolicy, Refusal>>, &[DocumentFault]),
        below: &serde_json::Value,
    ) -> Result<(SetRevision, Option<SmokeReport>), Refusal> {
        let settings = spec.settings().map_err(|error| invalid(&error))?;
        let mut fillings = BTreeMap::new();
        let unnamed = SlotSpec::default();
        for slot in Slot::ALL {
            let spec = spec.slots.get(&slot).unwrap_or(&unnamed);
            let filling = self.filling(spec, policies, below);
            let about = |refusal: Refusal| refusal.about(format_args!("the {slot} slot"));
            fillings.insert(slot, filling.map_err(about)?);
        }
        let applied = self.in_force.apply(name, settings, &fillings)?;
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
        Ok((applied.revision, applied.smoke))
    }

    /// What fills a slot.
    fn filling(
        &self,
        spec: &SlotSpec,
        known: (&BTreeMap<String, Result<LoadedPolicy, Refusal>>, &[DocumentFault]),
        below: &serde_json::Value,
    ) -> Result<Filling, Refusal> {
        let (rule, members) = spec.members().map_err(|error| invalid(&error))?;
        let filled = |member: &MemberSpec| {
            let filled = self.filled(member, known, below);
            filled.map_err(|refusal| refusal.of(member.policy.as_deref()))
        };
        Ok(Filling { rule, policies: members.iter().map(filled).collect::<Result<_, _>>()? })
    }

    /// One policy of a slot, kept in the ledger before any decision of it is recorded.
    fn filled(
        &self,
        spec: &MemberSpec,
        (policies, faults): (&BTreeMap<String, Result<LoadedPolicy, Refusal>>, &[DocumentFault]),
        below: &serde_json::Value,
    ) -> Result<Filled, Refusal> {
        let what = spec.policy.as_ref().map_or("the built-in policy".to_owned(), |name| format!("the policy {name}"));
        let (component, bytes, is_builtin) = match &spec.policy {
            None => (Arc::clone(self.builtin.component()), Arc::new(BUILTIN.to_vec()), true),
            Some(name) => {
                let missing = || {
                    let unread = |fault: &&DocumentFault| {
                        fault
                            .document
                            .as_ref()
                            .is_some_and(|(kind, other)| *kind == PolicyKind::Policy && other == name)
                    };
                    if let Some(fault) = faults.iter().find(unread) {
                        return Refusal::new(Stage::Fetched, "SpecInvalid", &fault.line).about(&what);
                    }
                    let message = format!("no Policy is called \"{name}\" here: name one of {}", names(policies));
                    Refusal::new(Stage::Fetched, "PolicyMissing", message)
                };
                let policy = policies.get(name).ok_or_else(missing)?.clone();
                let policy = policy.map_err(|refusal| refusal.about(&what))?;
                let is_builtin = policy.fetched.is_builtin();
                (policy.component, policy.fetched.bytes, is_builtin)
            }
        };
        let config = if is_builtin && !is_nothing(below) {
            let mut merged = below.clone();
            config::merge(&mut merged, &spec.config.clone().unwrap_or_default());
            merged.to_string()
        } else {
            spec.config.as_ref().map(ToString::to_string).unwrap_or_default()
        };
        let policy = component.configure(&config).map_err(|error| Refusal::from(error).about(&what))?;
        let failed =
            |error: anyhow::Error| Refusal::new(Stage::Active, "LedgerFailed", crate::one_line(&error)).passing(true);
        keep(&self.ledger, &policy, &bytes).map_err(failed)?;
        Ok(Filled { policy, strategy: spec.fail_strategy })
    }

    /// Lets a set that cannot be applied go on with what it had; the result names that, and says whether it is to be tried again.
    fn keep_set(&self, name: &str, spec: &SetSpec) -> (String, bool) {
        let settings = match spec.settings() {
            Ok(settings) => settings,
            Err(error) => return (crate::one_line(&error), false),
        };
        match self.in_force.apply_kept(name, settings) {
            Ok(Some(active)) => (active.revision, false),
            Ok(None) => ("nothing: other sets and the policies of the command line answer".to_owned(), false),
            Err(error) => (error.to_string(), error.class() == Class::Transient),
        }
    }
}

/// Of a spec whose values cannot be.
fn invalid(error: &anyhow::Error) -> Refusal {
    Refusal::new(Stage::ConfigValid, "SpecInvalid", crate::one_line(error))
}

fn names(policies: &BTreeMap<String, Result<LoadedPolicy, Refusal>>) -> String {
    let names: Vec<_> = policies.keys().map(String::as_str).collect();
    if names.is_empty() { "the documents, of which there are none of kind Policy".to_owned() } else { names.join(", ") }
}

fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
