//! A component that has passed every check: size, imports, link, slots, signatures, description and schema.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use jsonschema::Validator;
use trimtab_core::ports::{Fault, FaultReason};
use trimtab_core::proposal::{Attribute, Slot};
use wasmtime::component::InstancePre;

use crate::bindings::exports::trimtab::policy::{children, meta, timeouts, transitions};
use crate::digest::Digest;
use crate::engine::Engine;
use crate::fault::{Class, Crash, one_line};
use crate::instance::{Instance, Runnable, State};
use crate::limits::{LimitOutOfBounds, Limits};
use crate::mapping::Weigh;
use crate::parts;
use crate::schema;
use crate::times::Loaded;

/// Who a policy says it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Description {
    /// Lower-case words joined by hyphens, at most 63 characters.
    pub name: String,
    /// Its semantic version.
    pub version: String,
    /// One sentence.
    pub summary: String,
    /// What the record may grow by.
    pub attributes: Vec<Attribute>,
}

/// Why a component is refused. Nothing of it has been activated then.
#[derive(Debug, Clone, thiserror::Error)]
pub enum LoadError {
    /// A limit that cannot be set.
    #[error(transparent)]
    Limits(#[from] LimitOutOfBounds),
    /// Larger than its limits allow.
    #[error("the component has {bytes} bytes, {most} are allowed: make it smaller, or raise componentBytes")]
    TooLarge {
        /// Its size.
        bytes: u64,
        /// What is allowed.
        most: u64,
    },
    /// No WebAssembly at all.
    #[error("these {bytes} bytes are no WebAssembly: give a component, a .wasm file")]
    NotWasm {
        /// Its size.
        bytes: usize,
    },
    /// What a compiler gives before it is made a component.
    #[error(
        "this is a core module and no component: encode it with `trimtab policy build` or `wasm-tools component new`"
    )]
    CoreModule,
    /// Only an interface, without code.
    #[error("this is a WIT package without code: give the component that implements it")]
    WitPackage,
    /// Damaged or cut off.
    #[error("the component is malformed or cut off: {detail}")]
    Malformed {
        /// What the decoder said.
        detail: String,
    },
    /// Built for another minor version.
    #[error("built for trimtab:policy@{found}, this host speaks {spoken}: build it against this host's wit")]
    WrongVersion {
        /// The version that it was built for.
        found: String,
        /// The versions that this host speaks.
        spoken: &'static str,
    },
    /// It needs functions that no policy gets.
    #[error("imports {}", imports.join("; imports "))]
    ForeignImports {
        /// Each with what to do instead.
        imports: Vec<String>,
    },
    /// It does not compile.
    #[error("the component does not compile: {detail}")]
    Compile {
        /// What the compiler said.
        detail: String,
    },
    /// It needs more parts, or more memory at its start, than one instance can have.
    #[error("the component needs {needed} {what}, {most} are allowed: make it need less, or raise its limits")]
    TooComplex {
        /// What it needs.
        what: &'static str,
        /// How much of it.
        needed: u64,
        /// What is allowed.
        most: u64,
    },
    /// A function has another type than the interface says.
    #[error("the component does not fit trimtab:policy@0.1.x: {detail}")]
    Signature {
        /// Which, and how.
        detail: String,
    },
    /// It does not say who it is.
    #[error("the component does not export trimtab:policy/meta: every policy describes itself")]
    NoMeta,
    /// It fills no slot.
    #[error("the component fills no slot: export timeouts, transitions or children")]
    NoSlot,
    /// One of the functions of `meta` faulted.
    #[error("{function} gave no answer: {fault}")]
    Meta {
        /// The function.
        function: &'static str,
        /// Its fault.
        #[source]
        fault: Fault,
    },
    /// Its description breaks the interface's rules.
    #[error("its description is unusable: {detail}")]
    Description {
        /// What is wrong.
        detail: String,
    },
    /// Its config schema is no JSON Schema.
    #[error("its config schema is unusable: {detail}")]
    Schema {
        /// What is wrong.
        detail: String,
    },
}

impl LoadError {
    /// What to do about it.
    pub fn class(&self) -> Class {
        match self {
            Self::Meta { fault, .. } if matches!(fault.reason, FaultReason::Host | FaultReason::DeadlineExceeded) => {
                Class::Transient
            }
            _ => Class::Permanent,
        }
    }

    /// Stable code for conditions and metrics.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Limits(_) => "LimitOutOfBounds",
            Self::TooLarge { .. } => "ComponentTooLarge",
            Self::NotWasm { .. } | Self::CoreModule | Self::WitPackage => "NotAComponent",
            Self::Malformed { .. } => "ComponentMalformed",
            Self::WrongVersion { .. } => "InterfaceVersion",
            Self::ForeignImports { .. } => "ForeignImport",
            Self::Compile { .. } => "CompileFailed",
            Self::TooComplex { .. } => "ComponentTooComplex",
            Self::Signature { .. } => "InterfaceMismatch",
            Self::NoMeta => "MetaMissing",
            Self::NoSlot => "SlotMissing",
            Self::Meta { .. } => "MetaFaulted",
            Self::Description { .. } => "DescriptionInvalid",
            Self::Schema { .. } => "SchemaInvalid",
        }
    }
}

/// The exports that a component has.
pub(crate) struct Slots {
    pub(crate) meta: meta::GuestIndices,
    pub(crate) timeouts: Option<timeouts::GuestIndices>,
    pub(crate) transitions: Option<transitions::GuestIndices>,
    pub(crate) children: Option<children::GuestIndices>,
}

impl Slots {
    fn probe(pre: &InstancePre<State>) -> Result<Self, LoadError> {
        Ok(Self {
            meta: meta::GuestIndices::new(pre).map_err(|_| LoadError::NoMeta)?,
            timeouts: timeouts::GuestIndices::new(pre).ok(),
            transitions: transitions::GuestIndices::new(pre).ok(),
            children: children::GuestIndices::new(pre).ok(),
        })
    }

    fn names(&self) -> BTreeSet<Slot> {
        let filled =
            [self.timeouts.is_some(), self.transitions.is_some(), self.children.is_some()].into_iter().zip(Slot::ALL);
        filled.filter(|(is_filled, _)| *is_filled).map(|(_, slot)| slot).collect()
    }
}

/// A component that can be asked, with the limits of its policy.
pub struct Component {
    runnable: Runnable,
    digest: Digest,
    slots: Slots,
    filled: BTreeSet<Slot>,
    description: Description,
    schema_text: String,
    /// Made of the text, at the latest when a config is checked.
    schema: OnceLock<Validator>,
    _loaded: Loaded,
}

impl fmt::Debug for Component {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Component")
            .field("digest", &self.digest)
            .field("description", &self.description)
            .field("slots", &self.filled)
            .finish_non_exhaustive()
    }
}

impl Engine {
    /// Takes a component through every check. Slow where it has to be compiled: keep it off the reconcile path.
    pub fn load(&self, bytes: &[u8], limits: Limits) -> Result<Arc<Component>, LoadError> {
        let began = Instant::now();
        limits.check(self.config().memory_bytes_max)?;
        let (size, most) = (bytes.len() as u64, limits.component_bytes);
        if size > most {
            return Err(LoadError::TooLarge { bytes: size, most });
        }
        let digest = Digest::of(bytes);
        let compiled = self.compiled(bytes, &digest, &limits)?;
        parts::check_compiled(&compiled)?;
        let image = compiled.image_range();
        let code_bytes = image.end.addr().saturating_sub(image.start.addr()) as u64;
        let pre = self
            .linker()
            .instantiate_pre(&compiled)
            .map_err(|error| LoadError::Signature { detail: one_line(&format!("{error:#}")) })?;
        let slots = Slots::probe(&pre)?;
        let filled = slots.names();
        if filled.is_empty() {
            return Err(LoadError::NoSlot);
        }
        let runnable = Runnable { engine: self.clone(), limits, pre };
        // Its words about itself come from one instance, which is gone before any decision.
        let mut meta = Meta { instance: Instance::new(&runnable), runnable: &runnable, slots: &slots };
        meta.signatures()?;
        let description = meta.describe()?;
        let schema_text = meta.config_schema()?;
        drop(meta);
        let schema = self.checked_schema(&digest, &schema_text)?;
        self.work().load.note(began.elapsed());
        let loaded = Loaded::count(self.work(), code_bytes);
        Ok(Arc::new(Component { runnable, digest, slots, filled, description, schema_text, schema, _loaded: loaded }))
    }

    /// Refuses a schema that cannot be used. One that the cache knows as accepted is made ready with the first config
    /// only: that takes as long as a quarter of the load.
    fn checked_schema(&self, digest: &Digest, text: &str) -> Result<OnceLock<Validator>, LoadError> {
        let cache = self.compile_cache();
        if cache.knows_schema(digest, text) {
            return Ok(OnceLock::new());
        }
        let schema = schema::compile(text).map_err(|detail| LoadError::Schema { detail })?;
        cache.note_schema(digest, text);
        Ok(OnceLock::from(schema))
    }
}

impl Component {
    /// How it is named and trusted.
    pub fn digest(&self) -> &Digest {
        &self.digest
    }

    /// What each of its instances may use.
    pub fn limits(&self) -> &Limits {
        &self.runnable.limits
    }

    /// Who it says it is.
    pub fn description(&self) -> &Description {
        &self.description
    }

    /// The slots that it fills, at least one.
    pub fn slots(&self) -> &BTreeSet<Slot> {
        &self.filled
    }

    /// JSON Schema of its config, as it gave it.
    pub fn config_schema_text(&self) -> &str {
        &self.schema_text
    }

    /// Makes an instance and lets go of it: what a decision pays before its first question.
    pub fn try_instance(&self) -> Result<(), Fault> {
        Instance::new(&self.runnable).ask(&self.runnable, |_, _| Ok(())).map(drop).map_err(|crash| crash.fault())
    }

    pub(crate) fn runnable(&self) -> &Runnable {
        &self.runnable
    }

    pub(crate) fn exports(&self) -> &Slots {
        &self.slots
    }

    /// What configs are checked against; the error is what is wrong with it, where the rules that accepted it before were
    /// others after all.
    pub(crate) fn schema(&self) -> Result<&Validator, String> {
        if let Some(schema) = self.schema.get() {
            return Ok(schema);
        }
        let schema = schema::compile(&self.schema_text)?;
        Ok(self.schema.get_or_init(|| schema))
    }
}

/// One instance that is asked what a component says of itself.
struct Meta<'a> {
    instance: Instance,
    runnable: &'a Runnable,
    slots: &'a Slots,
}

impl Meta<'_> {
    /// Looks up every function that will be called, so that a wrong type is told now and not in a decision.
    fn signatures(&mut self) -> Result<(), LoadError> {
        let slots = self.slots;
        let looked_up = self.instance.ask(self.runnable, |store, exports| {
            let mut misfits = Vec::new();
            let mut note = |interface: &str, outcome: wasmtime::Result<()>| {
                misfits.extend(outcome.err().map(|error| format!("trimtab:policy/{interface}: {error:#}")));
            };
            note("meta", slots.meta.load(&mut *store, exports).map(drop));
            if let Some(slot) = &slots.timeouts {
                note("timeouts", slot.load(&mut *store, exports).map(drop));
            }
            if let Some(slot) = &slots.transitions {
                note("transitions", slot.load(&mut *store, exports).map(drop));
            }
            if let Some(slot) = &slots.children {
                note("children", slot.load(&mut *store, exports).map(drop));
            }
            Ok(misfits)
        });
        let misfits = looked_up.map_err(meta_fault("instantiation"))?.value;
        if misfits.is_empty() {
            return Ok(());
        }
        Err(LoadError::Signature { detail: one_line(&misfits.join("; ")) })
    }

    fn describe(&mut self) -> Result<Description, LoadError> {
        let slots = self.slots;
        let taken = self
            .instance
            .ask(self.runnable, |store, exports| {
                let guest = slots.meta.load(&mut *store, exports)?;
                guest.call_describe(&mut *store)
            })
            .map_err(meta_fault("describe"))?;
        let told = self.bounded("describe", taken.value, taken.fuel)?;
        let description = Description {
            name: told.name,
            version: told.version,
            summary: told.summary,
            attributes: told.attributes.into_iter().map(|a| Attribute { key: a.key, value: a.value }).collect(),
        };
        let is_word = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if description.name.is_empty() || description.name.len() > 63 || !description.name.chars().all(is_word) {
            let detail = format!(
                "name \"{}\" must be lower-case words joined by hyphens, at most 63 characters",
                crate::fault::cut(&description.name, 80)
            );
            return Err(LoadError::Description { detail });
        }
        Ok(description)
    }

    fn config_schema(&mut self) -> Result<String, LoadError> {
        let slots = self.slots;
        let taken = self
            .instance
            .ask(self.runnable, |store, exports| {
                let guest = slots.meta.load(&mut *store, exports)?;
                guest.call_config_schema(&mut *store)
            })
            .map_err(meta_fault("config-schema"))?;
        self.bounded("config-schema", taken.value, taken.fuel)
    }

    fn bounded<T: Weigh>(&self, function: &'static str, value: T, fuel: u64) -> Result<T, LoadError> {
        within(value, self.runnable.limits.answer_bytes, fuel).map_err(meta_fault(function))
    }
}

/// The answer, if it is not larger than allowed.
pub(crate) fn within<T: Weigh>(value: T, bytes_max: u64, fuel: u64) -> Result<T, Box<Crash>> {
    let bytes = value.weigh();
    if bytes <= bytes_max {
        return Ok(value);
    }
    let text = format!("the answer takes {bytes} bytes, {bytes_max} are allowed: answer less, or raise answerBytes");
    Err(Box::new(Crash::of(FaultReason::AnswerTooLarge, text, fuel)))
}

fn meta_fault(function: &'static str) -> impl FnOnce(Box<Crash>) -> LoadError {
    move |crash| LoadError::Meta { function, fault: crash.fault() }
}
