//! The registry of served kinds: built-in ones and those of `CustomResourceDefinitions`.

pub(crate) mod builtin;
pub(crate) mod definition;

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;

use crate::failure::ResourceName;
use crate::jsonpath::JsonPath;
use crate::schema::Schema;
use crate::selector::SelectableFields;

/// One version of one kind, with all the server needs to serve it.
#[derive(Debug, Clone)]
pub(crate) struct ResourceKind {
    pub(crate) name: ResourceName,
    pub(crate) version: String,
    pub(crate) kind: String,
    pub(crate) singular: String,
    pub(crate) short_names: Vec<String>,
    pub(crate) categories: Vec<String>,
    pub(crate) is_namespaced: bool,
    pub(crate) has_status: bool,
    pub(crate) origin: Origin,
    /// Where its objects lie in the store: shared by all versions and views of a kind.
    pub(crate) storage: StorageKey,
    pub(crate) schema: Arc<Schema>,
    /// The schema as published by `OpenAPI`.
    pub(crate) published: Arc<Value>,
    pub(crate) columns: Vec<Column>,
    pub(crate) selectable: SelectableFields,
}

/// Whether a kind came with the server or from a definition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Origin {
    BuiltIn(BuiltIn),
    Definition,
}

/// The built-in kinds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BuiltIn {
    Namespace,
    ConfigMap,
    Secret,
    /// `v1` Events, which is how all Events are stored.
    CoreEvent,
    /// `events.k8s.io/v1` Events: another view of the same objects.
    EventsEvent,
    Lease,
    Definition,
    /// What a remediation can be about: pods and what makes them. Stored, with no controller behind.
    Workload,
}

/// `group/plural`: the name of one table of the store.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct StorageKey(pub(crate) Arc<str>);

impl StorageKey {
    pub(crate) fn new(group: &str, plural: &str) -> Self {
        Self(format!("{group}/{plural}").into())
    }
}

/// One printer column.
#[derive(Debug, Clone)]
pub(crate) struct Column {
    pub(crate) title: String,
    /// `OpenAPI` type: `string`, `integer`, `number`, `boolean` or `date`.
    pub(crate) kind: String,
    pub(crate) format: String,
    pub(crate) description: String,
    /// 0 is always shown, others only in wide output.
    pub(crate) priority: i64,
    pub(crate) cell: Cell,
}

/// Where a column's value comes from.
#[derive(Debug, Clone)]
pub(crate) enum Cell {
    Path(JsonPath),
    /// Computed by a function over the object and the present (seconds since the epoch).
    Computed(fn(&Value, i64) -> Value),
}

impl ResourceKind {
    /// `group/version`, or `version` for the core group.
    pub(crate) fn api_version(&self) -> String {
        if self.name.group.is_empty() { self.version.clone() } else { format!("{}/{}", self.name.group, self.version) }
    }

    pub(crate) fn list_kind(&self) -> String {
        format!("{}List", self.kind)
    }

    pub(crate) fn is_built_in(&self) -> bool {
        matches!(self.origin, Origin::BuiltIn(_))
    }

    pub(crate) fn is(&self, built_in: BuiltIn) -> bool {
        self.origin == Origin::BuiltIn(built_in)
    }
}

/// The name of a version and the kinds that it serves.
pub(crate) type ServedVersion = (String, Vec<Arc<ResourceKind>>);

/// All served kinds.
#[derive(Debug, Clone, Default)]
pub(crate) struct Registry {
    kinds: Vec<Arc<ResourceKind>>,
}

impl Registry {
    /// The built-in kinds and those of `definitions` (stored `CustomResourceDefinition` objects).
    /// A definition whose schema does not parse is left out; creation has refused it before.
    pub(crate) fn new<'a>(built_in: &[Arc<ResourceKind>], definitions: impl Iterator<Item = &'a Value>) -> Self {
        let mut kinds = built_in.to_vec();
        for definition in definitions {
            match definition::kinds_of(definition) {
                Ok(found) => kinds.extend(found.into_iter().map(Arc::new)),
                Err(error) => {
                    tracing::warn!(definition = %definition["metadata"]["name"], %error, "definition not served");
                }
            }
        }
        Self { kinds }
    }

    pub(crate) fn all(&self) -> &[Arc<ResourceKind>] {
        &self.kinds
    }

    /// The kind under a path's group, version and plural.
    pub(crate) fn find(&self, group: &str, version: &str, plural: &str) -> Option<&Arc<ResourceKind>> {
        self.kinds.iter().find(|kind| kind.name.plural == plural && kind.version == version && kind.name.group == group)
    }

    /// Any version of the kind in a group, as owner references name it.
    pub(crate) fn by_kind(&self, group: &str, kind: &str) -> Option<&Arc<ResourceKind>> {
        self.kinds.iter().find(|known| known.kind == kind && known.name.group == group)
    }

    /// Any kind whose objects lie under `storage`.
    pub(crate) fn by_storage(&self, storage: &StorageKey) -> Option<&Arc<ResourceKind>> {
        self.kinds.iter().find(|kind| kind.storage == *storage)
    }

    /// Versions by group, each with its kinds, in the order in which clients prefer them.
    pub(crate) fn groups(&self) -> BTreeMap<String, Vec<ServedVersion>> {
        let mut groups: BTreeMap<String, Vec<ServedVersion>> = BTreeMap::new();
        for kind in &self.kinds {
            let versions = groups.entry(kind.name.group.clone()).or_default();
            match versions.iter_mut().find(|(version, _)| *version == kind.version) {
                Some((_, kinds)) => kinds.push(Arc::clone(kind)),
                None => versions.push((kind.version.clone(), vec![Arc::clone(kind)])),
            }
        }
        for versions in groups.values_mut() {
            versions.sort_by_key(|(version, _)| std::cmp::Reverse(version_rank(version)));
        }
        groups
    }
}

/// Orders versions as Kubernetes does: `v2` > `v1` > `v1beta1` > `v1alpha1` > anything else.
fn version_rank(version: &str) -> (u8, u64, u64) {
    let Some(rest) = version.strip_prefix('v') else {
        return (0, 0, 0);
    };
    let digits = rest.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(rest.len());
    let Ok(major) = rest[..digits].parse() else {
        return (0, 0, 0);
    };
    let minor = |text: &str| text.parse().unwrap_or(0);
    match &rest[digits..] {
        "" => (3, major, 0),
        tail => tail.strip_prefix("beta").map_or_else(
            || tail.strip_prefix("alpha").map_or((0, 0, 0), |tail| (1, major, minor(tail))),
            |tail| (2, major, minor(tail)),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_rank_as_in_kubernetes() {
        let mut versions = ["v1alpha1", "v1", "odd", "v2beta1", "v2", "v1beta2"];
        versions.sort_by_key(|version| std::cmp::Reverse(version_rank(version)));
        assert_eq!(versions, ["v2", "v1", "v2beta1", "v1beta2", "v1alpha1", "odd"]);
    }
}
