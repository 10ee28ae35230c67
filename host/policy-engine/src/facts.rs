//! The two imports of a policy: `log`, and `facts` answered from the recorded observation. Both charge fuel.

use std::sync::{Arc, OnceLock};

use serde_json::Value;
use trimtab_core::observation::{ChildKind, HISTORY_HOURS_MAX, LazyFact, Observation};
use wasmtime::component::{ComponentType, Lift, Linker, LinkerInstance, Lower};
use wasmtime::{AsContextMut, StoreContextMut, Trap};

use crate::bindings::trimtab::policy::{facts as wit, log, types};
use crate::fault::{MissingFact, NoObservation, TransferExceeded};
use crate::instance::State;
use crate::mapping::{self, Weigh, routing};

/// Fuel of one host call, before what its bytes cost.
const CALL_FUEL: u64 = 1000;
/// The kind of `object-json` that is no child.
const REMEDIATION_REQUEST: &str = "RemediationRequest";

/// A value that is cheap to hand over again, and the bytes that it takes.
#[derive(Debug, Clone)]
struct Weighed<T> {
    value: T,
    bytes: u64,
}

/// One observation in the form that guests read; each part is made once, when it is first asked for.
#[derive(Debug)]
pub(crate) struct FactAnswers {
    observation: Arc<Observation>,
    parameter: OnceLock<types::Observation>,
    signal: OnceLock<Weighed<Arc<wit::SignalFacts>>>,
    analysis: OnceLock<Weighed<Option<Arc<wit::AnalysisFacts>>>>,
    related: OnceLock<Weighed<Arc<wit::RelatedRemediationsPage>>>,
    objects: [OnceLock<Weighed<Option<Arc<str>>>>; 1 + ChildKind::ALL.len()],
}

impl FactAnswers {
    pub(crate) fn new(observation: Arc<Observation>) -> Self {
        Self {
            observation,
            parameter: OnceLock::new(),
            signal: OnceLock::new(),
            analysis: OnceLock::new(),
            related: OnceLock::new(),
            objects: std::array::from_fn(|_| OnceLock::new()),
        }
    }

    /// Whether these answer for this very observation.
    pub(crate) fn are_of(&self, observation: &Arc<Observation>) -> bool {
        Arc::ptr_eq(&self.observation, observation)
    }

    /// What every slot is told.
    pub(crate) fn parameter(&self) -> &types::Observation {
        self.parameter.get_or_init(|| mapping::observation(&self.observation))
    }

    fn signal(&self) -> Weighed<Arc<wit::SignalFacts>> {
        self.signal.get_or_init(|| weighed_one(mapping::signal(&self.observation.facts.signal))).clone()
    }

    fn analysis(&self) -> Weighed<Option<Arc<wit::AnalysisFacts>>> {
        let made = || {
            let analysis = self.observation.facts.analysis.as_ref().map(|found| weighed_one(mapping::analysis(found)));
            let bytes = analysis.as_ref().map_or(0, |weighed| weighed.bytes);
            Weighed { value: analysis.map(|weighed| weighed.value), bytes }
        };
        self.analysis.get_or_init(made).clone()
    }

    fn related(&self) -> Result<Weighed<Arc<wit::RelatedRemediationsPage>>, MissingFact> {
        let gathered = self.observation.facts.related_remediations.as_ref();
        let related = gathered.ok_or(MissingFact(LazyFact::RelatedRemediations))?;
        Ok(self.related.get_or_init(|| weighed_one(mapping::related(related))).clone())
    }

    fn workflow_override(&self) -> Result<Weighed<Option<wit::WorkflowOverrideFacts>>, MissingFact> {
        let gathered = self.observation.facts.workflow_override.as_ref();
        let found = gathered.ok_or(MissingFact(LazyFact::WorkflowOverride))?;
        Ok(weighed(found.as_ref().map(mapping::workflow_override)))
    }

    fn scope(&self) -> Result<Weighed<wit::ScopeFacts>, MissingFact> {
        let found = self.observation.facts.scope.as_ref().ok_or(MissingFact(LazyFact::Scope))?;
        Ok(weighed(routing::scope(found)))
    }

    fn signal_remediations(&self) -> Result<Weighed<wit::SignalRemediationsPage>, MissingFact> {
        let found = self.observation.facts.signal_remediations.as_ref();
        let found = found.ok_or(MissingFact(LazyFact::SignalRemediations))?;
        Ok(weighed(routing::signal_remediations(found)))
    }

    fn target_executions(&self) -> Result<Weighed<wit::TargetExecutionsPage>, MissingFact> {
        let found = self.observation.facts.target_executions.as_ref();
        let found = found.ok_or(MissingFact(LazyFact::TargetExecutions))?;
        Ok(weighed(routing::target_executions(found)))
    }

    /// A history that goes back farther answers for a shorter time too.
    fn remediation_history(&self, hours: u32) -> Result<Weighed<wit::RemediationHistoryPage>, MissingFact> {
        let hours = hours.min(HISTORY_HOURS_MAX);
        let gathered = self.observation.facts.remediation_history.as_ref();
        let found = match gathered {
            None => return Err(MissingFact(LazyFact::RemediationHistory(hours))),
            // Whoever asks twice for different times is given all of it, so that it is gathered twice at most.
            Some(found) if found.hours < hours => {
                return Err(MissingFact(LazyFact::RemediationHistory(HISTORY_HOURS_MAX)));
            }
            Some(found) => found,
        };
        Ok(weighed(routing::remediation_history(found, self.observation.now, hours)))
    }

    fn object(&self, kind: &str) -> Weighed<Option<Arc<str>>> {
        let child = ChildKind::ALL.into_iter().zip(1..).find(|(known, _)| known.name() == kind);
        let (object, place) = match child {
            Some((kind, place)) => (self.observation.child(kind).map(|child| &child.object), place),
            None if kind == REMEDIATION_REQUEST => (Some(&self.observation.object), 0),
            None => return Weighed { value: None, bytes: 0 },
        };
        let written = || {
            let text = object.filter(|object| !object.is_null()).map(|object: &Arc<Value>| object.to_string());
            Weighed { bytes: text.as_ref().map_or(0, |text| text.len() as u64), value: text.map(Arc::from) }
        };
        self.objects.get(place).map_or_else(written, |object| object.get_or_init(written).clone())
    }
}

fn weighed_one<T: Weigh>(value: T) -> Weighed<Arc<T>> {
    Weighed { bytes: value.weigh(), value: Arc::new(value) }
}

fn weighed<T: Weigh>(value: T) -> Weighed<T> {
    Weighed { bytes: value.weigh(), value }
}

/// Links both imports. Charging needs the store, so the functions are wrapped here and not by the generated code.
pub(crate) fn link(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    let mut interface = linker.instance("trimtab:policy/log@0.1.1")?;
    interface.func_wrap("log", |mut store: StoreContextMut<'_, State>, (level, message): (log::Level, String)| {
        charge(&mut store, message.len() as u64)?;
        store.data_mut().log(level_name(level), message);
        Ok(())
    })?;
    let mut interface = linker.instance("trimtab:policy/facts@0.1.1")?;
    interface.func_wrap("host-capabilities", |mut store: StoreContextMut<'_, State>, (): ()| {
        let names = Arc::clone(&store.data().capabilities);
        let bytes = names.iter().map(|name| name.len() as u64).sum();
        hand_over(&mut store, "host-capabilities", bytes)?;
        Ok((names,))
    })?;
    fact(&mut interface, "signal", |answers, (): ()| Ok(answers.signal()))?;
    fact(&mut interface, "classification", |answers, (): ()| {
        Ok(weighed(answers.observation.facts.classification.as_ref().map(mapping::classification)))
    })?;
    fact(&mut interface, "analysis", |answers, (): ()| Ok(answers.analysis()))?;
    fact(&mut interface, "approval", |answers, (): ()| {
        Ok(weighed(answers.observation.facts.approval.as_ref().map(mapping::approval)))
    })?;
    fact(&mut interface, "execution", |answers, (): ()| {
        Ok(weighed(answers.observation.facts.execution.as_ref().map(mapping::execution)))
    })?;
    fact(&mut interface, "assessment", |answers, (): ()| {
        Ok(weighed(answers.observation.facts.assessment.as_ref().map(mapping::assessment)))
    })?;
    fact(&mut interface, "workflow-override", |answers, (): ()| answers.workflow_override())?;
    fact(&mut interface, "related-remediations", |answers, (): ()| answers.related())?;
    fact(&mut interface, "object-json", |answers, (kind,): (String,)| Ok(answers.object(&kind)))?;
    fact(&mut interface, "scope", |answers, (): ()| answers.scope())?;
    fact(&mut interface, "routing", |answers, (): ()| {
        Ok(weighed(routing::routing(&answers.observation.facts.routing)))
    })?;
    fact(&mut interface, "signal-remediations", |answers, (): ()| answers.signal_remediations())?;
    fact(&mut interface, "target-executions", |answers, (): ()| answers.target_executions())?;
    fact(&mut interface, "remediation-history", |answers, (hours,): (u32,)| answers.remediation_history(hours))
}

/// Links one fact: found, charged, counted against the transfer limit, then handed over.
fn fact<P, R>(
    interface: &mut LinkerInstance<'_, State>,
    name: &'static str,
    answer: fn(&FactAnswers, P) -> Result<Weighed<R>, MissingFact>,
) -> wasmtime::Result<()>
where
    P: wasmtime::component::ComponentNamedList + Lift + 'static,
    R: ComponentType + Lower + Send + Sync + 'static,
{
    interface.func_wrap(name, move |mut store: StoreContextMut<'_, State>, parameters: P| {
        let answers = store.data().answers.clone().ok_or(NoObservation { function: name })?;
        let found = answer(&answers, parameters)?;
        hand_over(&mut store, name, found.bytes)?;
        Ok((found.value,))
    })
}

fn hand_over(store: &mut StoreContextMut<'_, State>, function: &'static str, bytes: u64) -> wasmtime::Result<()> {
    charge(store, bytes)?;
    let state = store.data_mut();
    let left = state.transfer_bytes_left;
    match left.checked_sub(bytes) {
        Some(rest) => {
            state.transfer_bytes_left = rest;
            Ok(())
        }
        None => Err(TransferExceeded { function, bytes, left, most: state.limits.transfer_bytes }.into()),
    }
}

/// Takes the fuel of one host call. Without it fuel bounds nothing, because the host's own work is not metered.
fn charge(store: &mut StoreContextMut<'_, State>, bytes: u64) -> wasmtime::Result<()> {
    let mut store = store.as_context_mut();
    let left = store.get_fuel()?;
    if let Some(rest) = left.checked_sub(CALL_FUEL.saturating_add(bytes)) {
        return store.set_fuel(rest);
    }
    store.set_fuel(0)?;
    Err(Trap::OutOfFuel.into())
}

fn level_name(level: log::Level) -> &'static str {
    match level {
        log::Level::Trace => "trace",
        log::Level::Debug => "debug",
        log::Level::Info => "info",
        log::Level::Warn => "warn",
        log::Level::Error => "error",
    }
}
