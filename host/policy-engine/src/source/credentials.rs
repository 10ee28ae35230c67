//! Users and passwords of registries, as `kubernetes.io/dockerconfigjson` and `~/.docker/config.json` have them.

use std::collections::BTreeMap;
use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;

/// A user and a password.
#[derive(Clone, PartialEq, Eq)]
pub struct Credential {
    /// Name of the user.
    pub user: String,
    /// Password, or token in its place.
    pub password: String,
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credential").field("user", &self.user).finish_non_exhaustive()
    }
}

/// Users and passwords by registry, or by a registry and the beginning of a repository.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Credentials(BTreeMap<String, Credential>);

/// A text that holds no credentials. It never quotes the text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MalformedCredentials {
    /// No JSON of that form.
    #[error(
        "the registry credentials are no dockerconfigjson (line {line}, column {column}): write them with `kubectl create secret docker-registry`"
    )]
    Json {
        /// From 1.
        line: usize,
        /// From 1.
        column: usize,
    },
    /// An entry that is no user and password.
    #[error("the credentials of {registry} are unusable: auth must be the base64 of user:password")]
    Entry {
        /// Its key.
        registry: String,
    },
}

#[derive(Deserialize)]
struct Document {
    #[serde(default)]
    auths: BTreeMap<String, Entry>,
}

#[derive(Deserialize)]
struct Entry {
    auth: Option<String>,
    username: Option<String>,
    password: Option<String>,
}

impl Credentials {
    /// Reads the text of a `.dockerconfigjson` or of a `config.json`. An entry without a password, as credential
    /// helpers leave it, is skipped.
    pub fn from_docker_config(text: &[u8]) -> Result<Self, MalformedCredentials> {
        let document: Document = serde_json::from_slice(text)
            .map_err(|error| MalformedCredentials::Json { line: error.line(), column: error.column() })?;
        let mut read = BTreeMap::new();
        for (registry, entry) in document.auths {
            if let Some(credential) = entry.credential(&registry)? {
                read.insert(normal(&registry), credential);
            }
        }
        Ok(Self(read))
    }

    /// Adds one for a registry.
    #[must_use]
    pub fn and(mut self, registry: &str, credential: Credential) -> Self {
        self.0.insert(normal(registry), credential);
        self
    }

    /// The one whose key is the longest beginning of the repository.
    pub(super) fn of(&self, registry: &str, repository: &str) -> Option<&Credential> {
        let place = format!("{}/{repository}", normal(registry));
        let is_of = |key: &str| place.strip_prefix(key).is_some_and(|rest| rest.starts_with('/') || rest.is_empty());
        self.0.iter().filter(|(key, _)| is_of(key)).max_by_key(|(key, _)| key.len()).map(|(_, credential)| credential)
    }
}

impl Entry {
    fn credential(self, registry: &str) -> Result<Option<Credential>, MalformedCredentials> {
        if let (Some(user), Some(password)) = (self.username, self.password) {
            return Ok(Some(Credential { user, password }));
        }
        let Some(auth) = self.auth.filter(|auth| !auth.is_empty()) else { return Ok(None) };
        let entry = || MalformedCredentials::Entry { registry: registry.to_owned() };
        let text =
            STANDARD.decode(auth.trim()).ok().and_then(|bytes| String::from_utf8(bytes).ok()).ok_or_else(entry)?;
        let (user, password) = text.split_once(':').ok_or_else(entry)?;
        Ok(Some(Credential { user: user.to_owned(), password: password.trim_end_matches('\0').to_owned() }))
    }
}

/// A key without what tools put around the registry.
fn normal(registry: &str) -> String {
    let name = registry.trim_start_matches("https://").trim_start_matches("http://").trim_end_matches('/');
    let name = name.strip_suffix("/v1").or_else(|| name.strip_suffix("/v2")).unwrap_or(name);
    match name {
        "index.docker.io" | "registry-1.docker.io" => "docker.io".to_owned(),
        _ => name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_key_that_fits_gives_the_credentials() {
        let text = br#"{"auths": {
            "https://index.docker.io/v1/": {"auth": "aHViOnNlY3JldA=="},
            "registry.example": {"username": "wide", "password": "a:b"},
            "registry.example/acme": {"auth": "bmFycm93OmM6ZA=="},
            "quay.io": {}
        }, "credsStore": "desktop"}"#;
        let credentials = Credentials::from_docker_config(text).unwrap();
        let user = |registry, repository| credentials.of(registry, repository).map(|found| found.user.as_str());
        assert_eq!(user("docker.io", "library/x"), Some("hub"));
        assert_eq!(user("registry.example", "other/x"), Some("wide"));
        assert_eq!(user("registry.example", "acme/x"), Some("narrow"));
        assert_eq!(user("registry.example", "acme-evil/x"), Some("wide"));
        assert_eq!(user("quay.io", "x"), None);
        assert_eq!(credentials.of("registry.example", "acme/x").unwrap().password, "c:d");
    }

    #[test]
    fn no_password_is_ever_shown() {
        let credentials =
            Credentials::default().and("r.example", Credential { user: "u".into(), password: "hidden".into() });
        assert!(!format!("{credentials:?}").contains("hidden"));
        let broken = Credentials::from_docker_config(br#"{"auths": {"r.example": "hidden"}}"#).unwrap_err().to_string();
        assert!(!broken.contains("hidden") && broken.contains("line 1"), "{broken}");
        let entry = Credentials::from_docker_config(br#"{"auths": {"r.example": {"auth": "hidden"}}}"#).unwrap_err();
        assert_eq!(entry, MalformedCredentials::Entry { registry: "r.example".into() });
    }
}
