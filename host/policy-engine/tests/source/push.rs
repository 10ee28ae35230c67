//! Components into a registry.

use serde_json::{Value, json};
use trimtab_fake_registry::Fault;
use trimtab_policy_engine::source::{ComponentNote, Credentials, push};
use trimtab_policy_engine::{BUILTIN, Digest};

use crate::support::{WASM, WASM_CONFIG, oci, pushed, refused, registry};

#[tokio::test]
async fn what_is_pushed_has_the_layout_that_others_read_and_is_the_same_twice() {
    let registry = registry().await;
    let target = oci(registry.reference("policies/p:1"));
    let note = ComponentNote {
        exports: vec!["trimtab:policy/meta@0.1.1".to_owned()],
        imports: vec!["trimtab:policy/log@0.1.1".to_owned()],
        target: Some("trimtab:policy/policy@0.1.1".to_owned()),
    };
    let first = push(&target, &Credentials::default(), BUILTIN, &note).await.unwrap();
    assert_eq!(first.component, Digest::of(BUILTIN));
    assert_eq!(first.reference, registry.reference(&format!("policies/p@{}", first.manifest)));
    let manifest: Value = serde_json::from_slice(&registry.manifest("policies/p", "1").unwrap()).unwrap();
    assert_eq!(manifest["config"]["mediaType"], WASM_CONFIG);
    let layer = json!([{"mediaType": WASM, "digest": first.component, "size": BUILTIN.len()}]);
    assert_eq!(manifest["layers"], layer);
    let config = json!({
        "created": "1970-01-01T00:00:00Z", "architecture": "wasm", "os": "wasip2",
        "layerDigests": [first.component], "component": note,
    });
    let text = manifest["config"]["digest"].as_str().unwrap();
    // Written in another order it would have another digest.
    let wanted = r#"{"created":"1970-01-01T00:00:00Z","architecture":"wasm","os":"wasip2","layerDigests":"#;
    let written =
        format!("{wanted}[\"{}\"],\"component\":{}}}", first.component, serde_json::to_string(&note).unwrap());
    assert_eq!(serde_json::from_str::<Value>(&written).unwrap(), config);
    assert_eq!(Digest::of(written.as_bytes()).to_string(), text);
    assert_eq!(push(&target, &Credentials::default(), BUILTIN, &note).await.unwrap(), first);
}

#[tokio::test]
async fn a_blob_that_is_there_is_not_sent_again() {
    let registry = registry().await;
    pushed(&registry).await;
    let puts = |registry: &trimtab_fake_registry::FakeRegistry| {
        registry.requests().iter().filter(|request| request.starts_with("POST")).count()
    };
    assert_eq!(puts(&registry), 2);
    pushed(&registry).await;
    assert_eq!(puts(&registry), 2);
}

#[tokio::test]
async fn a_digest_and_an_upload_to_another_place_are_refused() {
    let registry = registry().await;
    let known = pushed(&registry).await;
    let (nobody, note) = (Credentials::default(), ComponentNote::default());
    let pinned = push(&oci(known.reference), &nobody, BUILTIN, &note).await;
    refused(pinned, "SourceInvalid", &["push to a tag"]);
    let target = oci(registry.reference("policies/p:1"));
    registry.fail(Fault::UploadElsewhere("http://uploads.example/u".to_owned()));
    refused(push(&target, &nobody, b"new", &note).await, "RedirectRefused", &["uploads.example"]);
    registry.fail(Fault::StatusAt("/uploads/", 405));
    refused(push(&target, &nobody, b"new", &note).await, "Refused", &["405", "an upload"]);
}

#[tokio::test]
async fn what_is_given_back_otherwise_is_no_success() {
    let registry = registry().await;
    registry.fail(Fault::BlobIs(vec![0; BUILTIN.len()]));
    let target = oci(registry.reference("policies/p:1"));
    let result = push(&target, &Credentials::default(), BUILTIN, &ComponentNote::default()).await;
    refused(result, "DigestMismatch", &["the layer"]);
}
