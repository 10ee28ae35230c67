//! What a component needs before it can run a single instruction, counted from its bytes before it is compiled.
//!
//! The pool refuses what it has no room for while it compiles, and mapped memory takes whatever is asked for: this count
//! is the same for both, so that a component is taken or refused alike wherever it runs.
//!
//! It also bounds the compiler: a component of a few hundred bytes can instantiate a component that instantiates a
//! component, a hundred times each, and the compiler would write down every one of them.

use wasmparser::{ComponentInstance, ComponentTypeRef, Encoding, Instance, Parser, Payload, SectionLimited};

use crate::component::LoadError;
use crate::limits::Limits;

/// Core instances, memories and tables of one component; one made by `wit-component` has 3, 1 and 2.
pub(crate) const CORE_INSTANCES_MAX: u32 = 32;
pub(crate) const MEMORIES_MAX: u32 = 8;
pub(crate) const TABLES_MAX: u32 = 16;
/// Elements of one table, at its start and ever after.
pub(crate) const TABLE_ELEMENTS_MAX: usize = 20_000;

/// Instances of components, however deep; one made by `wit-component` has one for each export.
const COMPONENT_INSTANCES_MAX: u64 = 1000;
const PAGE_BYTES_LOG2: u32 = 16;

/// What instantiating one component instantiates, however deep.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Tally {
    core: u64,
    components: u64,
}

impl Tally {
    fn add(&mut self, other: Self) {
        self.core = self.core.saturating_add(other.core);
        self.components = self.components.saturating_add(other.components);
    }
}

/// What one instance of a component needs. It depends on the component's bytes alone, so it is counted once and kept.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Needs {
    instances: Tally,
    component_imports: u64,
    memories: u64,
    tables: u64,
    table_elements: u64,
    memory_bytes: u64,
}

impl Needs {
    /// Length of [`Needs::to_bytes`].
    pub(crate) const BYTES: usize = 7 * size_of::<u64>();

    /// Counts; `None` for bytes that cannot be read, which are left to the gate.
    pub(crate) fn of(component: &[u8]) -> Option<Self> {
        count(component).map(|parts| parts.needs)
    }

    /// Refuses a component that needs more than one instance of it can have.
    pub(crate) fn check(&self, limits: &Limits) -> Result<(), LoadError> {
        let rows = [
            ("core instances", self.instances.core, u64::from(CORE_INSTANCES_MAX)),
            ("instances of components", self.instances.components, COMPONENT_INSTANCES_MAX),
            ("imports of components", self.component_imports, 0),
            ("memories", self.memories, u64::from(MEMORIES_MAX)),
            ("tables", self.tables, u64::from(TABLES_MAX)),
            ("elements of one table at its start", self.table_elements, TABLE_ELEMENTS_MAX as u64),
            ("bytes of memory at its start", self.memory_bytes, limits.memory_bytes),
        ];
        match rows.into_iter().find(|(_, needed, most)| needed > most) {
            Some((what, needed, most)) => Err(LoadError::TooComplex { what, needed, most }),
            None => Ok(()),
        }
    }

    /// As it is kept beside the compiled component.
    pub(crate) fn to_bytes(&self) -> [u8; Self::BYTES] {
        let numbers = [
            self.instances.core,
            self.instances.components,
            self.component_imports,
            self.memories,
            self.tables,
            self.table_elements,
            self.memory_bytes,
        ];
        let mut bytes = [0; Self::BYTES];
        for (place, number) in bytes.as_chunks_mut().0.iter_mut().zip(numbers) {
            *place = number.to_le_bytes();
        }
        bytes
    }

    /// Reads what [`Needs::to_bytes`] gave.
    pub(crate) fn from_bytes(bytes: &[u8; Self::BYTES]) -> Self {
        let mut numbers = bytes.as_chunks().0.iter().map(|number| u64::from_le_bytes(*number));
        let mut next = || numbers.next().unwrap_or(u64::MAX);
        Self {
            instances: Tally { core: next(), components: next() },
            component_imports: next(),
            memories: next(),
            tables: next(),
            table_elements: next(),
            memory_bytes: next(),
        }
    }
}

/// What the parts of a component come to while they are read.
#[derive(Debug, Default)]
struct Parts {
    needs: Needs,
    /// The most that one of the components that are complete so far instantiates.
    largest: Tally,
    /// The modules and components that are being read, the innermost last.
    open: Vec<Tally>,
}

/// Refuses a component that instantiates its modules so often that it needs more than that.
pub(crate) fn check_compiled(compiled: &wasmtime::component::Component) -> Result<(), LoadError> {
    let Some(needed) = compiled.resources_required() else {
        let detail = "it imports core modules, so nobody can tell what it needs".to_owned();
        return Err(LoadError::Compile { detail });
    };
    let rows = [("memories", needed.num_memories, MEMORIES_MAX), ("tables", needed.num_tables, TABLES_MAX)];
    match rows.into_iter().find(|(_, needed, most)| needed > most) {
        Some((what, needed, most)) => Err(LoadError::TooComplex { what, needed: needed.into(), most: most.into() }),
        None => Ok(()),
    }
}

fn count(bytes: &[u8]) -> Option<Parts> {
    let mut parts = Parts::default();
    for payload in Parser::new(0).parse_all(bytes) {
        match payload.ok()? {
            Payload::Version { encoding: Encoding::Module | Encoding::Component, .. } => {
                parts.open.push(Tally::default());
            }
            Payload::End(_) => parts.close(),
            Payload::MemorySection(memories) => {
                for memory in memories {
                    let memory = memory.ok()?;
                    let page = memory.page_size_log2.unwrap_or(PAGE_BYTES_LOG2);
                    parts.needs.memories += 1;
                    let bytes = memory.initial.checked_shl(page).unwrap_or(u64::MAX);
                    parts.needs.memory_bytes = parts.needs.memory_bytes.saturating_add(bytes);
                }
            }
            Payload::TableSection(tables) => {
                for table in tables {
                    parts.needs.tables += 1;
                    parts.needs.table_elements = parts.needs.table_elements.max(table.ok()?.ty.initial);
                }
            }
            Payload::InstanceSection(instances) => {
                for instance in instances {
                    let core = u64::from(matches!(instance.ok()?, Instance::Instantiate { .. }));
                    parts.instantiate(Tally { core, components: 0 });
                }
            }
            Payload::ComponentInstanceSection(instances) => parts.component_instances(instances)?,
            Payload::ComponentImportSection(imports) => {
                for import in imports {
                    let handed_in = matches!(import.ok()?.ty, ComponentTypeRef::Component(_));
                    parts.needs.component_imports += u64::from(handed_in);
                }
            }
            _ => {}
        }
    }
    Some(parts)
}

impl Parts {
    fn instantiate(&mut self, what: Tally) {
        if let Some(innermost) = self.open.last_mut() {
            innermost.add(what);
        }
    }

    /// What is instantiated is complete by then, and none can be handed in, so it counts as the largest so far.
    fn component_instances(&mut self, instances: SectionLimited<'_, ComponentInstance<'_>>) -> Option<()> {
        for instance in instances {
            if matches!(instance.ok()?, ComponentInstance::Instantiate { .. }) {
                self.instantiate(Tally { core: 0, components: 1 });
                self.instantiate(self.largest);
            }
        }
        Some(())
    }

    fn close(&mut self) {
        if let Some(complete) = self.open.pop() {
            self.largest.core = self.largest.core.max(complete.core);
            self.largest.components = self.largest.components.max(complete.components);
            self.needs.instances = complete;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parts_of_the_builtin_policy_are_counted() {
        let needs = Needs::of(crate::BUILTIN).unwrap();
        assert_eq!((needs.instances.core, needs.memories, needs.tables), (3, 1, 2));
        assert_eq!(needs.instances.components, 4, "one for each exported interface");
        assert!(needs.memory_bytes <= 1 << 20 && needs.table_elements < 1000, "{needs:?}");
        assert!(needs.check(&Limits::DEFAULT).is_ok());
    }

    #[test]
    fn bytes_that_cannot_be_read_are_left_to_the_gate() {
        assert_eq!(Needs::of(b"hello"), None);
        assert_eq!(Needs::of(&crate::BUILTIN[..1000]), None);
    }

    #[test]
    fn what_is_instantiated_often_and_deep_is_counted_so_often() {
        let deep = |levels: usize, often: usize| {
            let mut text = "(core module $m) (core instance (instantiate $m))".to_owned();
            for level in 0..levels {
                let instances = format!("(instance (instantiate $c{level}))").repeat(often);
                text = format!("(component $c{level} {text}) {instances}");
            }
            Needs::of(&wat::parse_str(format!("(component {text})")).unwrap()).unwrap().instances
        };
        assert_eq!(deep(0, 0), Tally { core: 1, components: 0 });
        assert_eq!(deep(1, 7), Tally { core: 7, components: 7 });
        assert_eq!(deep(2, 7), Tally { core: 49, components: 56 });
        assert_eq!(deep(60, 100), Tally { core: u64::MAX, components: u64::MAX });
    }

    #[test]
    fn a_component_that_is_handed_in_is_refused() {
        let text = "(component (component (import \"c\" (component $c)) (instance (instantiate $c))))";
        let refused = Needs::of(&wat::parse_str(text).unwrap()).unwrap().check(&Limits::DEFAULT).unwrap_err();
        assert_eq!(refused.reason(), "ComponentTooComplex");
    }

    #[test]
    fn every_number_survives_the_way_into_an_entry_and_back() {
        let needs = Needs {
            instances: Tally { core: 1, components: 2 },
            component_imports: 3,
            memories: 4,
            tables: 5,
            table_elements: 6,
            memory_bytes: u64::MAX,
        };
        assert_eq!(Needs::from_bytes(&needs.to_bytes()), needs);
    }
}
