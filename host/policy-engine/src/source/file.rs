//! A component from the host's own folder.

use std::path::{Component as Part, Path, PathBuf};

use tokio::io::AsyncReadExt as _;

use crate::digest::Digest;
use crate::source::context::FetchContext;
use crate::source::error::SourceError;
use crate::source::fetched::{Evidence, Fetched};
use crate::source::place::FileSource;

const NO_FOLDER: &str = "name a folder of components when the host is started, or use oci or http";

pub(super) async fn fetch(source: &FileSource, context: &FetchContext<'_>) -> Result<Fetched, SourceError> {
    let evidence = Evidence::beside(source.signature.as_deref())?;
    let folder = context.folder.ok_or(SourceError::Unsupported { what: "files", mend: NO_FOLDER })?;
    let path = plain(&source.path)?;
    let file = inside(folder, &path).await?;
    let bytes = read(&file, &path, context.component_bytes).await?;
    let place = format!("file/{path}");
    Ok(Fetched { digest: Digest::of(&bytes), bytes, manifest: None, resolved: place.clone(), place, evidence })
}

/// The path in one spelling, so that no other one gets around a trust rule.
fn plain(path: &str) -> Result<String, SourceError> {
    let names = Path::new(path).components().map(|part| match part {
        Part::Normal(name) => name.to_str(),
        Part::CurDir => Some(""),
        Part::ParentDir | Part::RootDir | Part::Prefix(_) => None,
    });
    let names = names.collect::<Option<Vec<_>>>().ok_or_else(|| leads_out(path))?;
    let names: Vec<_> = names.into_iter().filter(|name| !name.is_empty()).collect();
    if names.is_empty() { Err(leads_out(path)) } else { Ok(names.join("/")) }
}

fn leads_out(path: &str) -> SourceError {
    SourceError::Invalid { why: format!("the path \"{path}\" is no file in the folder of components: name one in it") }
}

/// The file's real path, which has to lie in the folder, whatever links say.
async fn inside(folder: &Path, path: &str) -> Result<PathBuf, SourceError> {
    let folder = tokio::fs::canonicalize(folder).await.map_err(|error| SourceError::Unreadable {
        what: format!("the folder {}", folder.display()),
        why: format!("{error}; make it, or name another one"),
    })?;
    let file = tokio::fs::canonicalize(folder.join(path)).await.map_err(|error| unreadable(path, &error))?;
    if file.starts_with(&folder) { Ok(file) } else { Err(leads_out(path)) }
}

async fn read(file: &Path, path: &str, most: u64) -> Result<Vec<u8>, SourceError> {
    let failed = |error| unreadable(path, &error);
    let known = tokio::fs::metadata(file).await.map_err(failed)?;
    if !known.is_file() {
        return Err(SourceError::Invalid { why: format!("{path} is no regular file: name a .wasm file") });
    }
    let too_large = |bytes| SourceError::TooLarge {
        what: format!("the file {path}"),
        bytes: Some(bytes),
        most,
        mend: "make the component smaller, or raise componentBytes",
    };
    if known.len() > most {
        return Err(too_large(known.len()));
    }
    let mut bytes = Vec::new();
    let opened = tokio::fs::File::open(file).await.map_err(failed)?;
    // It may grow while it is read.
    opened.take(most.saturating_add(1)).read_to_end(&mut bytes).await.map_err(failed)?;
    if bytes.len() as u64 > most { Err(too_large(bytes.len() as u64)) } else { Ok(bytes) }
}

fn unreadable(path: &str, error: &std::io::Error) -> SourceError {
    if error.kind() == std::io::ErrorKind::NotFound {
        let mend = "put it into the folder of components, or mend the path".to_owned();
        return SourceError::NotFound { what: format!("the file {path}"), mend };
    }
    SourceError::Unreadable { what: format!("the file {path}"), why: format!("{error}; let the host read it") }
}
