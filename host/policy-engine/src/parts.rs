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

/// What the parts of a component come to.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
struct Parts {
    instances: Tally,
    /// The most that one of the components that are complete so far instantiates.
    largest: Tally,
    /// The modules and components that are being read, the innermost last.
    open: Vec<Tally>,
    component_imports: u64,
    memories: u64,
    tables: u64,
    memory_bytes: u64,
    table_elements: u64,
}

/// Refuses a component that needs more than one instance of it can have. Bytes that cannot be read are left to the gate.
pub(crate) fn check(bytes: &[u8], limits: &Limits) -> Result<(), LoadError> {
    let Some(parts) = count(bytes) else { return Ok(()) };
    let rows = [
        ("core instances", parts.instances.core, u64::from(CORE_INSTANCES_MAX)),
        ("instances of components", parts.instances.components, COMPONENT_INSTANCES_MAX),
        ("imports of components", parts.component_imports, 0),
        ("memories", parts.memories, u64::from(MEMORIES_MAX)),
        ("tables", parts.tables, u64::from(TABLES_MAX)),
        ("elements of one table at its start", parts.table_elements, TABLE_ELEMENTS_MAX as u64),
        ("bytes of memory at its start", parts.memory_bytes, limits.memory_bytes),
    ];
    match rows.into_iter().find(|(_, needed, most)| needed > most) {
        Some((what, needed, most)) => Err(LoadError::TooComplex { what, needed, most }),
        None => Ok(()),
    }
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
                    parts.memories += 1;
                    let bytes = memory.initial.checked_shl(page).unwrap_or(u64::MAX);
                    parts.memory_bytes = parts.memory_bytes.saturating_add(bytes);
                }
            }
            Payload::TableSection(tables) => {
                for table in tables {
                    parts.tables += 1;
                    parts.table_elements = parts.table_elements.max(table.ok()?.ty.initial);
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
                    parts.component_imports += u64::from(matches!(import.ok()?.ty, ComponentTypeRef::Component(_)));
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
            self.instances = complete;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parts_of_the_builtin_policy_are_counted() {
        let parts = count(crate::BUILTIN).unwrap();
        assert_eq!((parts.instances.core, parts.memories, parts.tables), (3, 1, 2));
        assert_eq!(parts.instances.components, 4, "one for each exported interface");
        assert!(parts.memory_bytes <= 1 << 20 && parts.table_elements < 1000, "{parts:?}");
        assert!(check(crate::BUILTIN, &Limits::DEFAULT).is_ok());
    }

    #[test]
    fn bytes_that_cannot_be_read_are_left_to_the_gate() {
        assert_eq!(count(b"hello"), None);
        assert_eq!(count(&crate::BUILTIN[..1000]), None);
    }

    #[test]
    fn what_is_instantiated_often_and_deep_is_counted_so_often() {
        let deep = |levels: usize, often: usize| {
            let mut text = "(core module $m) (core instance (instantiate $m))".to_owned();
            for level in 0..levels {
                let instances = format!("(instance (instantiate $c{level}))").repeat(often);
                text = format!("(component $c{level} {text}) {instances}");
            }
            count(&wat::parse_str(format!("(component {text})")).unwrap()).unwrap().instances
        };
        assert_eq!(deep(0, 0), Tally { core: 1, components: 0 });
        assert_eq!(deep(1, 7), Tally { core: 7, components: 7 });
        assert_eq!(deep(2, 7), Tally { core: 49, components: 56 });
        assert_eq!(deep(60, 100), Tally { core: u64::MAX, components: u64::MAX });
    }

    #[test]
    fn a_component_that_is_handed_in_is_refused() {
        let text = "(component (component (import \"c\" (component $c)) (instance (instantiate $c))))";
        let refused = check(&wat::parse_str(text).unwrap(), &Limits::DEFAULT).unwrap_err();
        assert_eq!(refused.reason(), "ComponentTooComplex");
    }
}
