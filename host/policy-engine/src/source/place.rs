//! The four sources as they are written in a policy's spec.

use serde::{Deserialize, Serialize};

use crate::digest::Digest;

/// Where a component lies. Written as an object with exactly one member: `file`, `configMap`, `http` or `oci`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", try_from = "Written")]
pub enum Source {
    /// A file in the host's own folder of components.
    File(FileSource),
    /// A key of a `ConfigMap`.
    ConfigMap(ConfigMapSource),
    /// A file of an HTTPS server.
    Http(HttpSource),
    /// An artifact of a registry.
    Oci(OciSource),
}

/// A file in the host's own folder of components.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct FileSource {
    /// Path in that folder; neither absolute nor with `..`.
    pub path: String,
    /// Base64 of a signature over the component's bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signature: Option<String>,
}

/// A key of a `ConfigMap`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct ConfigMapSource {
    /// Its namespace; where absent, the one that the caller says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// Its name.
    pub name: String,
    /// The key whose bytes are the component.
    pub key: String,
    /// Base64 of a signature over the component's bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signature: Option<String>,
}

/// A file of an HTTPS server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct HttpSource {
    /// `https://…`; `http://` to this very machine only.
    pub url: String,
    /// Digest that the bytes must have: 64 hexadecimal digits, with or without `sha256:` before them.
    #[serde(with = "digits")]
    pub sha256: Digest,
    /// PEM certificates of the only authorities to trust; the machine's where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_bundle: Option<String>,
    /// Base64 of a signature over the component's bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signature: Option<String>,
}

/// An artifact of a registry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct OciSource {
    /// `registry/repository:tag` or `registry/repository@sha256:…`.
    pub reference: String,
    /// Secret of type `kubernetes.io/dockerconfigjson`; the caller reads it and hands its text over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pull_secret: Option<PullSecret>,
    /// PEM certificates of the only authorities to trust; the machine's where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_bundle: Option<String>,
    /// Speak HTTP without TLS; to a registry on this very machine only.
    #[serde(default)]
    pub plain_http: bool,
}

impl OciSource {
    /// An artifact that anybody may read, over TLS.
    pub fn of(reference: impl Into<String>) -> Self {
        Self { reference: reference.into(), pull_secret: None, ca_bundle: None, plain_http: false }
    }
}

/// The name of a Secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct PullSecret {
    /// Its name.
    pub name: String,
    /// Its namespace; where absent, the one that the caller says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
}

/// A source before it is known that it is one.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Written {
    file: Option<FileSource>,
    config_map: Option<ConfigMapSource>,
    http: Option<HttpSource>,
    oci: Option<OciSource>,
}

impl TryFrom<Written> for Source {
    type Error = String;

    fn try_from(written: Written) -> Result<Self, Self::Error> {
        match written {
            Written { file: Some(file), config_map: None, http: None, oci: None } => Ok(Self::File(file)),
            Written { file: None, config_map: Some(map), http: None, oci: None } => Ok(Self::ConfigMap(map)),
            Written { file: None, config_map: None, http: Some(http), oci: None } => Ok(Self::Http(http)),
            Written { file: None, config_map: None, http: None, oci: Some(oci) } => Ok(Self::Oci(oci)),
            Written { file, config_map, http, oci } => {
                let set = [
                    ("file", file.is_some()),
                    ("configMap", config_map.is_some()),
                    ("http", http.is_some()),
                    ("oci", oci.is_some()),
                ];
                let set: Vec<_> = set.into_iter().filter(|(_, is_set)| *is_set).map(|(name, _)| name).collect();
                let has = if set.is_empty() { "none".to_owned() } else { set.join(" and ") };
                Err(format!("a source has exactly one of file, configMap, http and oci; this one has {has}"))
            }
        }
    }
}

/// A digest that is written as its digits alone.
mod digits {
    use serde::{Deserialize as _, Deserializer, Serializer};

    use crate::digest::Digest;

    pub(super) fn serialize<S: Serializer>(digest: &Digest, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&digest.hexadecimal())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Digest, D::Error> {
        let text = String::deserialize(deserializer)?;
        let digits = text.strip_prefix("sha256:").unwrap_or(&text);
        format!("sha256:{digits}").parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn each_source_is_written_and_read_back() {
        let digits = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        let rows = [
            json!({"file": {"path": "a/b.wasm"}}),
            json!({"configMap": {"namespace": "n", "name": "c", "key": "p.wasm", "signature": "AA=="}}),
            json!({"http": {"url": "https://example.org/p.wasm", "sha256": digits, "caBundle": "…"}}),
            json!({"oci": {"reference": "r.example/p:1", "pullSecret": {"name": "s"}, "plainHttp": true}}),
        ];
        for row in rows {
            let source: Source = serde_json::from_value(row.clone()).unwrap();
            assert_eq!(serde_json::to_value(&source).unwrap(), row);
        }
        let prefixed = json!({"http": {"url": "https://example.org", "sha256": format!("sha256:{digits}")}});
        let source: Source = serde_json::from_value(prefixed).unwrap();
        let Source::Http(http) = source else { panic!("http was written") };
        assert_eq!(http.sha256, Digest::of(b""));
    }

    #[test]
    fn a_source_has_exactly_one_member_and_no_unknown_one() {
        let said = |value| serde_json::from_value::<Source>(value).unwrap_err().to_string();
        assert!(said(json!({})).contains("this one has none"));
        let two = json!({"file": {"path": "a"}, "oci": {"reference": "r.example/p:1"}});
        assert!(said(two).contains("this one has file and oci"));
        assert!(said(json!({"git": {}})).contains("git"));
        assert!(said(json!({"file": {"path": "a", "mode": 1}})).contains("mode"));
        assert!(said(json!({"http": {"url": "https://example.org"}})).contains("sha256"));
        assert!(said(json!({"http": {"url": "https://example.org", "sha256": "12"}})).contains("is no digest"));
    }
}
