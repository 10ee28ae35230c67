//! Components from a registry.

use serde_json::json;
use tokio::net::TcpListener;
use trimtab_fake_registry::{Door, Fault, Settings, digest_of};
use trimtab_policy_engine::source::{Credentials, FetchContext, OciSource, Source, fetch};
use trimtab_policy_engine::{BUILTIN, Class, Digest};

use crate::support::{
    MANIFEST, WASM, WASM_CONFIG, artifact, behind, manifest, oci, pull, pull_as, pushed, refused, registry,
    registry_with, user,
};

#[tokio::test]
async fn a_tag_is_resolved_and_its_digest_reported() {
    let registry = registry().await;
    let known = pushed(&registry).await;
    let fetched = pull(registry.reference("policies/p:1")).await.unwrap();
    assert_eq!((fetched.bytes.as_slice(), fetched.digest), (BUILTIN, Digest::of(BUILTIN)));
    assert_eq!(fetched.manifest, Some(known.manifest));
    assert_eq!(fetched.resolved, known.reference);
    assert_eq!(fetched.place, registry.reference("policies/p"));
    assert_eq!(pull(fetched.resolved).await.unwrap().bytes, BUILTIN);
}

#[tokio::test]
async fn a_tag_that_moves_meanwhile_changes_nothing() {
    let registry = registry().await;
    let known = pushed(&registry).await;
    let layer = registry.put_blob(b"another component");
    let config = registry.put_blob(b"{}");
    let other = json!({
        "schemaVersion": 2, "mediaType": MANIFEST,
        "config": {"mediaType": WASM_CONFIG, "digest": config, "size": 2},
        "layers": [{"mediaType": WASM, "digest": layer, "size": 17}],
    });
    let other = registry.put_manifest("policies/p", None, MANIFEST, other.to_string().as_bytes());
    registry.fail(Fault::TagMovesTo(other));
    let fetched = pull(registry.reference("policies/p:1")).await.unwrap();
    assert_eq!((fetched.bytes.as_slice(), fetched.manifest), (BUILTIN, Some(known.manifest)));
    let moved = pull(registry.reference("policies/p:1")).await.unwrap();
    assert_eq!(moved.bytes, b"another component");
    assert_ne!(moved.manifest, Some(known.manifest));
}

#[tokio::test]
async fn where_digests_are_required_a_tag_is_refused_before_anything_is_asked() {
    let registry = registry().await;
    let known = pushed(&registry).await;
    let before = registry.requests().len();
    let credentials = Credentials::default();
    let strict = FetchContext { requires_digest: true, ..FetchContext::with(&credentials) };
    let tagged = fetch(&Source::Oci(oci(registry.reference("policies/p:1"))), &strict).await;
    refused(tagged, "DigestRequired", &["policies/p:1 names a tag", "policies/p@sha256:", "trimtab policy push"]);
    assert_eq!(registry.requests().len(), before);
    assert_eq!(fetch(&Source::Oci(oci(known.reference)), &strict).await.unwrap().bytes, BUILTIN);
}

#[tokio::test]
async fn no_signature_is_looked_for_where_none_is_wanted() {
    let registry = registry().await;
    pushed(&registry).await;
    let before = registry.requests().len();
    let credentials = Credentials::default();
    let hasty = FetchContext { seeks_signatures: false, ..FetchContext::with(&credentials) };
    fetch(&Source::Oci(oci(registry.reference("policies/p:1"))), &hasty).await.unwrap();
    assert_eq!(registry.requests().len() - before, 2);
}

#[tokio::test]
async fn what_is_no_component_is_refused_before_a_layer_is_downloaded() {
    let registry = registry().await;
    let tar = "application/vnd.oci.image.layer.v1.tar+gzip";
    // Ten gigabytes of zeros would follow from such a header; nobody looks at it.
    let bomb = b"\x1f\x8b\x08\0\0\0\0\0\0\x03".as_slice();
    artifact(&registry, "application/vnd.oci.image.config.v1+json", &[(tar, bomb)]);
    refused(pull(registry.reference("policies/p:1")).await, "MediaType", &[tar, "Envoy compat", "not unpacked"]);
    artifact(&registry, WASM_CONFIG, &[(WASM, BUILTIN), (WASM, b"second")]);
    refused(pull(registry.reference("policies/p:1")).await, "TooManyLayers", &["2 layers"]);
    artifact(&registry, WASM_CONFIG, &[]);
    refused(pull(registry.reference("policies/p:1")).await, "NoLayer", &["no layer"]);
    assert!(registry.requests().iter().all(|request| !request.contains("/blobs/")), "{:?}", registry.requests());
}

#[tokio::test]
async fn the_old_layout_is_taken() {
    let registry = registry().await;
    let (config, layer) = ("application/vnd.wasm.config.v1+json", "application/vnd.wasm.content.layer.v1+wasm");
    artifact(&registry, config, &[(layer, BUILTIN)]);
    assert_eq!(pull(registry.reference("policies/p:1")).await.unwrap().bytes, BUILTIN);
}

#[tokio::test]
async fn a_large_layer_is_refused_before_it_is_downloaded() {
    let registry = registry().await;
    pushed(&registry).await;
    let before = registry.requests().len();
    let credentials = Credentials::default();
    let small = FetchContext { component_bytes: 10, ..FetchContext::with(&credentials) };
    let large = fetch(&Source::Oci(oci(registry.reference("policies/p:1"))), &small).await;
    refused(large, "TooLarge", &["10 are allowed", "componentBytes"]);
    assert_eq!(registry.requests().len() - before, 1);
}

#[tokio::test]
async fn a_layer_that_is_larger_than_its_descriptor_is_refused_during_the_download() {
    let registry = registry().await;
    pushed(&registry).await;
    registry.fail(Fault::BlobGoesOn);
    refused(pull(registry.reference("policies/p:1")).await, "TooLarge", &["more than", "manifest says"]);
    registry.fail(Fault::BlobIs(vec![0; BUILTIN.len() + 1]));
    refused(pull(registry.reference("policies/p:1")).await, "TooLarge", &["manifest says"]);
}

#[tokio::test]
async fn other_bytes_than_the_digest_says_are_refused() {
    let registry = registry().await;
    let known = pushed(&registry).await;
    registry.fail(Fault::BlobIs(vec![0; BUILTIN.len()]));
    let (expected, found) = (Digest::of(BUILTIN).to_string(), digest_of(&vec![0; BUILTIN.len()]));
    refused(pull(registry.reference("policies/p:1")).await, "DigestMismatch", &["the layer", &expected, &found]);
    registry.fail(Fault::ManifestIs(b"{}".to_vec()));
    for reference in [known.reference.clone(), registry.reference("policies/p:1")] {
        refused(pull(reference).await, "DigestMismatch", &["the manifest", &known.manifest.to_string()]);
    }
}

#[tokio::test]
async fn a_layer_that_breaks_off_is_fetched_again_later() {
    let registry = registry().await;
    pushed(&registry).await;
    for fault in [Fault::BlobBreaksOff, Fault::BlobIs(BUILTIN[1..].to_vec())] {
        registry.fail(fault);
        let result = pull(registry.reference("policies/p:1")).await;
        assert_eq!(result.as_ref().unwrap_err().class(), Class::Transient);
        refused(result, "Truncated", &["broke off"]);
    }
}

#[tokio::test]
async fn a_registry_that_is_down_is_asked_again_later() {
    let registry = registry().await;
    pushed(&registry).await;
    for code in [500, 503, 429] {
        registry.fail(Fault::Status(code));
        let result = pull(registry.reference("policies/p:1")).await;
        assert_eq!(result.as_ref().unwrap_err().class(), Class::Transient);
        refused(result, "RegistryDown", &[&registry.address().to_string(), &code.to_string()]);
    }
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let nobody = free.local_addr().unwrap();
    drop(free);
    refused(pull(format!("{nobody}/policies/p:1")).await, "RegistryDown", &[&nobody.to_string()]);
}

#[tokio::test]
async fn a_registry_that_fails_while_signatures_are_looked_for_hides_none() {
    let registry = registry().await;
    pushed(&registry).await;
    for part in ["/referrers/", ".sig"] {
        registry.fail(Fault::StatusAt(part, 503));
        refused(pull(registry.reference("policies/p:1")).await, "RegistryDown", &["503"]);
    }
}

#[tokio::test]
async fn what_is_not_there_or_refused_is_told_by_name() {
    let registry = registry().await;
    pushed(&registry).await;
    let missing = pull(registry.reference("policies/p:2")).await;
    assert_eq!(missing.as_ref().unwrap_err().class(), Class::Transient);
    refused(missing, "NotFound", &["policies/p:2", "has been pushed"]);
    registry.fail(Fault::Status(418));
    refused(pull(registry.reference("policies/p:1")).await, "Refused", &["418", "so it was set"]);
}

#[tokio::test]
async fn a_manifest_that_cannot_be_read_is_malformed() {
    let registry = registry().await;
    manifest(&registry, &json!({"config": "none"}));
    refused(pull(registry.reference("policies/p:1")).await, "ManifestMalformed", &["the manifest"]);
    let bytes = vec![b' '; (4 << 20) + 1];
    registry.put_manifest("policies/p", Some("1"), MANIFEST, &bytes);
    refused(pull(registry.reference("policies/p:1")).await, "TooLarge", &["the manifest", "4194304"]);
}

#[tokio::test]
async fn a_password_opens_a_registry_that_asks_for_it() {
    for door in [Door::Basic("ann".into(), "open".into()), Door::Token("ann".into(), "open".into())] {
        let registry = behind(door.clone()).await;
        let mine = user(&registry, "open");
        let target = oci(registry.reference("policies/p:1"));
        let note = trimtab_policy_engine::source::ComponentNote::default();
        trimtab_policy_engine::source::push(&target, &mine, BUILTIN, &note).await.unwrap();
        assert_eq!(pull_as(registry.reference("policies/p:1"), &mine).await.unwrap().bytes, BUILTIN);
        let wrong = pull_as(registry.reference("policies/p:1"), &user(&registry, "shut")).await;
        assert_eq!(wrong.as_ref().unwrap_err().class(), Class::Permanent);
        refused(wrong, "Unauthorized", &["password is right"]);
        let nobody = pull(registry.reference("policies/p:1")).await;
        match door {
            // A token for reading is given to everybody, and none for writing.
            Door::Token(..) => assert_eq!(nobody.unwrap().bytes, BUILTIN),
            _ => refused(nobody, "Unauthorized", &["give a pullSecret"]),
        }
        let stranger = trimtab_policy_engine::source::push(&target, &Credentials::default(), b"new", &note).await;
        refused(stranger, "Unauthorized", &["give a pullSecret"]);
    }
    let shut = behind(Door::Shut).await;
    refused(pull(shut.reference("policies/p:1")).await, "Unauthorized", &["the manifest"]);
}

#[tokio::test]
async fn a_token_service_that_is_odd_or_elsewhere_gets_no_password() {
    let registry = behind(Door::Token("ann".into(), "open".into())).await;
    let mine = user(&registry, "open");
    registry.fail(Fault::TokensAt("http://tokens.example/token".to_owned()));
    refused(pull_as(registry.reference("p:1"), &mine).await, "RedirectRefused", &["tokens.example", "only https"]);
    registry.fail(Fault::TokensAt("nowhere".to_owned()));
    refused(pull_as(registry.reference("p:1"), &mine).await, "ManifestMalformed", &["token service"]);
    for text in ["{}", "no json", r#"{"token": ""}"#, r#"{"token": "\n"}"#] {
        registry.fail(Fault::TokenIs(text));
        refused(pull_as(registry.reference("p:1"), &mine).await, "ManifestMalformed", &["token service"]);
    }
}

#[tokio::test]
async fn a_blob_that_lies_elsewhere_is_brought_from_https_only() {
    let registry = behind(Door::Basic("ann".into(), "open".into())).await;
    let mine = user(&registry, "open");
    let target = oci(registry.reference("policies/p:1"));
    let note = trimtab_policy_engine::source::ComponentNote::default();
    trimtab_policy_engine::source::push(&target, &mine, BUILTIN, &note).await.unwrap();
    registry.fail(Fault::BlobElsewhere("http://blobs.example/b".to_owned()));
    refused(pull_as(registry.reference("policies/p:1"), &mine).await, "RedirectRefused", &["blobs.example"]);
    let path = format!("/v2/policies/p/blobs/{}", Digest::of(BUILTIN));
    registry.fail(Fault::BlobElsewhere(format!("http://localhost:{}{path}", registry.address().port())));
    refused(pull_as(registry.reference("policies/p:1"), &mine).await, "RedirectRefused", &["localhost"]);
    registry.fail(Fault::BlobElsewhere(path));
    refused(pull_as(registry.reference("policies/p:1"), &mine).await, "RedirectRefused", &["on and on"]);
}

#[tokio::test]
async fn a_registry_without_lists_of_referrers_is_a_registry() {
    let registry = registry_with(Settings { keeps_referrers: false, ..Settings::default() }).await;
    pushed(&registry).await;
    assert_eq!(pull(registry.reference("policies/p:1")).await.unwrap().bytes, BUILTIN);
}

#[tokio::test]
async fn plain_http_goes_to_this_machine_only() {
    let registry = registry().await;
    pushed(&registry).await;
    let credentials = Credentials::default();
    let context = FetchContext::with(&credentials);
    let far = fetch(&Source::Oci(oci("registry.example/p:1")), &context).await;
    refused(far, "SourceInvalid", &["plainHttp", "registry.example"]);
    let tls = fetch(&Source::Oci(OciSource::of(registry.reference("policies/p:1"))), &context).await;
    refused(tls, "RegistryDown", &[&registry.address().to_string()]);
}
