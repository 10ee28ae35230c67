//! Where the bytes of a component come from: a file, a `ConfigMap`, an HTTPS server, a registry.
//!
//! [`fetch`] brings bytes and whatever signatures lie beside them; whom to believe is decided in [`crate::trust`]. All
//! that a stranger may answer is bounded, so that no source can fill the memory of the host or hold it up for ever.

mod config_map;
mod context;
mod credentials;
mod download;
mod error;
mod fetched;
mod file;
mod http;
mod oci;
mod place;

pub use config_map::{ConfigMapFault, ConfigMaps, Entries, check_config_map};
pub use context::FetchContext;
pub use credentials::{Credential, Credentials, MalformedCredentials};
pub use error::{Peer, SourceError};
pub use fetched::{Evidence, Fetched, Signature, Signed};
pub use oci::{ComponentNote, Pushed, Reference, SignaturePlace, Version, attach, push};
pub use place::{ConfigMapSource, FileSource, HttpSource, OciSource, PullSecret, Source};

/// Brings the bytes of a component, with their digest and with the signatures that were found.
pub async fn fetch(source: &Source, context: &FetchContext<'_>) -> Result<Fetched, SourceError> {
    match source {
        Source::File(file) => file::fetch(file, context).await,
        Source::ConfigMap(config_map) => config_map::fetch(config_map, context).await,
        Source::Http(http) => download::fetch(http, context).await,
        Source::Oci(oci) => oci::fetch(oci, context).await,
    }
}
