//! The API server's own account of what it serves.

use std::collections::{BTreeMap, BTreeSet};

use kube::Client;
use kube::core::ApiResource;
use kube::core::discovery::v2::{APIGroupDiscovery, APIResourceDiscovery, APIVersionDiscovery};
use trimtab_core::manifest::assessment::is_built_in_group;

use super::{DiscoveryError, Place, within};
use crate::errors::{ErrorClass, answer};

/// Verbs without which a kind of ours is of no use; one whose definition is being deleted has no `create`.
const VERBS: [&str; 3] = ["create", "get", "list"];

/// Every served kind.
#[derive(Debug, Default)]
pub(super) struct Served {
    /// By kind, those that most would mean first.
    places: BTreeMap<String, Vec<Place>>,
}

impl Served {
    /// Asks the API server, in two requests.
    pub(super) async fn ask(client: &Client) -> Result<Self, DiscoveryError> {
        let core = within(client.list_core_api_versions_aggregated()).await?.items;
        let named = within(client.list_api_groups_aggregated()).await?.items;
        if core.is_empty() && named.is_empty() {
            return Err(DiscoveryError::TooOld);
        }
        let mut served = Self::default();
        // Kinds of the same name: those that come with Kubernetes first, then by what the API server puts first.
        let (built_in, others): (Vec<_>, Vec<_>) = named.iter().partition(|group| is_built_in_group(name_of(group)));
        for group in core.iter().chain(built_in).chain(others) {
            for version in &group.versions {
                for resource in &version.resources {
                    served.add(name_of(group), version, resource);
                }
            }
        }
        Ok(served)
    }

    fn add(&mut self, group: &str, version: &APIVersionDiscovery, resource: &APIResourceDiscovery) {
        let kind = resource.response_kind.as_ref().and_then(|kind| kind.kind.as_deref()).unwrap_or_default();
        let version = version.version.as_deref().unwrap_or_default();
        let (Some(plural), false) = (&resource.resource, kind.is_empty()) else { return };
        if !resource.verbs.iter().any(|verb| verb == "get") {
            return;
        }
        let api_version = if group.is_empty() { version.to_owned() } else { format!("{group}/{version}") };
        self.places.entry(kind.to_owned()).or_default().push(Place {
            resource: ApiResource {
                group: group.to_owned(),
                version: version.to_owned(),
                api_version,
                kind: kind.to_owned(),
                plural: plural.clone(),
            },
            is_namespaced: resource.scope.as_deref() == Some("Namespaced"),
        });
    }

    pub(super) fn find(&self, kind: &str, api_version: Option<&str>) -> Option<Place> {
        let places = self.places.get(kind)?;
        let asked = places.iter().find(|place| Some(place.resource.api_version.as_str()) == api_version);
        asked.or_else(|| places.first()).cloned()
    }
}

fn name_of(group: &APIGroupDiscovery) -> &str {
    group.metadata.as_ref().and_then(|metadata| metadata.name.as_deref()).unwrap_or_default()
}

/// Plurals of the kinds that a group's version serves to the full; none where it is not served.
pub(super) async fn kinds_of(client: &Client, group_version: &str) -> Result<BTreeSet<String>, DiscoveryError> {
    let listed = match within(client.list_api_group_resources(group_version)).await {
        Err(error) if is_not_found(&error) => return Ok(BTreeSet::new()),
        listed => listed?,
    };
    let has = |verbs: &[String], verb: &str| verbs.iter().any(|known| known == verb);
    let whole = listed.resources.into_iter().filter(|resource| VERBS.iter().all(|verb| has(&resource.verbs, verb)));
    Ok(whole.map(|resource| resource.name).collect())
}

/// The versions of a group, those first that the API server puts first.
pub(super) async fn versions_of(client: &Client, group: &str) -> Result<Vec<String>, DiscoveryError> {
    let groups = within(client.list_api_groups()).await?.groups;
    let found = groups.into_iter().find(|known| known.name == group);
    Ok(found.into_iter().flat_map(|group| group.versions).map(|version| version.version).collect())
}

fn is_not_found(error: &DiscoveryError) -> bool {
    match error {
        DiscoveryError::Request(error) => {
            answer(error).is_some_and(|status| ErrorClass::of(status) == ErrorClass::NotFound)
        }
        DiscoveryError::Late | DiscoveryError::TooOld => false,
    }
}
