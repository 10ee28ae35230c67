//! A component from a `ConfigMap`. The engine knows no cluster: the bytes come through a port.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;

use crate::digest::Digest;
use crate::fault::one_line;
use crate::source::context::FetchContext;
use crate::source::error::SourceError;
use crate::source::fetched::{Evidence, Fetched};
use crate::source::place::ConfigMapSource;

/// Most bytes of all values of a `ConfigMap`: the API server takes 1 MiB for the whole object.
const TOTAL_BYTES_MAX: u64 = 900 << 10;

const NO_CLUSTER: &str = "nothing here reads from a cluster, use file, http or oci";

/// Every value of a `ConfigMap` by its key, of `data` as well as of `binaryData`.
pub type Entries = BTreeMap<String, Vec<u8>>;

/// Reads `ConfigMap`s for sources; filled by whoever has a cluster.
pub trait ConfigMaps: Send + Sync {
    /// All values of a `ConfigMap`.
    fn entries<'a>(
        &'a self,
        namespace: &'a str,
        name: &'a str,
    ) -> Pin<Box<dyn Future<Output = Result<Entries, ConfigMapFault>> + Send + 'a>>;
}

/// Why a `ConfigMap` could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigMapFault {
    /// There is none of this name.
    #[error("there is none of this name")]
    Missing,
    /// The host may not read it.
    #[error("it may not be read: {0}")]
    Forbidden(String),
    /// The cluster does not answer.
    #[error("the cluster does not answer: {0}")]
    Unreachable(String),
}

pub(super) async fn fetch(source: &ConfigMapSource, context: &FetchContext<'_>) -> Result<Fetched, SourceError> {
    let evidence = Evidence::beside(source.signature.as_deref())?;
    let port = context.config_maps.ok_or(SourceError::Unsupported { what: "ConfigMaps", mend: NO_CLUSTER })?;
    let namespace = source.namespace.as_deref().unwrap_or(context.namespace);
    let place = format!("{namespace}/{}", source.name);
    let what = format!("the ConfigMap {place}");
    let entries = port.entries(namespace, &source.name).await.map_err(|fault| refused(&what, fault))?;
    check_config_map(&what, entries.values().map(|value| value.len() as u64).sum())?;
    let most = TOTAL_BYTES_MAX.min(context.component_bytes);
    let bytes = chosen(entries, source, &what)?;
    let what = format!("the key {} of {what}", source.key);
    if bytes.len() as u64 > most {
        let mend = "make the component smaller, or raise componentBytes";
        return Err(SourceError::TooLarge { what, bytes: Some(bytes.len() as u64), most, mend });
    }
    whole(&bytes, &what, source)?;
    let place = format!("configMap/{place}/{}", source.key);
    Ok(Fetched { digest: Digest::of(&bytes), bytes, manifest: None, resolved: place.clone(), place, evidence })
}

/// Refuses more bytes than a `ConfigMap` holds; `what` is the `ConfigMap`, for the message.
///
/// # Errors
///
/// [`SourceError::TooLarge`], which names the sources that take more.
pub fn check_config_map(what: &str, bytes: u64) -> Result<(), SourceError> {
    if bytes <= TOTAL_BYTES_MAX {
        return Ok(());
    }
    let mend = "a ConfigMap is for small components, use oci, http or file";
    Err(SourceError::TooLarge { what: what.to_owned(), bytes: Some(bytes), most: TOTAL_BYTES_MAX, mend })
}

fn refused(what: &str, fault: ConfigMapFault) -> SourceError {
    let what = what.to_owned();
    match fault {
        ConfigMapFault::Missing => {
            SourceError::NotFound { what, mend: "create it, or mend name and namespace".to_owned() }
        }
        ConfigMapFault::Forbidden(why) => SourceError::Unauthorized {
            host: "the cluster".to_owned(),
            what: format!("to read {what}"),
            said: one_line(&why),
            mend: "let the host's service account get ConfigMaps there",
        },
        ConfigMapFault::Unreachable(why) => SourceError::ClusterDown { what, why: one_line(&why) },
    }
}

fn chosen(mut entries: Entries, source: &ConfigMapSource, what: &str) -> Result<Vec<u8>, SourceError> {
    entries.remove(&source.key).ok_or_else(|| {
        let keys: Vec<_> = entries.keys().map(String::as_str).collect();
        let has = if keys.is_empty() { "nothing".to_owned() } else { keys.join(", ") };
        SourceError::NotFound {
            what: format!("the key {} of {what}", source.key),
            mend: format!("it holds {}; name one of its keys or add this one", one_line(&has)),
        }
    })
}

/// Tells half a component, which a `ConfigMap` written by hand easily holds, from a whole one.
fn whole(bytes: &[u8], what: &str, source: &ConfigMapSource) -> Result<(), SourceError> {
    let is_component = bytes.get(..4) == Some(b"\0asm".as_slice());
    let fault = if is_component {
        wasmparser::Parser::new(0).parse_all(bytes).find_map(Result::err).map(|error| error.to_string())
    } else {
        Some("they do not begin as WebAssembly does".to_owned())
    };
    let Some(fault) = fault else { return Ok(()) };
    let mend = format!(
        "write it with `kubectl create configmap {} --from-file={}=FILE.wasm`, which keeps every byte",
        source.name, source.key
    );
    Err(SourceError::Incomplete { what: what.to_owned(), bytes: bytes.len(), why: one_line(&fault), mend })
}
