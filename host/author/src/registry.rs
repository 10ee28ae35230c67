//! Components in registries: `trimtab policy push`, `pull`, `sign` and `verify`.

use std::path::Path;

use serde::Serialize;
use trimtab_policy_engine::Limits;
use trimtab_policy_engine::source::{
    Credentials, FetchContext, HttpSource, OciSource, Source, SourceError, attach, fetch, push as push_component,
};
use trimtab_policy_engine::trust::{PublicKey, SigningKey, Verification, verify as verify_component};

use crate::cli::{PullArguments, PushArguments, RegistryArguments, SignArguments, VerifyPolicyArguments};
use crate::document::read_text;
use crate::error::{AuthorError, FAILED, FINE};
use crate::inspect;
use crate::output::{Outcome, grouped, render};
use crate::workbench::Workbench;

/// What was pushed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
struct Report {
    /// With the digest of its manifest.
    reference: String,
    /// Digest of the component itself.
    component: String,
    /// Its size.
    bytes: u64,
}

/// Pushes a component that the host would take.
pub(crate) fn push(arguments: &PushArguments, bench: &Workbench) -> Result<Outcome, AuthorError> {
    let (component, bytes) = bench.load(&arguments.component, Limits::DEFAULT)?;
    let note = inspect::note(&bytes, component.slots())?;
    let target = source(&arguments.reference, &arguments.registry)?;
    let credentials = credentials()?;
    let pushed = block_on(push_component(&target, &credentials, &bytes, &note))?;
    let report =
        Report { reference: pushed.reference, component: pushed.component.to_string(), bytes: bytes.len() as u64 };
    let table = |report: &Report| {
        format!("{}\ncomponent {}, {} bytes\n", report.reference, report.component, grouped(report.bytes))
    };
    Ok(Outcome::fine(render(&report, arguments.output, table)?))
}

/// Brings a component into a file.
pub(crate) fn pull(arguments: &PullArguments) -> Result<Outcome, AuthorError> {
    let source = match (&arguments.reference, &arguments.url, arguments.sha256) {
        (_, Some(url), Some(sha256)) => {
            let ca_bundle = ca_bundle(&arguments.registry)?;
            Source::Http(HttpSource { url: url.clone(), sha256, ca_bundle, signature: None })
        }
        (Some(reference), ..) => Source::Oci(source(reference, &arguments.registry)?),
        (None, ..) => return Err(AuthorError::Input("name a reference, or --url with --sha256".to_owned())),
    };
    let credentials = credentials()?;
    let context = FetchContext { seeks_signatures: false, ..FetchContext::with(&credentials) };
    let fetched = block_on(fetch(&source, &context))?;
    std::fs::write(&arguments.out, &fetched.bytes).map_err(|error| AuthorError::write(&arguments.out, error))?;
    let (file, size) = (arguments.out.display(), grouped(fetched.bytes.len() as u64));
    Ok(Outcome::fine(format!("{}\n{file}: {size} bytes, {}\n", fetched.resolved, fetched.digest)))
}

/// Signs an artifact, where cosign would look for the signature.
pub(crate) fn sign(arguments: &SignArguments) -> Result<Outcome, AuthorError> {
    let text = read_text("private key", &arguments.key)?;
    let key =
        SigningKey::from_pem(&name(&arguments.key), &text).map_err(|fault| AuthorError::Input(fault.to_string()))?;
    let target = source(&arguments.reference, &arguments.registry)?;
    let credentials = credentials()?;
    let place = block_on(attach(&target, &credentials, &key))?;
    Ok(Outcome::fine(format!("{}\nsignature at {}\n", place.signed, place.tag)))
}

/// Says whether one of the keys has signed an artifact.
pub(crate) fn verify(arguments: &VerifyPolicyArguments) -> Result<Outcome, AuthorError> {
    let keys = arguments.keys.iter().map(|file| public_key(file)).collect::<Result<Vec<_>, _>>()?;
    let source = Source::Oci(source(&arguments.reference, &arguments.registry)?);
    let credentials = credentials()?;
    let fetched = block_on(fetch(&source, &FetchContext::with(&credentials)))?;
    let verification = verify_component(&fetched, &keys);
    let exit_code = if matches!(verification, Verification::Verified { .. }) { FINE } else { FAILED };
    Ok(Outcome { text: format!("{}\n{verification}\n", fetched.resolved), exit_code })
}

fn public_key(file: &Path) -> Result<PublicKey, AuthorError> {
    let text = read_text("public key", file)?;
    PublicKey::from_pem(&name(file), &text).map_err(|fault| AuthorError::Input(fault.to_string()))
}

fn name(file: &Path) -> String {
    file.display().to_string()
}

fn source(reference: &str, registry: &RegistryArguments) -> Result<OciSource, AuthorError> {
    let ca_bundle = ca_bundle(registry)?;
    Ok(OciSource { ca_bundle, plain_http: registry.plain_http, ..OciSource::of(reference) })
}

fn ca_bundle(registry: &RegistryArguments) -> Result<Option<String>, AuthorError> {
    registry.ca_bundle.as_deref().map(|file| read_text("CA bundle", file)).transpose()
}

/// Users and passwords as `docker login` leaves them; none where there is no such file.
pub fn credentials() -> Result<Credentials, AuthorError> {
    let named = std::env::var_os("DOCKER_CONFIG").map(std::path::PathBuf::from);
    let folder = named.or_else(|| std::env::var_os("HOME").map(|home| Path::new(&home).join(".docker")));
    let Some(file) = folder.map(|folder| folder.join("config.json")).filter(|file| file.is_file()) else {
        return Ok(Credentials::default());
    };
    let text = std::fs::read(&file).map_err(|error| AuthorError::read("registry credentials", &file, error))?;
    Credentials::from_docker_config(&text).map_err(|error| AuthorError::Input(format!("{}: {error}", file.display())))
}

fn block_on<T>(work: impl Future<Output = Result<T, SourceError>>) -> Result<T, AuthorError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| AuthorError::Host(format!("no runtime can be made: {error}")))?;
    Ok(runtime.block_on(work)?)
}
