//! Whose a component is: signatures by openssl and by us, good ones and all kinds of others.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use trimtab_fake_registry::{FakeRegistry, Settings, digest_of};
use trimtab_policy_engine::source::{
    Credentials, Evidence, FetchContext, Fetched, FileSource, Signature, Signed, Source, attach, fetch,
};
use trimtab_policy_engine::trust::{
    KeyText, PublicKey, SigningKey, TrustRule, TrustRules, Verification, document_of, verify,
};
use trimtab_policy_engine::{BUILTIN, Class, Digest};

use crate::support::{Kind, MANIFEST, Pair, oci, openssl, pull, pushed, refused, registry, registry_with, text};

const KINDS: [Kind; 2] = [Kind::P256, Kind::Ed25519];
const SIGNED: &str = "application/vnd.dev.cosign.simplesigning.v1+json";
const SIGNATURE: &str = "dev.cosignproject.cosign/signature";

fn key(pair: &Pair) -> PublicKey {
    PublicKey::from_pem("ops", &pair.public()).unwrap()
}

fn by(name: &str) -> Verification {
    Verification::Verified { key: name.to_owned() }
}

fn failed(verification: &Verification, word: &str) {
    let Verification::Failed { why } = verification else { panic!("{verification:?} is no failure") };
    assert!(why.contains(word), "{why}");
}

/// A manifest of signatures, as cosign writes it.
fn signatures(registry: &FakeRegistry, documents: &[(&[u8], &[u8])], members: &Value) -> Vec<u8> {
    let layers: Vec<_> = documents
        .iter()
        .map(|(document, signature)| {
            registry.put_blob(document);
            let annotations = json!({SIGNATURE: STANDARD.encode(signature)});
            json!({"mediaType": SIGNED, "digest": digest_of(document), "size": document.len(), "annotations": annotations})
        })
        .collect();
    registry.put_blob(b"{}");
    let config =
        json!({"mediaType": "application/vnd.oci.image.config.v1+json", "digest": digest_of(b"{}"), "size": 2});
    let mut manifest = json!({"schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": layers});
    manifest.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
    manifest.to_string().into_bytes()
}

fn at_tag(registry: &FakeRegistry, manifest: &Digest, documents: &[(&[u8], &[u8])]) {
    let bytes = signatures(registry, documents, &json!({}));
    let tag = format!("sha256-{}.sig", manifest.hexadecimal());
    registry.put_manifest("policies/p", Some(&tag), MANIFEST, &bytes);
}

async fn pulled(registry: &FakeRegistry) -> Fetched {
    pull(registry.reference("policies/p:1")).await.unwrap()
}

#[tokio::test]
async fn what_openssl_has_signed_is_verified_at_the_tag_and_among_the_referrers() {
    for kind in KINDS {
        let (registry, pair) = (registry().await, Pair::new(kind));
        let known = pushed(&registry).await;
        assert_eq!(verify(&pulled(&registry).await, &[key(&pair)]), Verification::NotSigned);
        let document = document_of(&registry.reference("policies/p"), &known.manifest);
        let signature = pair.sign(&document);
        at_tag(&registry, &known.manifest, &[(&document, &signature)]);
        assert_eq!(verify(&pulled(&registry).await, &[key(&pair)]), by("ops"));
        let tag = format!("sha256-{}.sig", known.manifest.hexadecimal());
        assert!(registry.untag("policies/p", &tag));
        for artifact_type in [SIGNED, "application/vnd.dev.cosign.artifact.sig.v1+json"] {
            let members = json!({"artifactType": artifact_type, "subject": {"digest": known.manifest}});
            let bytes = signatures(&registry, &[(&document, &signature)], &members);
            registry.put_manifest("policies/p", None, MANIFEST, &bytes);
            let fetched = pulled(&registry).await;
            assert_eq!(fetched.evidence.signatures.len(), 1);
            assert_eq!(verify(&fetched, &[key(&pair)]), by("ops"));
        }
    }
}

#[tokio::test]
async fn another_key_another_document_and_another_digest_fail() {
    for kind in KINDS {
        let (registry, pair, other) = (registry().await, Pair::new(kind), Pair::new(kind));
        let known = pushed(&registry).await;
        let place = registry.reference("policies/p");
        let document = document_of(&place, &known.manifest);
        let signature = pair.sign(&document);
        at_tag(&registry, &known.manifest, &[(&document, &signature)]);
        failed(&verify(&pulled(&registry).await, &[key(&other)]), "none was made by ops");
        failed(&verify(&pulled(&registry).await, &[]), "no key is trusted");
        let mut tampered = document.clone();
        tampered.push(b' ');
        at_tag(&registry, &known.manifest, &[(&tampered, &signature)]);
        failed(&verify(&pulled(&registry).await, &[key(&pair)]), "was changed");
        let foreign = document_of(&place, &Digest::of(b"another artifact"));
        let foreign_signature = pair.sign(&foreign);
        at_tag(&registry, &known.manifest, &[(&foreign, &foreign_signature)]);
        failed(&verify(&pulled(&registry).await, &[key(&pair)]), "not this one");
        // One good one among others suffices, whatever stands before it.
        at_tag(
            &registry,
            &known.manifest,
            &[(&foreign, &foreign_signature), (&tampered, &signature), (&document, &signature)],
        );
        assert_eq!(verify(&pulled(&registry).await, &[key(&other), key(&pair)]), by("ops"));
    }
}

#[tokio::test]
async fn keyless_signatures_and_damaged_ones_say_so_and_hide_no_good_one() {
    let (registry, pair) = (registry().await, Pair::new(Kind::P256));
    let known = pushed(&registry).await;
    let bundle = "application/vnd.dev.sigstore.bundle.v0.3+json";
    let members = json!({"artifactType": bundle, "subject": {"digest": known.manifest}});
    let bytes = signatures(&registry, &[], &members);
    registry.put_manifest("policies/p", None, MANIFEST, &bytes);
    failed(&verify(&pulled(&registry).await, &[key(&pair)]), "keyless signatures are not supported");
    let document = document_of(&registry.reference("policies/p"), &known.manifest);
    let signature = pair.sign(&document);
    let tag = format!("sha256-{}.sig", known.manifest.hexadecimal());
    let put = |change: &dyn Fn(&mut Value)| {
        let written = signatures(&registry, &[(&document, &signature)], &json!({}));
        let mut manifest: Value = serde_json::from_slice(&written).unwrap();
        change(&mut manifest);
        registry.put_manifest("policies/p", Some(&tag), MANIFEST, manifest.to_string().as_bytes());
    };
    let layer = |manifest: &mut Value, member: &str, value: Value| manifest["layers"][0][member] = value;
    let certificate = json!({SIGNATURE: "AA==", "dev.sigstore.cosign/certificate": "-----BEGIN"});
    let changes: [&dyn Fn(&mut Value); 6] = [
        &|manifest| layer(manifest, "annotations", certificate.clone()),
        &|manifest| layer(manifest, "annotations", json!({})),
        &|manifest| layer(manifest, "annotations", json!({SIGNATURE: "*"})),
        &|manifest| layer(manifest, "size", json!(1 << 20)),
        &|manifest| layer(manifest, "size", json!(1)),
        &|manifest| manifest["config"] = json!(1),
    ];
    for change in changes {
        put(change);
        let fetched = pulled(&registry).await;
        assert_eq!((fetched.evidence.signatures.len(), fetched.evidence.unusable.len()), (0, 2));
        assert!(matches!(verify(&fetched, &[key(&pair)]), Verification::Failed { .. }));
    }
    put(&|_| {});
    assert_eq!(verify(&pulled(&registry).await, &[key(&pair)]), by("ops"));
}

#[tokio::test]
async fn what_we_sign_openssl_and_we_verify_and_signatures_add_up() {
    for (kind, keeps_referrers) in KINDS.into_iter().zip([true, false]) {
        let registry = registry_with(Settings { keeps_referrers, ..Settings::default() }).await;
        let known = pushed(&registry).await;
        let target = oci(registry.reference("policies/p:1"));
        let pairs = [Pair::new(kind), Pair::new(kind)];
        for pair in &pairs {
            let signing = SigningKey::from_pem("key.pem", &pair.private()).unwrap();
            let place = attach(&target, &Credentials::default(), &signing).await.unwrap();
            assert_eq!(place.signed, known.reference);
            assert!(place.tag.ends_with(&format!("policies/p:sha256-{}.sig", known.manifest.hexadecimal())));
        }
        let fetched = pulled(&registry).await;
        assert_eq!(fetched.evidence.signatures.len(), 2);
        for (pair, signature) in pairs.iter().zip(&fetched.evidence.signatures) {
            assert_eq!(verify(&fetched, &[key(pair)]), by("ops"));
            openssl_verifies(pair, kind, signature);
        }
    }
}

fn openssl_verifies(pair: &Pair, kind: Kind, signature: &Signature) {
    let Signed::Document(document) = &signature.signed else { panic!("a registry has documents") };
    let (message, made, public) = (pair.file("document"), pair.file("signature"), pair.file("key.pub"));
    std::fs::write(&message, document).unwrap();
    std::fs::write(&made, &signature.bytes).unwrap();
    let (message, made, public) = (text(&message), text(&made), text(&public));
    match kind {
        Kind::P256 => openssl(&["dgst", "-sha256", "-verify", public, "-signature", made, message]),
        Kind::Ed25519 => {
            openssl(&["pkeyutl", "-verify", "-rawin", "-pubin", "-inkey", public, "-sigfile", made, "-in", message])
        }
    };
}

#[tokio::test]
async fn no_more_signatures_are_read_or_added_than_anybody_needs() {
    let (registry, pair) = (registry().await, Pair::new(Kind::Ed25519));
    let known = pushed(&registry).await;
    let documents: Vec<_> = (0..40).map(|nth| format!("document {nth}").into_bytes()).collect();
    let many: Vec<_> = documents.iter().map(|document| (document.as_slice(), b"signature".as_slice())).collect();
    at_tag(&registry, &known.manifest, &many);
    assert_eq!(pulled(&registry).await.evidence.signatures.len(), 32);
    let signing = SigningKey::from_pem("key.pem", &pair.private()).unwrap();
    let target = oci(registry.reference("policies/p:1"));
    refused(attach(&target, &Credentials::default(), &signing).await, "SourceInvalid", &["40 signatures", ".sig"]);
}

#[tokio::test]
async fn a_signature_beside_a_file_is_over_its_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("p.wasm");
    std::fs::write(&file, BUILTIN).unwrap();
    let credentials = Credentials::default();
    let context = FetchContext { folder: Some(folder.path()), ..FetchContext::with(&credentials) };
    for kind in KINDS {
        let (pair, other) = (Pair::new(kind), Pair::new(kind));
        // As `openssl base64` writes it, with line breaks.
        let mut signature = STANDARD.encode(pair.sign(BUILTIN));
        signature.insert(64, '\n');
        let source = Source::File(FileSource { path: "p.wasm".to_owned(), signature: Some(signature) });
        let fetched = fetch(&source, &context).await.unwrap();
        assert_eq!(verify(&fetched, &[key(&pair)]), by("ops"));
        failed(&verify(&fetched, &[key(&other)]), "none was made by");
        let changed = Fetched { bytes: [BUILTIN, b" "].concat(), ..fetched };
        failed(&verify(&changed, &[key(&pair)]), "was changed");
    }
}

#[test]
fn keys_that_cannot_be_used_are_refused_with_the_mend() {
    let pair = Pair::new(Kind::P256);
    let encrypted = pair.file("encrypted.pem");
    let private = pair.file("key.pem");
    openssl(&["pkcs8", "-topk8", "-in", text(&private), "-passout", "pass:x", "-out", text(&encrypted)]);
    let encrypted = std::fs::read_to_string(encrypted).unwrap();
    let old = String::from_utf8(openssl(&["ec", "-in", text(&private)])).unwrap();
    let rsa = String::from_utf8(openssl(&["genpkey", "-algorithm", "RSA"])).unwrap();
    let p384 = ["genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-384"];
    let p384 = String::from_utf8(openssl(&p384)).unwrap();
    let block = |label: &str| format!("-----BEGIN {label}-----\nAAAA\n-----END {label}-----\n");
    let signing = |text: &str| SigningKey::from_pem("k", text).unwrap_err().to_string();
    let rows = [
        (block("ENCRYPTED SIGSTORE PRIVATE KEY"), "import-key-pair"),
        (block("ENCRYPTED COSIGN PRIVATE KEY"), "openssl genpkey"),
        (encrypted, "openssl pkey -in"),
        (old, "pkcs8 -topk8 -nocrypt"),
        (pair.public(), "give the private one"),
        (block("RSA PRIVATE KEY"), "give a private key"),
        (rsa, "neither P-256 nor Ed25519"),
        (p384, "neither P-256 nor Ed25519"),
        (block("PRIVATE KEY"), "neither P-256 nor Ed25519"),
        ("no key".to_owned(), "BEGIN PRIVATE KEY"),
    ];
    for (key, word) in rows {
        let line = signing(&key);
        assert!(line.contains(word) && !line.contains('\n'), "{word}: {line}");
    }
    let public = |text: &str| PublicKey::from_pem("k", text).unwrap_err().to_string();
    assert!(public(&pair.private()).contains("-pubout"));
    assert!(public(&block("CERTIFICATE")).contains("keyless"));
    assert!(public(&block("PUBLIC KEY")).contains("neither P-256 nor Ed25519"));
    assert!(public("ssh-ed25519 AAAA").contains("BEGIN PUBLIC KEY"));
    assert!(public(&"x".repeat(20_000)).contains("no PEM"));
    assert!(!format!("{:?}", SigningKey::from_pem("k", &pair.private()).unwrap()).contains("AAAA"));
}

fn rule(registry: &str, namespaces: &[&str], keys: &[(&str, &Pair)], required: bool) -> TrustRule {
    let keys = keys.iter().map(|(name, pair)| KeyText { name: (*name).to_owned(), public_key: pair.public() });
    let namespaces = namespaces.iter().map(|name| (*name).to_owned()).collect();
    TrustRule { registry: registry.to_owned(), namespaces, keys: keys.collect(), required }
}

fn at(place: &str, signature: Option<&Pair>) -> Fetched {
    let signatures = signature.map(|pair| Signature { signed: Signed::Component, bytes: pair.sign(BUILTIN) });
    Fetched {
        bytes: BUILTIN.to_vec(),
        digest: Digest::of(BUILTIN),
        manifest: None,
        resolved: place.to_owned(),
        place: place.to_owned(),
        evidence: Evidence { signatures: signatures.into_iter().collect(), unusable: Vec::new() },
    }
}

#[test]
fn the_most_specific_rule_says_which_keys_count() {
    let (wide, narrow) = (Pair::new(Kind::Ed25519), Pair::new(Kind::P256));
    let rules = TrustRules::read(vec![
        rule("*", &[], &[], false),
        rule("registry.example/acme", &[], &[("wide", &wide)], true),
        rule("registry.example/acme/critical/", &["prod-*"], &[("narrow", &narrow)], true),
    ])
    .unwrap();
    let judge = |place, pair, namespace| rules.judge(&at(place, pair), namespace);
    assert_eq!(judge("quay.io/x", None, "dev"), Ok(Verification::NotSigned));
    assert_eq!(judge("registry.example/acme-evil/x", None, "dev"), Ok(Verification::NotSigned));
    assert_eq!(judge("registry.example/acme/x", Some(&wide), "dev"), Ok(by("wide")));
    assert_eq!(judge("registry.example/acme/critical/x", Some(&wide), "dev"), Ok(by("wide")));
    assert_eq!(judge("registry.example/acme/critical/x", Some(&narrow), "prod-eu"), Ok(by("narrow")));
    let refused = judge("registry.example/acme/critical/x", Some(&wide), "prod-eu").unwrap_err();
    assert_eq!((refused.reason(), refused.class()), ("SignatureInvalid", Class::Permanent));
    let refused = judge("REGISTRY.example/acme/x", None, "dev").unwrap_err();
    assert_eq!(refused.reason(), "SignatureMissing");
    let line = refused.to_string();
    assert!(line.contains("registry.example/acme requires") && line.contains("trimtab policy sign"), "{line}");
    let unknown = TrustRules::default().judge(&at("registry.example/acme/x", Some(&wide)), "dev").unwrap();
    failed(&unknown, "no key is trusted");
}

#[test]
fn rules_with_one_prefix_count_together_and_unusable_ones_are_refused() {
    let (one, two) = (Pair::new(Kind::Ed25519), Pair::new(Kind::Ed25519));
    let rules = vec![rule("r.example", &[], &[("one", &one)], false), rule("r.example", &[], &[("two", &two)], true)];
    let rules = TrustRules::read(rules).unwrap();
    assert_eq!(rules.judge(&at("r.example/p", Some(&one)), "n"), Ok(by("one")));
    assert_eq!(rules.judge(&at("r.example/p", Some(&two)), "n"), Ok(by("two")));
    assert!(rules.judge(&at("r.example/p", None), "n").is_err());
    let said = |rule| TrustRules::read(vec![rule]).unwrap_err().to_string();
    assert!(said(rule("r.example", &[], &[], true)).contains("names no key"));
    assert!(said(rule("/", &[], &[], false)).contains("registry.example/acme"));
    let text = KeyText { name: "k".to_owned(), public_key: "none".to_owned() };
    assert!(said(TrustRule { keys: vec![text], ..rule("r.example", &[], &[], true) }).contains("the key k is no PEM"));
    assert!(serde_json::from_value::<TrustRule>(json!({"registry": "*", "key": 1})).is_err());
}
