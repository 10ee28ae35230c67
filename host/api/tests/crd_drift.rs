//! The files under `deploy/crds` are what the types say, no more and no fewer.

#![expect(clippy::expect_used, reason = "a test that cannot read its input fails")]

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use trimtab_api::kinds::GROUPS;
use trimtab_api::{crd_files, crd_yaml, crds};

const REGENERATE: &str = "run `UPDATE=1 cargo test -p trimtab-api --test crd_drift`, then review the diff";

fn updating() -> bool {
    std::env::var_os("UPDATE").is_some_and(|value| value == "1")
}

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../deploy/crds")
}

/// One file: file name and text, from the types alone.
fn render(crd: &CustomResourceDefinition) -> (String, String) {
    let names = &crd.spec.names;
    let yaml = serde_saphyr::to_string(crd).expect("a CRD is serialisable");
    (format!("{}_{}.yaml", crd.spec.group, names.plural), yaml)
}

fn rendered() -> Vec<(String, String)> {
    crds().iter().map(render).collect()
}

#[test]
fn files_equal_what_the_types_say() {
    let update = updating();
    for (name, yaml) in rendered() {
        let path = folder().join(&name);
        if update {
            fs::write(&path, &yaml).expect("deploy/crds is writable");
        }
        let stored = fs::read_to_string(&path).unwrap_or_default();
        assert!(stored == yaml, "deploy/crds/{name} is out of date: {REGENERATE}");
    }
}

#[test]
fn embedded_files_equal_what_the_types_say() {
    if updating() {
        // The files are being rewritten, and this binary embeds the old ones.
        return;
    }
    for ((name, embedded), (rendered_name, yaml)) in crd_files().into_iter().zip(rendered()) {
        assert_eq!(name, rendered_name);
        assert!(embedded == yaml, "{name} as embedded is out of date: {REGENERATE}");
    }
}

#[test]
fn folder_holds_no_other_files() {
    let expected: BTreeSet<String> = rendered().into_iter().map(|(name, _)| name).collect();
    let found: BTreeSet<String> = fs::read_dir(folder())
        .expect("deploy/crds exists")
        .map(|entry| entry.expect("readable").file_name().into_string().expect("UTF-8"))
        .collect();
    assert_eq!(found, expected, "stray or missing files under deploy/crds: remove them or {REGENERATE}");
}

#[test]
fn files_read_back_as_the_same_crds() {
    let originals = crds();
    assert_eq!(originals.len(), 10);
    for (crd, (name, yaml)) in originals.iter().zip(rendered()) {
        let read: CustomResourceDefinition = serde_saphyr::from_str(&yaml).expect("valid YAML");
        assert_eq!(&read, crd, "{name}");
    }
}

#[test]
fn stream_holds_every_file_in_order() {
    let documents: Vec<String> = crd_files().into_iter().map(|(_, yaml)| yaml).collect();
    assert_eq!(crd_yaml(None), documents.join("---\n"));
    let (kubernauts, own) = documents.split_at(8);
    assert_eq!(GROUPS.map(|group| crd_yaml(Some(group))), [kubernauts.join("---\n"), own.join("---\n")]);
}
