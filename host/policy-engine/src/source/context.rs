//! What a fetch may use of the world around it.

use std::fmt;
use std::path::Path;

use crate::limits::Limits;
use crate::source::config_map::ConfigMaps;
use crate::source::credentials::Credentials;

/// What a fetch may use, and the rules of the place it runs in.
#[derive(Clone, Copy)]
pub struct FetchContext<'a> {
    /// Folder of file sources; without one there are none.
    pub folder: Option<&'a Path>,
    /// Reads `ConfigMap`s; without one there are no such sources.
    pub config_maps: Option<&'a dyn ConfigMaps>,
    /// Namespace of a `ConfigMap` whose source names none.
    pub namespace: &'a str,
    /// Users and passwords of registries.
    pub credentials: &'a Credentials,
    /// Most bytes of a component.
    pub component_bytes: u64,
    /// Production: a registry's artifact has to be named by its digest.
    pub requires_digest: bool,
    /// Whether signatures are looked for in the registry, which costs two requests or more.
    pub seeks_signatures: bool,
}

impl<'a> FetchContext<'a> {
    /// Only what any caller has: no folder, no `ConfigMap`s, the default limit, tags allowed, signatures looked for.
    pub fn with(credentials: &'a Credentials) -> Self {
        Self {
            folder: None,
            config_maps: None,
            namespace: "default",
            credentials,
            component_bytes: Limits::DEFAULT.component_bytes,
            requires_digest: false,
            seeks_signatures: true,
        }
    }
}

impl fmt::Debug for FetchContext<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FetchContext")
            .field("folder", &self.folder)
            .field("component_bytes", &self.component_bytes)
            .field("requires_digest", &self.requires_digest)
            .field("seeks_signatures", &self.seeks_signatures)
            .finish_non_exhaustive()
    }
}
