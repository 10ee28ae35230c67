//! Components from the host's own folder.

use std::path::Path;

use trimtab_policy_engine::source::{Credentials, FetchContext, Fetched, FileSource, Source, SourceError, fetch};
use trimtab_policy_engine::{BUILTIN, Class, Digest};

use crate::support::refused;

async fn read(folder: Option<&Path>, path: &str, most: u64) -> Result<Fetched, SourceError> {
    let credentials = Credentials::default();
    let context = FetchContext { folder, component_bytes: most, ..FetchContext::with(&credentials) };
    fetch(&Source::File(FileSource { path: path.to_owned(), signature: None }), &context).await
}

const MUCH: u64 = 64 << 20;

#[tokio::test]
async fn a_file_of_the_folder_is_read_and_named_in_one_spelling() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("acme")).unwrap();
    std::fs::write(folder.path().join("acme/p.wasm"), BUILTIN).unwrap();
    for path in ["acme/p.wasm", "./acme//p.wasm", "acme/./p.wasm"] {
        let fetched = read(Some(folder.path()), path, MUCH).await.unwrap();
        assert_eq!((fetched.bytes.as_slice(), fetched.digest), (BUILTIN, Digest::of(BUILTIN)));
        assert_eq!((fetched.place.as_str(), fetched.manifest), ("file/acme/p.wasm", None));
    }
}

#[cfg(unix)]
#[tokio::test]
async fn no_path_and_no_link_leads_out_of_the_folder() {
    let outside = tempfile::tempdir().unwrap();
    std::fs::write(outside.path().join("p.wasm"), BUILTIN).unwrap();
    let folder = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink(outside.path(), folder.path().join("link")).unwrap();
    let absolute = outside.path().join("p.wasm").display().to_string();
    for path in ["../p.wasm", "a/../../p.wasm", "link/p.wasm", absolute.as_str(), "", "."] {
        refused(read(Some(folder.path()), path, MUCH).await, "SourceInvalid", &["in the folder of components"]);
    }
}

#[cfg(unix)]
#[tokio::test]
async fn a_mounted_volume_with_its_links_is_read() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("..1")).unwrap();
    std::fs::write(folder.path().join("..1/p.wasm"), BUILTIN).unwrap();
    std::os::unix::fs::symlink("..1", folder.path().join("..data")).unwrap();
    std::os::unix::fs::symlink("..data/p.wasm", folder.path().join("p.wasm")).unwrap();
    assert_eq!(read(Some(folder.path()), "p.wasm", MUCH).await.unwrap().bytes, BUILTIN);
}

#[tokio::test]
async fn what_is_not_there_not_a_file_or_too_large_is_told_apart() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("p.wasm"), BUILTIN).unwrap();
    std::fs::create_dir(folder.path().join("d")).unwrap();
    let place = Some(folder.path());
    let missing = read(place, "q.wasm", MUCH).await;
    assert_eq!(missing.as_ref().unwrap_err().class(), Class::Transient);
    refused(missing, "NotFound", &["the file q.wasm"]);
    refused(read(place, "d", MUCH).await, "SourceInvalid", &["no regular file"]);
    refused(read(place, "p.wasm", 10).await, "TooLarge", &["10 are allowed", "componentBytes"]);
    refused(read(None, "p.wasm", MUCH).await, "SourceUnsupported", &["files", "oci or http"]);
    let gone = folder.path().join("gone");
    refused(read(Some(&gone), "p.wasm", MUCH).await, "Unreadable", &["gone"]);
}
